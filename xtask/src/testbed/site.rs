//! Where a testbed lies: its state directory, addresses, ports and names. Nothing here touches the machine.

use std::env;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::Uid;

/// The testbeds that a machine can have, also all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A chain and a whole cluster with one node that runs pods.
    Full,
    /// A chain and an API server with its controllers; pods are accepted but never run.
    ControlPlane,
    /// An API server with its controllers and its scheduler, and nodes that are fake: pods are placed, and kwok says of
    /// each that it runs. For measurements.
    Bench,
}

/// The ports of one testbed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) api: u16,
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) controller_manager: u16,
    pub(crate) chain: u16,
    pub(crate) registry: u16,
    pub(crate) private_registry: u16,
    pub(crate) kubelet: u16,
    pub(crate) kubelet_health: u16,
    pub(crate) scheduler: u16,
    pub(crate) proxy_health: u16,
    pub(crate) proxy_metrics: u16,
    pub(crate) felix_health: u16,
}

/// A testbed's place on the machine.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) profile: Profile,
    /// Everything that the testbed writes lies under this directory.
    pub(crate) state: PathBuf,
    /// Where the API server, the chain and the registry listen: the bridge for a node, loopback without one.
    pub(crate) address: Ipv4Addr,
    pub(crate) ports: Ports,
}

/// The bridge that carries the node's address.
pub(crate) const BRIDGE: &str = "leasehold0";
/// The prefix of the bridge's address.
pub(crate) const NODE_CIDR: &str = "10.199.0.1/24";
/// User and password of the private registry, as `testbed/config/htpasswd` has them.
pub(crate) const PRIVATE_USER: (&str, &str) = ("tenant", "open-sesame");
/// The addresses of pods.
pub(crate) const POD_CIDR: &str = "10.200.0.0/16";
/// The addresses of Services.
pub(crate) const SERVICE_CIDR: &str = "10.201.0.0/16";
/// The API server's Service, the first address of the range.
pub(crate) const KUBERNETES_SERVICE: &str = "10.201.0.1";
/// The cluster's name server.
pub(crate) const DNS_SERVICE: &str = "10.201.0.10";
/// The node's name.
pub(crate) const NODE_NAME: &str = "testbed";
/// The name of the pod network, which CNI plugins use in the names of their files.
pub(crate) const POD_NETWORK: &str = "leasehold-testbed";
/// The cgroup that holds every pod.
pub(crate) const CGROUP: &str = "leasehold-testbed";
/// The Service of the way into leases, and the Gateway that it serves.
pub(crate) const GATEWAY_SERVICE: &str = "10.201.0.80";
pub(crate) const GATEWAY_NAMESPACE: &str = "leasehold-gateway";
pub(crate) const GATEWAY_NAME: &str = "public";
/// The domain under which leases' public services have their names.
pub(crate) const PUBLIC_DOMAIN: &str = "apps.leasehold.test";
/// The class of pods that run in gVisor.
pub(crate) const SANDBOX_RUNTIME_CLASS: &str = "gvisor";
/// The chain's number.
pub(crate) const CHAIN_ID: u64 = 31_337;

impl Site {
    /// The site of a profile, placed by the environment: `$LEASEHOLD_STATE`, or a fixed place.
    pub(crate) fn of(profile: Profile) -> Result<Self> {
        let path = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = match path("LEASEHOLD_STATE") {
            Some(base) => base,
            None if Uid::effective().is_root() => PathBuf::from("/var/lib/leasehold-testbed"),
            None => path("HOME")
                .context("there is no place for the testbed's state: set LEASEHOLD_STATE")?
                .join(".local/state/leasehold-testbed"),
        };
        Ok(Self::at(profile, &std::path::absolute(base)?))
    }

    /// The site of a profile whose full testbed would lie at `base`.
    pub(crate) fn at(profile: Profile, base: &Path) -> Self {
        let beside = |suffix: &str| {
            let mut state = base.as_os_str().to_owned();
            state.push(suffix);
            PathBuf::from(state)
        };
        match profile {
            Profile::Full => Self {
                profile,
                state: base.to_owned(),
                address: Ipv4Addr::new(10, 199, 0, 1),
                ports: Ports::FIRST,
            },
            Profile::ControlPlane => Self {
                profile,
                state: beside("-control-plane"),
                address: Ipv4Addr::LOCALHOST,
                ports: Ports::SECOND,
            },
            Profile::Bench => {
                Self { profile, state: beside("-bench"), address: Ipv4Addr::LOCALHOST, ports: Ports::THIRD }
            }
        }
    }

    /// The file that others read to find the testbed; it is there only while the testbed is ready.
    pub(crate) fn description(&self) -> PathBuf {
        self.state.join("testbed.json")
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// Where daemons record their identity.
    pub(crate) fn records(&self) -> PathBuf {
        self.state.join("run")
    }

    /// Where daemons write their logs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("log")
    }

    /// Where configuration files are rendered to.
    pub(crate) fn config(&self) -> PathBuf {
        self.state.join("config")
    }

    /// Where keys and certificates lie.
    pub(crate) fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }

    /// containerd's socket.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.state.join("containerd/containerd.sock")
    }

    /// The API server's address for clients.
    pub(crate) fn api_url(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.api)
    }

    /// The chain's JSON-RPC address.
    pub(crate) fn rpc_url(&self) -> String {
        format!("http://{}:{}", self.address, self.ports.chain)
    }

    /// The image registry, as it stands in image references.
    pub(crate) fn registry(&self) -> String {
        format!("{}:{}", self.address, self.ports.registry)
    }

    /// The registry of the same images that asks for a password.
    pub(crate) fn private_registry(&self) -> String {
        format!("{}:{}", self.address, self.ports.private_registry)
    }
}

impl Ports {
    const FIRST: Self = Self {
        api: 6443,
        etcd: 2379,
        etcd_peer: 2380,
        controller_manager: 10257,
        chain: 8545,
        registry: 5000,
        private_registry: 5001,
        kubelet: 10250,
        kubelet_health: 10248,
        scheduler: 10259,
        proxy_health: 10256,
        proxy_metrics: 10249,
        felix_health: 9099,
    };
    const SECOND: Self = Self {
        api: 16443,
        etcd: 12379,
        etcd_peer: 12380,
        controller_manager: 20257,
        chain: 18545,
        registry: 15000,
        private_registry: 15001,
        kubelet: 20250,
        kubelet_health: 20248,
        scheduler: 20259,
        proxy_health: 20256,
        proxy_metrics: 20249,
        felix_health: 19099,
    };
    const THIRD: Self = Self {
        api: 26443,
        etcd: 22379,
        etcd_peer: 22380,
        controller_manager: 30257,
        chain: 28545,
        registry: 25000,
        private_registry: 25001,
        kubelet: 30250,
        kubelet_health: 30248,
        scheduler: 30259,
        proxy_health: 30256,
        proxy_metrics: 30249,
        felix_health: 29099,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_testbeds_share_no_directory_and_no_address() {
        let sites = [Profile::Full, Profile::ControlPlane, Profile::Bench]
            .map(|profile| Site::at(profile, Path::new("/state")));
        let places = sites.map(|site| (site.state.clone(), site.api_url(), site.rpc_url(), site.registry()));
        let place = |state: &str, api: &str, rpc: &str, registry: &str| {
            (PathBuf::from(state), api.to_owned(), rpc.to_owned(), registry.to_owned())
        };
        let expected = [
            place("/state", "https://10.199.0.1:6443", "http://10.199.0.1:8545", "10.199.0.1:5000"),
            place(
                "/state-control-plane",
                "https://127.0.0.1:16443",
                "http://127.0.0.1:18545",
                "127.0.0.1:15000",
            ),
            place("/state-bench", "https://127.0.0.1:26443", "http://127.0.0.1:28545", "127.0.0.1:25000"),
        ];
        assert_eq!(places, expected);
    }
}
