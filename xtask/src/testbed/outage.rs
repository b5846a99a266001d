//! `outage`: a daemon dies as if its machine had lost power, and comes back after a time with everything it had on disk.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::control_plane;
use super::kubectl::Kubectl;
use super::node;
use super::site::Site;
use crate::process::{Daemon, Identity, record_path};
use crate::step::{note, step};

/// Long enough for a busy machine with two cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// What can be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Where the API server keeps its objects.
    Etcd,
    /// The API server.
    KubeApiserver,
    /// The kubelet of the node.
    Kubelet,
    /// What runs the node's containers.
    Containerd,
}

impl Part {
    fn daemon(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
        }
    }

    /// Succeeds once the part, and what cannot do without it, answers.
    fn check(self, site: &Site, kubectl: &Kubectl) -> Result<()> {
        match self {
            Self::Etcd | Self::KubeApiserver => {
                control_plane::check_etcd(site)?;
                kubectl.ready()
            }
            // What the API server says of the node is up to a minute old.
            Self::Kubelet => node::check_kubelet(site),
            Self::Containerd => node::check_containerd(site).map(drop),
        }
    }
}

/// Kills the part, waits, starts it again as it was started before, and returns once everything answers.
pub(crate) fn outage(site: &Site, part: Part, length: Duration) -> Result<()> {
    super::ensure_possible(site.profile)?;
    let _lock = super::lock(site)?;
    let name = part.daemon();
    let running = Identity::read(&record_path(&site.records(), name));
    let running = running.filter(|identity| identity.is_alive());
    let running = running.with_context(|| format!("{name} does not run"))?;
    let (command, environment) = (command_line(running)?, environment(running)?);
    running.kill()?;
    note(&format!("{name} is away for {} s", length.as_secs()));
    std::thread::sleep(length);
    let (program, arguments) = command.split_first().context("a process has a program")?;
    let daemon = Daemon::new(name, program).args(arguments).envs(environment);
    let mut daemon = daemon.start(&site.records(), &site.logs())?;
    let kubectl = Kubectl::of(site)?;
    step(name, || daemon.wait_until(PATIENCE, || part.check(site, &kubectl)))
}

/// What a process was started with.
fn command_line(identity: Identity) -> Result<Vec<OsString>> {
    let words = read_words(identity, "cmdline")?;
    ensure!(!words.is_empty(), "process {} has no command line", identity.pid());
    Ok(words)
}

/// The environment that it was given.
fn environment(identity: Identity) -> Result<Vec<(OsString, OsString)>> {
    let words = read_words(identity, "environ")?;
    Ok(words.into_iter().filter_map(variable).collect())
}

fn variable(word: OsString) -> Option<(OsString, OsString)> {
    let bytes = word.into_vec();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (bytes.get(..at)?, bytes.get(at + 1..)?);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
}

fn read_words(identity: Identity, file: &str) -> Result<Vec<OsString>> {
    let path = format!("/proc/{}/{file}", identity.pid());
    let bytes = std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
    // Between the two looks it may have ended and its number gone to another.
    ensure!(identity.is_alive(), "process {} ended by itself", identity.pid());
    Ok(words(&bytes).collect())
}

fn words(bytes: &[u8]) -> impl Iterator<Item = OsString> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_read_word_by_word_and_an_empty_word_is_one() {
        let read: Vec<_> = words(b"/bin/etcd\0--data-dir=/a b\0\0--last\0").collect();
        assert_eq!(read, ["/bin/etcd", "--data-dir=/a b", "", "--last"]);
    }

    #[test]
    fn the_command_line_of_this_very_process_is_what_it_was_started_with() {
        let own = Identity::of_pid(std::process::id().cast_signed()).unwrap();
        assert_eq!(command_line(own).unwrap(), std::env::args_os().collect::<Vec<_>>());
    }

    #[test]
    fn a_variable_ends_its_name_at_the_first_sign() {
        let read = |text: &str| variable(text.into());
        assert_eq!(read("PATH=/a=b"), Some(("PATH".into(), "/a=b".into())));
        assert_eq!((read("EMPTY="), read("none")), (Some(("EMPTY".into(), "".into())), None));
    }
}
