//! The one node: containerd, the kubelet, kube-proxy, and Calico for addresses and NetworkPolicies.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};

use super::certificates::Authority;
use super::control_plane::flag;
use super::images::Images;
use super::kubectl::Kubectl;
use super::machine;
use super::probe;
use super::site::{CGROUP, DNS_SERVICE, NODE_NAME, POD_CIDR, POD_NETWORK, Site};
use super::template::render;
use crate::process::{Daemon, Running, output};
use crate::tools::Tool;

const PATIENCE: Duration = Duration::from_secs(90);

/// Starts the image registry, from which containerd pulls every image that there is, and its private door.
pub(crate) fn start_registries(site: &Site) -> Result<[Running; 2]> {
    fs::write(site.config().join("htpasswd"), include_str!("../../../testbed/config/htpasswd"))?;
    let public = include_str!("../../../testbed/config/registry.yaml");
    let private = include_str!("../../../testbed/config/private-registry.yaml");
    Ok([
        start_registry(site, "registry", site.ports.registry, public)?,
        start_registry(site, "private-registry", site.ports.private_registry, private)?,
    ])
}

fn start_registry(site: &Site, name: &'static str, port: u16, template: &str) -> Result<Running> {
    probe::ensure_free(site.address, port, name)?;
    let (state, registry) = (state_of(site)?, format!("{}:{port}", site.address));
    let config = site.config().join(name).with_extension("yaml");
    fs::write(&config, render(template, &[("STATE", state.as_str()), ("REGISTRY", &registry)])?)?;
    let hosts = site.config().join("registries").join(registry.replace(':', "_") + "_");
    fs::create_dir_all(&hosts)?;
    let text = render(include_str!("../../../testbed/config/hosts.toml"), &[("REGISTRY", &registry)])?;
    fs::write(hosts.join("hosts.toml"), text)?;
    Daemon::new(name, Tool::Registry.program("registry")?)
        .args(["serve".into(), config])
        .env("OTEL_TRACES_EXPORTER", "none")
        .start(&site.records(), &site.logs())
}

/// Waits until both registries answer.
pub(crate) fn wait_for_registries(site: &Site, [public, private]: &mut [Running; 2]) -> Result<()> {
    public.wait_until(PATIENCE, || check_registry(site))?;
    private.wait_until(PATIENCE, || check_private_registry(site))
}

/// Succeeds if the registry answers.
pub(crate) fn check_registry(site: &Site) -> Result<()> {
    probe::get(site.address, site.ports.registry, "/v2/").map(drop)
}

/// Succeeds if the private registry answers, and asks who is there.
pub(crate) fn check_private_registry(site: &Site) -> Result<()> {
    probe::get_unauthorized(site.address, site.ports.private_registry, "/v2/")
}

/// Starts containerd.
pub(crate) fn start_containerd(site: &Site, images: &Images) -> Result<Running> {
    let state = state_of(site)?;
    let runc = text(&Tool::Runc.program("runc")?)?;
    let calico = text(&Tool::Calico.directory()?)?;
    let gvisor = Tool::Gvisor.directory()?;
    let runsc = text(&gvisor.join("runsc"))?;
    let sandbox = render(
        include_str!("../../../testbed/config/runsc.toml"),
        &[("STATE", state.as_str()), ("RUNSC", &runsc)],
    )?;
    fs::write(site.config().join("runsc.toml"), sandbox)?;
    let values = [
        ("STATE", state.as_str()),
        ("PAUSE_IMAGE", &images.pause),
        ("CALICO_DIRECTORY", &calico),
        ("RUNC", &runc),
    ];
    let config = site.config().join("containerd.toml");
    fs::write(&config, render(include_str!("../../../testbed/config/containerd.toml"), &values)?)?;
    fs::create_dir_all(site.state.join("containerd"))?;
    // containerd finds shims only by the path, also the one beside itself.
    let shims = Tool::Containerd.directory()?;
    let mut path = vec![shims.clone(), gvisor];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").context("PATH is not set")?));
    Daemon::new("containerd", shims.join("containerd"))
        .args(["--config".into(), config])
        .args(["--log-level", "info"])
        .env("PATH", std::env::join_paths(path)?)
        .start(&site.records(), &site.logs())
}

/// Waits until containerd answers.
pub(crate) fn wait_for_containerd(site: &Site, containerd: &mut Running) -> Result<()> {
    containerd.wait_until(PATIENCE, || check_containerd(site).map(drop))
}

/// containerd's version, if it answers.
pub(crate) fn check_containerd(site: &Site) -> Result<String> {
    let ctr = Tool::Containerd.program("ctr")?;
    let mut command = std::process::Command::new(ctr);
    command.arg("--address").arg(site.containerd_socket()).args(["--connect-timeout", "3s", "version"]);
    let answer = output(&mut command)?;
    let server = answer.split_once("Server:").context("containerd does not say its version")?.1;
    let version = server.lines().find_map(|line| line.trim().strip_prefix("Version:"));
    Ok(format!("containerd {}", version.context("containerd does not say its version")?.trim()))
}

/// Starts the kubelet.
pub(crate) fn start_kubelet(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    probe::ensure_free(site.address, site.ports.kubelet, "the kubelet")?;
    // Pods that use the node's name service get an empty one: nothing here asks outside this machine.
    fs::write(site.config().join("resolv.conf"), "")?;
    let (state, address) = (state_of(site)?, site.address.to_string());
    let (port, health_port) = (site.ports.kubelet.to_string(), site.ports.kubelet_health.to_string());
    let values = [
        ("STATE", state.as_str()),
        ("ADDRESS", &address),
        ("PORT", &port),
        ("HEALTH_PORT", &health_port),
        ("DNS_SERVICE", DNS_SERVICE),
        ("CGROUP", CGROUP),
    ];
    let config = site.config().join("kubelet.yaml");
    fs::write(&config, render(include_str!("../../../testbed/config/kubelet.yaml"), &values)?)?;
    Daemon::new("kubelet", Tool::Kubernetes.program("kubelet")?)
        .args([flag("--config", config), flag("--kubeconfig", authority.kubeconfig("kubelet"))])
        .args([
            flag("--root-dir", site.state.join("kubelet")),
            flag("--cert-dir", site.state.join("kubelet/pki")),
        ])
        // Without this cAdvisor finds no container, and the meter no network counters.
        .args([flag("--containerd", site.containerd_socket())])
        .args([format!("--hostname-override={NODE_NAME}"), format!("--node-ip={}", site.address)])
        .args(["--v=1"])
        .start(&site.records(), &site.logs())
}

/// Succeeds if the kubelet is healthy.
pub(crate) fn check_kubelet(site: &Site) -> Result<()> {
    probe::get(Ipv4Addr::LOCALHOST, site.ports.kubelet_health, "/healthz").map(drop)
}

/// Starts kube-proxy.
pub(crate) fn start_proxy(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    Daemon::new("kube-proxy", Tool::Kubernetes.program("kube-proxy")?)
        .args([flag("--kubeconfig", authority.kubeconfig("kube-proxy"))])
        .args([format!("--hostname-override={NODE_NAME}"), format!("--cluster-cidr={POD_CIDR}")])
        .args([format!("--healthz-bind-address=127.0.0.1:{}", site.ports.proxy_health)])
        .args([format!("--metrics-bind-address=127.0.0.1:{}", site.ports.proxy_metrics)])
        .args(["--proxy-mode=iptables", "--iptables-localhost-nodeports=false"])
        // The machine's own connection tracking is not the testbed's to change.
        .args(["--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0"])
        .args(["--conntrack-tcp-timeout-close-wait=0", "--v=1"])
        .start(&site.records(), &site.logs())
}

/// Starts Felix, which writes NetworkPolicies into the packet filter, and lets the kubelet's CNI plugin work.
pub(crate) fn start_felix(site: &Site, authority: &Authority<'_>) -> Result<Running> {
    let state = state_of(site)?;
    let values = [("STATE", state.as_str()), ("POD_NETWORK", POD_NETWORK), ("NODE_NAME", NODE_NAME)];
    let directory = site.config().join("cni");
    fs::create_dir_all(&directory)?;
    let config = render(include_str!("../../../testbed/config/cni.conflist"), &values)?;
    fs::write(directory.join("10-calico.conflist"), config)?;
    fs::create_dir_all("/var/lib/calico")?;
    fs::write("/var/lib/calico/nodename", NODE_NAME)?;
    Daemon::new("calico-felix", Tool::Calico.program("calico-felix")?)
        .env("KUBECONFIG", authority.kubeconfig("calico"))
        .env("FELIX_DATASTORETYPE", "kubernetes")
        .env("FELIX_FELIXHOSTNAME", NODE_NAME)
        .env("FELIX_IPV6SUPPORT", "false")
        .env("FELIX_BPFENABLED", "false")
        .env("FELIX_IPTABLESBACKEND", machine::packet_filter()?)
        .env("FELIX_IPINIPENABLED", "false")
        .env("FELIX_USAGEREPORTINGENABLED", "false")
        .env("FELIX_HEALTHENABLED", "true")
        .env("FELIX_HEALTHHOST", "127.0.0.1")
        .env("FELIX_HEALTHPORT", site.ports.felix_health.to_string())
        .env("FELIX_LOGSEVERITYSCREEN", "Warning")
        .env("FELIX_LOGFILEPATH", "none")
        // As installations have it: policies decide first, and what they let through reaches the node.
        .env("FELIX_DEFAULTENDPOINTTOHOSTACTION", "ACCEPT")
        .start(&site.records(), &site.logs())
}

/// Waits until Felix has written its first policies.
pub(crate) fn wait_for_felix(site: &Site, felix: &mut Running) -> Result<()> {
    felix.wait_until(PATIENCE, || check_felix(site))
}

/// Succeeds if Felix is in step with the API server.
pub(crate) fn check_felix(site: &Site) -> Result<()> {
    probe::get(Ipv4Addr::LOCALHOST, site.ports.felix_health, "/readiness").map(drop)
}

/// Waits until kube-proxy has written the Services.
pub(crate) fn wait_for_proxy(site: &Site, proxy: &mut Running) -> Result<()> {
    proxy.wait_until(PATIENCE, || {
        probe::get(Ipv4Addr::LOCALHOST, site.ports.proxy_health, "/healthz").map(drop)
    })
}

/// Waits until the node takes pods.
pub(crate) fn wait_for_node(kubectl: &Kubectl, kubelet: &mut Running) -> Result<()> {
    kubelet.wait_until(PATIENCE, || check_node(kubectl))
}

/// Succeeds if the node takes pods.
pub(crate) fn check_node(kubectl: &Kubectl) -> Result<()> {
    let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    let ready = kubectl.run(&["get", "node", NODE_NAME, "--request-timeout=3s", "--output", path])?;
    anyhow::ensure!(ready == "True", "the node is not ready");
    Ok(())
}

fn state_of(site: &Site) -> Result<String> {
    text(&site.state)
}

fn text(path: &std::path::Path) -> Result<String> {
    path.to_str().map(str::to_owned).with_context(|| format!("the path {} is not text", path.display()))
}
