//! Rollups: what was counted of a lease in five minutes or in an hour, chained by hashes.
//!
//! Both spans form a chain of their own, in which every rollup names the hash of the one before. An hour also commits
//! to the five-minute rollups inside it and repeats their sum, so that these may be dropped and the hours alone still
//! prove the totals. Each rollup says what had been counted before it, so a chain whose beginning was dropped still
//! adds up. A span in which nothing was counted has no rollup.
//! An hour commits to the lives that its allocation was counted from, too (see [`crate::lives`]); one of a version that
//! did not tell lives has none, and other bytes.
//!
//! A statement's `meterRoot` is the Merkle root over the ledger's own root and the hashes of the two rollups that were
//! open at that moment (see [`Cut`]); through them it commits to everything before.

mod cut;
mod windows;

pub use cut::Cut;
pub use windows::Closed;
pub(crate) use windows::Windows;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{Counters, Millis, evidence};

/// First byte of what is hashed: not one of those that the Merkle tree uses.
const PREFIX: u8 = 3;
/// The same of a rollup that commits to lives.
const PREFIX_WITH_LIVES: u8 = 4;

/// How long a rollup covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Span {
    /// Five minutes.
    FiveMinutes,
    /// An hour.
    Hour,
}

impl Span {
    /// Its length in seconds.
    pub const fn seconds(self) -> u64 {
        match self {
            Self::FiveMinutes => 300,
            Self::Hour => 3600,
        }
    }

    /// The second at which the span that a second lies in begins.
    pub const fn start_of(self, second: u64) -> u64 {
        second - second % self.seconds()
    }
}

/// What was counted of a lease in one span.
///
/// Time is when it was counted, not when it was used: after an outage of the meter the first span holds all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollup {
    /// The lease.
    pub lease: B256,
    /// Five minutes or an hour.
    pub span: Span,
    /// Where the span begins, in Unix seconds; a multiple of its length.
    pub start: u64,
    /// The moment up to which the lease had been observed when the rollup was closed.
    pub until: Millis,
    /// Everything that was counted before.
    pub before: Counters,
    /// What was added.
    pub added: Counters,
    /// The part of it that readings from before the span brought late.
    pub adjusted: Counters,
    /// Hash of the rollup of this span before; [`genesis`] for the first.
    pub prev: B256,
    /// Of an hour, the Merkle root over the hashes of its five-minute rollups; else zero.
    pub parts: B256,
    /// Of an hour, the root of its lives ([`crate::lives::root`]); none of one that was counted before lives were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives: Option<B256>,
}

impl Rollup {
    /// The bytes that are hashed: `03`, the lease (32 bytes), the span's length, its start (seconds) and `until`
    /// (milliseconds) as 64-bit numbers, twelve counters each of `before`, `added` and `adjusted` as 128-bit numbers,
    /// `prev` and `parts` (32 bytes each). Numbers are big-endian. With lives, `04` in place of `03`, and their root
    /// (32 bytes) at the end.
    pub fn canonical(&self) -> Vec<u8> {
        let mut bytes = vec![if self.lives.is_some() { PREFIX_WITH_LIVES } else { PREFIX }];
        bytes.extend(self.lease);
        for number in [self.span.seconds(), self.start, self.until.0] {
            bytes.extend(number.to_be_bytes());
        }
        for counters in [&self.before, &self.added, &self.adjusted] {
            for counter in counters.0 {
                bytes.extend(counter.to_be_bytes());
            }
        }
        bytes.extend(self.prev);
        bytes.extend(self.parts);
        bytes.extend(self.lives.iter().flatten());
        bytes
    }

    /// Its place in the chain.
    pub fn hash(&self) -> B256 {
        keccak256(self.canonical())
    }

    /// Everything that was counted up to its end; none if that is no number.
    pub fn after(&self) -> Option<Counters> {
        self.before.plus(&self.added)
    }
}

/// What the first rollup of a span names as the one before: the hash of the lease's id and the span's length.
pub fn genesis(lease: B256, span: Span) -> B256 {
    evidence::leaf(&["rollups", &lease.to_string()], &[span.seconds().into()])
}

#[cfg(test)]
mod tests;
