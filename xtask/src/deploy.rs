//! `cargo xtask deploy`: runs `leasehold-deploy` with the pinned compiler. It is a task, and not a part of the user's
//! command line, because it compiles the contracts.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::images;
use crate::process::output;
use crate::tools::{self, repository};

/// Everything after `deploy` is for `leasehold-deploy`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct DeployArgs {
    /// plan, run, check or bundle, with their options; --help explains them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl DeployArgs {
    /// Builds the program and runs it.
    pub(crate) fn run(self) -> Result<()> {
        let mut cargo = Command::new("cargo");
        output(cargo.args(["build", "--quiet", "--package", "deployer"]).current_dir(repository()))?;
        let status = Command::new(images::target_directory().join("debug/leasehold-deploy"))
            .args(self.arguments)
            .env("LEASEHOLD_CONTRACTS", repository().join("contracts"))
            .env("LEASEHOLD_FORGE", tools::foundry("forge")?)
            .status()
            .context("failed to start leasehold-deploy")?;
        ensure!(status.success(), "the deployment tool did not succeed ({status})");
        Ok(())
    }
}
