//! Public host names: the ones that the provider makes, and the ones that tenants bring and must prove to own.
//!
//! A made host needs no entry in the index: it holds 130 bits of the lease's own id and lies under a domain that no tenant
//! may claim anything under, so no other lease can be given it. A tenant's own host is held by a `HostClaim` of its name.

pub mod claims;
pub mod decide;
pub mod dns;
pub mod generated;
pub mod proofs;
pub mod sweep;

use std::collections::BTreeMap;

use crd::{ComputeLease, ComputeLeaseStatus, HostClaimSpec, HostStatus, reason};
use manifest::{HostName, Port, Service, ServiceName, ServicePort};

use self::{
    claims::{Error, Index},
    proofs::Question,
};
use super::{Context, validate::Validated};
use crate::settings::exposure::Exposure;

/// What a lease with public ports needs besides its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publicity {
    /// How this provider makes ports public.
    pub exposure: Exposure,
    /// Where the lease stands with the tenant's own hosts.
    pub custom: CustomHosts,
}

impl Publicity {
    /// The hosts that lead to a public port: the one that the provider makes, then the tenant's own that the lease holds.
    pub fn routed(
        &self,
        lease: &Validated,
        name: &ServiceName,
        service: &Service,
        port: &ServicePort,
    ) -> Vec<String> {
        let held = port.hosts.iter().filter(|host| self.custom.get(host) == Some(&HostState::Held));
        let made = self.made(lease, name, service, port.port);
        std::iter::once(made).chain(held.map(ToString::to_string)).collect()
    }

    /// Every host of a public port, and where it stands.
    pub fn statuses(
        &self,
        lease: &Validated,
        name: &ServiceName,
        service: &Service,
        port: &ServicePort,
    ) -> Vec<HostStatus> {
        let routed = |host| HostStatus { host, reason: reason::HOSTS_ROUTED.to_owned(), message: None };
        let made = routed(self.made(lease, name, service, port.port));
        let custom = port.hosts.iter().map(|host| match self.custom.get(host) {
            Some(HostState::Held) => routed(host.to_string()),
            Some(HostState::Withheld { reason, message }) => HostStatus {
                host: host.to_string(),
                reason: (*reason).to_owned(),
                message: Some(message.clone()),
            },
            None => HostStatus {
                host: host.to_string(),
                reason: reason::HOST_UNCHECKED.to_owned(),
                message: None,
            },
        });
        std::iter::once(made).chain(custom).collect()
    }

    /// The tenant's own hosts that the lease holds.
    pub fn held(&self) -> impl Iterator<Item = &HostName> {
        self.custom.iter().filter(|(_, state)| **state == HostState::Held).map(|(host, _)| host)
    }

    /// Why the first of the withheld hosts is withheld.
    pub fn withheld(&self) -> Option<(&HostName, &'static str, &str)> {
        self.custom.iter().find_map(|(host, state)| match state {
            HostState::Held => None,
            HostState::Withheld { reason, message } => Some((host, *reason, message.as_str())),
        })
    }

    fn made(&self, lease: &Validated, name: &ServiceName, service: &Service, port: Port) -> String {
        generated::host(&lease.name, name, service, port, &self.exposure.public_domain)
    }
}

/// The hosts of a lease's own that it holds, and what keeps it from the others.
pub type CustomHosts = BTreeMap<HostName, HostState>;

/// Where a lease stands with a host of its tenant's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostState {
    /// The lease holds it.
    Held,
    /// The lease does not hold it.
    Withheld {
        /// Reason in the status.
        reason: &'static str,
        /// What the tenant can do about it.
        message: String,
    },
}

/// Claims the tenant's own hosts that the manifest asks for, and gives back those that it no longer does.
pub async fn settle(
    lease: &ComputeLease,
    status: &ComputeLeaseStatus,
    validated: &Validated,
    ctx: &Context,
) -> Result<CustomHosts, Error> {
    let wanted = wanted(lease, validated);
    if wanted.is_empty() && !had_custom_hosts(status) {
        return Ok(CustomHosts::new());
    }
    let now = (ctx.clock)();
    let index = index(ctx);
    let mut held = index.of_lease(lease).await?;
    for (host, claim) in &held {
        if !wanted.keys().any(|wanted| wanted.as_str() == host) {
            index.release(claim, now.as_second()).await?;
        }
    }
    ctx.proofs.keep(validated.name.as_str(), |host| wanted.keys().any(|wanted| wanted.as_str() == host));
    let Some(publicity) = &validated.publicity else { return Ok(CustomHosts::new()) };
    let mut custom = CustomHosts::new();
    for (host, claim) in wanted {
        if let Some(state) = reserved(&host, &publicity.exposure) {
            custom.insert(host, state);
            continue;
        }
        let question = Question {
            host: claim.host.clone(),
            lease_id: claim.lease_id.clone(),
            lease: validated.name.clone(),
        };
        let proof = ctx.proofs.proof(&question, now);
        let found = match held.remove(host.as_str()) {
            Some(found) => Some(found),
            None => index.read(host.as_str()).await?,
        };
        let patience = publicity.exposure.patience();
        let state = index.settle(found, &claim, proof, patience, now.as_second()).await?;
        custom.insert(host, state);
    }
    Ok(custom)
}

/// Gives back every host of a lease of which nothing is left. Needs no valid spec, and no Gateway: the provider may have taken
/// it away while the lease ran.
pub async fn release_all(lease: &ComputeLease, ctx: &Context) -> Result<(), Error> {
    let index = index(ctx);
    for claim in index.of_lease(lease).await?.values() {
        index.release(claim, (ctx.clock)().as_second()).await?;
    }
    Ok(())
}

fn index(ctx: &Context) -> Index<'_> {
    Index { client: &ctx.client, metrics: &ctx.metrics, namespace: &ctx.settings.system_namespace }
}

/// The claims that a manifest asks for.
fn wanted(lease: &ComputeLease, validated: &Validated) -> BTreeMap<HostName, HostClaimSpec> {
    let services = validated.manifest.services().iter();
    services
        .flat_map(|(name, service)| service.ports.iter().map(move |port| (name, port)))
        .flat_map(|(name, port)| port.hosts.iter().map(move |host| (name, port, host)))
        .map(|(name, port, host)| {
            let claim = HostClaimSpec {
                host: host.to_string(),
                lease_id: lease.spec.lease_id.clone(),
                compute_lease: claims::holder(lease),
                tenant: lease.spec.tenant.clone(),
                service: name.to_string(),
                port: i32::from(port.port.0),
                unproven_since: None,
                released_at: None,
            };
            (host.clone(), claim)
        })
        .collect()
}

/// A made host comes first, so a second one is the tenant's own.
fn had_custom_hosts(status: &ComputeLeaseStatus) -> bool {
    status.services.iter().flat_map(|service| &service.ports).any(|port| port.hosts.len() > 1)
}

fn reserved(host: &HostName, exposure: &Exposure) -> Option<HostState> {
    let mut domains = std::iter::once(exposure.public_domain.name()).chain(&exposure.reserved_domains);
    domains.find(|domain| host.is_at_or_below(domain)).map(|domain| HostState::Withheld {
        reason: reason::HOST_RESERVED,
        message: format!("the provider keeps {domain} and what is under it for itself; remove the host"),
    })
}

#[cfg(test)]
mod tests;
