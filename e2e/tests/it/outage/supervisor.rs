//! Plays the kubelet for a process: starts it again when it ends by itself, and looks at its health all the time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use telemetry::CancellationToken;

use crate::process::Process;

/// Before a process that ended is started again.
const RESTART: Duration = Duration::from_secs(1);
/// Between two looks at its health.
const LOOK: Duration = Duration::from_millis(100);

/// What was seen of a process and of those that were started in its place.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Record>);

#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Why each of them ended.
    pub(super) ends: Vec<String>,
    /// Everything that `/healthz` complained of.
    pub(super) deaths: Vec<String>,
    /// Everything that `/readyz` complained of, each complaint once.
    pub(super) complaints: Vec<String>,
    /// Whether the process is ready now.
    pub(super) is_ready: bool,
}

impl Seen {
    pub(super) fn record(&self) -> Record {
        self.lock().clone()
    }

    /// From now on only new complaints count.
    pub(super) fn forget_complaints(&self) {
        self.lock().complaints.clear();
    }

    /// Waits until the process is ready.
    pub(super) async fn ready(&self) -> Result<()> {
        let ready = async {
            while !self.lock().is_ready {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(90), ready).await?;
        Ok(())
    }

    fn look(&self, process: &Process) {
        let (alive, ready) = (process.alive.report(), process.ready.report());
        let mut record = self.lock();
        record.is_ready = ready.passes();
        let note = |list: &mut Vec<String>, passes: bool, report: String| {
            if !passes && !list.contains(&report) {
                list.push(report);
            }
        };
        note(&mut record.deaths, alive.passes(), alive.to_string());
        note(&mut record.complaints, ready.passes(), ready.to_string());
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a process running until the token is cancelled. `start` is told how often there was one before.
pub(super) async fn keep(
    start: impl Fn(usize) -> Result<Process>,
    seen: &Seen,
    done: &CancellationToken,
) -> Result<()> {
    loop {
        let before = seen.lock().ends.len();
        let mut process = start(before)?;
        let mut look = tokio::time::interval(LOOK);
        loop {
            let ended = tokio::select! {
                ended = process.ended() => ended?,
                _ = look.tick() => {
                    seen.look(&process);
                    continue;
                }
                () = done.cancelled() => return process.stop().await,
            };
            let mut record = seen.lock();
            record.is_ready = false;
            record.ends.push(
                ended.map_or_else(
                    || "in order".to_owned(),
                    |error| format!("{:#}", anyhow::Error::from(error)),
                ),
            );
            break;
        }
        tokio::time::sleep(RESTART).await;
    }
}
