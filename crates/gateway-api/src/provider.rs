//! `GET /v1/provider`.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

/// Who the provider is. Unsigned, so a hint only: the chain decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderInfo {
    /// Owner address; the audience of signed requests.
    pub provider: Address,
    /// Chain that it serves.
    pub chain_id: u64,
    /// Market contract that it serves.
    pub market: Address,
    /// Isolation tiers that it runs.
    pub tiers: Vec<manifest::TierDocument>,
    /// Version of the agent.
    pub version: String,
    /// The gateway's clock, unix seconds.
    pub now: u64,
}
