//! What a node needs of the machine itself: a bridge, kernel settings, a cgroup. Each part is undone by `teardown`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::site::{BRIDGE, CGROUP, NODE_CIDR};
use super::state::Before;
use crate::process::output;

/// Settings that the testbed, the kubelet, kube-proxy, Felix or anvil's neighbours change, under `/proc/sys`.
const SETTINGS: [&str; 10] = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables",
    "net/netfilter/nf_conntrack_max",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
];

/// Directories that parts of a node make at places that no setting of theirs moves.
const DIRECTORIES: [&str; 11] = [
    "/var/lib/calico",
    "/var/run/calico",
    "/var/log/calico",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/run/containerd",
    "/run/netns",
    "/run/nri",
    "/etc/cni",
];

/// Where Felix mounts the file system of BPF programs.
pub(crate) const BPF: &str = "/sys/fs/bpf";

const CGROUPS: &str = "/sys/fs/cgroup";

/// Looks at everything that will be changed.
pub(crate) fn look() -> Result<Before> {
    let mut before = Before::default();
    for setting in SETTINGS {
        match fs::read_to_string(Path::new("/proc/sys").join(setting)) {
            Ok(value) => before.settings.insert(setting.into(), value.trim().into()),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("failed to read {setting}")),
        };
    }
    before.bpf_mounted = is_bpf_mounted()?;
    before.absent = DIRECTORIES.map(PathBuf::from).into_iter().filter(|path| !path.exists()).collect();
    Ok(before)
}

/// Whether the file system of BPF programs is mounted; Felix mounts it even where it is told to make no use of it.
pub(crate) fn is_bpf_mounted() -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("failed to list mounts")?;
    Ok(mount_points(&mounts, |kind| kind == "bpf").iter().any(|point| point == Path::new(BPF)))
}

/// Fails if another cluster's networking is at work here, which ours would break and be broken by.
pub(crate) fn ensure_unused() -> Result<()> {
    let links = output(Command::new("ip").args(["-o", "link"]))?;
    let rules = output(&mut Command::new("iptables-save"))?;
    let chain = rules.lines().find(|line| line.starts_with(":cali-") || line.starts_with(":KUBE-SERVICES"));
    if let Some(chain) = chain {
        bail!("this machine already has the packet filter of another cluster ({chain})");
    }
    if links.contains(": cali") || links.contains(&format!(": {BRIDGE}")) {
        bail!("this machine already has network devices of another cluster");
    }
    Ok(())
}

/// The packet filter behind `iptables`, by Felix's name for it. Felix must use the one that kube-proxy uses, and would
/// otherwise guess it from the rules that happen to be there.
pub(crate) fn packet_filter() -> Result<&'static str> {
    let version = output(Command::new("iptables").arg("--version"))?;
    Ok(if version.contains("nf_tables") { "NFT" } else { "Legacy" })
}

/// Makes the bridge with the node's address, and lets packets through the machine.
pub(crate) fn create_network() -> Result<()> {
    let ip = |arguments: &[&str]| output(Command::new("ip").args(arguments)).map(drop);
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["addr", "add", NODE_CIDR, "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("failed to turn forwarding on")
}

/// Makes the cgroup that holds all pods, in every hierarchy there is.
pub(crate) fn create_cgroups() -> Result<()> {
    let root = Path::new(CGROUPS);
    if root.join("cgroup.controllers").is_file() {
        let controllers = fs::read_to_string(root.join("cgroup.controllers"))?;
        let group = root.join(CGROUP);
        make_directory(&group)?;
        for controller in controllers.split_whitespace() {
            for level in [root, &group] {
                // A controller that is busy elsewhere cannot be had; the kubelet says so if it needs it.
                if let Err(error) = fs::write(level.join("cgroup.subtree_control"), format!("+{controller}"))
                {
                    crate::step::note(&format!(
                        "the cgroup controller {controller} is not to be had: {error}"
                    ));
                }
            }
        }
        return Ok(());
    }
    for hierarchy in hierarchies()? {
        let group = hierarchy.join(CGROUP);
        make_directory(&group)?;
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if hierarchy.join(file).is_file() {
                fs::write(group.join(file), fs::read(hierarchy.join(file))?)
                    .with_context(|| format!("failed to set {file}"))?;
            }
        }
    }
    Ok(())
}

/// The testbed's cgroups, one for each hierarchy that has it.
pub(crate) fn cgroups() -> Result<Vec<PathBuf>> {
    Ok(hierarchies()?.into_iter().map(|root| root.join(CGROUP)).filter(|group| group.is_dir()).collect())
}

/// The mounted cgroup hierarchies, of either version; a machine can have both.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("failed to list mounts")?;
    Ok(mount_points(&mounts, |kind| matches!(kind, "cgroup" | "cgroup2")))
}

/// Where file systems of a kind are mounted, from the text of `/proc/self/mounts`.
fn mount_points(mounts: &str, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let point = |line: &str| {
        let mut fields = line.split(' ');
        let (at, kind) = (fields.nth(1)?, fields.next()?);
        wanted(kind).then(|| PathBuf::from(at))
    };
    mounts.lines().filter_map(point).collect()
}

fn make_directory(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("failed to create {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_found_by_their_kind() {
        let mounts =
            "cgroup /c/cpu cgroup rw 0 0\ncgroup2 /c/unified cgroup2 rw 0 0\ntmpfs /c tmpfs rw 0 0\n";
        let found = mount_points(mounts, |kind| kind.starts_with("cgroup"));
        assert_eq!(found, ["/c/cpu", "/c/unified"].map(PathBuf::from));
    }
}
