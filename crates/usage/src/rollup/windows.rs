//! The rollups that are still open, and how time closes them.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::{Cut, Rollup, Span, genesis};
use crate::{Counters, Millis, evidence};

/// A rollup that is done, with the hashes that an hour commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The rollup.
    pub rollup: Rollup,
    /// Of an hour, the hashes of its five-minute rollups in their order; else none.
    pub parts: Vec<B256>,
}

/// Both open rollups of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Windows {
    lease: B256,
    five: Open,
    hour: Open,
    /// Hashes of the closed five-minute rollups of the open hour.
    parts: Vec<B256>,
}

/// A rollup that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    start: u64,
    before: Counters,
    adjusted: Counters,
    prev: B256,
}

impl Open {
    fn rollup(&self, lease: B256, span: Span, until: Millis, counted: &Counters, parts: B256) -> Rollup {
        let Self { start, before, adjusted, prev } = *self;
        // Sums never fall, so there is always a difference.
        let added = counted.minus(&before).unwrap_or_default();
        Rollup { lease, span, start, until, before, added, adjusted, prev, parts }
    }

    /// The next rollup of the chain, after one that was closed.
    fn follow(&mut self, closed: &Rollup, counted: &Counters) {
        *self =
            Self { before: *counted, adjusted: Counters::default(), prev: closed.hash(), start: self.start };
    }
}

impl Windows {
    /// Begins both chains.
    pub(crate) fn begin(lease: B256, now: Millis, counted: &Counters) -> Self {
        let open = |span: Span| Open {
            start: span.start_of(now.timestamp().0),
            before: *counted,
            adjusted: Counters::default(),
            prev: genesis(lease, span),
        };
        Self { lease, five: open(Span::FiveMinutes), hour: open(Span::Hour), parts: Vec::new() }
    }

    /// Closes what ends before `now`. An earlier moment changes nothing.
    pub(crate) fn roll(&mut self, now: Millis, until: Millis, counted: &Counters) -> Vec<Closed> {
        let second = now.timestamp().0;
        let mut closed = Vec::new();
        if Span::FiveMinutes.start_of(second) <= self.five.start {
            return closed;
        }
        let five = self.five.rollup(self.lease, Span::FiveMinutes, until, counted, B256::ZERO);
        if !five.added.is_zero() {
            self.five.follow(&five, counted);
            self.parts.push(five.hash());
            closed.push(Closed { rollup: five, parts: Vec::new() });
        }
        self.five.start = Span::FiveMinutes.start_of(second);
        if Span::Hour.start_of(second) <= self.hour.start {
            return closed;
        }
        if !self.parts.is_empty() {
            let root = evidence::merkle_root(&self.parts);
            let hour = self.hour.rollup(self.lease, Span::Hour, until, counted, root);
            self.hour.follow(&hour, counted);
            closed.push(Closed { rollup: hour, parts: std::mem::take(&mut self.parts) });
        }
        self.hour.start = Span::Hour.start_of(second);
        closed
    }

    /// Notes that a reading from `at` added this much now.
    pub(crate) fn adjust(&mut self, at: Millis, added: &Counters) {
        for open in [&mut self.five, &mut self.hour] {
            if at.timestamp().0 < open.start {
                open.adjusted = open.adjusted.plus(added).unwrap_or(open.adjusted);
            }
        }
    }

    /// Where the open rollups begin: the five minutes and the hour.
    pub(crate) fn open_since(&self) -> (u64, u64) {
        (self.five.start, self.hour.start)
    }

    /// Both rollups as they stand.
    pub(crate) fn cut(&self, ledger_root: B256, until: Millis, counted: &Counters) -> Cut {
        let parts = self.parts.clone();
        let root = evidence::merkle_root(&parts);
        Cut {
            ledger_root,
            five: self.five.rollup(self.lease, Span::FiveMinutes, until, counted, B256::ZERO),
            hour: self.hour.rollup(self.lease, Span::Hour, until, counted, root),
            parts,
        }
    }
}
