//! Layers to an image in a registry, by `crane`.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use super::{recipe::Recipe, root_fs::USER};

/// The images run where they are made.
const PLATFORM: &str = if cfg!(target_arch = "aarch64") { "linux/arm64" } else { "linux/amd64" };

/// Pushes an image of `layers` and returns its reference by digest.
pub(crate) fn push(
    crane: &Path,
    registry: &str,
    recipe: &Recipe,
    layers: &[&Path],
) -> anyhow::Result<String> {
    let tag = format!("{registry}/{}:latest", recipe.name);
    let mut append = Command::new(crane);
    append.args(["append", "--insecure", "--oci-empty-base", "--new_tag", &tag]);
    for layer in layers {
        append.arg("--new_layer").arg(layer);
    }
    run(&mut append).with_context(|| format!("failed to push the layers of {}", recipe.name))?;
    let mut mutate = Command::new(crane);
    mutate.args(["mutate", "--insecure", "--set-platform", PLATFORM, "--tag", &tag]);
    mutate.args(["--user", &format!("{USER}:{USER}"), "--workdir", "/"]);
    mutate.arg("--env").arg("PATH=/usr/local/bin:/usr/bin");
    for (name, value) in &recipe.env {
        mutate.arg("--env").arg(format!("{name}={value}"));
    }
    for argument in &recipe.entrypoint {
        mutate.arg("--entrypoint").arg(argument);
    }
    let reference = run(mutate.arg(&tag)).with_context(|| format!("failed to configure {}", recipe.name))?;
    let reference = reference.trim();
    let (_, digest) = reference
        .split_once('@')
        .with_context(|| format!("crane printed no reference by digest: {reference}"))?;
    Ok(format!("{registry}/{}@{digest}", recipe.name))
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().context("failed to start crane")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    String::from_utf8(output.stdout).context("crane printed no text")
}
