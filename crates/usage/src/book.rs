//! A ledger that keeps evidence: every change of it falls into a rollup.

use alloy_primitives::B256;
use market::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lives::Lives;
use crate::rollup::{Closed, Cut, Windows};
use crate::{GaugeSample, LeaseView, Ledger, Millis, Sample, Term, Totals, Verdict};

/// The meter of one lease with its rollups.
///
/// Serialise it to resume exactly, chains included. Closed rollups are handed out once and are no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    #[serde(flatten)]
    ledger: Ledger,
    /// None until the lease is first looked at, and in what was written before there were rollups.
    #[serde(default)]
    rollups: Option<Windows>,
    #[serde(skip)]
    closed: Vec<Closed>,
}

impl Book {
    /// Begins the evidence of a ledger. What it counted before is stated, and not proved.
    pub fn of(ledger: Ledger) -> Self {
        Self { ledger, rollups: None, closed: Vec::new() }
    }

    /// Sets the term. Nothing counts before there is one.
    pub fn set_term(&mut self, term: Term) {
        self.ledger.set_term(term);
    }

    /// Totals so far.
    pub fn totals(&self) -> Totals {
        self.ledger.totals()
    }

    /// The second up to which the totals count, never past the end of the term.
    pub fn as_of(&self) -> Timestamp {
        self.ledger.as_of()
    }

    /// Counts what the lease was given until `now`; see [`Ledger::observe`].
    pub fn observe(&mut self, lease: B256, now: Millis, view: &LeaseView) {
        let (until, counted) = (self.ledger.observed_until(), self.ledger.counters());
        let windows = self.rollups.get_or_insert_with(|| Windows::begin(lease, now, &counted));
        self.closed.extend(windows.roll(now, until, &counted));
        let mut untold = Lives::default();
        self.ledger.observe_into(now, view, windows.lives().unwrap_or(&mut untold));
    }

    /// Counts a reading of a counter; see [`Ledger::sample`].
    pub fn sample(&mut self, now: Millis, sample: &Sample) -> Verdict {
        self.read(sample.at, |ledger| ledger.sample(now, sample))
    }

    /// Counts a reading of a pod's memory; see [`Ledger::gauge`].
    pub fn gauge(&mut self, now: Millis, sample: &GaugeSample) -> Verdict {
        self.read(sample.at, |ledger| ledger.gauge(now, sample))
    }

    fn read(&mut self, at: Millis, read: impl FnOnce(&mut Ledger) -> Verdict) -> Verdict {
        let before = self.ledger.counters();
        let verdict = read(&mut self.ledger);
        if let (Some(windows), Some(added)) = (&mut self.rollups, self.ledger.counters().minus(&before)) {
            windows.adjust(at, &added);
        }
        verdict
    }

    /// What the present root commits to; none before the lease was looked at.
    pub fn cut(&self) -> Option<Cut> {
        let windows = self.rollups.as_ref()?;
        Some(windows.cut(self.ledger.meter_root(), self.ledger.observed_until(), &self.ledger.counters()))
    }

    /// Root over all evidence.
    pub fn meter_root(&self) -> B256 {
        self.cut().map_or_else(|| self.ledger.meter_root(), |cut| cut.root())
    }

    /// Rollups that were closed since this was asked last.
    pub fn take_closed(&mut self) -> Vec<Closed> {
        std::mem::take(&mut self.closed)
    }

    /// Where the open rollups begin: the five minutes and the hour.
    pub fn open_since(&self) -> Option<(u64, u64)> {
        self.rollups.as_ref().map(Windows::open_since)
    }
}
