//! Pods that the API server refuses to a Deployment.
//!
//! A StatefulSet tells that only in Events, which the operator may not read.

use std::{collections::BTreeMap, sync::Arc};

use crd::{Cause, Trouble};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{Api, Client};

use super::text::{self, Hidden};
use crate::lease_controller::{
    pods,
    validate::{Activity, Validated},
};

const SENTENCE_CHARS: usize = 400;

/// What a Deployment says about pods that it could not create.
fn refusal_of(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    let failure = conditions.iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
    failure.message.clone()
}

/// The Deployments of services that lack pods, in the words of their controller, by service.
pub async fn refusals(
    client: &Client,
    lease: &Validated,
    pods: &[Arc<Pod>],
) -> Result<BTreeMap<String, String>, kube::Error> {
    let mut found = BTreeMap::new();
    if lease.activity == Activity::Paused {
        return Ok(found);
    }
    let deployments = Api::<Deployment>::namespaced(client.clone(), lease.name.as_str());
    for (name, service) in lease.manifest.services() {
        let own = pods
            .iter()
            .filter(|pod| pods::service(pod) == Some(name.as_str()) && !pods::is_over(pod))
            .count();
        if service.volumes.is_empty() && u32::try_from(own).is_ok_and(|own| own < service.replicas.0) {
            let deployment = deployments.get_opt(name.as_str()).await?;
            let refusal = deployment.as_ref().and_then(refusal_of);
            found.extend(refusal.map(|refusal| (name.to_string(), refusal)));
        }
    }
    Ok(found)
}

/// Whose matter a refused pod is: ours, because both the pod and the quota are.
pub(super) fn refused(message: &str, hidden: &Hidden) -> Trouble {
    let cause = if message.contains("exceeded quota") { Cause::QuotaExceeded } else { Cause::PodRefused };
    let text = text::line(message, hidden, SENTENCE_CHARS);
    let text = if text.is_empty() { "the API server refuses the replica".to_owned() } else { text };
    Trouble::new(cause, text)
}
