//! Leases, opened as the agent would: a Secret with the manifest, and a `ComputeLease`.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use crd::{
    ChainRef, ComputeLease, ComputeLeaseSpec, DesiredState, LeaseName, ManifestRef, Phase, ResourceLimits,
    TierName, condition, convert, labels,
};
use e2e::chart::NAMESPACE;
use e2e::cluster::until;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams};
use market::{B256, LeaseId};
use serde_json::{Value, json};

use crate::place::Place;

const PATIENCE: Duration = Duration::from_secs(120);
const MANAGER: &str = "leasehold-isolation";

/// A lease of the run, whose name is its namespace's name.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) tier: TierName,
    pub(crate) name: LeaseName,
}

/// One service of a manifest, run from the probe's image.
pub(crate) fn service(place: &Place, arguments: &[&str], cpu: &str, memory: &str, more: &Value) -> Value {
    let mut service = json!({
        "image": place.probe_image, "args": arguments, "resources": {"cpu": cpu, "memory": memory},
        "runAsUser": 10001,
    });
    if let (Some(service), Some(more)) = (service.as_object_mut(), more.as_object()) {
        service.extend(more.clone());
    }
    service
}

/// Differs between runs, so that a run that was killed leaves nothing in the way of the next.
pub(crate) fn id(seed: u8) -> LeaseId {
    let mut id = [seed; 32];
    id[..4].copy_from_slice(&std::process::id().to_be_bytes());
    LeaseId(B256::from(id))
}

/// Opens a lease with these services.
pub(crate) async fn open(place: &Place, seed: u8, tier: TierName, services: Value) -> Result<Lease> {
    open_manifest(place, seed, tier, json!({"services": services})).await
}

/// Opens a lease whose manifest has these parts beside its name and tier.
pub(crate) async fn open_manifest(place: &Place, seed: u8, tier: TierName, parts: Value) -> Result<Lease> {
    let mut text = json!({"version": "v1", "name": "isolation", "duration": "1h", "tier": tier});
    crate::corpus::merge(&mut text, &parts);
    // JSON is YAML.
    let document =
        manifest::parse(&text.to_string(), "isolation.yaml").context("failed to parse the manifest")?;
    let valid = manifest::validate(&document)
        .map_err(|problems| anyhow::anyhow!("the manifest is refused: {problems:?}"))?;
    let id = id(seed);
    let (name, salt) = (LeaseName::of(id), B256::repeat_byte(0x5a));
    let limits = valid.requirements().limits().context("the manifest does not add up")?;
    let address = |digit: &str| format!("0x{}", digit.repeat(40));
    let spec = json!({
        "leaseId": id.to_string(),
        "tenant": address("2"),
        "provider": address("3"),
        "chain": ChainRef { chain_id: 31337, market: address("4") },
        "tier": tier,
        "limits": ResourceLimits::try_from(&limits).context("the limits do not fit")?,
        "manifest": {
            "secretName": name.manifest_secret(),
            "hash": convert::hex(manifest::manifest_hash(&salt, &valid.canonical_json()).as_slice()),
            "revision": 1,
        },
        "desired": DesiredState::Running,
    });
    let _: ManifestRef = serde_json::from_value(spec["manifest"].clone())?;
    let spec: ComputeLeaseSpec = serde_json::from_value(spec)?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name.manifest_secret()},
        "stringData": {
            labels::MANIFEST_KEY: String::from_utf8(valid.canonical_json())?,
            labels::SALT_KEY: convert::hex(salt.as_slice()),
        },
    });
    let manager = PatchParams::apply(MANAGER).force();
    let secrets = Api::<Secret>::namespaced(place.admin.clone(), NAMESPACE);
    secrets.patch(&name.manifest_secret(), &manager, &Patch::Apply(secret)).await?;
    let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
    let object = ComputeLease::new(name.as_str(), spec);
    leases.patch(name.as_str(), &manager, &Patch::Apply(object)).await.context("failed to open the lease")?;
    Ok(Lease { tier, name })
}

impl Lease {
    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.name.as_str()
    }

    /// Waits until all of it runs; fails with the operator's words when it is refused.
    pub(crate) async fn await_ready(&self, place: &Place) -> Result<()> {
        let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
        until(&format!("readiness of the lease of tier {}", self.tier), PATIENCE, || async {
            let lease = leases.get(self.namespace()).await?;
            if let Some(refused) = condition::find(lease.conditions(), condition::ACCEPTED)
                && refused.status == "False"
            {
                bail!("the lease of tier {} is refused: {} ({})", self.tier, refused.reason, refused.message);
            }
            let ready = lease.status.as_ref().is_some_and(|status| status.phase == Phase::Ready);
            Ok(ready.then_some(()))
        })
        .await
    }

    /// The pods of a service.
    pub(crate) async fn pods(&self, place: &Place, service: &str) -> Result<Vec<Pod>> {
        let pods = Api::<Pod>::namespaced(place.admin.clone(), self.namespace());
        let of_service = ListParams::default().labels(&format!("{}={service}", labels::SERVICE));
        Ok(pods.list(&of_service).await?.items)
    }

    /// Address of a service's first pod.
    pub(crate) async fn pod_address(&self, place: &Place, service: &str) -> Result<std::net::IpAddr> {
        until(&format!("an address of {service}"), PATIENCE, || async {
            let pods = self.pods(place, service).await?;
            let address = pods.into_iter().find_map(|pod| pod.status?.pod_ip);
            Ok(address.map(|address| address.parse()).transpose()?)
        })
        .await
    }

    /// Ends it and waits until its object is gone.
    pub(crate) async fn end(&self, place: &Place) -> Result<()> {
        let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
        leases.delete(self.namespace(), &Default::default()).await?;
        until(&format!("the end of {}", self.namespace()), PATIENCE, || async {
            Ok(leases.get_opt(self.namespace()).await?.is_none().then_some(()))
        })
        .await
    }
}
