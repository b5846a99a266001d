//! Metering from the real kubelet, held against the kernel's own counter, and the first settlement.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use crd::ComputeLease;
use crd::compute_lease::status::LeaseUsage;
use kube::Api;
use market::{Amount, Dimension, Usage};
use serde_json::Value;

use crate::cluster::until;
use crate::report::{CpuComparison, Pod, UsageRow};
use crate::story::guestbook::Door;
use crate::story::order::Opened;
use crate::world::World;
use crate::{cgroup, chart};

/// How much longer than the metered time the operator may take to publish it.
const PATIENCE: Duration = Duration::from_secs(120);
/// Seconds until a steady use shows in the kubelet's counters, which may be two scrapes old.
const WARM_UP: i64 = 25;

/// Waits until `seconds` of steady use are metered, and notes what the kernel counted for each pod over the same window.
///
/// # Errors
/// When the operator publishes no usage in time, or the application fails under the visits.
pub(super) async fn meter_for(
    world: &World,
    opened: &Opened,
    seconds: u64,
    pods: &mut [Pod],
) -> Result<CpuComparison> {
    let door = Door::open(world, opened).await?;
    let compared = tokio::select! {
        compared = compare(world, opened, seconds, pods) => compared,
        visited = door.visit_steadily() => Err(visited.err().unwrap_or_else(|| anyhow::anyhow!("the visits ended"))),
    };
    door.close().await?;
    compared
}

async fn compare(world: &World, opened: &Opened, seconds: u64, pods: &mut [Pod]) -> Result<CpuComparison> {
    let lease = compute_lease(world, opened).await?;
    let known = lease.status.and_then(|status| status.usage).map(|usage| usage.as_of);
    let started =
        known.or(lease.spec.term.map(|term| term.started_at)).context("the agent has not set the term")?;
    // The window begins once the steady use has reached the kubelet's counters.
    let begin = started + WARM_UP;
    let first = until("the first usage", PATIENCE, || published(world, opened, begin)).await?;
    let before = counters(pods);
    let end = first.as_of + i64::try_from(seconds)?;
    let last = until("the metered window", Duration::from_secs(seconds) + PATIENCE, || {
        published(world, opened, end)
    })
    .await?;
    let after = counters(pods);
    for pod in pods.iter_mut() {
        let window = before
            .get(&pod.uid)
            .zip(after.get(&pod.uid))
            .map(|(before, after)| after.saturating_sub(*before));
        pod.cgroup_cpu_nanoseconds = window;
    }
    let (from, to): (u128, u128) = (first.used.cpu_nanoseconds.parse()?, last.used.cpu_nanoseconds.parse()?);
    let by_meter = to.checked_sub(from).context("metered usage went back")?;
    let by_kernel = pods.iter().map(|pod| pod.cgroup_cpu_nanoseconds).sum::<Option<u64>>().map(u128::from);
    Ok(CpuComparison {
        window_seconds: u64::try_from(last.as_of - first.as_of)?,
        meter_nanoseconds: by_meter.to_string(),
        cgroup_nanoseconds: by_kernel.map(|count| count.to_string()),
        difference_permille: by_kernel
            .filter(|count| *count > 0)
            .map(|count| by_meter.abs_diff(count) * 1000 / count),
    })
}

/// What was metered and agreed.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) usage: LeaseUsage,
}

/// The tenant countersigns; the agent settles; the chain shows the payment.
///
/// # Errors
/// When the tenant refuses the statement or the chain does not show the payment in time.
pub(super) async fn settle(world: &World, opened: &Opened) -> Result<Metered> {
    let id = opened.lease_id.to_string();
    let signed: Value = world.tenant.run(&["countersign", &id]).await?;
    println!("          countersigned {signed}");
    until("the settlement on chain", PATIENCE, || async {
        Ok((world.lease(opened.lease_id).await?.paid > Amount(0)).then_some(()))
    })
    .await?;
    let usage = compute_lease(world, opened)
        .await?
        .status
        .and_then(|status| status.usage)
        .context("no usage published")?;
    Ok(Metered { usage })
}

/// The report's rows: what was allocated and used by the end of the metered part, and what the last statement settled.
///
/// # Errors
/// When a figure is no number.
pub(super) fn rows(metered: &Metered, settled: &Usage) -> Result<Vec<UsageRow>> {
    let allocated = Usage::try_from(&metered.usage.allocated)?;
    let used = &metered.usage.used;
    let cpu_milli_seconds = used.cpu_nanoseconds.parse::<u128>()? / 1_000_000;
    Dimension::ALL
        .into_iter()
        .map(|dimension| {
            Ok(UsageRow {
                resource: format!("{dimension}, {}", dimension.unit()),
                allocated: allocated.of(dimension).to_string(),
                used: match dimension {
                    Dimension::Cpu => Some(cpu_milli_seconds.to_string()),
                    Dimension::Memory => Some(used.memory_byte_seconds.clone()),
                    Dimension::Egress => Some(used.network_tx_bytes.clone()),
                    _ => None,
                },
                settled: settled.of(dimension).to_string(),
            })
        })
        .collect()
}

/// The lease's custom resource.
///
/// # Errors
/// When it is not there.
pub(super) async fn compute_lease(world: &World, opened: &Opened) -> Result<ComputeLease> {
    Ok(Api::<ComputeLease>::namespaced(world.cluster.clone(), chart::NAMESPACE)
        .get(&opened.namespace)
        .await?)
}

async fn published(world: &World, opened: &Opened, at_least: i64) -> Result<Option<LeaseUsage>> {
    let usage = compute_lease(world, opened).await?.status.and_then(|status| status.usage);
    Ok(usage.filter(|usage| usage.as_of >= at_least))
}

fn counters(pods: &[Pod]) -> BTreeMap<String, u64> {
    pods.iter().filter_map(|pod| Some((pod.uid.clone(), cgroup::cpu_nanoseconds(&pod.uid)?))).collect()
}
