//! etcd, the API server and the controllers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::certificates::Authority;
use super::kubectl::Kubectl;
use super::probe;
use super::site::{POD_CIDR, Profile, SERVICE_CIDR, Site};
use crate::process::{Daemon, Running};
use crate::tools::Tool;

/// Long enough for a busy machine with two cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts etcd. It does not wait for the disk: a testbed that loses power is simply made again.
pub(crate) fn start_etcd(site: &Site) -> Result<Running> {
    let (client, peer) = (etcd_url(site), format!("http://127.0.0.1:{}", site.ports.etcd_peer));
    for port in [site.ports.etcd, site.ports.etcd_peer] {
        probe::ensure_free(std::net::Ipv4Addr::LOCALHOST, port, "etcd")?;
    }
    Daemon::new("etcd", Tool::Kubernetes.program("etcd")?)
        .args([flag("--data-dir", site.state.join("etcd"))])
        .args(["--unsafe-no-fsync", "--log-level=warn"])
        .args([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")])
        .args([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")])
        .args([format!("--initial-cluster=default={peer}")])
        .start(&site.records(), &site.logs())
}

/// Waits until etcd answers.
pub(crate) fn wait_for_etcd(site: &Site, etcd: &mut Running) -> Result<()> {
    etcd.wait_until(PATIENCE, || check_etcd(site))
}

/// Succeeds if etcd is healthy.
pub(crate) fn check_etcd(site: &Site) -> Result<()> {
    probe::get(std::net::Ipv4Addr::LOCALHOST, site.ports.etcd, "/health").map(drop)
}

/// Starts the API server.
pub(crate) fn start_api_server(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    probe::ensure_free(site.address, site.ports.api, "the API server")?;
    let mut daemon = Daemon::new("kube-apiserver", Tool::Kubernetes.program("kube-apiserver")?)
        .args([format!("--bind-address={0}", site.address), format!("--advertise-address={}", site.address)])
        .args([format!("--secure-port={}", site.ports.api), format!("--etcd-servers={}", etcd_url(site))])
        .args([
            flag("--cert-dir", site.state.join("apiserver")),
            flag("--client-ca-file", authority.certificate("ca")),
        ])
        .args([flag("--tls-cert-file", authority.certificate("kube-apiserver"))])
        .args([flag("--tls-private-key-file", authority.key("kube-apiserver"))])
        .args([format!("--service-cluster-ip-range={SERVICE_CIDR}")])
        .args(["--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"])
        .args(["--anonymous-auth=false", "--profiling=false", "--v=1"])
        .args(["--service-account-issuer=https://kubernetes.default.svc.cluster.local"])
        .args([flag("--service-account-signing-key-file", authority.key("service-accounts"))])
        .args([flag("--service-account-key-file", site.pki().join("service-accounts.pub"))])
        .args([flag("--kubelet-client-certificate", authority.certificate("kube-apiserver-kubelet-client"))])
        .args([flag("--kubelet-client-key", authority.key("kube-apiserver-kubelet-client"))])
        .args([flag("--kubelet-certificate-authority", authority.certificate("ca"))])
        // Nobody is in front of this API server; controllers complain for ever if they are not told whom to trust there.
        .args([flag("--requestheader-client-ca-file", authority.certificate("ca"))])
        .args([
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
        ])
        .args(["--kubelet-preferred-address-types=InternalIP"]);
    if site.profile != Profile::Full {
        // Endpoints on loopback are refused, and nobody reaches the API server through a Service here.
        daemon = daemon.args(["--endpoint-reconciler-type=none"]);
        // As in most clusters: what refuses a privileged pod here must be our own layers.
        daemon = daemon.args(["--allow-privileged=true"]);
    }
    if site.profile == Profile::Bench {
        let policy = site.config().join("audit.yaml");
        std::fs::write(&policy, include_str!("../../../testbed/config/audit.yaml"))?;
        daemon = daemon
            .args([flag("--audit-policy-file", policy), flag("--audit-log-path", audit_log(site))])
            // In megabytes. A log that is begun anew could not be counted as a whole.
            .args(["--audit-log-maxsize=100000"]);
    }
    daemon.start(&site.records(), &site.logs())
}

/// Waits until the API server takes requests.
pub(crate) fn wait_for_api_server(kubectl: &Kubectl, server: &mut Running) -> Result<()> {
    server.wait_until(PATIENCE, || kubectl.ready())
}

/// Starts the controllers.
pub(crate) fn start_controller_manager(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    let name = "kube-controller-manager";
    let mut daemon = Daemon::new(name, Tool::Kubernetes.program(name)?)
        .args(client_flags(authority, name))
        .args([
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", site.ports.controller_manager),
        ])
        .args([
            flag("--cert-dir", site.state.join(name)),
            flag("--root-ca-file", authority.certificate("ca")),
        ])
        .args([flag("--service-account-private-key-file", authority.key("service-accounts"))])
        .args([flag("--flex-volume-plugin-dir", site.state.join("volume-plugins"))])
        .args([flag("--cluster-signing-cert-file", authority.certificate("ca"))])
        .args([flag("--cluster-signing-key-file", authority.key("ca"))])
        .args(["--use-service-account-credentials=true", "--leader-elect=false", "--profiling=false"]);
    if site.profile == Profile::Full {
        daemon = daemon.args([format!("--cluster-cidr={POD_CIDR}")]).args(["--allocate-node-cidrs=true"]);
    }
    if site.profile == Profile::Bench {
        // By default a controller may ask 20 times a second, which is what would be measured then.
        daemon = daemon.args(FAST_CLIENT).args(["--concurrent-deployment-syncs=20"]);
        daemon = daemon.args(["--concurrent-replicaset-syncs=20", "--concurrent-namespace-syncs=40"]);
        daemon = daemon
            .args(["--concurrent-resource-quota-syncs=20", "--concurrent-serviceaccount-token-syncs=20"]);
    }
    daemon.start(&site.records(), &site.logs())
}

/// Where the API server writes down what the operator asks of it.
pub(crate) fn audit_log(site: &Site) -> PathBuf {
    site.logs().join("audit.log")
}

/// How fast controllers may ask where their speed is not what is measured.
const FAST_CLIENT: [&str; 2] = ["--kube-api-qps=1000", "--kube-api-burst=2000"];

/// Waits until the controllers work: they have given the first namespace its service account.
pub(crate) fn wait_for_controllers(kubectl: &Kubectl, controllers: &mut Running) -> Result<()> {
    let first = ["get", "serviceaccount", "default", "--namespace=default", "--request-timeout=3s"];
    controllers.wait_until(PATIENCE, || kubectl.run(&first).map(drop))
}

/// Starts the scheduler.
pub(crate) fn start_scheduler(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    let name = "kube-scheduler";
    let mut daemon = Daemon::new(name, Tool::Kubernetes.program(name)?)
        .args(client_flags(authority, name))
        .args(["--bind-address=127.0.0.1".to_owned(), format!("--secure-port={}", site.ports.scheduler)])
        .args([flag("--cert-dir", site.state.join(name))])
        .args(["--leader-elect=false", "--profiling=false"]);
    if site.profile == Profile::Bench {
        daemon = daemon.args(FAST_CLIENT);
    }
    daemon.start(&site.records(), &site.logs())
}

/// The identity of whoever plays the kubelets.
pub(crate) const KWOK: &str = "kwok";

/// Starts kwok, which plays the kubelets of all nodes.
pub(crate) fn start_kwok(site: &Site, kubeconfig: PathBuf) -> Result<Running> {
    let stages = site.config().join("kwok.yaml");
    std::fs::write(&stages, include_str!("../../../testbed/config/kwok.yaml"))?;
    Daemon::new(KWOK, Tool::Kwok.program("kwok")?)
        .args([flag("--kubeconfig", kubeconfig), flag("--config", stages)])
        .args(["--manage-all-nodes=true", "--node-lease-duration-seconds=40"])
        .args(["--node-ip=127.0.0.1", "--cidr=10.200.0.0/16"])
        .start(&site.records(), &site.logs())
}

/// `name=value` for a value that is a path.
pub(crate) fn flag(name: &str, value: PathBuf) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(value);
    flag
}

/// How a component finds the API server and lets others prove who they are to it.
fn client_flags(authority: &Authority<'_>, name: &str) -> [OsString; 3] {
    ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"]
        .map(|option| flag(option, authority.kubeconfig(name)))
}

fn etcd_url(site: &Site) -> String {
    format!("http://127.0.0.1:{}", site.ports.etcd)
}
