//! `cargo xtask testbed`: a real chain and a real Kubernetes cluster on this machine.
//!
//! Everything is made from pinned sources, runs as plain processes, and is undone by `down`. `testbed/README.md` says
//! what runs and which versions.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use nix::unistd::Uid;

use crate::cache::{self, Key};
use crate::tools::Tool;

pub(crate) mod site;
pub(crate) mod state;

mod addons;
pub(crate) mod bench;
mod certificates;
mod chain;
mod control_plane;
mod health;
mod images;
mod kubectl;
mod machine;
mod node;
mod outage;
mod probe;
mod proof;
mod teardown;
mod template;
mod up;

use site::{Profile, Site};
pub(crate) use up::{description, up};

/// What to do with the testbed.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring it up; a testbed that is up and healthy is left alone.
    Up(Which),
    /// Take it down and leave nothing of it behind.
    Down(Which),
    /// Say what runs.
    Status(Which),
    /// Kill a part of the control plane without warning, and start it again after a time.
    Outage {
        /// Which part.
        #[arg(value_enum)]
        part: outage::Part,
        /// How long it is away.
        #[arg(long, default_value_t = 0)]
        seconds: u64,
        #[command(flatten)]
        which: Which,
    },
    /// Print the path of the administrator's kubeconfig.
    Kubeconfig(Which),
    /// Only build or fetch the tools, for a cache to keep.
    Tools,
}

/// Which of the two testbeds a command is about.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Which {
    /// Only a chain and an API server with its controllers: ready sooner, needs no root, runs no pods.
    #[arg(long)]
    control_plane_only: bool,
}

impl Which {
    fn site(self) -> Result<Site> {
        let Self { control_plane_only } = self;
        Site::of(if control_plane_only { Profile::ControlPlane } else { Profile::Full })
    }
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Up(which) => {
                let site = which.site()?;
                up(&site)?;
                println!("{}", site.description().display());
                Ok(())
            }
            Self::Down(which) => down(&which.site()?),
            Self::Status(which) => status(&which.site()?),
            Self::Outage { part, seconds, which } => {
                outage::outage(&which.site()?, part, Duration::from_secs(seconds))
            }
            Self::Kubeconfig(which) => {
                println!("{}", description(&which.site()?)?.kubeconfig.display());
                Ok(())
            }
            Self::Tools => {
                for (name, path) in up::programs(Profile::Full)?.shown {
                    println!("{name} {}", path.display());
                }
                println!("kwok {}", Tool::Kwok.program("kwok")?.display());
                Ok(())
            }
        }
    }
}

/// Takes the site's testbed down, whatever is left of it.
pub(crate) fn down(site: &Site) -> Result<()> {
    if !site.state.exists() {
        crate::step::note("the testbed is down");
        return Ok(());
    }
    ensure_possible(site.profile)?;
    let _lock = lock(site)?;
    teardown::teardown(site)
}

/// Fails, and says what else can be done, where this machine cannot run the testbed.
pub(crate) fn ensure_possible(profile: Profile) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the testbed runs, and images are made, on Linux only");
    }
    if profile == Profile::Full && !Uid::effective().is_root() {
        bail!(
            "the testbed makes network devices, mounts and cgroups, so it must run as root; {ELSEWHERE}, and \
             `cargo xtask testbed up --control-plane-only` brings up an API server that runs no pods"
        );
    }
    Ok(())
}

/// What to do where the testbed cannot run.
const ELSEWHERE: &str = "`cargo xtask demo --kubeconfig PATH` uses a cluster that you have instead";

/// Configuration whose change asks for a new start.
const CONFIGURATION: [(&str, &str); 13] = [
    ("calico.yaml", include_str!("../../testbed/config/calico.yaml")),
    ("cni.conflist", include_str!("../../testbed/config/cni.conflist")),
    ("containerd.toml", include_str!("../../testbed/config/containerd.toml")),
    ("coredns.yaml", include_str!("../../testbed/config/coredns.yaml")),
    ("gateway.yaml", include_str!("../../testbed/config/gateway.yaml")),
    ("gvisor.yaml", include_str!("../../testbed/config/gvisor.yaml")),
    ("hosts.toml", include_str!("../../testbed/config/hosts.toml")),
    ("kubelet.yaml", include_str!("../../testbed/config/kubelet.yaml")),
    ("proof.yaml", include_str!("../../testbed/config/proof.yaml")),
    ("rbac.yaml", include_str!("../../testbed/config/rbac.yaml")),
    ("registry.yaml", include_str!("../../testbed/config/registry.yaml")),
    ("runsc.toml", include_str!("../../testbed/config/runsc.toml")),
    ("storage.yaml", include_str!("../../testbed/config/storage.yaml")),
];

/// Waits for its turn to change the site's testbed; the turn ends when the file is dropped.
fn lock(site: &Site) -> Result<File> {
    // Beside the cache, because the state directory comes and goes.
    let root = cache::root()?;
    let state = Key::of([("state", site.state.as_os_str().as_encoded_bytes())]);
    fs::create_dir_all(&root).with_context(|| format!("failed to create {}", root.display()))?;
    let path = root.join(format!(".testbed-{}.lock", state.as_str()));
    let file = File::create(&path).with_context(|| format!("failed to open {}", path.display()))?;
    if file.try_lock().is_err() {
        crate::step::note("another command is at work on the testbed; waiting for it");
        file.lock().context("failed to wait for another command")?;
    }
    Ok(file)
}

fn status(site: &Site) -> Result<()> {
    for health::Part { name, running } in health::parts(site) {
        match running {
            Some(identity) => println!("{name:<24} process {}", identity.pid()),
            None => println!("{name:<24} not running"),
        }
    }
    let description = description(site)?;
    health::check(site)?;
    println!("{:<24} {}", "chain", description.rpc_url);
    println!("{:<24} {}", "kubeconfig", description.kubeconfig.display());
    if let Some(node) = description.node {
        println!("{:<24} {} ({}, {})", "node", node.node_name, node.node_ip, node.runtime_version);
        println!("{:<24} {}", "registry", node.registry);
    }
    Ok(())
}
