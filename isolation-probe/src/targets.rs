//! Where a run is aimed: addresses and facts of the cluster, which only its owner knows.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Everything that the probe is told. What is left out is not tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Targets {
    /// Release of the node's kernel, to tell a sandbox's kernel from it.
    pub node_kernel: Option<String>,
    /// Processor time that was leased for the container, thousandths of a core.
    pub leased_cpu_milli: Option<u64>,
    /// Capabilities that the tier allows, as the mask of `CapEff` in hexadecimal.
    pub allowed_capabilities: Option<String>,
    /// The API server: its Service and its real endpoints.
    pub api_servers: Vec<SocketAddr>,
    /// Ports of the pod's own node.
    pub node_ports: Vec<SocketAddr>,
    /// Metadata services.
    pub metadata: Vec<SocketAddr>,
    /// Pods and Services of other leases and of the system.
    pub foreign: Vec<SocketAddr>,
    /// Name and port of a service of the same lease, which must answer.
    pub sibling: Option<String>,
    /// A public address, which must answer.
    pub public: Option<SocketAddr>,
    /// Ports of mail at public addresses.
    pub mail: Vec<SocketAddr>,
    /// The name server to ask; the one that the pod was given if left out.
    pub resolver: Option<SocketAddr>,
    /// Names of the lease itself, which the resolver must know.
    pub own_names: Vec<String>,
    /// Names of others, which the resolver must not tell.
    pub foreign_names: Vec<String>,
    /// Addresses of others, whose names the resolver must not tell.
    pub foreign_addresses: Vec<std::net::Ipv4Addr>,
    /// Name servers of anybody.
    pub open_resolvers: Vec<SocketAddr>,
    /// How many processes and threads a pod may have.
    pub most_processes: Option<usize>,
    /// A volume of the lease, which must be empty.
    pub volume: Option<std::path::PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_target_is_refused_and_an_absent_one_is_none() {
        assert_eq!(serde_json::from_str::<Targets>("{}").unwrap(), Targets::default());
        assert!(serde_json::from_str::<Targets>(r#"{"metdata": []}"#).is_err());
    }
}
