//! What the testbed needs of the operating system, installed from Debian packages where it is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;

use crate::cache::{self, Key};
use crate::process::{find_on_path, is_on_path, output};
use crate::step::long_step;

/// A package and how to see that it is there.
struct Need {
    package: &'static str,
    seen_by: Sign,
}

enum Sign {
    Program(&'static str),
    /// A program that needs no library, so that it runs in an image by itself.
    StaticProgram(&'static str),
    File(&'static str),
    PkgConfig(&'static str),
}

/// What builds need.
const BUILD: [Need; 4] = [
    Need { package: "gcc", seen_by: Sign::Program("gcc") },
    Need { package: "pkg-config", seen_by: Sign::Program("pkg-config") },
    Need { package: "patch", seen_by: Sign::Program("patch") },
    Need { package: "libseccomp-dev", seen_by: Sign::PkgConfig("libseccomp") },
];

/// What a cluster with a node needs.
const NODE: [Need; 9] = [
    Need { package: "openssl", seen_by: Sign::Program("openssl") },
    Need { package: "iproute2", seen_by: Sign::Program("ip") },
    Need { package: "iptables", seen_by: Sign::Program("iptables-save") },
    Need { package: "ipset", seen_by: Sign::Program("ipset") },
    Need { package: "conntrack", seen_by: Sign::Program("conntrack") },
    Need { package: "kmod", seen_by: Sign::Program("modprobe") },
    Need { package: "busybox-static", seen_by: Sign::StaticProgram("busybox") },
    Need { package: "containernetworking-plugins", seen_by: Sign::File("/usr/lib/cni/portmap") },
    Need { package: "util-linux", seen_by: Sign::Program("setsid") },
];

/// What an API server without nodes needs.
const CONTROL_PLANE: [Need; 3] = [
    Need { package: "gcc", seen_by: Sign::Program("gcc") },
    Need { package: "openssl", seen_by: Sign::Program("openssl") },
    Need { package: "util-linux", seen_by: Sign::Program("setsid") },
];

/// What the tests of the meter's ledger need.
const DATABASE: [Need; 2] = [
    Need { package: "postgresql", seen_by: Sign::Program("pg_createcluster") },
    Need { package: "util-linux", seen_by: Sign::Program("setpriv") },
];

/// Installs the database that the meter's ledger is tested on.
pub(crate) fn ensure_for_database() -> Result<()> {
    ensure(DATABASE.iter())
}

/// Installs what a cluster with a node needs, the builds of its tools included.
pub(crate) fn ensure_for_node() -> Result<()> {
    ensure(BUILD.iter().chain(&NODE))
}

/// Installs what an API server without nodes needs.
pub(crate) fn ensure_for_control_plane() -> Result<()> {
    ensure(CONTROL_PLANE.iter())
}

/// Prometheus' own checker of rules. It is taken out of its package, which would start a server where it is installed.
pub(crate) fn promtool() -> Result<PathBuf> {
    if let Some(path) = find_on_path("promtool") {
        return Ok(path);
    }
    let key = Key::of([("package", b"prometheus".as_slice())]);
    let directory = cache::ensure("promtool", &key, |target| {
        if !is_on_path("apt-get") {
            bail!("promtool is missing; install Prometheus and run this again");
        }
        long_step("fetch promtool", || take_out("prometheus", "usr/bin/promtool", target))
    })?;
    Ok(directory.join("promtool"))
}

/// Leaves one file of a package in a directory, and nothing else.
fn take_out(package: &str, file: &str, target: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let download = || {
        let mut download = Command::new("apt-get");
        download.args(["download", "-qq", "-oAPT::Sandbox::User=root", package]).current_dir(work.path());
        output(&mut download)
    };
    // A fresh machine has no package lists yet.
    if download().is_err() {
        output(Command::new("apt-get").args(["update", "-qq"]))?;
        download()?;
    }
    let archive =
        fs::read_dir(work.path())?.next().with_context(|| format!("apt-get fetched no {package}"))??;
    let unpacked = work.path().join("unpacked");
    output(Command::new("dpkg-deb").arg("--extract").arg(archive.path()).arg(&unpacked))?;
    let path = Path::new(file);
    let name = path.file_name().with_context(|| format!("{file} has no name"))?;
    fs::copy(unpacked.join(path), target.join(name)).with_context(|| format!("{package} has no {file}"))?;
    Ok(())
}

fn ensure<'a>(needs: impl Iterator<Item = &'a Need>) -> Result<()> {
    let missing: Vec<&str> = needs.filter(|need| !is_there(&need.seen_by)).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !Uid::effective().is_root() || !is_on_path("apt-get") {
        bail!("these are missing; install them (by their Debian names) and run this again: {list}");
    }
    long_step(&format!("install {list}"), || {
        output(Command::new("apt-get").args(["update", "-qq"]))?;
        let mut install = Command::new("apt-get");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
        output(install.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
    })
}

fn is_there(sign: &Sign) -> bool {
    match sign {
        Sign::Program(name) => is_on_path(name),
        Sign::StaticProgram(name) => find_on_path(name).is_some_and(|program| {
            // ldd fails for a program without libraries.
            Command::new("ldd").arg(program).output().is_ok_and(|answer| !answer.status.success())
        }),
        Sign::File(path) => Path::new(path).is_file(),
        Sign::PkgConfig(name) => {
            Command::new("pkg-config").args(["--exists", name]).status().is_ok_and(|status| status.success())
        }
    }
}
