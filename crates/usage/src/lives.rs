//! The lives behind an hour's allocation: what each container, each volume and the lease as a whole held, from when to
//! when, and why it began and ended.
//!
//! The meter counts allocation from these alone ([`Quantities::over`]), so whoever has them can count it again; an hour's
//! rollup commits to them. A day's worth of an unchanged pod is 24 of them. Bounded: of an hour [`MOST_LIVES`] are told by
//! name and the rest as sums of equal holdings, of a life [`MOST_STRETCHES`] stretches and the rest as one.

mod quantities;
mod recorder;

use std::fmt;

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{Millis, evidence};
pub use quantities::Quantities;
pub(crate) use recorder::Lives;

/// Most lives of an hour that are told by name.
pub const MOST_LIVES: usize = 256;
/// Most stretches of one life in an hour.
pub const MOST_STRETCHES: usize = 16;

/// First byte of what is hashed: no other kind of bytes begins with it.
const PREFIX: u8 = 5;

/// Whose life it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Holder {
    /// The lease as a whole: up while every service has all its replicas.
    Lease,
    /// A container of a pod.
    Container {
        /// The pod's UID.
        pod: String,
        /// Its name in the pod.
        name: String,
    },
    /// A volume.
    Volume {
        /// The claim's UID.
        uid: String,
    },
    /// All that hold the same and came when [`MOST_LIVES`] were told by name already.
    Others,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease => f.write_str("the lease as a whole"),
            Self::Container { pod, name } => write!(f, "container {name} of pod {pod}"),
            Self::Volume { uid } => write!(f, "volume {uid}"),
            Self::Others => f.write_str("what is not told by name"),
        }
    }
}

/// Why a stretch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Began {
    /// The container started, and was ready at once.
    Started,
    /// The container became ready; of the lease, its last replica did.
    Ready,
    /// The volume was bound.
    Bound,
    /// The term of the lease began.
    Term,
    /// It ran when it was seen first; the meter had looked before, and it was not there.
    Seen,
}

impl Began {
    /// All of them, in the order of their places.
    pub const ALL: [Self; 5] = [Self::Started, Self::Ready, Self::Bound, Self::Term, Self::Seen];
}

/// Why a stretch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// The run finished.
    Finished,
    /// The pod or the volume is gone: deleted, lost with its node, or the lease is paused.
    Deleted,
    /// The container was not ready in between, and nobody knows whose fault it was; of the lease, a replica was missing.
    Unready,
    /// The container is not ready through the provider's fault: its node is unfit or lost, or the pod is being evicted.
    Trouble,
    /// The node booted: nothing after its last sign of life before counts.
    Rebooted,
    /// It was found running, and ended before that was believed: nothing after the look before counts.
    Doubt,
    /// The container waits, and nothing is told of how its run ended.
    Lost,
    /// What it holds has changed.
    Resized,
    /// The term of the lease ended.
    Term,
}

impl Ended {
    /// All of them, in the order of their places.
    pub const ALL: [Self; 9] = [
        Self::Finished,
        Self::Deleted,
        Self::Unready,
        Self::Trouble,
        Self::Rebooted,
        Self::Doubt,
        Self::Lost,
        Self::Resized,
        Self::Term,
    ];
}

/// A stretch of time in which something was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stretch {
    /// Where it begins. Before its hour, if it was counted late.
    pub from: Millis,
    /// Where it ends.
    pub to: Millis,
    /// How many milliseconds of it count: all of them, but where several stretches are told as one.
    pub millis: u64,
    /// Why it began; none if it only went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Began>,
    /// Why it ended; none if it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What one holder held in an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Life {
    /// Whose.
    pub holder: Holder,
    /// What it held, in the units of the manifest: thousandths of CPUs, GPUs and devices, bytes, addresses, and one for a
    /// lease that is up.
    pub holding: Quantities,
    /// When it held it, oldest first.
    pub stretches: Vec<Stretch>,
    /// What that added to the hour's counters.
    pub added: Quantities,
}

impl Life {
    /// The bytes that are hashed: `05`; a byte for the holder (0 lease, 1 container, 2 volume, 3 others) and its two names,
    /// each after its length as a 64-bit number (UID and name; UID and nothing; nothing); the holding and what was added,
    /// eight 128-bit numbers each; the number of stretches, and of each its beginning, its end and what counts of it as
    /// 64-bit numbers and two bytes for why it began and ended, nought for none and else their places in [`Began`] and
    /// [`Ended`] counted from one. Numbers are big-endian, times milliseconds.
    pub fn canonical(&self) -> Vec<u8> {
        let Self { holder, holding, stretches, added } = self;
        let (kind, names) = match holder {
            Holder::Lease => (0, ["", ""]),
            Holder::Container { pod, name } => (1, [pod.as_str(), name]),
            Holder::Volume { uid } => (2, [uid.as_str(), ""]),
            Holder::Others => (3, ["", ""]),
        };
        let mut bytes = vec![PREFIX, kind];
        for name in names {
            bytes.extend((name.len() as u64).to_be_bytes());
            bytes.extend(name.as_bytes());
        }
        for quantity in holding.0.iter().chain(&added.0) {
            bytes.extend(quantity.to_be_bytes());
        }
        bytes.extend((stretches.len() as u64).to_be_bytes());
        for Stretch { from, to, millis, began, ended } in stretches {
            for number in [from.0, to.0, *millis] {
                bytes.extend(number.to_be_bytes());
            }
            bytes.push(began.map_or(0, |why| why as u8 + 1));
            bytes.push(ended.map_or(0, |why| why as u8 + 1));
        }
        bytes
    }
}

/// What an hour commits to: the Merkle root over the hashes of its lives in their order.
pub fn root(lives: &[Life]) -> B256 {
    let hashes: Vec<B256> = lives.iter().map(|life| keccak256(life.canonical())).collect();
    evidence::merkle_root(&hashes)
}

#[cfg(test)]
mod tests;
