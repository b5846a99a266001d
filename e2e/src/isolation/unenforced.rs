//! A network plug-in that accepts policies and does not enforce them: the operator must notice by itself, and refuse new leases
//! with the reason. One direction is opened at a time, for the whole cluster, by a policy that comes before all others.

use std::{fmt, time::Duration};

use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, TierName, condition, reason};
use e2e::chart::NAMESPACE;
use e2e::cluster::until;
use kube::Api;
use serde::Serialize;
use serde_json::{Value, json};

use crate::lease::{self, Lease};
use crate::place::{OPERATORS, Place};

const POLICIES: &str = "/apis/crd.projectcalico.org/v1/globalnetworkpolicies";
/// Two pods, and some tries until it is no accident.
const PATIENCE: Duration = Duration::from_secs(240);

/// A direction in which nothing is kept apart, and what the operator said to a new lease.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    direction: Direction,
    reason: String,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Ingress,
    Egress,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, reason, message } = self;
        write!(
            f,
            "with {} open in the whole cluster a new lease is refused: {reason}: {message}",
            direction.word()
        )
    }
}

/// Opens each direction and asks for a lease.
pub(crate) async fn refusals(place: &Place) -> Result<Vec<Refusal>> {
    let mut refusals = Vec::new();
    for (seed, direction) in (20..).zip([Direction::Ingress, Direction::Egress]) {
        place.apply(POLICIES, &direction.opened()).await?;
        let refusal = refusal(place, seed, direction).await;
        place.delete(&format!("{POLICIES}/{}", direction.policy())).await?;
        refusals.push(refusal?);
    }
    // It looks again at once, and takes leases again.
    start_operators(place).await?;
    Ok(refusals)
}

/// Removes what a run that was killed left.
pub(crate) async fn clean_up(place: &Place) -> Result<()> {
    for direction in [Direction::Ingress, Direction::Egress] {
        place.delete(&format!("{POLICIES}/{}", direction.policy())).await?;
    }
    Ok(())
}

async fn refusal(place: &Place, seed: u8, direction: Direction) -> Result<Refusal> {
    start_operators(place).await?;
    let service = lease::service(place, &["serve"], "20m", "32Mi", &json!({}));
    let lease = lease::open(place, seed, TierName::Strict, json!({"peer": service})).await?;
    let refusal = told(place, &lease, direction).await?;
    lease.end(place).await?;
    ensure!(
        refusal.message.contains(&format!("({})", direction.word())),
        "with {} open a lease is refused for something else: {}",
        direction.word(),
        refusal.message
    );
    Ok(refusal)
}

/// Waits for the operator's refusal. That nothing was found out yet is none.
async fn told(place: &Place, lease: &Lease, direction: Direction) -> Result<Refusal> {
    let leases = Api::<ComputeLease>::namespaced(place.admin.clone(), NAMESPACE);
    until(&format!("the refusal of a lease with {} open", direction.word()), PATIENCE, || async {
        let lease = leases.get(lease.namespace()).await?;
        let accepted = condition::find(lease.conditions(), condition::ACCEPTED);
        ensure!(
            accepted.is_none_or(|accepted| accepted.status != "True"),
            "a lease is accepted with {} open",
            direction.word()
        );
        let refused = accepted.filter(|accepted| accepted.reason == reason::NETWORK_NOT_ENFORCED);
        Ok(refused.map(|refused| Refusal {
            direction,
            reason: refused.reason.clone(),
            message: refused.message.clone(),
        }))
    })
    .await
}

/// Starts all replicas anew: what is known about the network does not outlive them.
async fn start_operators(place: &Place) -> Result<()> {
    for replicas in [0, OPERATORS] {
        place.scale("leasehold-operator", replicas).await?;
        place.await_available("leasehold-operator").await.context("the operator does not start anew")?;
    }
    Ok(())
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn policy(self) -> String {
        format!("isolation-open-{}", self.word())
    }

    /// A policy that allows everything in this direction before any other is asked.
    fn opened(self) -> Value {
        let (type_, rules) = match self {
            Self::Ingress => ("Ingress", "ingress"),
            Self::Egress => ("Egress", "egress"),
        };
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "GlobalNetworkPolicy",
            "metadata": {"name": self.policy()},
            "spec": {
                "order": 1, "selector": "all()", "types": [type_], rules: [{"action": "Allow"}],
            },
        })
    }
}
