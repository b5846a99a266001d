//! `cargo xtask isolation`: the escape table on a real cluster, and each control's absence.
//!
//! This file brings the parts together (testbed, binaries, images, the world outside) and cleans up; what is tried, and
//! what follows from it, is in the `e2e` crate's binary `isolation` and in the crate `isolation-probe`.

mod outside;

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::agentless::{self, After, Driver};
use crate::demo::place::Place;
use crate::step::step;
use crate::testbed::site::{PRIVATE_USER, Profile as SiteProfile, Site};
use outside::Outside;

/// What is tried, and where the table goes.
#[derive(Debug, clap::Args)]
pub(crate) struct IsolationArgs {
    /// Write the table as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Rows to try; all if left out.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<u8>,
    /// Tiers to try: strict, userns, sandboxed; all if left out.
    #[arg(long, value_delimiter = ',')]
    tier: Vec<String>,
    /// Leave the testbed up, with the chart and the namespaces of the run.
    #[arg(long)]
    keep: bool,
}

impl IsolationArgs {
    /// Runs it; the testbed is taken down unless it was up before.
    pub(crate) fn run(self) -> Result<()> {
        let after = if self.keep { After::Keep } else { After::CleanUp };
        agentless::on_the_testbed(after, |place| self.try_everything(place))
    }

    fn try_everything(&self, place: &Place) -> Result<()> {
        let Driver { command: mut driver, binaries } = agentless::driver("isolation", place)?;
        let probe = binaries.join("isolation-probe");
        let private = Site::of(SiteProfile::Full)?.private_registry();
        // Nothing between here and its removal may leave early.
        let outside = step("make a world outside of the cluster", || Outside::make(&probe))?;

        driver.arg("--probe").arg(&probe);
        let (user, password) = PRIVATE_USER;
        driver.args(["--private-registry", &format!("{user}:{password}@{private}")]);
        driver.args(["--metadata", &outside::METADATA.join(","), "--public", outside::PUBLIC]);
        if !self.rows.is_empty() {
            let rows: Vec<String> = self.rows.iter().map(u8::to_string).collect();
            driver.args(["--rows", &rows.join(",")]);
        }
        if !self.tier.is_empty() {
            driver.args(["--tier", &self.tier.join(",")]);
        }
        if let Some(json) = &self.json {
            driver.arg("--json").arg(json);
        }
        if self.keep {
            driver.arg("--keep");
        }
        let status = driver.stdin(Stdio::null()).status().context("failed to start the driver");
        outside.remove()?;
        let status = status?;
        ensure!(status.success(), "the table does not hold ({status})");
        Ok(())
    }
}
