//! `cargo xtask isolation`: the escape table on a real cluster, and each control's absence.
//!
//! This file brings the parts together (testbed, binaries, images, the world outside) and cleans up; what is tried, and
//! what follows from it, is in the `e2e` crate's binary `isolation` and in the crate `isolation-probe`.

mod outside;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::demo::place::{self, Place};
use crate::images::{self, Profile};
use crate::process::output;
use crate::step::{long_step, step};
use crate::testbed::{
    self,
    site::{PRIVATE_USER, Profile as SiteProfile, Site},
};
use crate::tools::{Tool, repository};
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
        testbed::ensure_possible(SiteProfile::Full)
            .context("the escape table needs a testbed on this machine")?;
        let place = long_step("bring up the testbed", place::of_the_testbed)?;
        let tried = self.try_everything(&place);
        let cleaned = if self.keep { Ok(()) } else { place.clean_up() };
        match (tried, cleaned) {
            (Err(failure), Err(left)) => {
                Err(failure.context(format!("failed to clean up ({left:#}) after a failure")))
            }
            (tried, cleaned) => tried.and(cleaned),
        }
    }

    fn try_everything(&self, place: &Place) -> Result<()> {
        let out = repository().join("target/isolation");
        fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
        let binaries = long_step("build the operator, the probe and the driver", build)?;
        let references = long_step("make the images and push them to the registry", || {
            let only = ["isolation-probe", "operator"].map(str::to_owned);
            images::build_and_push(&place.registry, &only, Profile::Dev)
        })?;
        let file = out.join("images.json");
        fs::write(&file, serde_json::to_vec_pretty(&references)?)?;
        let probe = binaries.join("isolation-probe");
        let helm = Tool::Helm.program("helm")?;
        // Nothing between here and its removal may leave early.
        let outside = step("make a world outside of the cluster", || Outside::make(&probe))?;

        let mut driver = Command::new(binaries.join("isolation"));
        driver.arg("--kubeconfig").arg(&place.kubeconfig).arg("--images").arg(&file);
        driver.arg("--helm").arg(helm);
        driver.arg("--chart").arg(repository().join("charts/leasehold"));
        driver.arg("--probe").arg(&probe).arg("--out").arg(&out);
        let (user, password) = PRIVATE_USER;
        let private = Site::of(SiteProfile::Full)?.private_registry();
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

/// Builds what the run needs, and returns where the binaries are.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "operator", "--package", "isolation-probe", "--package", "e2e"]);
    output(cargo.current_dir(repository()))?;
    Ok(images::target_directory().join("debug"))
}
