//! Who may talk to whom: nobody, except inside the lease, to the tenants' name server, to the public internet, and from
//! the provider's gateway to the ports that the tenant exposed.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use manifest::{Expose, Protocol, Service, ServiceName};

use super::{ClusterAddresses, metadata, service_metadata, service_selector};
use crate::{
    dns,
    lease_controller::validate::Validated,
    public_internet::{NOT_PUBLIC_V4, NOT_PUBLIC_V6},
    settings::{Cidr, LabelSet, Settings},
};

/// TCP ports between those that strangers' pods may not reach: of mail submission, and of name servers, by which data leaves
/// unseen.
const TCP_RANGES: [(i32, i32); 6] = [(1, 24), (26, 52), (54, 464), (466, 586), (588, 852), (854, 65535)];
/// The same for UDP, by which nobody submits mail.
const UDP_RANGES: [(i32, i32); 3] = [(1, 52), (54, 852), (854, 65535)];

/// Name of the policy that holds for every pod of a lease.
pub const NAME: &str = "lease";

/// All policies. The first selects each pod for both directions, so whatever no policy allows is refused.
pub fn build(lease: &Validated, settings: &Settings, addresses: &ClusterAddresses) -> Vec<NetworkPolicy> {
    let mut policies = vec![whole_lease(lease, settings, addresses)];
    policies.extend(
        lease
            .manifest
            .services()
            .iter()
            .filter_map(|(name, service)| from_gateway(lease, settings, name, service)),
    );
    policies
}

/// Policies only ever add permissions, so one object says what several would, and costs one write.
fn whole_lease(lease: &Validated, settings: &Settings, addresses: &ClusterAddresses) -> NetworkPolicy {
    // Only the namespace counts, no label that somebody else could wear.
    let same_namespace =
        || NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    NetworkPolicy {
        metadata: metadata(lease, NAME),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: Some(vec![same_namespace()]), ports: None }]),
            egress: Some(vec![
                NetworkPolicyEgressRule { to: Some(vec![same_namespace()]), ports: None },
                name_server(settings),
                public(&settings.public_egress_deny, addresses),
            ]),
        }),
    }
}

fn name_server(settings: &Settings) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(vec![peer(&settings.system_namespace, &settings.name_server.selector)]),
        // Policies see the pods' own port, behind that of the Service.
        ports: Some(vec![port("UDP", dns::PORT, None), port("TCP", dns::PORT, None)]),
    }
}

fn public(deny: &[Cidr], addresses: &ClusterAddresses) -> NetworkPolicyEgressRule {
    let (deny_v4, deny_v6): (Vec<&Cidr>, Vec<&Cidr>) =
        deny.iter().chain(&addresses.nodes).partition(|cidr| cidr.is_ipv4());
    let block = |cidr: &str, fixed: &[&str], extra: Vec<&Cidr>| NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.to_owned(), except: Some(except(fixed, extra)) }),
        ..NetworkPolicyPeer::default()
    };
    let mut ports: Vec<NetworkPolicyPort> =
        TCP_RANGES.iter().map(|(first, last)| port("TCP", *first, Some(*last))).collect();
    ports.extend(UDP_RANGES.iter().map(|(first, last)| port("UDP", *first, Some(*last))));
    NetworkPolicyEgressRule {
        to: Some(vec![block("0.0.0.0/0", &NOT_PUBLIC_V4, deny_v4), block("::/0", &NOT_PUBLIC_V6, deny_v6)]),
        ports: Some(ports),
    }
}

/// Sorted and without repeats, so that the order of the nodes changes nothing.
fn except(fixed: &[&str], extra: Vec<&Cidr>) -> Vec<String> {
    let mut all: Vec<String> =
        fixed.iter().map(|cidr| (*cidr).to_owned()).chain(extra.into_iter().map(Cidr::to_string)).collect();
    all.sort();
    all.dedup();
    all
}

fn from_gateway(
    lease: &Validated,
    settings: &Settings,
    name: &ServiceName,
    service: &Service,
) -> Option<NetworkPolicy> {
    let ports = |exposed: fn(Expose) -> bool| -> Vec<NetworkPolicyPort> {
        let exposed = service.ports.iter().filter(|port| exposed(port.expose));
        exposed.map(|exposed| port(protocol(exposed.protocol), i32::from(exposed.port.0), None)).collect()
    };
    let from = |peer, ports: Vec<NetworkPolicyPort>| {
        (!ports.is_empty()).then(|| NetworkPolicyIngressRule { from: Some(vec![peer]), ports: Some(ports) })
    };
    let agent = peer(&settings.system_namespace, &settings.gateway_selector);
    let proxy = lease.publicity.as_ref().map(|publicity| &publicity.exposure.data_plane);
    let rules: Vec<NetworkPolicyIngressRule> = [
        from(agent, ports(|expose| expose != Expose::Internal)),
        proxy.and_then(|proxy| {
            from(peer(&proxy.namespace, &proxy.selector), ports(|expose| expose == Expose::Public))
        }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if rules.is_empty() {
        return None;
    }
    Some(NetworkPolicy {
        metadata: service_metadata(lease, &format!("from-gateway-{name}"), name),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector(service_selector(lease, name))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(rules),
            egress: None,
        }),
    })
}

/// Text of a protocol in the API.
pub fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}

fn peer(namespace: &str, pods: &LabelSet) -> NetworkPolicyPeer {
    let name = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())]);
    NetworkPolicyPeer {
        namespace_selector: Some(selector(name)),
        pod_selector: Some(selector(pods.0.clone())),
        ..NetworkPolicyPeer::default()
    }
}

fn selector(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }
}

fn port(protocol: &str, first: i32, last: Option<i32>) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(first)),
        end_port: last,
    }
}
