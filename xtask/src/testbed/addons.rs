//! What runs in the cluster as pods: the name server, the provisioner of volumes, and the way into leases.

use std::time::Duration;

use anyhow::Result;

use super::images::Images;
use super::kubectl::Kubectl;
use super::site::{
    DNS_SERVICE, GATEWAY_NAME, GATEWAY_NAMESPACE, GATEWAY_SERVICE, POD_CIDR, PUBLIC_DOMAIN,
    SANDBOX_RUNTIME_CLASS, Site,
};
use super::template::render;
use crate::tools::Tool;

/// Lets the API server talk to the kubelet, and Calico to the API server.
pub(crate) fn apply_rbac(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(include_str!("../../../testbed/config/rbac.yaml"))
}

/// Applies Calico's kinds and its settings.
pub(crate) fn apply_calico(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply_directory(&Tool::Calico.directory()?.join("crd"))?;
    let settings = render(include_str!("../../../testbed/config/calico.yaml"), &[("POD_CIDR", POD_CIDR)])?;
    kubectl.apply_when_known(&settings, Duration::from_secs(30))
}

/// Applies the name server and the provisioner, so that they start as soon as there is a node.
pub(crate) fn apply(site: &Site, images: &Images, kubectl: &Kubectl) -> Result<()> {
    let state = site.state.to_string_lossy();
    let dns = [("IMAGE", images.coredns.as_str()), ("DNS_SERVICE", DNS_SERVICE)];
    let storage = [
        ("STATE", state.as_ref()),
        ("IMAGE", &images.local_path_provisioner),
        ("HELPER_IMAGE", &images.busybox),
    ];
    let sandbox = [("RUNTIME_CLASS", SANDBOX_RUNTIME_CLASS)];
    kubectl.apply(&render(include_str!("../../../testbed/config/gvisor.yaml"), &sandbox)?)?;
    kubectl.apply(&render(include_str!("../../../testbed/config/coredns.yaml"), &dns)?)?;
    kubectl.apply(&render(include_str!("../../../testbed/config/storage.yaml"), &storage)?)
}

/// Applies the kinds of the Gateway API.
pub(crate) fn apply_gateway_kinds(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply_directory(&Tool::Traefik.directory()?.join("crd"))
}

/// Applies Traefik and the Gateway that it serves.
pub(crate) fn apply_gateway(image: &str, kubectl: &Kubectl) -> Result<()> {
    let values = [
        ("IMAGE", image),
        ("GATEWAY_SERVICE", GATEWAY_SERVICE),
        ("GATEWAY_NAMESPACE", GATEWAY_NAMESPACE),
        ("GATEWAY_NAME", GATEWAY_NAME),
        ("PUBLIC_DOMAIN", PUBLIC_DOMAIN),
    ];
    let objects = render(include_str!("../../../testbed/config/gateway.yaml"), &values)?;
    kubectl.apply_when_known(&objects, Duration::from_secs(30))
}

/// Waits until the Gateway is served.
pub(crate) fn wait_for_gateway(kubectl: &Kubectl) -> Result<()> {
    kubectl.wait_for_deployment("traefik", "traefik")?;
    let gateway = format!("gateway/{GATEWAY_NAME}");
    let programmed = ["--for=condition=Programmed", "--timeout=60s"];
    kubectl.run(&[&["wait", "--namespace", GATEWAY_NAMESPACE, &gateway][..], &programmed].concat()).map(drop)
}

/// Waits until name server and provisioner run.
pub(crate) fn wait(kubectl: &Kubectl) -> Result<()> {
    kubectl.wait_for_deployment("kube-system", "coredns")?;
    kubectl.wait_for_deployment("local-path-storage", "local-path-provisioner")
}
