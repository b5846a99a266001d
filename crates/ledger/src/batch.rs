//! What one transaction writes.

use alloy_primitives::B256;
use usage::rollup::{Closed, Cut};

/// Everything that one scrape changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// When it was counted, in Unix seconds.
    pub at: u64,
    /// The leases that were counted, each once.
    pub entries: Vec<Entry>,
}

/// What changed of one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The lease's id on chain.
    pub lease: B256,
    /// What the meter goes on from.
    pub state: Vec<u8>,
    /// What of an abandoned history has to go first.
    pub rewind: Option<Rewind>,
    /// Rollups that were closed.
    pub closed: Vec<Closed>,
    /// Publications that were cut.
    pub published: Vec<Published>,
    /// Root of the newest statement that the tenant signed: its evidence is kept for longer.
    pub signed: Option<B256>,
}

/// One publication: the preimage of its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its number.
    pub sequence: u64,
    /// When it was cut, in Unix seconds.
    pub at: u64,
    /// What its root commits to.
    pub cut: Cut,
}

/// The moment from which a lease goes on from what was published, and not from what is kept.
///
/// Rollups of these spans and later, and later publications, belong to a history that nobody saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewind {
    /// Where the open five minutes began.
    pub five: u64,
    /// Where the open hour began.
    pub hour: u64,
    /// The newest publication that stands.
    pub sequence: u64,
}
