//! One round of probes of a lease's services through its provider's gateway.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use gateway_api::{ErrorCode, LeasePhase, LeaseStatus};
use manifest::ServiceName;
use market::LeaseId;

use crate::gateway::{Gateway, GatewayError};
use crate::own_view::{Sight, Watched};

/// Services that are probed at the same time, so that slow ones do not add up. The gateway bounds them for each lease.
const AT_ONCE: usize = 4;

/// What the provider says of the lease, and what of its services answers.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) status: LeaseStatus,
    pub(crate) sights: BTreeMap<String, Sight>,
    /// The services that do not answer, whoever's fault it is.
    pub(crate) silent: BTreeSet<String>,
}

/// Probes every service that can be judged.
pub(crate) async fn round(
    gateway: &Gateway,
    lease: LeaseId,
    watched: &[Watched],
) -> Result<Round, GatewayError> {
    let status = gateway.status(lease).await?;
    let probes: Vec<_> = watched.iter().map(|watched| probe(gateway, lease, watched)).collect();
    let mut answers = futures::stream::iter(probes).buffer_unordered(AT_ONCE);
    let (mut sights, mut silent) = (BTreeMap::new(), BTreeSet::new());
    while let Some((service, answer)) = answers.next().await {
        // If the way to the gateway broke, that is nobody's fault that could be told from here.
        let Ok(answer) = answer else { continue };
        sights.insert(service.to_string(), sight(service.as_str(), answer, &status));
        if answer == Some(ErrorCode::ServiceUnreachable) {
            silent.insert(service.to_string());
        }
    }
    drop(answers);
    Ok(Round { status, sights, silent })
}

async fn probe<'a>(
    gateway: &Gateway,
    lease: LeaseId,
    watched: &'a Watched,
) -> (&'a ServiceName, Result<Option<ErrorCode>, GatewayError>) {
    let Watched { service, port, path, .. } = watched;
    (service, gateway.probe(lease, service, *port, path).await)
}

/// What an answer means next to what the provider says at the same time.
///
/// A container that runs is billed also while its program is stuck, for its tenant holds what it runs on. So a service
/// that does not answer is held against the provider only if the provider says that it is ready, that it was suspended, or
/// that the fault is not the tenant's.
fn sight(service: &str, answer: Option<ErrorCode>, status: &LeaseStatus) -> Sight {
    match answer {
        // Something took the connection, which is what an address, a node and a running container are needed for.
        None | Some(ErrorCode::ServiceTimeout) => return Sight::Up,
        Some(ErrorCode::ServiceUnreachable) => {}
        Some(_) => return Sight::Unknown,
    }
    if status.phase == LeasePhase::Paused {
        return Sight::Down;
    }
    let Some(said) = status.services.iter().find(|said| said.name == service) else { return Sight::Unknown };
    let admitted = said.trouble.as_ref().is_some_and(|trouble| trouble.who != "tenant");
    if said.ready_replicas > 0 || admitted { Sight::Down } else { Sight::Unknown }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use gateway_api::{ServiceStatus, Trouble};

    use super::*;

    fn status(phase: LeasePhase, ready_replicas: u32, who: Option<&str>) -> LeaseStatus {
        let trouble = who.map(|who| Trouble { reason: "X".into(), who: who.into(), message: "x".into() });
        let service = ServiceStatus {
            name: "web".into(),
            replicas: 2,
            ready_replicas,
            trouble,
            ports: Vec::new(),
            pods: Vec::new(),
        };
        LeaseStatus {
            lease_id: B256::ZERO,
            phase,
            reason: String::new(),
            message: String::new(),
            manifest_hash: None,
            term: None,
            acknowledgement: None,
            services: vec![service],
        }
    }

    #[test]
    fn only_what_the_provider_cannot_lay_at_the_tenants_door_is_held_against_it() {
        use ErrorCode::{NotReady, ServiceTimeout, ServiceUnreachable, TooManyRequests, Unavailable};
        use LeasePhase::{Degraded, Paused, Ready};
        let cases = [
            (None, status(Ready, 2, None), Sight::Up),
            (Some(ServiceTimeout), status(Ready, 2, None), Sight::Up),
            (Some(ServiceUnreachable), status(Ready, 2, None), Sight::Down),
            (Some(ServiceUnreachable), status(Degraded, 1, Some("tenant")), Sight::Down),
            (Some(ServiceUnreachable), status(Degraded, 0, Some("tenant")), Sight::Unknown),
            (Some(ServiceUnreachable), status(Degraded, 0, None), Sight::Unknown),
            (Some(ServiceUnreachable), status(Degraded, 0, Some("provider")), Sight::Down),
            (Some(ServiceUnreachable), status(Degraded, 0, Some("platform")), Sight::Down),
            (Some(ServiceUnreachable), status(Paused, 0, None), Sight::Down),
            (Some(NotReady), status(Ready, 2, None), Sight::Unknown),
            (Some(TooManyRequests), status(Ready, 2, None), Sight::Unknown),
            (Some(Unavailable), status(Ready, 2, None), Sight::Unknown),
        ];
        for (answer, status, expected) in cases {
            assert_eq!(sight("web", answer, &status), expected, "{answer:?} {status:?}");
            assert_eq!(
                sight("other", Some(ServiceUnreachable), &status) == Sight::Down,
                status.phase == Paused
            );
        }
    }
}
