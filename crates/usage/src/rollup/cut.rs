//! What a published root commits to.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use super::Rollup;
use crate::{evidence, lives::Life};

/// A moment at which usage was published: the preimage of its `meterRoot`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cut {
    /// Root over the last readings of every pod.
    pub ledger_root: B256,
    /// The open five-minute rollup.
    pub five: Rollup,
    /// The open hour.
    pub hour: Rollup,
    /// Hashes of the closed five-minute rollups of the open hour.
    pub parts: Vec<B256>,
    /// Lives of the open hour, where it commits to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives: Option<Vec<Life>>,
}

impl Cut {
    /// The `meterRoot`.
    pub fn root(&self) -> B256 {
        evidence::merkle_root(&[self.ledger_root, self.five.hash(), self.hour.hash()])
    }
}
