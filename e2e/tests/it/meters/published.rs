//! What is published of the leases while meters come and go.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, LeaseUsage, UsedResources};
use e2e::{cluster::until, meter_bench::cluster::Cluster as Load};
use futures::StreamExt as _;
use kube::{
    Api, ResourceExt as _,
    api::ListParams,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::task::JoinHandle;
use usage::verify::{Claimed, Evidence, verify};

use super::database::Database;

/// How long the leases may wait for their publications: an election, and some turns.
const PATIENCE: Duration = Duration::from_secs(120);

/// Follows every publication.
pub(super) struct Published(JoinHandle<Result<()>>);

impl Published {
    pub(super) fn follow(leases: Api<ComputeLease>) -> Self {
        Self(tokio::spawn(async move {
            let mut stood: BTreeMap<String, LeaseUsage> = BTreeMap::new();
            let mut seen =
                watcher(leases, watcher::Config::default()).default_backoff().applied_objects().boxed();
            while let Some(lease) = seen.next().await {
                // A watch that breaks begins anew.
                let Ok(lease) = lease else { continue };
                let Some(usage) = lease.status.as_ref().and_then(|status| status.usage.clone()) else {
                    continue;
                };
                if let Some(before) = stood.get(&lease.name_any()) {
                    goes_on(before, &usage).with_context(|| format!("of {}", lease.name_any()))?;
                }
                stood.insert(lease.name_any(), usage);
            }
            Ok(())
        }))
    }

    /// Ends it.
    pub(super) async fn never_went_back(self) -> Result<()> {
        if self.0.is_finished() {
            self.0.await??;
            anyhow::bail!("the watch of the publications ended");
        }
        self.0.abort();
        Ok(())
    }
}

fn goes_on(before: &LeaseUsage, after: &LeaseUsage) -> Result<()> {
    let used = |usage: &LeaseUsage| -> Result<[u128; 4]> {
        let UsedResources { cpu_nanoseconds, memory_byte_seconds, network_rx_bytes, network_tx_bytes } =
            &usage.used;
        Ok([
            cpu_nanoseconds.parse()?,
            memory_byte_seconds.parse()?,
            network_rx_bytes.parse()?,
            network_tx_bytes.parse()?,
        ])
    };
    let is_same = before == after;
    let is_next = after.sequence > before.sequence && after.as_of >= before.as_of;
    let grows = after.allocated()?.is_at_least(&before.allocated()?)
        && used(after)?.iter().zip(used(before)?).all(|(after, before)| *after >= before);
    ensure!(is_same || (is_next && grows), "{after:?} followed {before:?}");
    Ok(())
}

/// Waits until every lease has come to a publication of this number; returns the newest number of all.
pub(super) async fn all_published(load: &Load, sequence: i64) -> Result<i64> {
    until("the publications of every lease", PATIENCE, || async {
        let leases = load.leases().list(&ListParams::default()).await?.items;
        let sequences = leases.iter().map(|lease| {
            lease.status.as_ref().and_then(|status| status.usage.as_ref()).map_or(0, |usage| usage.sequence)
        });
        let sequences: Vec<i64> = sequences.collect();
        let is_there = sequences.iter().all(|found| *found >= sequence);
        Ok(sequences.into_iter().max().filter(|_| is_there))
    })
    .await
}

/// Checks that the ledger proves what stands of every lease, from its first second, however many meters wrote it.
pub(super) async fn every_lease_is_proved(load: &Load, database: &Database) -> Result<()> {
    let store = ledger::read(&database.location()?).await?;
    for lease in load.leases().list(&ListParams::default()).await?.items {
        let name = lease.name_any();
        let stands = lease.status.and_then(|status| status.usage).context("nothing is published")?;
        let id = lease.spec.lease_id.parse()?;
        let rollups = store.rollups(id).await?;
        let published = store.published(id).await?;
        let meter_root = stands.meter_root()?;
        let found = published.into_iter().find(|one| one.cut.root() == meter_root);
        let cut = found.with_context(|| format!("the ledger does not hold what stands of {name}"))?.cut;
        let verified = verify(&Evidence::gather(id, &rollups.hours, &rollups.fives, cut))?;
        let (usage, as_of) = (stands.allocated()?, stands.as_of()?);
        let usage_hash = usage::usage_hash(&usage, as_of, meter_root);
        verified.proves(&Claimed { usage, as_of, meter_root, usage_hash })?;
        ensure!(verified.from_the_beginning && verified.recomputed_since.is_some(), "{name}: {verified:?}");
    }
    Ok(())
}
