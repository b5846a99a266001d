//! What goes wrong while an action is under way, beside the death of the operator.

use std::time::Duration;

use anyhow::{Context, Result};
use crd::{ComputeLease, condition, labels, reason};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinHandle;

use super::action::{Action, name};
use crate::cluster::{Cluster, wait};

/// How many watches are cut.
pub(super) const CUTS: usize = 50;
/// What holds a namespace.
const HOLD: &str = "example.com/hold";
/// What an upgrade adds to the definition.
const NEW_FIELD: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/upgraded";

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Fault {
    /// The operator is killed, and nothing else.
    Killed,
    /// It is killed, and the API server is away when it comes back.
    ApiServerAway,
    /// It is not killed, but its API server goes away for so long that its term ends.
    ApiServerAwayFromTheLiving,
    /// Its watches are cut fifty times, and it is killed meanwhile.
    WatchesCut,
    /// It loses the election while a call is under way, and another replica takes over.
    LeaderLost,
    /// The definition of `ComputeLease` changes at the moment of its death.
    CrdUpgraded,
    /// The namespace does not go for a while, and it is killed meanwhile.
    NamespaceStuck,
}

impl Fault {
    pub(super) const ALL: [Self; 7] = [
        Self::Killed,
        Self::ApiServerAway,
        Self::ApiServerAwayFromTheLiving,
        Self::WatchesCut,
        Self::LeaderLost,
        Self::CrdUpgraded,
        Self::NamespaceStuck,
    ];

    /// Whether there is such a thing as this fault during this action.
    pub(super) fn applies_to(self, action: Action) -> bool {
        // A namespace that is deleted under a running lease takes the tenant's volumes with it: nothing can end the same.
        self != Self::NamespaceStuck || matches!(action, Action::Create | Action::Close)
    }

    /// For people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::ApiServerAway => "killed, API server away",
            Self::ApiServerAwayFromTheLiving => "alive, API server away",
            Self::WatchesCut => "killed, 50 watches cut",
            Self::LeaderLost => "leader lost mid-apply",
            Self::CrdUpgraded => "killed, CRD upgraded",
            Self::NamespaceStuck => "killed, namespace stuck",
        }
    }
}

/// How long the API server is away: longer than an operator goes on without renewing its term.
pub(super) fn away() -> Duration {
    if super::matrix::is_deep() { Duration::from_secs(300) } else { Duration::from_secs(12) }
}

/// Changes the definition of `ComputeLease` as an upgrade of the chart does: a new optional field, and new texts.
pub(super) async fn upgrade_crd(client: &Client, text: &str) -> Result<()> {
    let patch = serde_json::from_value(json!([
        {"op": "add", "path": NEW_FIELD, "value": {"type": "string", "description": text}},
        {"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/description", "value": text},
    ]))?;
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let (name, params) = (ComputeLease::crd().name_any(), PatchParams::default());
    let upgraded = definitions.patch(&name, &params, &Patch::Json::<()>(patch)).await;
    upgraded.map(drop).context("failed to change the definition")
}

/// Makes the namespace of a lease not go, and lets it go once it was seen to be stuck.
pub(super) async fn hold_namespace(
    cluster: &Cluster,
    number: u32,
    action: Action,
) -> Result<JoinHandle<Result<()>>> {
    let name = name(number).to_string();
    let namespaces = cluster.all::<Namespace>();
    let maps = Api::<ConfigMap>::namespaced(cluster.admin.clone(), &name);
    if action == Action::Create {
        // What an earlier object of this name left.
        let earlier: Namespace = serde_json::from_value(json!({"metadata": {
            "name": name,
            "labels": {labels::MANAGED_BY: labels::MANAGED_BY_VALUE},
            "annotations": {labels::COMPUTE_LEASE_UID: "of-an-earlier-one"},
        }}))?;
        namespaces.create(&PostParams::default(), &earlier).await?;
    }
    wait(&maps, "kube-root-ca.crt", |map: Option<&ConfigMap>| map.is_some()).await?;
    let hold = json!({"metadata": {"finalizers": [HOLD]}});
    maps.patch("kube-root-ca.crt", &PatchParams::default(), &Patch::Merge(&hold)).await?;
    if action == Action::Create {
        namespaces.delete(&name, &DeleteParams::default()).await?;
        wait(&namespaces, &name, is_stuck).await?;
    }
    let leases = cluster.own::<ComputeLease>();
    Ok(tokio::spawn(async move {
        wait(&namespaces, &name, is_stuck).await.context("the namespace is stuck")?;
        if action == Action::Create {
            wait(&leases, &name, knows_that_it_waits).await.context("the lease waits")?;
        }
        let free = json!({"metadata": {"finalizers": null}});
        maps.patch("kube-root-ca.crt", &PatchParams::default(), &Patch::Merge(&free)).await?;
        Ok(())
    }))
}

fn is_stuck(namespace: Option<&Namespace>) -> bool {
    let conditions = namespace.and_then(|namespace| namespace.status.as_ref()?.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter().any(|found| found.type_ == "NamespaceFinalizersRemaining" && found.status == "True")
    })
}

fn knows_that_it_waits(lease: Option<&ComputeLease>) -> bool {
    let conditions = lease.map(ComputeLease::conditions).unwrap_or_default();
    condition::find(conditions, condition::PROVISIONED)
        .is_some_and(|found| found.reason == reason::NAMESPACE_TERMINATING)
}
