//! How public ports reach the internet: the provider's Gateway, and the domain under which it makes host names.

use std::{fmt, str::FromStr};

use jiff::SignedDuration;
use manifest::HostName;

use super::LabelSet;
use crate::lease_controller::hosts::decide::Patience;

/// Longest public domain: `<service>-<lease>-<port>.` before it must fit the 253 characters of a name.
const LONGEST_DOMAIN: usize = 253 - 64;

/// Everything about public ports that is the same for all leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Gateway that routes refer to.
    pub gateway: GatewayRef,
    /// Pods of the Gateway, from which public ports may be reached.
    pub data_plane: DataPlane,
    /// Domain that generated hosts lie under.
    pub public_domain: PublicDomain,
    /// Domains that no tenant's own host may lie under, besides the public domain.
    pub reserved_domains: Vec<HostName>,
    /// How long a host that was given back is kept from other tenants.
    pub host_cooldown: SignedDuration,
    /// How long a host whose DNS record vanished still leads to its lease.
    pub host_grace: SignedDuration,
}

impl Exposure {
    /// How patient the index of tenants' own hosts is.
    pub fn patience(&self) -> Patience {
        Patience { cooldown: self.host_cooldown, grace: self.host_grace }
    }
}

/// A `Gateway` of the Gateway API, as `NAMESPACE/NAME` or `NAMESPACE/NAME/LISTENER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRef {
    /// Namespace of the Gateway.
    pub namespace: String,
    /// Name of the Gateway.
    pub name: String,
    /// Listener that routes are bound to; all that allow it if left out.
    pub section_name: Option<String>,
}

/// Pods that carry the traffic of the Gateway, as `NAMESPACE/KEY=VALUE[,KEY=VALUE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPlane {
    /// Their namespace.
    pub namespace: String,
    /// Their labels, at least one.
    pub selector: LabelSet,
}

/// A domain with room for generated labels before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicDomain(HostName);

/// Failures of reading a setting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not the name of a Gateway.
    #[error("{text:?} is not a Gateway: write NAMESPACE/NAME or NAMESPACE/NAME/LISTENER")]
    ParseGateway {
        /// What was given.
        text: String,
    },
    /// Not a selection of pods.
    #[error("{text:?} does not select pods: write NAMESPACE/KEY=VALUE[,KEY=VALUE]")]
    ParseDataPlane {
        /// What was given.
        text: String,
    },
    /// Not a domain.
    #[error("{text:?} is not a domain such as apps.example.com of at most {LONGEST_DOMAIN} characters")]
    ParseDomain {
        /// What was given.
        text: String,
    },
}

impl PublicDomain {
    /// The domain as a host name.
    pub fn name(&self) -> &HostName {
        &self.0
    }
}

impl fmt::Display for PublicDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PublicDomain {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fits = text.len() <= LONGEST_DOMAIN;
        text.parse()
            .ok()
            .filter(|_| fits)
            .map(Self)
            .ok_or_else(|| Error::ParseDomain { text: text.to_owned() })
    }
}

impl FromStr for GatewayRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, name, section_name) = match parts[..] {
            [namespace, name] => (namespace, name, None),
            [namespace, name, section] => (namespace, name, Some(section)),
            _ => return Err(Error::ParseGateway { text: text.to_owned() }),
        };
        if !is_object_name(namespace) || !is_object_name(name) || !section_name.is_none_or(is_object_name) {
            return Err(Error::ParseGateway { text: text.to_owned() });
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            section_name: section_name.map(str::to_owned),
        })
    }
}

impl FromStr for DataPlane {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (namespace, labels) = text.split_once('/')?;
            let selector: LabelSet = labels.parse().ok()?;
            // No label selects every pod of the namespace, which nobody means.
            (is_object_name(namespace) && !selector.0.is_empty())
                .then(|| Self { namespace: namespace.to_owned(), selector })
        };
        parse().ok_or_else(|| Error::ParseDataPlane { text: text.to_owned() })
    }
}

fn is_object_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_with_its_namespace_and_perhaps_a_listener() {
        let gateway = |section_name: Option<&str>| GatewayRef {
            namespace: "infra".into(),
            name: "public".into(),
            section_name: section_name.map(str::to_owned),
        };
        assert_eq!("infra/public".parse(), Ok(gateway(None)));
        assert_eq!("infra/public/web".parse(), Ok(gateway(Some("web"))));
        for text in ["", "public", "/public", "infra/", "a/b/", "a/b/c/d", "Infra/public"] {
            assert_eq!(text.parse::<GatewayRef>(), Err(Error::ParseGateway { text: text.into() }), "{text}");
        }
    }

    #[test]
    fn a_data_plane_has_a_namespace_and_labels_with_slashes_in_them() {
        let plane: DataPlane = "traefik/app.kubernetes.io/name=traefik,tier=edge".parse().unwrap();
        assert_eq!(plane.namespace, "traefik");
        assert_eq!(plane.selector, "app.kubernetes.io/name=traefik,tier=edge".parse().unwrap());
        for text in ["", "traefik", "traefik/", "/app=x", "traefik/app"] {
            assert_eq!(text.parse::<DataPlane>(), Err(Error::ParseDataPlane { text: text.into() }), "{text}");
        }
    }

    #[test]
    fn a_public_domain_leaves_room_for_the_generated_label() {
        assert_eq!("apps.example.com".parse::<PublicDomain>().unwrap().to_string(), "apps.example.com");
        let long = format!("{}.{}.{}.example", "a".repeat(63), "b".repeat(63), "c".repeat(54));
        for text in ["", "apps", "*.apps.example", "Apps.example", &long] {
            assert_eq!(text.parse::<PublicDomain>(), Err(Error::ParseDomain { text: text.into() }), "{text}");
        }
    }
}
