//! What surrounds an agent: the object of its lease, and what an operator and a meter would say in it.

use std::time::Duration;

use ::market::{B256, LeaseId, Timestamp, Usage};
use anyhow::{Context, Result};
use crd::{ComputeLease, LeaseName, Phase, condition};
use k8s_openapi::{
    api::events::v1::Event,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
    jiff,
};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{market::manifest_hash, process::Agent};
use crate::cluster::Cluster;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// The root that the meter's usage commits to.
pub(super) const METER_ROOT: B256 = B256::repeat_byte(7);

/// The object of one lease, and everybody's hand in it but the agent's.
pub(super) struct Stage<'a> {
    cluster: &'a Cluster,
    pub(super) name: LeaseName,
}

impl<'a> Stage<'a> {
    pub(super) fn new(cluster: &'a Cluster, id: LeaseId) -> Self {
        Self { cluster, name: LeaseName::of(id) }
    }

    pub(super) async fn object(&self) -> Result<ComputeLease> {
        Ok(self.cluster.own::<ComputeLease>().get(self.name.as_str()).await?)
    }

    pub(super) async fn patch(&self, change: Value) -> Result<ComputeLease> {
        let leases = self.cluster.own::<ComputeLease>();
        Ok(leases.patch(self.name.as_str(), &PatchParams::default(), &Patch::Merge(&change)).await?)
    }

    /// Names the manifest and says what the operator says: all of it runs.
    pub(super) async fn report_ready(&self) -> Result<()> {
        let hash = crd::convert::hex(manifest_hash()?.as_slice());
        let manifest = json!({"secretName": self.name.manifest_secret(), "hash": hash, "revision": 1});
        self.report_running(&self.patch(json!({"spec": {"manifest": manifest}})).await?).await
    }

    /// Says what the operator says of the present spec: all of it runs.
    pub(super) async fn report_running(&self, object: &ComputeLease) -> Result<()> {
        let status = json!({
            "phase": Phase::Ready,
            "observedGeneration": object.metadata.generation,
            "conditions": [is_true(condition::READY, object.metadata.generation)],
        });
        self.report(status).await
    }

    /// Says what the meter says.
    pub(super) async fn report_usage(&self, usage: &Usage, as_of: Timestamp) -> Result<()> {
        let usage = self.metered(usage, as_of).await?;
        self.report(json!({"usage": usage})).await
    }

    /// Says in the same breath that nothing more will be counted.
    pub(super) async fn report_final(&self, usage: &Usage, end: Timestamp) -> Result<()> {
        let usage = self.metered(usage, end).await?;
        let conditions = [is_true(condition::USAGE_FINAL, None)];
        self.report(json!({"usage": usage, "phase": Phase::Ended, "conditions": conditions})).await
    }

    /// The next publication.
    async fn metered(&self, usage: &Usage, as_of: Timestamp) -> Result<Value> {
        let sequence = self.object().await?.status.and_then(|status| status.usage).map_or(0, |u| u.sequence);
        Ok(json!({
            "asOf": as_of.0,
            "sequence": sequence + 1,
            "allocated": crd::ResourceUsage::from(usage),
            "used": {"cpuNanoseconds": "0", "memoryByteSeconds": "0", "networkRxBytes": "0", "networkTxBytes": "0"},
            "meterRoot": crd::convert::hex(METER_ROOT.as_slice()),
        }))
    }

    async fn report(&self, status: Value) -> Result<()> {
        let leases = self.cluster.own::<ComputeLease>();
        let change = Patch::Merge(json!({"status": status}));
        leases.patch_status(self.name.as_str(), &PatchParams::default(), &change).await?;
        Ok(())
    }

    /// Whether the agent, with its own rights, told people something about the lease.
    pub(super) async fn is_told(&self, reason: &str) -> Result<bool> {
        let events = self.cluster.own::<Event>().list(&ListParams::default()).await?;
        let is_about = |event: &&Event| {
            let regarding = event.regarding.as_ref().and_then(|object| object.name.as_deref());
            regarding == Some(self.name.as_str()) && event.reason.as_deref() == Some(reason)
        };
        Ok(events.iter().any(|event| is_about(&event)))
    }
}

fn is_true(type_: &str, observed_generation: Option<i64>) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: "Test".to_owned(),
        message: String::new(),
        observed_generation,
        last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
    }
}

pub(super) async fn eventually(
    what: &str,
    agent: &Agent,
    is_so: impl AsyncFn() -> Result<bool>,
) -> Result<()> {
    let look = async {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            if is_so().await? {
                return Ok(());
            }
        }
    };
    let seen = tokio::time::timeout(PATIENCE, look).await;
    seen.with_context(|| format!("waited in vain for {what}: {}", agent.log()))?
}
