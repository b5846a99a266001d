//! Where the probes of a run are aimed.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result};
use crd::TierName;
use isolation_probe::targets::Targets;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams};
use serde_json::Value;

use crate::lease::Lease;
use crate::place::{BARE, NodeFacts, Place};

/// Processor time of the probe's container.
pub(crate) const CPU_MILLI: u64 = 100;
/// Ports of a node that something may listen on: ssh, DNS, kubelet, kube-proxy, etcd, the API server, controllers, CNI
/// agents, exporters, and what the testbed itself runs.
const NODE_PORTS: [u16; 18] = [
    22, 53, 111, 2379, 2380, 4194, 5000, 6443, 8545, 9099, 9100, 10248, 10249, 10250, 10255, 10256, 10257,
    10259,
];
/// Mail submission.
const MAIL_PORTS: [u16; 3] = [25, 465, 587];
/// The limit that the testbed's kubelet gives each pod.
pub(crate) const MOST_PROCESSES: usize = 1024;

/// The facts that every probe shares.
pub(crate) async fn shared(place: &Place, node: &NodeFacts, neighbour: &Lease) -> Result<Targets> {
    let kubernetes = service(place, "default", "kubernetes").await?;
    let dns = service(place, "kube-system", "kube-dns").await?;
    let opened = Api::<Service>::namespaced(place.admin.clone(), BARE).get("peer").await?;
    let node_port = opened
        .spec
        .as_ref()
        .and_then(|spec| spec.ports.as_ref()?.first()?.node_port)
        .context("the namespace without controls has no node port")?;
    let at = |address: IpAddr, ports: &[u16]| -> Vec<SocketAddr> {
        ports.iter().map(|port| SocketAddr::new(address, *port)).collect()
    };
    let mut node_ports = at(node.address, &NODE_PORTS);
    node_ports.push(SocketAddr::new(node.address, u16::try_from(node_port)?));
    let neighbour_service = service(place, neighbour.namespace(), "peer").await?;
    let mut foreign = vec![
        SocketAddr::new(neighbour.pod_address(place, "peer").await?, 8080),
        SocketAddr::new(neighbour_service, 8080),
        SocketAddr::new(service(place, BARE, "peer").await?, 8080),
    ];
    foreign.extend(pod_addresses(place, BARE, 8080).await?);
    foreign.extend(pod_addresses(place, "kube-system", 8181).await?);
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => anyhow::bail!("{address} is not of version 4, and the testbed is"),
    };
    Ok(Targets {
        leased_cpu_milli: Some(CPU_MILLI),
        api_servers: [at(kubernetes, &[443]), endpoints(place).await?].concat(),
        node_ports,
        metadata: place.args.metadata.iter().flat_map(|address| at(*address, &[80])).collect(),
        foreign,
        sibling: Some("peer:8080".to_owned()),
        public: Some(SocketAddr::new(place.args.public, 443)),
        mail: at(place.args.public, &MAIL_PORTS),
        foreign_names: vec![
            format!("peer.{}.svc.cluster.local", neighbour.namespace()),
            format!("peer.{BARE}.svc.cluster.local"),
            "kubernetes.default.svc.cluster.local".to_owned(),
        ],
        foreign_addresses: vec![v4(kubernetes)?, v4(dns)?, v4(neighbour_service)?],
        open_resolvers: [at(place.args.public, &[53, 853]), at(dns, &[53])].concat(),
        most_processes: Some(MOST_PROCESSES),
        ..Targets::default()
    })
}

/// What a tier changes.
pub(crate) fn of_tier(shared: &Targets, tier: TierName, node: &NodeFacts, lease: &str) -> Targets {
    Targets {
        node_kernel: (tier == TierName::Sandboxed).then(|| node.kernel.clone()),
        // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID and NET_BIND_SERVICE.
        allowed_capabilities: (tier != TierName::Strict).then(|| "4eb".to_owned()),
        own_names: vec![format!("peer.{lease}.svc.cluster.local")],
        ..shared.clone()
    }
}

/// What a probe without controls is aimed at: the same, but for what only a lease has.
pub(crate) fn without_controls(shared: &Targets, node: &NodeFacts) -> Targets {
    Targets {
        node_kernel: Some(node.kernel.clone()),
        allowed_capabilities: None,
        sibling: None,
        own_names: Vec::new(),
        // The limit belongs to the kubelet; its absence is tried outside of any pod.
        most_processes: None,
        ..shared.clone()
    }
}

async fn service(place: &Place, namespace: &str, name: &str) -> Result<IpAddr> {
    let service = Api::<Service>::namespaced(place.admin.clone(), namespace).get(name).await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip).context("a Service has an address")?;
    address.parse().with_context(|| format!("the address of {namespace}/{name} is {address}"))
}

async fn pod_addresses(place: &Place, namespace: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let pods = Api::<k8s_openapi::api::core::v1::Pod>::namespaced(place.admin.clone(), namespace);
    let listed = pods.list(&ListParams::default()).await?;
    listed
        .into_iter()
        .filter_map(|pod| pod.status?.pod_ip)
        .map(|address| Ok(SocketAddr::new(address.parse()?, port)))
        .collect()
}

/// The API server's real addresses, behind its Service.
async fn endpoints(place: &Place) -> Result<Vec<SocketAddr>> {
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
    let slice: Value = place.admin.request(http::Request::get(path).body(Vec::new())?).await?;
    let port = slice["ports"][0]["port"].as_u64().context("the API server has no port")?;
    let mut all = Vec::new();
    for endpoint in slice["endpoints"].as_array().context("the API server has no endpoint")? {
        let address = endpoint["addresses"][0].as_str().context("an endpoint has an address")?;
        all.push(SocketAddr::new(address.parse()?, u16::try_from(port)?));
    }
    Ok(all)
}
