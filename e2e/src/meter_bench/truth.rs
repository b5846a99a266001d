//! What was published of each lease, beside what its pods really did.

use anyhow::{Context, Result, ensure};
use crd::ComputeLease;
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt as _, api::ListParams};
use market::Dimension;

use super::cluster::{CPU_LIMIT_MILLI, Cluster};

/// Readings are as old as the kubelet's tick, the last scrape and a publication that waits for its turn.
const BEHIND_SECONDS: i64 = 120;
/// The API's seconds are cut off; what is left of one is the tenant's.
const ROUNDED_SECONDS: u128 = 2;

/// All leases are as they should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compared {
    /// How many there are.
    pub leases: u32,
    /// Age of the oldest publication, in seconds.
    pub oldest: f64,
}

/// Compares every lease's publication with its pods' truth at that moment. What they burnt before the meter had seen all
/// of them first is nobody's: a first reading is only a beginning.
///
/// # Errors
/// Naming the first lease of which something else was published.
pub async fn compare(cluster: &Cluster, seen_since: i64) -> Result<Compared> {
    let now = Timestamp::now().as_second();
    let found = cluster.leases().list(&ListParams::default()).await?.items;
    let pods = cluster.pods_by_lease();
    ensure!(found.len() == pods.len(), "{} leases of {} are there", found.len(), pods.len());
    let mut oldest = 0;
    for lease in &found {
        let name = lease.name_any();
        let pods = pods.get(name.as_str()).with_context(|| format!("nobody made {name}"))?;
        let burnt = |at: i64| pods.iter().map(|pod| u128::from(pod.burnt(at))).sum();
        let began = cluster.began();
        let as_of = check(lease, began, seen_since, pods.len(), burnt)
            .with_context(|| format!("of {name} was published"))?;
        oldest = oldest.max(now - as_of);
    }
    Ok(Compared { leases: u32::try_from(found.len())?, oldest: oldest as f64 })
}

/// Returns the moment up to which the lease was counted.
fn check(
    lease: &ComputeLease,
    began: i64,
    seen_since: i64,
    pods: usize,
    burnt: impl Fn(i64) -> u128,
) -> Result<i64> {
    let usage = lease.status.as_ref().and_then(|status| status.usage.as_ref()).context("nothing")?;
    let seconds = u128::try_from(usage.as_of - began)?;
    let limits = u128::from(CPU_LIMIT_MILLI) * pods as u128;
    let (most, least) = (limits * seconds, limits * seconds.saturating_sub(ROUNDED_SECONDS));
    let held = usage.allocated()?.of(Dimension::Cpu);
    ensure!((least..=most).contains(&held), "{held} milli CPU seconds held, and it was {least} to {most}");
    let least = burnt(usage.as_of - BEHIND_SECONDS).saturating_sub(burnt(seen_since));
    let most = burnt(usage.as_of);
    let used: u128 = usage.used.cpu_nanoseconds.parse()?;
    ensure!((least..=most).contains(&used), "{used} CPU nanoseconds used, and it was {least} to {most}");
    Ok(usage.as_of)
}

#[cfg(test)]
mod tests {
    use crd::{ComputeLeaseStatus, LeaseUsage, ResourceUsage, UsedResources};
    use market::Usage;

    use super::*;
    use crate::bench::leases;

    const BEGAN: i64 = 1_800_000_000;

    fn published(held: u128, used: u128) -> ComputeLease {
        let mut usage = Usage([0; 8]);
        usage.0[Dimension::Cpu.index()] = held;
        let mut lease = leases::lease(1, &leases::manifest(1).unwrap()).unwrap();
        lease.status = Some(ComputeLeaseStatus {
            usage: Some(LeaseUsage {
                as_of: BEGAN + 1_000,
                sequence: 3,
                allocated: ResourceUsage::from(&usage),
                used: UsedResources {
                    cpu_nanoseconds: used.to_string(),
                    memory_byte_seconds: "0".into(),
                    network_rx_bytes: "0".into(),
                    network_tx_bytes: "0".into(),
                },
                meter_root: String::new(),
                state: None,
            }),
            ..ComputeLeaseStatus::default()
        });
        lease
    }

    #[test]
    fn only_the_truth_passes_and_only_as_late_as_readings_are() {
        let burnt = |at: i64| u128::try_from(at - BEGAN).unwrap() * 1_000;
        let check = |held, used| check(&published(held, used), BEGAN, BEGAN + 100, 2, burnt);
        assert_eq!(check(200_000, 1_000_000).unwrap(), BEGAN + 1_000);
        assert_eq!(check(199_600, 780_000).unwrap(), BEGAN + 1_000);
        for (held, used) in
            [(200_001, 1_000_000), (199_599, 1_000_000), (200_000, 1_000_001), (200_000, 779_999)]
        {
            assert!(check(held, used).is_err(), "{held} {used}");
        }
    }
}
