//! The few images that the cluster itself needs, made of the tools' binaries and pushed to its own registry.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::images::root_fs::REPRODUCIBLE;
use crate::process::{find_on_path, output};
use crate::tools::Tool;

/// References, by digest, of the images that the cluster itself runs.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) pause: String,
    pub(crate) coredns: String,
    pub(crate) local_path_provisioner: String,
    pub(crate) busybox: String,
}

/// Makes and pushes what a node needs first.
pub(crate) fn push_all(registry: &str) -> Result<Images> {
    let image = |tool, name| push_tool(registry, tool, name);
    Ok(Images {
        pause: image(Tool::Pause, "pause")?,
        coredns: image(Tool::CoreDns, "coredns")?,
        local_path_provisioner: image(Tool::LocalPathProvisioner, "local-path-provisioner")?,
        busybox: push(registry, "busybox", &[], busybox)?,
    })
}

/// Makes and pushes the image of a tool's program; returns its reference by digest.
pub(crate) fn push_tool(registry: &str, tool: Tool, name: &str) -> Result<String> {
    let program = tool.program(name)?;
    push(registry, name, &[format!("/{name}").as_str()], |root| copy_program(&program, &root.join(name)))
}

/// Makes an image of one layer and pushes it; returns its reference by digest.
pub(crate) fn push(
    registry: &str,
    name: &str,
    entrypoint: &[&str],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<String> {
    let work = tempfile::tempdir()?;
    let (root, layer) = (work.path().join("root"), work.path().join("layer.tar"));
    fs::create_dir(&root)?;
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
    fill(&root)?;
    let mut tar = Command::new("tar");
    tar.args(REPRODUCIBLE).arg("--file").arg(&layer).arg("--directory").arg(&root).arg(".");
    output(&mut tar)?;
    let reference = format!("{registry}/{name}:testbed");
    let crane = Tool::Crane.program("crane")?;
    let mut append = Command::new(&crane);
    append.args([
        "append",
        "--insecure",
        "--oci-empty-base",
        "--platform",
        &platform(),
        "--new_tag",
        &reference,
    ]);
    let pushed = output(append.arg("--new_layer").arg(&layer))?;
    if entrypoint.is_empty() {
        return Ok(pushed.trim().to_owned());
    }
    let mut mutate = Command::new(&crane);
    mutate.args([
        "mutate",
        "--insecure",
        "--entrypoint",
        &entrypoint.join(","),
        "--tag",
        &reference,
        pushed.trim(),
    ]);
    Ok(output(&mut mutate)?.trim().to_owned())
}

fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

fn copy_program(program: &Path, to: &Path) -> Result<()> {
    fs::copy(program, to).with_context(|| format!("failed to copy {}", program.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// A shell and its usual commands, all of them one static program.
fn busybox(root: &Path) -> Result<()> {
    let directory = root.join("bin");
    fs::create_dir(&directory)?;
    let program = find_on_path("busybox").context("busybox is not installed")?;
    copy_program(&program, &directory.join("busybox"))?;
    for applet in output(Command::new(directory.join("busybox")).arg("--list"))?.lines() {
        if applet != "busybox" {
            symlink("busybox", directory.join(applet))?;
        }
    }
    for (name, mode) in [("tmp", 0o1777), ("etc", 0o755), ("home", 0o755)] {
        fs::create_dir(root.join(name))?;
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode))?;
    }
    let users = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users)?;
    fs::write(root.join("etc/group"), "root:x:0:\nnobody:x:65534:\n")?;
    Ok(())
}
