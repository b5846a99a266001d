//! `outage`: a daemon dies as if its machine had lost power, and comes back after a time with everything it had on disk.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::control_plane;
use super::kubectl::Kubectl;
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
}

impl Part {
    fn daemon(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
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
    let command = command_line(running)?;
    running.kill()?;
    note(&format!("{name} is away for {} s", length.as_secs()));
    std::thread::sleep(length);
    let (program, arguments) = command.split_first().context("a process has a program")?;
    let mut daemon = Daemon::new(name, program).args(arguments).start(&site.records(), &site.logs())?;
    let kubectl = Kubectl::of(site)?;
    step(name, || {
        daemon.wait_until(PATIENCE, || {
            control_plane::check_etcd(site)?;
            kubectl.ready()
        })
    })
}

/// What a process was started with.
fn command_line(identity: Identity) -> Result<Vec<OsString>> {
    let path = format!("/proc/{}/cmdline", identity.pid());
    let bytes = std::fs::read(&path).with_context(|| format!("failed to read {path}"))?;
    let words: Vec<_> = words(&bytes).collect();
    // Between the two looks it may have ended and its number gone to another.
    ensure!(identity.is_alive() && !words.is_empty(), "process {} ended by itself", identity.pid());
    Ok(words)
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
}
