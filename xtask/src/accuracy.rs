//! `cargo xtask accuracy`: the meter beside the kernel, on the testbed's real node.
//!
//! This file brings the parts together and cleans up; what is measured, and how far it may be off, is in the `e2e`
//! crate's binary `accuracy`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use crate::demo::place::{self, Place};
use crate::images::{self, Profile};
use crate::process::output;
use crate::step::long_step;
use crate::testbed::{self, site::Profile as SiteProfile};
use crate::tools::{Tool, repository};

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
        testbed::ensure_possible(SiteProfile::Full).context("a real node needs a testbed on this machine")?;
        let place = long_step("bring up the testbed", place::of_the_testbed)?;
        let measured = self.measure(&place);
        match (measured, place.clean_up()) {
            (Err(failure), Err(left)) => {
                Err(failure.context(format!("failed to clean up ({left:#}) after a failure")))
            }
            (measured, cleaned) => measured.and(cleaned),
        }
    }

    fn measure(&self, place: &Place) -> Result<()> {
        let out = repository().join("target/accuracy");
        fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
        let binaries = long_step("build the operator, the work and the driver", build)?;
        let references = long_step("make the images and push them to the registry", || {
            let only = ["isolation-probe", "operator"].map(str::to_owned);
            images::build_and_push(&place.registry, &only, Profile::Dev)
        })?;
        let file = out.join("images.json");
        fs::write(&file, serde_json::to_vec_pretty(&references)?)?;
        let seed = match self.seed {
            Some(seed) => seed,
            None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        let mut driver = Command::new(binaries.join("accuracy"));
        driver.arg("--kubeconfig").arg(&place.kubeconfig).arg("--images").arg(&file);
        driver.arg("--helm").arg(Tool::Helm.program("helm")?);
        driver.arg("--chart").arg(repository().join("charts/leasehold"));
        driver.arg("--xtask").arg(std::env::current_exe().context("this program has no path")?);
        driver.args([format!("--seconds={}", self.seconds), format!("--seed={seed}")]);
        driver.arg("--out").arg(&out);
        if let Some(json) = &self.json {
            driver.arg("--json").arg(json);
        }
        let status = driver.stdin(Stdio::null()).status().context("failed to start the driver")?;
        ensure!(status.success(), "the meter's figures do not hold ({status})");
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
