//! Leases opened as the agent would open them, without a chain: a Secret with the manifest, and a `ComputeLease`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use crd::{
    ChainRef, ComputeLease, ComputeLeaseSpec, DesiredState, LeaseName, ManifestRef, Phase, ResourceLimits,
    TierName, condition, convert, labels,
};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams};
use manifest::ValidManifest;
use market::{B256, LeaseId};
use serde_json::{Value, json};

use crate::chart::NAMESPACE;
use crate::cluster::until;

const PATIENCE: Duration = Duration::from_secs(240);

/// An id that differs between runs, so that a run that was killed leaves nothing in the way of the next.
pub fn id(seed: u8) -> LeaseId {
    let mut id = [seed; 32];
    id[..4].copy_from_slice(&std::process::id().to_be_bytes());
    LeaseId(B256::from(id))
}

/// Opens a lease. `manifest` is the whole document; its tier is the lease's.
///
/// # Errors
/// When the manifest is not valid, or the API server refuses.
pub async fn open(client: &Client, manager: &str, id: LeaseId, manifest: &Value) -> Result<LeaseName> {
    // JSON is YAML.
    let document =
        manifest::parse(&manifest.to_string(), "lease.yaml").context("failed to parse the manifest")?;
    let valid = manifest::validate(&document)
        .map_err(|problems| anyhow::anyhow!("the manifest is refused: {problems:?}"))?;
    let (name, salt) = (LeaseName::of(id), B256::repeat_byte(0x5a));
    let object = lease_of(id, &valid, salt)?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name.manifest_secret()},
        "stringData": {
            labels::MANIFEST_KEY: String::from_utf8(valid.canonical_json())?,
            labels::SALT_KEY: convert::hex(salt.as_slice()),
        },
    });
    let params = PatchParams::apply(manager).force();
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    secrets.patch(&name.manifest_secret(), &params, &Patch::Apply(secret)).await?;
    leases(client)
        .patch(name.as_str(), &params, &Patch::Apply(object))
        .await
        .context("failed to open the lease")?;
    Ok(name)
}

/// A lease of exactly what a manifest asks for, in the manifest's tier.
///
/// # Errors
/// When what it asks for does not fit into a lease's limits.
pub fn lease_of(id: LeaseId, manifest: &ValidManifest, salt: B256) -> Result<ComputeLease> {
    let name = LeaseName::of(id);
    let limits = manifest.requirements().limits().context("the manifest does not add up")?;
    let address = |digit: &str| format!("0x{}", digit.repeat(40));
    let spec = ComputeLeaseSpec {
        lease_id: id.to_string(),
        tenant: address("2"),
        provider: address("3"),
        chain: ChainRef { chain_id: 31337, market: address("4") },
        tier: TierName::from(manifest.tier()),
        limits: ResourceLimits::try_from(&limits).context("the limits do not fit")?,
        manifest: Some(ManifestRef {
            secret_name: name.manifest_secret(),
            hash: convert::hex(manifest::manifest_hash(&salt, &manifest.canonical_json()).as_slice()),
            revision: 1,
            previous: None,
        }),
        desired: DesiredState::Running,
        term: None,
        settlement: None,
        suspension: None,
    };
    Ok(ComputeLease::new(name.as_str(), spec))
}

/// Waits until all of a lease runs.
///
/// # Errors
/// With the operator's words when it is refused, or when it does not get ready.
pub async fn await_ready(client: &Client, name: &LeaseName) -> Result<()> {
    let last = Mutex::new(String::new());
    let what = format!("readiness of the lease {}", name.as_str());
    let ready = until(&what, PATIENCE, || async {
        let lease = leases(client).get(name.as_str()).await?;
        if let Some(refused) = condition::find(lease.conditions(), condition::ACCEPTED)
            && refused.status == "False"
        {
            bail!(
                "the lease of tier {} is refused: {} ({})",
                lease.spec.tier,
                refused.reason,
                refused.message
            );
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = told(&lease);
        let ready = lease.status.as_ref().is_some_and(|status| status.phase == Phase::Ready);
        Ok(ready.then_some(()))
    });
    ready.await.with_context(|| last.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Where a lease stands, in the operator's words.
fn told(lease: &ComputeLease) -> String {
    let status = lease.status.clone().unwrap_or_default();
    let conditions = status
        .conditions
        .iter()
        .map(|found| format!("{}={} {} {}", found.type_, found.status, found.reason, found.message));
    let troubles = status
        .services
        .iter()
        .filter_map(|service| Some(format!("{}: {:?}", service.name, service.trouble.as_ref()?)));
    let all: Vec<String> = conditions.chain(troubles).collect();
    format!("it is {}: {}", status.phase, all.join("; "))
}

/// The pods of a service.
///
/// # Errors
/// When the API server refuses.
pub async fn pods(client: &Client, name: &LeaseName, service: &str) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(client.clone(), name.as_str());
    let of_service = ListParams::default().labels(&format!("{}={service}", labels::SERVICE));
    Ok(pods.list(&of_service).await?.items)
}

/// The leases of the chart's namespace.
pub fn leases(client: &Client) -> Api<ComputeLease> {
    Api::namespaced(client.clone(), NAMESPACE)
}
