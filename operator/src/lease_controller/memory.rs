//! What one reconciliation leaves for the next of the same process.
//!
//! Losing it (a restart) costs time and nothing else: everything that matters is in the API.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crd::{ComputeLease, ComputeLeaseStatus, FinalLog, condition};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;

use super::{Applied, apply::Expected, last_words::LastWords, live};

/// How long a quota may be awaited before the status says so.
const MOMENTS: SignedDuration = SignedDuration::from_secs(5);
/// How long the same news is not told again.
const TELL_AGAIN: SignedDuration = SignedDuration::from_mins(10);
/// What is remembered of one lease's news: far more than a manifest's services have causes at once.
const MOST_NEWS: usize = 256;

/// Memory of all leases, by UID.
#[derive(Debug, Default)]
pub struct Memory {
    leases: Mutex<HashMap<String, LeaseMemory>>,
    last_words: Mutex<LastWords>,
}

#[derive(Debug, Default)]
struct LeaseMemory {
    expected: Option<Expected>,
    /// Since when the quota is awaited.
    awaiting_quota: Option<Timestamp>,
    written_status: Option<ComputeLeaseStatus>,
    /// Since when a change of the status waits that may be over in a moment.
    held_since: Option<Timestamp>,
    failures: u32,
    /// When which reason of which subject was told last.
    told: HashMap<(String, String), Timestamp>,
    final_logs: Vec<FinalLog>,
    refused_pods: BTreeMap<String, String>,
    meter_was_silent: bool,
}

/// What the meter writes is not the operator's to keep: it would apply it, own it, and one day remove it.
fn without_meter(mut status: ComputeLeaseStatus) -> ComputeLeaseStatus {
    status.usage = None;
    status.conditions.retain(|written| !condition::OF_METER.contains(&written.type_.as_str()));
    status
}

impl Memory {
    /// The operator's part of the newest status of a lease. A watch may still show an older one than was
    /// just written.
    pub fn status(&self, lease: &ComputeLease) -> ComputeLeaseStatus {
        let written = self.lease(lease, |memory| memory.written_status.clone());
        written.or_else(|| lease.status.clone().map(without_meter)).unwrap_or_default()
    }

    /// Whether it was told already that the meter was waited for in vain; from now on it was.
    pub fn meter_was_silent(&self, lease: &ComputeLease) -> bool {
        self.lease(lease, |memory| std::mem::replace(&mut memory.meter_was_silent, true))
    }

    /// Notes a status that the API server took.
    pub fn wrote_status(&self, lease: &ComputeLease, status: ComputeLeaseStatus) {
        self.lease(lease, |memory| {
            memory.written_status = Some(status);
            memory.held_since = None;
        });
    }

    /// Since when a change of the status waits; from now on if none did.
    pub fn holds_status(&self, lease: &ComputeLease, now: Timestamp) -> Timestamp {
        self.lease(lease, |memory| *memory.held_since.get_or_insert(now))
    }

    /// Notes that no change of the status waits any more: it is as it was.
    pub fn holds_no_status(&self, lease: &ComputeLease) {
        self.lease(lease, |memory| memory.held_since = None);
    }

    /// Takes out what the lease's objects are expected to be, so that no lock is held while they are applied. None before the
    /// first time.
    pub fn take_expected(&self, lease: &ComputeLease) -> Option<Expected> {
        self.lease(lease, |memory| memory.expected.take())
    }

    /// Puts it back.
    pub fn put_expected(&self, lease: &ComputeLease, expected: Expected) {
        self.lease(lease, |memory| memory.expected = Some(expected));
    }

    /// Digest of what the lease's objects are expected to be, once that is known.
    pub fn objects_digest(&self, lease: &ComputeLease) -> Option<String> {
        self.lease(lease, |memory| {
            let expected = memory.expected.as_ref().filter(|expected| !expected.is_empty())?;
            Some(live::digest(
                expected.iter().map(|((kind, name), known)| (*kind, name.as_str(), known.fingerprint)),
            ))
        })
    }

    /// Whether a lease waits for its quota, and does so only since moments.
    pub fn is_brief(&self, lease: &ComputeLease, applied: Applied, now: Timestamp) -> bool {
        self.lease(lease, |memory| {
            if applied != Applied::AwaitingQuota {
                memory.awaiting_quota = None;
                return false;
            }
            now.duration_since(*memory.awaiting_quota.get_or_insert(now)) < MOMENTS
        })
    }

    /// Notes a failure; returns how many there were in a row before.
    pub fn failed(&self, lease: &ComputeLease) -> u32 {
        self.lease(lease, |memory| {
            let before = memory.failures;
            memory.failures = before.saturating_add(1);
            before
        })
    }

    /// Notes a success.
    pub fn succeeded(&self, lease: &ComputeLease) {
        self.lease(lease, |memory| memory.failures = 0);
    }

    /// Whether this was not told lately; it counts as told from now on.
    pub fn is_news(&self, lease: &ComputeLease, subject: &str, reason: &str, now: Timestamp) -> bool {
        self.lease(lease, |memory| {
            memory.told.retain(|_, told| now.duration_since(*told) < TELL_AGAIN);
            let key = (subject.to_owned(), reason.to_owned());
            let is_news = !memory.told.contains_key(&key) && memory.told.len() < MOST_NEWS;
            if is_news {
                memory.told.insert(key, now);
            }
            is_news
        })
    }

    /// Listens to what a pod says before it goes.
    pub fn hear(&self, pod: &Pod) {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).hear(pod);
    }

    /// What the pods of a lease said before they went.
    pub fn last_words(&self, lease: &ComputeLease) -> Vec<FinalLog> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).of(lease)
    }

    /// Notes what may be published of that.
    pub fn set_final_logs(&self, lease: &ComputeLease, logs: Vec<FinalLog>) {
        self.lease(lease, |memory| memory.final_logs = logs);
    }

    /// Notes which services' pods the API server refuses, and its words.
    pub fn set_refused_pods(&self, lease: &ComputeLease, refused: BTreeMap<String, String>) {
        self.lease(lease, |memory| memory.refused_pods = refused);
    }

    /// Which services' pods the API server refuses, and its words.
    pub fn refused_pods(&self, lease: &ComputeLease) -> BTreeMap<String, String> {
        self.lease(lease, |memory| memory.refused_pods.clone())
    }

    /// What may be published of that.
    pub fn final_logs(&self, lease: &ComputeLease) -> Vec<FinalLog> {
        self.lease(lease, |memory| memory.final_logs.clone())
    }

    /// Forgets a lease that is gone.
    pub fn forget(&self, lease: &ComputeLease) {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).forget(lease);
        self.lock().remove(lease.metadata.uid.as_deref().unwrap_or_default());
    }

    fn lease<T>(&self, lease: &ComputeLease, change: impl FnOnce(&mut LeaseMemory) -> T) -> T {
        let uid = lease.metadata.uid.clone().unwrap_or_default();
        change(self.lock().entry(uid).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LeaseMemory>> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
