//! The rollups that are still open, and how time closes them.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::{Cut, Rollup, Span, genesis};
use crate::lives::{self, Life, Lives};
use crate::{Counters, Millis, evidence};

/// A rollup that is done, with what an hour commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The rollup.
    pub rollup: Rollup,
    /// Of an hour, the hashes of its five-minute rollups in their order; else none.
    pub parts: Vec<B256>,
    /// Of an hour that commits to lives, these.
    pub lives: Option<Vec<Life>>,
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
    /// Lives of the open hour. None in an hour that an older version began: what it counted is in no life.
    #[serde(default)]
    lives: Option<Lives>,
}

/// What an hour commits to.
#[derive(Clone, Copy, Debug)]
struct Committed {
    parts: B256,
    lives: Option<B256>,
}

impl Committed {
    /// What a rollup of five minutes commits to.
    const NOTHING: Self = Self { parts: B256::ZERO, lives: None };
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
    fn rollup(
        &self,
        lease: B256,
        span: Span,
        until: Millis,
        counted: &Counters,
        committed: Committed,
    ) -> Rollup {
        let Self { start, before, adjusted, prev } = *self;
        let Committed { parts, lives } = committed;
        // Sums never fall, so there is always a difference.
        let added = counted.minus(&before).unwrap_or_default();
        Rollup { lease, span, start, until, before, added, adjusted, prev, parts, lives }
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
        let (five, hour) = (open(Span::FiveMinutes), open(Span::Hour));
        Self { lease, five, hour, parts: Vec::new(), lives: Some(Lives::default()) }
    }

    /// Where the lives of the open hour are written down, if they are.
    pub(crate) fn lives(&mut self) -> Option<&mut Lives> {
        self.lives.as_mut()
    }

    fn committed(&self) -> Committed {
        let lives = self.lives.as_ref().map(|lives| lives::root(lives.told()));
        Committed { parts: evidence::merkle_root(&self.parts), lives }
    }

    /// Closes what ends before `now`. An earlier moment changes nothing.
    pub(crate) fn roll(&mut self, now: Millis, until: Millis, counted: &Counters) -> Vec<Closed> {
        let second = now.timestamp().0;
        let mut closed = Vec::new();
        if Span::FiveMinutes.start_of(second) <= self.five.start {
            return closed;
        }
        let five = self.five.rollup(self.lease, Span::FiveMinutes, until, counted, Committed::NOTHING);
        if !five.added.is_zero() {
            self.five.follow(&five, counted);
            self.parts.push(five.hash());
            closed.push(Closed { rollup: five, parts: Vec::new(), lives: None });
        }
        self.five.start = Span::FiveMinutes.start_of(second);
        if Span::Hour.start_of(second) <= self.hour.start {
            return closed;
        }
        if !self.parts.is_empty() {
            let hour = self.hour.rollup(self.lease, Span::Hour, until, counted, self.committed());
            self.hour.follow(&hour, counted);
            let lives = self.lives.as_mut().map(Lives::take);
            closed.push(Closed { rollup: hour, parts: std::mem::take(&mut self.parts), lives });
        }
        self.lives = Some(Lives::default());
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
        Cut {
            ledger_root,
            five: self.five.rollup(self.lease, Span::FiveMinutes, until, counted, Committed::NOTHING),
            hour: self.hour.rollup(self.lease, Span::Hour, until, counted, self.committed()),
            parts: self.parts.clone(),
            lives: self.lives.as_ref().map(|lives| lives.told().to_vec()),
        }
    }
}
