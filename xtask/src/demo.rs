//! `cargo xtask demo`: the whole story of one lease on a real chain and a real cluster.
//!
//! This file brings the parts together (testbed or the user's cluster, contracts, binaries, images) and cleans up; the
//! story itself is told by the `e2e` crate's binary.

pub(crate) mod place;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::images::{self, Profile};
use crate::process::{output, poll};
use crate::step::{long_step, note};
use crate::tools::{Tool, repository};
use crate::{codegen, testbed};
use place::Place;

/// However long the lease is metered, this is enough.
const LONGEST_STORY: Duration = Duration::from_secs(24 * 3600);

/// How the story is told.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Use this cluster (kind, k3s, any conformant one) instead of bringing up the testbed.
    #[arg(long, requires_all = ["registry", "host_address", "node_address"])]
    kubeconfig: Option<PathBuf>,
    /// With --kubeconfig: a registry without TLS, as HOST:PORT, that this machine can push to and the cluster pulls from.
    #[arg(long, requires = "kubeconfig")]
    registry: Option<String>,
    /// With --kubeconfig: the address of this machine at which the cluster's pods reach the chain.
    #[arg(long, requires = "kubeconfig")]
    host_address: Option<std::net::IpAddr>,
    /// With --kubeconfig: an address of the cluster at which its node ports are reached from here.
    #[arg(long, requires = "kubeconfig")]
    node_address: Option<std::net::IpAddr>,
    /// With --kubeconfig: further values for the chart, for what this cluster needs.
    #[arg(long, requires = "kubeconfig")]
    values: Vec<PathBuf>,
    /// Leave the testbed up, with the chart installed, to look around.
    #[arg(long)]
    keep: bool,
    /// For how long the lease is metered before the first settlement, seconds.
    #[arg(long, default_value_t = 60)]
    meter_seconds: u64,
}

/// A step that came before the story; the same form as the story's own steps.
#[derive(Debug, Serialize)]
struct Step {
    step: String,
    milliseconds: u64,
}

impl DemoArgs {
    /// Runs it. Whatever happens, Ctrl-C included, what was started is cleaned up.
    pub(crate) fn run(self) -> Result<()> {
        // The first signal ends the step at work, or the story, and leads to the clean-up; the second ends this program.
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&interrupted))?;
            flag::register(signal, Arc::clone(&interrupted))?;
        }
        let Self { kubeconfig, registry, host_address, node_address, values, keep, meter_seconds } = self;
        let mut steps = Steps { done: Vec::new(), interrupted };
        let place = match (kubeconfig, registry, host_address, node_address) {
            (Some(kubeconfig), Some(registry), Some(host), Some(node)) => {
                note(&format!(
                    "using the cluster of {}, because --kubeconfig names it, and a chain on this machine; the \
                     testbed stays as it is",
                    kubeconfig.display()
                ));
                place::of_the_user(kubeconfig, registry, host, node, values)?
            }
            _ => {
                testbed::ensure_possible(testbed::site::Profile::Full)
                    .context("without --kubeconfig the demo needs a testbed on this machine")?;
                note("using a testbed on this machine, because no --kubeconfig names a cluster");
                steps.step("bring up the testbed", place::of_the_testbed)?
            }
        };
        let told = tell(&place, &mut steps, keep, meter_seconds);
        if told.is_err() {
            place.say_what_stays();
        }
        if keep {
            note(&format!("kept: KUBECONFIG={}, {}", place.kubeconfig.display(), place.chain()));
            return told;
        }
        match (told, place.clean_up()) {
            (Err(failure), Err(left)) => {
                Err(failure.context(format!("failed to clean up ({left:#}) after a failure")))
            }
            (told, cleaned) => told.and(cleaned),
        }
    }
}

fn tell(place: &Place, steps: &mut Steps, keep: bool, meter_seconds: u64) -> Result<()> {
    let out = repository().join("target/demo");
    empty(&out)?;
    steps.step("compile the contracts", codegen::build_contracts)?;
    let binaries = steps.step("build operator, agent, command line and driver", build)?;
    let references = steps.step("make the images and push them to the registry", || {
        images::build_and_push(&place.registry, &[], Profile::Dev)
    })?;
    let (images, earlier) = (out.join("images.json"), out.join("earlier-steps.json"));
    fs::write(&images, serde_json::to_vec_pretty(&references)?)?;
    fs::write(&earlier, serde_json::to_vec_pretty(&steps.done)?)?;

    let mut demo = Command::new(binaries.join("demo"));
    demo.arg("--kubeconfig").arg(&place.kubeconfig);
    demo.args(["--rpc-url", &place.rpc_url, "--node-address", &place.node_address.to_string()]);
    demo.arg("--images").arg(&images);
    demo.arg("--helm").arg(Tool::Helm.program("helm")?);
    demo.arg("--chart").arg(repository().join("charts/leasehold"));
    for file in &place.values {
        demo.arg("--values").arg(file);
    }
    if let Some(gateway) = &place.gateway {
        let file = out.join("gateway.json");
        fs::write(&file, serde_json::to_vec_pretty(gateway)?)?;
        demo.arg("--gateway").arg(file);
    }
    demo.arg("--leasehold").arg(binaries.join("leasehold"));
    demo.arg("--provider-agent").arg(binaries.join("provider-agent"));
    demo.arg("--contracts-out").arg(repository().join("contracts/out"));
    demo.arg("--manifest").arg(repository().join("examples/guestbook.yaml"));
    demo.arg("--out").arg(&out);
    demo.arg("--earlier-steps").arg(&earlier);
    demo.args(["--meter-seconds", &meter_seconds.to_string()]);
    if keep {
        demo.arg("--keep");
    }
    // In a group of its own, so that one signal reaches it and whatever it has started.
    let driver = demo.stdin(Stdio::null()).process_group(0).spawn();
    let status = attend(driver.context("failed to start the demo driver")?, &steps.interrupted)?;
    ensure!(!steps.interrupted.load(Ordering::Relaxed), "interrupted");
    if !status.success() {
        bail!("the demo did not pass ({status})");
    }
    Ok(())
}

/// Waits for the driver, and ends it with its children when this program is interrupted.
fn attend(mut driver: Child, interrupted: &AtomicBool) -> Result<ExitStatus> {
    let group = Pid::from_raw(i32::try_from(driver.id()).context("the driver's number is too large")?);
    let ended = poll(LONGEST_STORY, || {
        if interrupted.load(Ordering::Relaxed) {
            killpg(group, Signal::SIGKILL).context("failed to end the demo driver")?;
            return driver.wait().map(Some).context("failed to await the demo driver's end");
        }
        driver.try_wait().context("failed to look at the demo driver")
    })?;
    match ended {
        Some(status) => Ok(status),
        None => {
            killpg(group, Signal::SIGKILL).context("failed to end the demo driver")?;
            driver.wait().context("failed to await the demo driver's end")?;
            bail!("the demo took longer than {} hours", LONGEST_STORY.as_secs() / 3600)
        }
    }
}

/// The steps before the story, with their times.
#[derive(Debug)]
struct Steps {
    done: Vec<Step>,
    interrupted: Arc<AtomicBool>,
}

impl Steps {
    fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        ensure!(!self.interrupted.load(Ordering::Relaxed), "interrupted before: {name}");
        let done = long_step(name, work)?;
        let milliseconds =
            u64::try_from(begun.elapsed().as_millis()).context("the step took too long to count")?;
        self.done.push(Step { step: name.to_owned(), milliseconds });
        Ok(done)
    }
}

/// Builds what the story runs, and returns where the binaries are.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--package", "operator", "--package", "provider-agent", "--package", "leasehold"]);
    cargo.args(["--package", "e2e"]).current_dir(repository());
    output(&mut cargo)?;
    Ok(images::target_directory().join("debug"))
}

/// Makes the directory anew: keys and reports of an earlier run have no meaning on a new chain.
fn empty(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("failed to empty {}", directory.display())),
    }
    fs::create_dir_all(directory).with_context(|| format!("failed to make {}", directory.display()))
}

/// Takes the testbed down, for a place that brought it up.
fn take_down() -> Result<()> {
    let site = testbed::site::Site::of(testbed::site::Profile::Full)?;
    testbed::down(&site)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn driver(command: &str) -> Child {
        Command::new("sh").args(["-c", command]).stdin(Stdio::null()).process_group(0).spawn().unwrap()
    }

    #[test]
    fn an_interrupted_driver_is_ended_and_another_one_is_waited_for() {
        let ended = attend(driver("sleep 600 & wait"), &AtomicBool::new(true)).unwrap();
        assert_eq!(ended.signal(), Some(9));
        let finished = attend(driver("exit 3"), &AtomicBool::new(false)).unwrap();
        assert_eq!(finished.code(), Some(3));
    }

    #[test]
    fn no_step_begins_after_an_interruption() {
        let mut steps = Steps { done: Vec::new(), interrupted: Arc::new(AtomicBool::new(true)) };
        let refused = steps.step("build", || -> Result<()> { panic!("it began") });
        assert_eq!(refused.unwrap_err().to_string(), "interrupted before: build");
    }
}
