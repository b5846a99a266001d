//! What goes wrong while the leases work: the meter and the operator are killed, kubelet and containerd are away.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::cgroup::CpuCounter;
use e2e::chart::NAMESPACE;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use crate::place::Place;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Meter,
    Operator,
    Kubelet,
    Containerd,
}

/// In this order, at moments that the seed decides.
const FAULTS: [Fault; 6] =
    [Fault::Meter, Fault::Kubelet, Fault::Meter, Fault::Containerd, Fault::Operator, Fault::Meter];
/// How long the kubelet and containerd are away.
const AWAY: &str = "8";

/// Lets everything go wrong within a time; returns what was done, and when.
pub(crate) async fn everything(place: &Place, within: Duration, seed: u64) -> Result<Vec<String>> {
    let begun = Instant::now();
    let mut done = Vec::new();
    for (fault, at) in FAULTS.into_iter().zip(moments(within, seed)) {
        // Nothing is waited for here: the moment is what is asked for.
        tokio::time::sleep_until((begun + at).into()).await;
        let told = format!("{} s: {}", begun.elapsed().as_secs(), fault.told());
        eprintln!("  · after {told}");
        fault.happen(place).await.with_context(|| format!("failed at {told}"))?;
        done.push(told);
    }
    Ok(done)
}

/// One moment in each of as many equal parts of the time.
fn moments(within: Duration, seed: u64) -> [Duration; FAULTS.len()] {
    let mut state = seed.max(1);
    let part = within / u32::try_from(FAULTS.len()).unwrap_or(u32::MAX);
    std::array::from_fn(|number| {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let share = u32::try_from(state % 800).unwrap_or(0);
        part * u32::try_from(number).unwrap_or(0) + part * share / 1000
    })
}

impl Fault {
    fn told(self) -> &'static str {
        match self {
            Self::Meter => "kill -9 of the meter",
            Self::Operator => "kill -9 of an operator",
            Self::Kubelet => "the kubelet killed, and away for 8 s",
            Self::Containerd => "containerd killed, and away for 8 s",
        }
    }

    async fn happen(self, place: &Place) -> Result<()> {
        let component = |name: &str| format!("app.kubernetes.io/component={name}");
        match self {
            Self::Meter => kill(&place.admin, &component("meter")).await,
            Self::Operator => kill(&place.admin, &component("operator")).await,
            Self::Kubelet => outage(place, "kubelet").await,
            Self::Containerd => outage(place, "containerd").await,
        }
    }
}

async fn outage(place: &Place, part: &str) -> Result<()> {
    let status = tokio::process::Command::new(&place.args.xtask)
        .args(["testbed", "outage", part, "--seconds", AWAY])
        .status()
        .await
        .context("failed to run xtask")?;
    anyhow::ensure!(status.success(), "{part} did not come back");
    Ok(())
}

/// Kills the processes of a pod of ours, as a power cut would.
async fn kill(client: &Client, selector: &str) -> Result<()> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let all = pods.list(&ListParams::default().labels(selector)).await?.items;
    let uid = all.first().and_then(|pod| pod.uid()).with_context(|| format!("no pod is {selector}"))?;
    // The pods are found by the control group that the kubelet made for this very UID.
    for process in CpuCounter::of(&uid).context("the kernel does not know the pod")?.processes() {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        // The sandbox's own process stays, as it does when a container dies.
        if name.trim() == "pause" {
            continue;
        }
        let killed =
            tokio::process::Command::new("kill").args(["-KILL", &process.to_string()]).status().await?;
        anyhow::ensure!(killed.success(), "process {process} could not be killed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_order_inside_the_time_and_follow_from_the_seed() {
        let within = Duration::from_secs(60);
        let found = moments(within, 7);
        assert!(found.is_sorted() && found.iter().all(|at| *at < within), "{found:?}");
        assert_eq!(found, moments(within, 7));
        assert_ne!(found, moments(within, 8));
    }
}
