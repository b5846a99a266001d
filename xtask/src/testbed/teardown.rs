//! `down`: leaves the machine as it was. Works from what is recorded and from names that only the testbed uses, so it
//! also takes down a testbed that never got up or that lost half of its processes.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, umount2};

use super::site::{BRIDGE, POD_NETWORK, Profile, Site};
use super::state::Before;
use super::{health, machine};
use crate::process::{Identity, is_on_path, output, output_with_input, poll, record_path};
use crate::step::{note, step};

mod mounts;
mod packet_filter;

/// How long a daemon may take to end by itself. Nothing that it could still write will be kept.
const PATIENCE: Duration = Duration::from_secs(1);

/// Daemons that would start again what the next steps end, so they go first.
const FIRST: [&str; 5] =
    ["kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "calico-felix"];

/// Takes the site's testbed down.
pub(crate) fn teardown(site: &Site) -> Result<()> {
    remove_file(&site.description())?;
    // Without a record nothing was changed yet, so there is nothing to restore either.
    let before = Before::read(site)?;
    step("end the node's agents", || {
        FIRST.iter().try_for_each(|name| end(&record_path(&site.records(), name)))
    })?;
    if site.profile == Profile::Full {
        step("end pods", || {
            end_pods()?;
            end_shims(&site.containerd_socket())
        })?;
    }
    step("end the other daemons", || health::records(site)?.iter().try_for_each(|record| end(record)))?;
    if site.profile == Profile::Full {
        step("unmount", || unmount(&site.state))?;
        step("undo the network", undo_network)?;
        step("remove cgroups", remove_cgroups)?;
        step("restore settings", || before.as_ref().map_or(Ok(()), restore))?;
    }
    step("remove the state", || remove_directory(&site.state))
}

fn end(record: &Path) -> Result<()> {
    match Identity::read(record) {
        Some(identity) => {
            identity.end(PATIENCE).with_context(|| format!("failed to end {}", record.display()))
        }
        None => Ok(()),
    }
}

/// Ends every process in the testbed's cgroups; nothing but the testbed's pods is ever in them.
fn end_pods() -> Result<()> {
    let groups = machine::cgroups()?;
    let ended = poll(Duration::from_secs(20), || {
        let mut alive = Vec::new();
        for group in &groups {
            for directory in directories_below(group)? {
                let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
                alive.extend(members.lines().filter_map(|pid| Identity::of_pid(pid.parse().ok()?)));
            }
        }
        alive.iter().try_for_each(|identity| identity.end(Duration::ZERO))?;
        Ok(alive.is_empty().then_some(()))
    })?;
    ended.context("pods do not end")
}

/// Ends the shims that serve our containerd, which they name on their command line.
fn end_shims(socket: &Path) -> Result<()> {
    for entry in fs::read_dir("/proc").context("failed to list processes")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(identity) = Identity::of_pid(pid) else { continue };
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else { continue };
        if is_shim_of(&line, socket) {
            identity.end(Duration::from_secs(2))?;
        }
    }
    Ok(())
}

/// The shims of runc and of gVisor.
const SHIMS: [&str; 2] = ["containerd-shim-runc-v2", "containerd-shim-runsc-v1"];

/// Whether a command line, words ended by zero bytes, is that of a shim of the containerd at `socket`.
fn is_shim_of(line: &[u8], socket: &Path) -> bool {
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    let is_shim = words.first().is_some_and(|program| {
        SHIMS.iter().any(|shim| program.rsplit(|byte| *byte == b'/').next() == Some(shim.as_bytes()))
    });
    let socket = socket.as_os_str().as_encoded_bytes();
    is_shim && words.windows(2).any(|pair| pair[0] == b"-address" && pair[1] == socket)
}

fn unmount(state: &Path) -> Result<()> {
    // A mount can hide others at the same place, so look again until there is none.
    for _ in 0..10 {
        let table = fs::read_to_string("/proc/self/mountinfo").context("failed to list mounts")?;
        let points = mounts::below(&table, state);
        if points.is_empty() {
            return Ok(());
        }
        for point in points {
            match umount2(&point, MntFlags::MNT_DETACH) {
                Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("failed to unmount {}", point.display()));
                }
            }
        }
    }
    bail!("something keeps mounting below {}", state.display())
}

fn undo_network() -> Result<()> {
    let links = output(Command::new("ip").args(["-o", "link"]))?;
    for link in packet_filter::own_links(&links, BRIDGE) {
        // A device that goes with its pod's namespace may be gone by now.
        let gone = output(Command::new("ip").args(["link", "delete", &link]));
        if gone.is_err() && Path::new("/sys/class/net").join(&link).exists() {
            gone.with_context(|| format!("failed to remove the network device {link}"))?;
        }
    }
    for filter in packet_filter::FILTERS.iter().filter(|filter| is_on_path(&format!("{filter}-save"))) {
        let script = packet_filter::removal(&output(&mut Command::new(format!("{filter}-save")))?);
        if !script.is_empty() {
            let mut restore = Command::new(format!("{filter}-restore"));
            output_with_input(restore.args(["--noflush", "--wait"]), script.as_bytes())?;
        }
    }
    for set in
        output(Command::new("ipset").args(["list", "-name"]))?.lines().filter(|name| name.starts_with("cali"))
    {
        output(Command::new("ipset").args(["destroy", set]))?;
    }
    Ok(())
}

fn remove_cgroups() -> Result<()> {
    for group in machine::cgroups()? {
        let mut directories = directories_below(&group)?;
        directories.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for directory in directories {
            // The kernel lets a cgroup go a moment after its last process.
            let removed = poll(Duration::from_secs(5), || match fs::remove_dir(&directory) {
                Ok(()) => Ok(Some(())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(())),
                Err(_) => Ok(None),
            })?;
            removed.with_context(|| format!("failed to remove the cgroup {}", directory.display()))?;
        }
    }
    Ok(())
}

fn restore(before: &Before) -> Result<()> {
    for (setting, value) in &before.settings {
        let path = Path::new("/proc/sys").join(setting);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if path.exists() && now.trim() != value {
            fs::write(&path, value).with_context(|| format!("failed to restore {}", setting.display()))?;
        }
    }
    if !before.bpf_mounted && machine::is_bpf_mounted()? {
        umount2(machine::BPF, MntFlags::empty())
            .with_context(|| format!("failed to unmount {}", machine::BPF))?;
    }
    for path in &before.absent {
        match fs::remove_dir_all(path) {
            // Somebody else has mounted something there since, as `ip netns add` does.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                note(&format!("{} is in use by others and stays", path.display()));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("failed to remove {}", path.display()));
            }
            _ => {}
        }
    }
    // Where the directory was there before, at least our network's files in it were not.
    let results = Path::new("/var/lib/cni/results");
    if results.is_dir() {
        for entry in fs::read_dir(results)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&format!("{POD_NETWORK}-")) {
                remove_file(&entry.path())?;
            }
        }
    }
    Ok(())
}

fn directories_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = vec![root.to_owned()];
    let mut next = 0;
    while next < found.len() {
        match fs::read_dir(&found[next]) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        found.push(entry.path());
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("failed to list {}", found[next].display()));
            }
        }
        next += 1;
    }
    Ok(found)
}

fn remove_directory(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shims_of_our_containerd_are_ours() {
        let own = b"/cache/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0/state/containerd.sock\0"
            .as_slice();
        let sandbox = b"/cache/containerd-shim-runsc-v1\0-address\0/state/containerd.sock\0".as_slice();
        let foreign =
            b"/usr/bin/containerd-shim-runc-v2\0-address\0/run/containerd/containerd.sock\0".as_slice();
        let other = b"/bin/less\0-address\0/state/containerd.sock\0".as_slice();
        let ours =
            [own, sandbox, foreign, other].map(|line| is_shim_of(line, Path::new("/state/containerd.sock")));
        assert_eq!(ours, [true, true, false, false]);
    }
}
