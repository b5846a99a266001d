//! What a refusal says, to people and to the provider.

use alloy_primitives::B256;
use gateway_api::{Decimal, RefusalReason, StatementRefusal};
use market::{Amount, Timestamp};
use serde::Serialize;

/// A refusal with the figures behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the statement over {proposed} is refused: {reason}")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    pub(crate) reason: RefusalReason,
    #[serde(serialize_with = "decimal")]
    pub(crate) proposed: Amount,
    /// The most that would be signed for this usage and moment.
    #[serde(serialize_with = "decimal")]
    pub(crate) largest_accepted: Amount,
    /// The moment up to which the proposal counts.
    #[serde(skip)]
    pub(crate) as_of: Timestamp,
    #[serde(skip)]
    pub(crate) usage_hash: B256,
}

impl Refusal {
    /// The refusal as the provider is told it.
    pub(crate) fn document(&self) -> StatementRefusal {
        StatementRefusal {
            reason: self.reason,
            proposed_cum: Decimal(self.proposed.0),
            as_of: self.as_of.0,
            usage_hash: self.usage_hash,
            largest_accepted_cum: Decimal(self.largest_accepted.0),
        }
    }
}

fn decimal<S: serde::Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}
