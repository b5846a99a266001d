//! What the provider decided at installation time. Read once; nothing here changes while the process runs.

pub mod bandwidth;
pub mod exposure;

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

use market::Tier;

use self::{bandwidth::Bandwidth, exposure::Exposure};
use crate::dns::names::Domain;

/// Labels of objects, as `key=value` pairs separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSet(pub BTreeMap<String, String>);

/// A block of addresses such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    network: std::net::IpAddr,
    prefix: u8,
}

/// Failures of reading a setting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `key=value[,key=value]`.
    #[error("{text:?} is not a list of key=value labels")]
    ParseLabels {
        /// What was given.
        text: String,
    },
    /// Not an address with a prefix length.
    #[error("{text:?} is not a CIDR such as 10.0.0.0/8")]
    ParseCidr {
        /// What was given.
        text: String,
    },
}

/// Everything that builders need and that is the same for all leases.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the `ComputeLease` objects, of the operator and of the agent.
    pub system_namespace: String,
    /// ServiceAccount of the agent in the system namespace, allowed to read pods and logs of leases.
    pub agent_service_account: String,
    /// Labels of the agent's pods, from which tenants' exposed ports may be reached.
    pub gateway_selector: LabelSet,
    /// The tenants' name server, `operator dns`.
    pub name_server: NameServerSettings,
    /// Addresses that tenants may not reach although they look public.
    pub public_egress_deny: Vec<Cidr>,
    /// Labels of the nodes that tenants' pods may run on; empty for all.
    pub node_selector: LabelSet,
    /// Key of the taint that keeps others off those nodes.
    pub node_taint: Option<String>,
    /// How fast a pod may send and receive; as fast as its node if left out.
    pub pod_bandwidth: Option<Bandwidth>,
    /// Isolation tiers that the provider sells.
    pub tiers: BTreeSet<Tier>,
    /// RuntimeClass of the sandboxed tier.
    pub sandbox_runtime_class: String,
    /// How public ports reach the internet; none if this provider has no Gateway.
    pub exposure: Option<Exposure>,
    /// How long the end of a lease waits for its last usage.
    pub final_usage_wait: Duration,
}

/// Where the tenants' name server is, in the system namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServerSettings {
    /// Its Service, whose address tenants' pods are given.
    pub service: String,
    /// Labels of its pods.
    pub selector: LabelSet,
    /// The cluster's domain.
    pub cluster_domain: Domain,
}

impl FromStr for LabelSet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error::ParseLabels { text: text.to_owned() };
        text.split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
                _ => Err(error()),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Cidr {
    /// One address.
    pub fn host(address: std::net::IpAddr) -> Self {
        Self { network: address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether an address lies in the block.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        let bits = |address: std::net::IpAddr| match address {
            std::net::IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            std::net::IpAddr::V6(address) => address.to_bits(),
        };
        let same_family = self.network.is_ipv4() == address.is_ipv4();
        // A prefix is at least 1, so this shifts by less than the width.
        let mask = u128::MAX << (128 - u32::from(self.prefix));
        same_family && bits(self.network) & mask == bits(address) & mask
    }

    /// Whether the block holds version 4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.network.is_ipv4()
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Cidr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parse = || {
            let (network, prefix) = text.trim().split_once('/')?;
            let network: std::net::IpAddr = network.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            // All addresses cannot be taken out of all addresses: the API server would refuse every lease's policy.
            (1..=Self::host(network).prefix).contains(&prefix).then_some(Self { network, prefix })
        };
        parse().ok_or_else(|| Error::ParseCidr { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_its_addresses_and_no_others() {
        let contains =
            |block: &str, address: &str| block.parse::<Cidr>().unwrap().contains(address.parse().unwrap());
        for (block, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("168.63.129.16/32", "168.63.129.16", "168.63.129.17"),
            ("128.0.0.0/1", "255.1.1.1", "127.0.0.1"),
            ("fc00::/7", "fdff::1", "fe00::1"),
            ("::1/128", "::1", "::2"),
            ("64:ff9b::/96", "64:ff9b::a00:1", "64:ff9b:0:0:0:1::"),
        ] {
            assert!(contains(block, inside), "{block} {inside}");
            assert!(!contains(block, outside), "{block} {outside}");
        }
        assert!(!contains("fc00::/7", "252.0.0.1"));
    }

    #[test]
    fn labels_and_blocks_are_read_and_nonsense_is_refused() {
        assert_eq!(
            "a=b,c/d=".parse::<LabelSet>().unwrap().0,
            BTreeMap::from([("a".into(), "b".into()), ("c/d".into(), String::new())])
        );
        assert_eq!("".parse::<LabelSet>().unwrap(), LabelSet::default());
        assert_eq!("a".parse::<LabelSet>(), Err(Error::ParseLabels { text: "a".into() }));
        for text in ["10.0.0.0/8", "fd00::/8", "192.0.2.1/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "0.0.0.0/0", "x/8", "::/129"] {
            assert_eq!(text.parse::<Cidr>(), Err(Error::ParseCidr { text: text.into() }));
        }
    }
}
