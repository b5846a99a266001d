//! Runs on the testbed's real node without the provider's agent: the testbed, the chart's images, and the driver of the
//! `e2e` crate that plays the agent and measures.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{
    demo::place::{self, Place},
    images::{self, Profile},
    process::output,
    step::long_step,
    testbed::{self, site::Profile as SiteProfile},
    tools::{Tool, repository},
};

/// What stays after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The testbed is taken down unless it was up before.
    CleanUp,
    /// Everything stays.
    Keep,
}

/// A driver and what was built beside it.
#[derive(Debug)]
pub(crate) struct Driver {
    /// The driver, which has been told of the cluster, the images, the chart and the folder.
    pub(crate) command: Command,
    /// Where the binaries are.
    pub(crate) binaries: PathBuf,
}

/// Does the work on the testbed, which is brought up first.
pub(crate) fn on_the_testbed(after: After, work: impl FnOnce(&Place) -> Result<()>) -> Result<()> {
    testbed::ensure_possible(SiteProfile::Full).context("a real node needs a testbed on this machine")?;
    let place = long_step("bring up the testbed", place::of_the_testbed)?;
    let worked = work(&place);
    let cleaned = match after {
        After::CleanUp => place.clean_up(),
        After::Keep => Ok(()),
    };
    match (worked, cleaned) {
        (Err(failure), Err(left)) => {
            Err(failure.context(format!("failed to clean up ({left:#}) after a failure")))
        }
        (worked, cleaned) => worked.and(cleaned),
    }
}

/// Builds the driver `name`, the operator and what runs in the leases, and pushes the images.
pub(crate) fn driver(name: &str, place: &Place) -> Result<Driver> {
    let out = repository().join("target").join(name);
    fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    let binaries = long_step("build the operator, the probe and the driver", build)?;
    let references = long_step("make the images and push them to the registry", || {
        let only = ["isolation-probe", "operator"].map(str::to_owned);
        images::build_and_push(&place.registry, &only, Profile::Dev)
    })?;
    let file = out.join("images.json");
    fs::write(&file, serde_json::to_vec_pretty(&references)?)?;
    let mut command = Command::new(binaries.join(name));
    command.arg("--kubeconfig").arg(&place.kubeconfig).arg("--images").arg(&file);
    command.arg("--helm").arg(Tool::Helm.program("helm")?);
    command.arg("--chart").arg(repository().join("charts/leasehold")).arg("--out").arg(&out);
    Ok(Driver { command, binaries })
}

fn build() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "operator", "--package", "isolation-probe", "--package", "e2e"]);
    output(cargo.current_dir(repository()))?;
    Ok(images::target_directory().join("debug"))
}
