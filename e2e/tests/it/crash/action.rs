//! What a lease goes through, and when each of it is done.

use anyhow::{Context, Result};
use crd::{ComputeLease, DesiredState, LeaseName, Phase, Term};
use kube::api::{DeleteParams, Patch, PatchParams};
use manifest::ValidManifest;
use market::{B256, LeaseId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::{Cluster, lease_of};

/// One step of a lease's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    Create,
    Update,
    Pause,
    Resume,
    Close,
    /// The agent deletes the closed lease's object.
    Remove,
}

impl Action {
    /// All of a life, in their order.
    pub(super) const ALL: [Self; 6] =
        [Self::Create, Self::Update, Self::Pause, Self::Resume, Self::Close, Self::Remove];

    /// Asks for it, as the agent would. Returns the generation that the lease has from now on, 0 if it is to go.
    pub(super) async fn begin(self, cluster: &Cluster, number: u32) -> Result<i64> {
        let name = name(number);
        let leases = cluster.own::<ComputeLease>();
        let change = match self {
            Self::Create => {
                let mut lease = lease_of(id(number), &first());
                // It has a term and nobody meters, so its end waits for the meter in vain.
                lease.spec.term = Some(Term { started_at: 1, ends_at: 4_000_000_000 });
                cluster.write_lease(&lease, &first()).await?;
                return Ok(1);
            }
            Self::Update => json!({"manifest": cluster.store_manifest(&name, &second(), 2).await?}),
            Self::Pause => json!({"desired": DesiredState::Paused}),
            Self::Resume => json!({"desired": DesiredState::Running}),
            Self::Close => json!({"desired": DesiredState::Ended}),
            Self::Remove => {
                leases.delete(name.as_str(), &DeleteParams::default()).await?;
                return Ok(0);
            }
        };
        let change = json!({ "spec": change });
        let params = PatchParams::default();
        let lease = leases.patch(name.as_str(), &params, &Patch::Merge(&change)).await;
        lease.context("failed to ask")?.metadata.generation.context("a lease has a generation")
    }

    /// Phase that the lease is in when it is done; none when the lease is gone.
    pub(super) fn phase(self) -> Option<Phase> {
        match self {
            Self::Create | Self::Update | Self::Resume => Some(Phase::Ready),
            Self::Pause => Some(Phase::Paused),
            Self::Close => Some(Phase::Ended),
            Self::Remove => None,
        }
    }

    /// Whether everything is as controllers leave it when the action, which made this generation of the lease, is done: nothing
    /// is under way any more.
    pub(super) fn is_settled(self, generation: i64, objects: &[Value]) -> bool {
        let lease = objects.iter().find(|object| object["kind"] == "ComputeLease");
        let is_there = match (self.phase(), lease) {
            (None, lease) => lease.is_none(),
            (Some(_), None) => false,
            (Some(phase), Some(lease)) => {
                // An update that could not be applied leaves the phase as it was.
                let is_unprovisioned =
                    |condition: &Value| condition["type"] == "Provisioned" && condition["status"] == "False";
                let conditions = lease["status"]["conditions"].as_array().cloned().unwrap_or_default();
                lease["metadata"]["generation"] == json!(generation)
                    && lease["status"]["phase"] == json!(phase)
                    && (phase == Phase::Ended || !conditions.iter().any(is_unprovisioned))
                    && lease["status"]["observedGeneration"] == lease["metadata"]["generation"]
                    && lease["status"]["rollout"].is_null()
            }
        };
        is_there && objects.iter().all(|object| is_quiet(object, objects))
    }
}

fn is_quiet(object: &Value, all: &[Value]) -> bool {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |value: &Value| value.as_i64().unwrap_or_default();
    let is_observed = status["observedGeneration"] == object["metadata"]["generation"];
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return false;
    }
    match object["kind"].as_str() {
        Some("Deployment" | "StatefulSet") => {
            let wanted = count(&spec["replicas"]);
            is_observed
                && ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"]
                    .iter()
                    .all(|key| count(&status[key]) == wanted)
        }
        Some("ReplicaSet") => {
            is_observed
                && ["replicas", "readyReplicas", "availableReplicas"]
                    .iter()
                    .all(|key| count(&status[key]) == count(&spec["replicas"]))
        }
        Some("ResourceQuota") => status["hard"] == spec["hard"],
        Some("ComputeLease") if status["phase"] == "Ready" || status["phase"] == "Paused" => {
            let services = status["services"].as_array();
            let told: usize = services
                .into_iter()
                .flatten()
                .map(|service| service["pods"].as_array().map_or(0, Vec::len))
                .sum();
            told == all.iter().filter(|other| other["kind"] == "Pod").count()
        }
        Some("Namespace") => status["phase"] == "Active",
        _ => true,
    }
}

/// Name of the lease of a life.
pub(super) fn name(number: u32) -> LeaseName {
    LeaseName::of(id(number))
}

/// Differs between lives, and between runs.
fn id(number: u32) -> LeaseId {
    let mut id = [0xc5; 32];
    id[..4].copy_from_slice(&std::process::id().to_be_bytes());
    id[4..8].copy_from_slice(&number.to_be_bytes());
    LeaseId(B256::from(id))
}

/// Two replicas with a secret environment, one with a volume, and one that the next revision does not have.
fn first() -> ValidManifest {
    manifest("first", "leaving")
}

/// The same with another word, the same volume, and another third service.
fn second() -> ValidManifest {
    manifest("second", "coming")
}

fn manifest(word: &str, third: &str) -> ValidManifest {
    let digest = "1".repeat(64);
    let text = format!(
        "
version: v1
name: crash
duration: 1h
services:
  web:
    image: registry.example/web@sha256:{digest}
    env: {{WORD: {word}}}
    secrets: {{PASSWORD: {{value: open-sesame}}}}
    resources: {{cpu: 100m, memory: 64Mi}}
    replicas: 2
    ports: [{{port: 8080, expose: tenant}}]
    runAsUser: 10001
  database:
    image: registry.example/database@sha256:{digest}
    resources: {{cpu: 200m, memory: 128Mi}}
    ports: [{{port: 5432}}]
    volumes: [{{name: data, mountPath: /data, size: 256Mi}}]
  {third}:
    image: registry.example/third@sha256:{digest}
    secrets: {{TOKEN: {{value: of-the-third}}}}
    resources: {{cpu: 100m, memory: 64Mi}}
    ports: [{{port: 9000}}]
"
    );
    let document = manifest::parse(&text, "crash.yaml").expect("the test's manifest parses");
    manifest::validate(&document).expect("the test's manifest is valid")
}
