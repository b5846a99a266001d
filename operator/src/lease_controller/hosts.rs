//! Public host names: the ones that the provider makes, and the ones that tenants bring and must prove to own.
//!
//! A made host needs no entry in the index: it holds 130 bits of the lease's own id and lies under a domain that no tenant
//! may claim anything under, so no other lease can be given it. A tenant's own host is held by a `HostClaim` of its name.

pub mod generated;

use std::collections::BTreeMap;

use crd::{HostStatus, reason};
use manifest::{HostName, Port, Service, ServiceName, ServicePort};

use super::validate::Validated;
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
