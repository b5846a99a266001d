//! Leases, opened as the agent would: a Secret with the manifest, and a `ComputeLease`.

use std::time::Duration;

use anyhow::Result;
use crd::{LeaseName, TierName};
use e2e::cluster::until;
use e2e::opened;
use k8s_openapi::api::core::v1::Pod;
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

/// Opens a lease with these services.
pub(crate) async fn open(place: &Place, seed: u8, tier: TierName, services: Value) -> Result<Lease> {
    open_manifest(place, seed, tier, json!({"services": services})).await
}

/// Opens a lease whose manifest has these parts beside its name and tier.
pub(crate) async fn open_manifest(place: &Place, seed: u8, tier: TierName, parts: Value) -> Result<Lease> {
    let mut text = json!({"version": "v1", "name": "isolation", "duration": "1h", "tier": tier});
    crate::corpus::merge(&mut text, &parts);
    let name = opened::open(&place.admin, MANAGER, opened::id(seed), &text).await?;
    Ok(Lease { tier, name })
}

impl Lease {
    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.name.as_str()
    }

    /// Waits until all of it runs; fails with the operator's words when it is refused.
    pub(crate) async fn await_ready(&self, place: &Place) -> Result<()> {
        opened::await_ready(&place.admin, &self.name).await
    }

    /// The pods of a service.
    pub(crate) async fn pods(&self, place: &Place, service: &str) -> Result<Vec<Pod>> {
        opened::pods(&place.admin, &self.name, service).await
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
        let leases = opened::leases(&place.admin);
        leases.delete(self.namespace(), &Default::default()).await?;
        until(&format!("the end of {}", self.namespace()), PATIENCE, || async {
            Ok(leases.get_opt(self.namespace()).await?.is_none().then_some(()))
        })
        .await
    }
}
