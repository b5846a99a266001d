//! What the containers of a lease printed last, kept until the lease has ended.
//!
//! A node tells it in the pod's status between the container's end and the pod's. It is kept in memory alone: an operator
//! that is killed in these seconds loses it, and a lease ends without it.

use std::collections::{BTreeMap, HashMap};

use crd::{ComputeLease, FinalLog};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::{
    Context,
    dereference::{self, ManifestState},
    diagnosis::text::{self, Hidden},
    pods, rollout,
};

/// Bytes that are kept of one service.
const MOST_BYTES: usize = 4096;
/// Services of one lease that are kept; a manifest has no more.
const MOST_SERVICES: usize = 64;

/// What was heard, by namespace and service.
#[derive(Debug, Default)]
pub struct LastWords(HashMap<String, BTreeMap<String, FinalLog>>);

impl LastWords {
    /// Listens to a pod that is on its way out.
    pub fn hear(&mut self, pod: &Pod) {
        let (Some(namespace), Some(service)) = (pod.namespace(), pods::service(pod)) else { return };
        let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        let terminated = containers.into_iter().flatten().find_map(|container| {
            let ended = |state: &Option<_>| -> Option<_> {
                state
                    .as_ref()
                    .and_then(|state: &k8s_openapi::api::core::v1::ContainerState| state.terminated.clone())
            };
            ended(&container.state).or_else(|| ended(&container.last_state))
        });
        let (Some(terminated), Some(_)) = (terminated, &pod.metadata.deletion_timestamp) else { return };
        let message = terminated.message.unwrap_or_default();
        let start = message.len().saturating_sub(MOST_BYTES);
        let start = (start..=message.len()).find(|at| message.is_char_boundary(*at)).unwrap_or(message.len());
        let services = self.0.entry(namespace).or_default();
        if services.len() < MOST_SERVICES || services.contains_key(service) {
            let log = FinalLog {
                service: service.to_owned(),
                pod: pod.name_any(),
                exit_code: terminated.exit_code,
                text: message[start..].to_owned(),
            };
            services.insert(service.to_owned(), log);
        }
    }

    /// What was heard of a lease, as the node told it.
    pub fn of(&self, lease: &ComputeLease) -> Vec<FinalLog> {
        self.0.get(&lease.name_any()).into_iter().flat_map(|services| services.values().cloned()).collect()
    }

    /// Forgets a lease.
    pub fn forget(&mut self, lease: &ComputeLease) {
        self.0.remove(&lease.name_any());
    }
}

/// What may be published of a lease. Without its manifests nobody knows what must be hidden, so nothing is shown.
pub async fn publishable(lease: &ComputeLease, ctx: &Context) -> Result<Vec<FinalLog>, dereference::Error> {
    let heard = ctx.memory.last_words(lease);
    if heard.is_empty() {
        return Ok(heard);
    }
    let mut hidden = hidden(lease, ctx).await?;
    if let Some(previous) = rollout::with_previous(lease) {
        hidden = hidden.zip(self::hidden(&previous, ctx).await?).map(|(newest, before)| newest.and(before));
    }
    let Some(hidden) = hidden else { return Ok(Vec::new()) };
    Ok(heard
        .into_iter()
        .map(|log| FinalLog { text: text::tail(&log.text, &hidden, MOST_BYTES), ..log })
        .collect())
}

async fn hidden(lease: &ComputeLease, ctx: &Context) -> Result<Option<Hidden>, dereference::Error> {
    Ok(match dereference::manifest(&ctx.client, lease).await? {
        ManifestState::Found(document) => {
            manifest::from_canonical(&document.canonical).ok().map(|manifest| Hidden::of(&manifest))
        }
        ManifestState::NotUploaded | ManifestState::Missing { .. } | ManifestState::Incomplete { .. } => None,
    })
}
