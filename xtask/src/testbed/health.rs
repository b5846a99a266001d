//! Whether everything that a testbed consists of runs and answers.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::kubectl::Kubectl;
use super::site::{Profile, Site};
use super::{chain, control_plane, node};
use crate::process::{Identity, record_path};

/// The daemons of an API server without nodes, in the order in which they start.
const CONTROL_PLANE: [&str; 4] = ["anvil", "etcd", "kube-apiserver", "kube-controller-manager"];
/// The daemons that a node adds.
const NODE: [&str; 7] =
    ["registry", "private-registry", "containerd", "kube-scheduler", "kube-proxy", "calico-felix", "kubelet"];

/// A daemon and whether it runs.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) running: Option<Identity>,
}

/// Every daemon of the site.
pub(crate) fn parts(site: &Site) -> Vec<Part> {
    let node: &[&str] = match site.profile {
        Profile::Full => &NODE,
        Profile::ControlPlane | Profile::Bench => &[],
    };
    let running =
        |name| Identity::read(&record_path(&site.records(), name)).filter(|identity| identity.is_alive());
    CONTROL_PLANE.iter().chain(node).map(|&name| Part { name, running: running(name) }).collect()
}

/// Succeeds if every daemon runs and everything that can be asked answers.
pub(crate) fn check(site: &Site) -> Result<()> {
    for Part { name, running } in parts(site) {
        ensure!(running.is_some(), "{name} does not run");
    }
    chain::check(site).context("the chain is not ready")?;
    control_plane::check_etcd(site).context("etcd is not ready")?;
    let kubectl = Kubectl::of(site)?;
    kubectl.ready().context("the API server is not ready")?;
    if site.profile == Profile::Full {
        node::check_registry(site).context("the image registry is not ready")?;
        node::check_private_registry(site).context("the private registry is not ready")?;
        node::check_containerd(site).context("containerd is not ready")?;
        node::check_felix(site).context("Felix is not ready")?;
        node::check_node(&kubectl)?;
    }
    Ok(())
}

/// The records of all daemons that were ever started here, whatever their names.
pub(crate) fn records(site: &Site) -> Result<Vec<PathBuf>> {
    let directory = site.records();
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let entries =
        fs::read_dir(&directory).with_context(|| format!("failed to list {}", directory.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    Ok(paths)
}
