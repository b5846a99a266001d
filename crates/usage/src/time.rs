//! Moments in milliseconds: finer than the chain's seconds, so that rounding happens once; and boots of nodes.

use market::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The start of a second.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds from `earlier` to this moment, none if it lies after.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `millis` later.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The second that this moment lies in.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp(self.0 / 1000)
    }
}

/// One boot of a node: a number made from the id that the node gives it. Another number is another boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Boot(pub u64);

impl From<Timestamp> for Millis {
    fn from(timestamp: Timestamp) -> Self {
        Self::from_seconds(timestamp.0)
    }
}
