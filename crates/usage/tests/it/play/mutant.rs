//! Meters with a mistake, each of which the judge has to see: a judge that passes them proves nothing.

use fake_kubelet::PodReading;
use serde_json::Value;
use usage::{ContainerState, Millis, PodView, Term};

/// A mistake that a meter could make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// It believes a counter that grew faster than its limit allows.
    CreditsPastTheLimit,
    /// It does not see that a counter began anew.
    ForgetsAReset,
    /// It comes back with the totals of its death and the readings of its last publication.
    CountsAGapTwice,
    /// It takes the API's word for what a silent node runs.
    BillsTheLost,
    /// It takes what runs for ready.
    BillsTheUnready,
    /// It counts on when the term is over.
    ForgetsTheEnd,
}

impl Mutant {
    /// All of them, with what the judge has to say of each.
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::CreditsPastTheLimit, "above limit times time"),
        (Self::ForgetsAReset, "CPU"),
        (Self::CountsAGapTwice, "CPU"),
        (Self::BillsTheLost, "allocated"),
        (Self::BillsTheUnready, "allocated"),
        (Self::ForgetsTheEnd, "CPU"),
    ];

    /// What it makes of the term.
    pub(super) fn mistakes(self, term: &mut Term) {
        if self == Self::ForgetsTheEnd {
            term.ends_at = None;
        }
    }

    /// What it makes of a pod.
    pub(super) fn blurs(self, pod: &mut PodView, now: u64) {
        match self {
            Self::CreditsPastTheLimit => pod.overhead.cpu_milli = 1_000_000_000,
            Self::ForgetsAReset => pod.node.boot = None,
            Self::BillsTheLost => pod.node.alive_until = Millis(now),
            Self::BillsTheUnready => {
                for container in &mut pod.containers {
                    if let ContainerState::Running { started_at, ready_since } = &mut container.state {
                        *ready_since = Some(*started_at);
                    }
                }
            }
            Self::CountsAGapTwice | Self::ForgetsTheEnd => {}
        }
    }

    /// What it makes of a reading, given the last one of that pod.
    pub(super) fn misreads(self, last: Option<&PodReading>, reading: &PodReading) -> PodReading {
        match (self, last) {
            (Self::ForgetsAReset, Some(last)) => PodReading {
                start: last.start,
                cpu: reading.cpu.max(last.cpu),
                tx: reading.tx.max(last.tx),
                ..reading.clone()
            },
            _ => reading.clone(),
        }
    }

    /// Changes the published state that it comes back with into what it makes of it; tells whether it did.
    pub(super) fn resumes(self, published: &mut Value, dead: &Value) -> bool {
        let is_mistaken = self == Self::CountsAGapTwice;
        if is_mistaken {
            published["counted"] = dead["counted"].clone();
        }
        is_mistaken
    }
}
