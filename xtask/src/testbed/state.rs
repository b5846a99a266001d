//! What a testbed writes about itself: the description for others, and how the machine was before it came.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::site::Site;

/// `testbed.json`: everything that a test or a demo needs to find the testbed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    pub(crate) kubeconfig: PathBuf,
    /// JSON-RPC; pods of a full testbed reach the same address.
    pub(crate) rpc_url: String,
    pub(crate) chain_id: u64,
    /// The chain's rich accounts, whose keys are public knowledge.
    pub(crate) anvil_accounts: Vec<Account>,
    /// Programs by name: helm, crane, kubeconform, kubectl, anvil, forge, cast.
    pub(crate) tools: BTreeMap<String, PathBuf>,
    /// Present when the cluster has a node.
    #[serde(flatten)]
    pub(crate) node: Option<Node>,
    /// Decides, together with the processes, whether a running testbed is the one that this checkout would start.
    pub(crate) fingerprint: String,
}

/// A node and what only a cluster with a node has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Node {
    pub(crate) node_name: String,
    pub(crate) node_ip: String,
    pub(crate) pod_cidr: String,
    pub(crate) service_cidr: String,
    /// `address:port`, as image references name it; push with `crane --insecure`.
    pub(crate) registry: String,
    pub(crate) busybox_image: String,
    pub(crate) containerd_socket: PathBuf,
    pub(crate) runtime_version: String,
    /// The RuntimeClass of pods that run in gVisor.
    pub(crate) sandbox_runtime_class: String,
    pub(crate) gateway: Gateway,
}

/// The way from the machine into leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gateway {
    /// Of the Gateway object.
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// The domain under which leases' public services have their names; no name server knows it.
    pub(crate) public_domain: String,
    /// Where the machine reaches it; the `Host` header says which service is meant.
    pub(crate) http_url: String,
    /// Whence requests come into leases.
    pub(crate) pod_namespace: String,
    pub(crate) pod_labels: BTreeMap<String, String>,
}

/// An account of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) address: String,
    pub(crate) private_key: String,
}

/// The machine before the testbed came, so that it can be left the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Before {
    /// Kernel settings that parts of a node change, by their path under `/proc/sys`.
    pub(crate) settings: BTreeMap<PathBuf, String>,
    /// Directories that parts of a node make at fixed places, and that were not there.
    pub(crate) absent: Vec<PathBuf>,
    /// Whether the file system of BPF programs was mounted.
    pub(crate) bpf_mounted: bool,
}

impl Description {
    /// Reads the description of a site, or nothing if the testbed is not ready.
    pub(crate) fn read(site: &Site) -> Result<Option<Self>> {
        read_json(&site.description())
    }
}

impl Before {
    /// Reads the record of a site, or nothing if no testbed came.
    pub(crate) fn read(site: &Site) -> Result<Option<Self>> {
        read_json(&path_of_before(site))
    }

    /// Records how the machine is now; must be written before anything is changed.
    pub(crate) fn write(&self, site: &Site) -> Result<()> {
        write_json(&path_of_before(site), self)
    }
}

fn path_of_before(site: &Site) -> PathBuf {
    site.state.join("before.json")
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path.parent().context("the path names no directory")?;
    let mut file = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("failed to write in {}", directory.display()))?;
    file.write_all(content)?;
    file.persist(path).with_context(|| format!("failed to write {}", path.display()))?;
    Ok(())
}

/// Writes JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_private(path, format!("{}\n", serde_json::to_string_pretty(value)?).as_bytes())
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes);
            value.map(Some).with_context(|| format!("failed to understand {}", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("failed to read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::site::Profile;

    fn description() -> Description {
        Description {
            kubeconfig: "/state/kubeconfig".into(),
            rpc_url: "http://10.0.0.1:1".into(),
            chain_id: 2,
            anvil_accounts: vec![Account { address: "0x03".into(), private_key: "0x04".into() }],
            tools: BTreeMap::from([("helm".into(), "/cache/helm".into())]),
            node: Some(Node {
                node_name: "five".into(),
                node_ip: "10.0.0.6".into(),
                pod_cidr: "10.7.0.0/16".into(),
                service_cidr: "10.8.0.0/16".into(),
                registry: "10.0.0.9:1".into(),
                busybox_image: "10.0.0.9:1/busybox@sha256:10".into(),
                containerd_socket: "/state/containerd.sock".into(),
                runtime_version: "containerd 11".into(),
                sandbox_runtime_class: "thirteen".into(),
                gateway: Gateway {
                    namespace: "fourteen".into(),
                    name: "fifteen".into(),
                    public_domain: "sixteen.test".into(),
                    http_url: "http://10.8.0.17".into(),
                    pod_namespace: "eighteen".into(),
                    pod_labels: BTreeMap::from([("nineteen".into(), "twenty".into())]),
                },
            }),
            fingerprint: "twelve".into(),
        }
    }

    #[test]
    fn a_description_survives_the_way_through_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let site = Site::at(Profile::Full, directory.path());
        assert_eq!(Description::read(&site).unwrap(), None);
        write_json(&site.description(), &description()).unwrap();
        assert_eq!(Description::read(&site).unwrap(), Some(description()));
    }

    #[test]
    fn a_description_without_a_node_has_none_when_it_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let site = Site::at(Profile::ControlPlane, &directory.path().join("state"));
        fs::create_dir(&site.state).unwrap();
        let alone = Description { node: None, ..description() };
        write_json(&site.description(), &alone).unwrap();
        assert_eq!(Description::read(&site).unwrap(), Some(alone));
    }

    #[test]
    fn a_cut_state_file_is_an_error_and_not_an_absent_one() {
        let directory = tempfile::tempdir().unwrap();
        let site = Site::at(Profile::Full, directory.path());
        fs::write(site.description(), "{\"kubeconfig\": ").unwrap();
        let error = Description::read(&site).unwrap_err().to_string();
        assert_eq!(error, format!("failed to understand {}", site.description().display()));
    }

    #[test]
    fn the_record_of_the_machine_survives_the_way_through_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let site = Site::at(Profile::Full, directory.path());
        let before = Before {
            settings: BTreeMap::from([("net/ipv4/ip_forward".into(), "0".into())]),
            absent: vec!["/var/lib/calico".into()],
            bpf_mounted: true,
        };
        before.write(&site).unwrap();
        assert_eq!(Before::read(&site).unwrap(), Some(before));
    }
}
