//! `cargo xtask tidy`: what the compiler does not see about the repository's shape.

mod files;
mod imports;
mod modules;

use std::process::Command;

use anyhow::{Context as _, bail};

use crate::{process::output, tools::repository};

/// Reports everything that is out of place and fails if there is anything.
pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = output(
        Command::new("cargo").args(["metadata", "--no-deps", "--format-version=1"]).current_dir(repository()),
    )?;
    let metadata = serde_json::from_str(&metadata).context("failed to parse cargo's metadata")?;
    let tracked = output(Command::new("git").args(["ls-files", "-z"]).current_dir(repository()))?;
    let tracked: Vec<_> = tracked.split('\0').filter(|path| !path.is_empty()).collect();

    let mut problems = imports::check(&metadata)?;
    problems.extend(modules::check(repository(), &tracked)?);
    problems.extend(files::check(repository(), &tracked)?);
    if problems.is_empty() {
        println!("{} tracked files are tidy", tracked.len());
        return Ok(());
    }
    bail!("{}", problems.join("\n"))
}
