//! Whether evidence proves what was published, by nothing but arithmetic and hashes.

mod lives;

use std::{collections::HashMap, iter};

use alloy_primitives::B256;
use market::{Dimension, Timestamp, Usage};
use serde::{Deserialize, Serialize};

use crate::lives::{Holder, Life};
use crate::rollup::{Closed, Cut, Rollup, Span, genesis};
use crate::{Counters, Totals, evidence, usage_hash};

/// Most five-minute rollups of an hour.
const MOST_PARTS: usize = 12;

/// An hour with what it commits to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// The rollup.
    pub rollup: Rollup,
    /// Hashes of its five-minute rollups.
    pub parts: Vec<B256>,
    /// Its lives; none of one that was counted before lives were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives: Option<Vec<Life>>,
}

impl From<Closed> for Hour {
    fn from(Closed { rollup, parts, lives }: Closed) -> Self {
        Self { rollup, parts, lives }
    }
}

/// Everything that leads to one published root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The lease.
    pub lease: B256,
    /// Closed hours, oldest first, without a gap at the end; older ones may have been dropped.
    pub hours: Vec<Hour>,
    /// Closed five-minute rollups, oldest first; older ones may have been dropped.
    pub fives: Vec<Rollup>,
    /// What the root commits to.
    pub cut: Cut,
}

impl Evidence {
    /// What leads to a cut, of all that is kept of a lease: from hash to hash, until one is missing.
    ///
    /// Rollups of a history that the cut did not grow out of are left aside.
    pub fn gather(lease: B256, hours: &[Hour], fives: &[Rollup], cut: Cut) -> Self {
        let known: HashMap<B256, &Hour> = hours.iter().map(|hour| (hour.rollup.hash(), hour)).collect();
        let mut hours: Vec<Hour> =
            iter::successors(known.get(&cut.hour.prev), |hour| known.get(&hour.rollup.prev))
                .map(|hour| (*hour).clone())
                .collect();
        hours.reverse();
        let known: HashMap<B256, &Rollup> = fives.iter().map(|five| (five.hash(), five)).collect();
        let oldest = hours.first().map_or(cut.hour.start, |hour| hour.rollup.start);
        let mut fives: Vec<Rollup> =
            iter::successors(known.get(&cut.five.prev), |five| known.get(&five.prev))
                .take_while(|five| five.start >= oldest)
                .map(|five| (*five).clone())
                .collect();
        fives.reverse();
        Self { lease, hours, fives, cut }
    }
}

/// What the evidence proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The root that it leads to.
    pub root: B256,
    /// Totals at that moment.
    pub totals: Totals,
    /// What had been counted before the first rollup that is here.
    pub before: Counters,
    /// Whether the first rollup is the first of the lease.
    pub from_the_beginning: bool,
    /// Where the first hour begins whose allocation was counted again from lives, as that of all later ones was; none if
    /// an older version counted the whole. Of earlier hours sums and hashes alone are proved.
    pub recomputed_since: Option<u64>,
}

/// What is wrong with evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A rollup of another lease or span, or one that begins where none can.
    #[error("the rollup of {start} does not belong here")]
    Stray {
        /// Where it begins.
        start: u64,
    },
    /// Rollups are out of order, or one is there twice.
    #[error("the rollup of {start} is out of order")]
    Order {
        /// Where it begins.
        start: u64,
    },
    /// A rollup does not name the hash of the one before.
    #[error(
        "the rollup of {start} does not follow from the one before: one of them was changed, or one is missing"
    )]
    Link {
        /// Where it begins.
        start: u64,
    },
    /// Sums do not add up.
    #[error("the sums of the rollup of {start} do not add up")]
    Sum {
        /// Where it begins.
        start: u64,
    },
    /// An hour commits to other five-minute rollups.
    #[error("the hour of {start} does not commit to the five-minute rollups that are here")]
    Parts {
        /// Where it begins.
        start: u64,
    },
    /// An hour commits to other lives, or to none after one that did.
    #[error("the hour of {start} does not commit to the lives that are here")]
    Lives {
        /// Where it begins.
        start: u64,
    },
    /// A life goes back, is told twice, is longer than its time, or ends after its hour.
    #[error("{holder} cannot have lived in the hour of {start} as is told")]
    Life {
        /// Where the hour begins.
        start: u64,
        /// Whose life.
        holder: Holder,
    },
    /// What is said of a holder does not follow from its life.
    #[error(
        "in the hour of {start} {holder} is said to have had {claimed} of {resource}, and its life makes {recomputed} (thousandths)"
    )]
    Allocated {
        /// Where the hour begins.
        start: u64,
        /// Whose life.
        holder: Holder,
        /// Of what.
        resource: Dimension,
        /// What is said.
        claimed: u128,
        /// What follows.
        recomputed: u128,
    },
    /// What is said of an hour does not follow from the lives in it.
    #[error(
        "the hour of {start} counts {claimed} of {resource}, and the lives in it make {recomputed} (thousandths)"
    )]
    HourAllocated {
        /// Where it begins.
        start: u64,
        /// Of what.
        resource: Dimension,
        /// What is said.
        claimed: u128,
        /// What follows.
        recomputed: u128,
    },
    /// The statement was made from other evidence.
    #[error("the evidence leads to the root {found}, and the statement was made from {expected}")]
    Root {
        /// What the statement says.
        expected: B256,
        /// What the evidence leads to.
        found: B256,
    },
    /// The statement says other usage.
    #[error("the evidence does not add up to the usage of the statement")]
    Usage,
    /// The hash that was signed belongs to another usage, time or root.
    #[error("the usage, time and root of the statement do not have the hash that was signed")]
    Hash,
}

/// What a statement says of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Cumulative usage.
    pub usage: Usage,
    /// Time up to which it counts.
    pub as_of: Timestamp,
    /// Root of the evidence.
    pub meter_root: B256,
    /// The hash that was signed.
    pub usage_hash: B256,
}

impl Verified {
    /// Whether a statement follows from this evidence.
    pub fn proves(&self, claimed: &Claimed) -> Result<(), Fault> {
        if self.root != claimed.meter_root {
            return Err(Fault::Root { expected: claimed.meter_root, found: self.root });
        }
        if self.totals.allocated != claimed.usage {
            return Err(Fault::Usage);
        }
        if usage_hash(&claimed.usage, claimed.as_of, claimed.meter_root) != claimed.usage_hash {
            return Err(Fault::Hash);
        }
        Ok(())
    }
}

/// Recomputes every hash, every sum, and from lives what was allocated.
pub fn verify(evidence: &Evidence) -> Result<Verified, Fault> {
    let Evidence { lease, hours, fives, cut } = evidence;
    let open_hour = || Hour { rollup: cut.hour.clone(), parts: cut.parts.clone(), lives: cut.lives.clone() };
    let all_hours: Vec<Hour> = hours.iter().cloned().chain([open_hour()]).collect();
    let hour_rollups: Vec<&Rollup> = all_hours.iter().map(|hour| &hour.rollup).collect();
    let five_rollups: Vec<&Rollup> = fives.iter().chain([&cut.five]).collect();
    chained(*lease, Span::Hour, &hour_rollups)?;
    chained(*lease, Span::FiveMinutes, &five_rollups)?;
    for hour in &all_hours {
        committed(hour)?;
    }
    in_their_hours(&all_hours, fives)?;
    let recomputed_since = lives::recompute(&all_hours)?;
    for hour in hours {
        let inside = fives.iter().rev().find(|five| Span::Hour.start_of(five.start) == hour.rollup.start);
        if inside.is_some_and(|last| last.after() != hour.rollup.after()) {
            return Err(Fault::Sum { start: hour.rollup.start });
        }
    }
    let last = &cut.five;
    let counted = cut.hour.after().ok_or(Fault::Sum { start: cut.hour.start })?;
    let within = last.start >= cut.hour.start && last.start < cut.hour.start + Span::Hour.seconds();
    if !within || last.after() != Some(counted) || last.until != cut.hour.until {
        return Err(Fault::Sum { start: last.start });
    }
    // The open five minutes follow the last part of the open hour, or the last of an hour before.
    let newest = all_hours.iter().rev().find_map(|hour| hour.parts.last());
    if newest.is_some_and(|newest| *newest != last.prev) {
        return Err(Fault::Link { start: last.start });
    }
    let first = hour_rollups.first().copied().unwrap_or(&cut.hour);
    Ok(Verified {
        root: cut.root(),
        totals: counted.totals(),
        before: first.before,
        from_the_beginning: first.prev == genesis(*lease, Span::Hour) && first.before.is_zero(),
        recomputed_since,
    })
}

/// Checks one chain, the open rollup at its end.
fn chained(lease: B256, span: Span, rollups: &[&Rollup]) -> Result<(), Fault> {
    let mut before: Option<&Rollup> = None;
    for rollup in rollups {
        let start = rollup.start;
        if rollup.lease != lease || rollup.span != span || span.start_of(start) != start {
            return Err(Fault::Stray { start });
        }
        if rollup.after().is_none() || rollup.added.minus(&rollup.adjusted).is_none() {
            return Err(Fault::Sum { start });
        }
        if let Some(before) = before {
            if before.start >= start || before.until > rollup.until {
                return Err(Fault::Order { start });
            }
            if before.hash() != rollup.prev {
                return Err(Fault::Link { start });
            }
            if before.after() != Some(rollup.before) {
                return Err(Fault::Sum { start });
            }
        }
        before = Some(rollup);
    }
    Ok(())
}

/// Checks that an hour commits to these hashes.
fn committed(hour: &Hour) -> Result<(), Fault> {
    let start = hour.rollup.start;
    if hour.parts.len() > MOST_PARTS || evidence::merkle_root(&hour.parts) != hour.rollup.parts {
        return Err(Fault::Parts { start });
    }
    Ok(())
}

/// Checks that every five-minute rollup has its place in an hour, and that a whole hour of them adds up to it.
fn in_their_hours(hours: &[Hour], fives: &[Rollup]) -> Result<(), Fault> {
    for five in fives {
        if five.parts != B256::ZERO || five.lives.is_some() {
            return Err(Fault::Stray { start: five.start });
        }
        let start = Span::Hour.start_of(five.start);
        let Some(hour) = hours.iter().find(|hour| hour.rollup.start == start) else {
            return Err(Fault::Parts { start });
        };
        if !hour.parts.contains(&five.hash()) {
            return Err(Fault::Parts { start });
        }
    }
    for hour in hours {
        let start = hour.rollup.start;
        let inside: Vec<&Rollup> =
            fives.iter().filter(|five| Span::Hour.start_of(five.start) == start).collect();
        let hashes: Vec<B256> = inside.iter().map(|five| five.hash()).collect();
        // What is here must be the end of the hour: only older rollups are dropped.
        if !hour.parts.ends_with(&hashes) {
            return Err(Fault::Parts { start });
        }
        let whole = hashes.len() == hour.parts.len() && !inside.is_empty();
        let begins_with_it = inside.first().is_some_and(|first| first.before == hour.rollup.before);
        if whole && !begins_with_it {
            return Err(Fault::Sum { start });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
