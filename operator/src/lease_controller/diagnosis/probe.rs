//! Containers that run and whose readiness probe does not succeed.

use crd::{Cause, Trouble};
use jiff::{SignedDuration, Timestamp};
use manifest::{Probe, ProbeKind};

use super::{Evidence, is_older_than, text};

/// The probe, once it has had its own time. What it answered is only in the node's Events, which the operator may not read.
pub(super) fn diagnose(probe: &Probe, started: Timestamp, evidence: &Evidence<'_>) -> Option<Trouble> {
    if !is_older_than(Some(started), own_time(probe), evidence.now) {
        return None;
    }
    let what = match &probe.kind {
        ProbeKind::HttpGet { port, path } => {
            format!("GET {} on port {}", text::line(path, evidence.hidden, 200), port.0)
        }
        ProbeKind::TcpSocket { port } => format!("connecting to port {}", port.0),
    };
    Some(Trouble::new(
        Cause::ReadinessProbeFailing,
        format!(
            "the container runs, but its readiness probe does not succeed: {what}, every {} s, {} failures allowed",
            probe.period_seconds, probe.failure_threshold
        ),
    ))
}

/// How long after its start a container may be not ready without anything being wrong.
pub(crate) fn own_time(probe: &Probe) -> SignedDuration {
    let rounds =
        i64::from(probe.period_seconds.max(probe.timeout_seconds)) * i64::from(probe.failure_threshold);
    SignedDuration::from_secs(
        i64::from(probe.initial_delay_seconds) + rounds + i64::from(probe.timeout_seconds),
    )
}
