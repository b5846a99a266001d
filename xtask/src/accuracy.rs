//! `cargo xtask accuracy`: the meter beside the kernel, on the testbed's real node.
//!
//! This file brings the parts together and cleans up; what is measured, and how far it may be off, is in the `e2e`
//! crate's binary `accuracy`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::agentless::{self, After, Driver};
use crate::demo::place::Place;

/// How long, and where the table goes.
#[derive(Debug, clap::Args)]
pub(crate) struct AccuracyArgs {
    /// Seconds of work, in every tier.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(30..=86_400))]
    seconds: u64,
    /// Decides when what is killed; the clock if left out.
    #[arg(long)]
    seed: Option<u64>,
    /// Write the table as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl AccuracyArgs {
    /// Runs it; the testbed is taken down unless it was up before.
    pub(crate) fn run(self) -> Result<()> {
        agentless::on_the_testbed(After::CleanUp, |place| self.measure(place))
    }

    fn measure(&self, place: &Place) -> Result<()> {
        let Driver { command: mut driver, binaries: _ } = agentless::driver("accuracy", place)?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        driver.arg("--xtask").arg(std::env::current_exe().context("this program has no path")?);
        driver.args([format!("--seconds={}", self.seconds), format!("--seed={seed}")]);
        if let Some(json) = &self.json {
            driver.arg("--json").arg(json);
        }
        let status = driver.stdin(Stdio::null()).status().context("failed to start the driver")?;
        ensure!(status.success(), "the meter's figures do not hold ({status})");
        Ok(())
    }
}
