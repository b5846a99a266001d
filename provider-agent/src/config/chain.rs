//! How to reach the chain: `[chain]`.

use std::path::PathBuf;

use alloy::primitives::Address;
use chain::Rpc;
use serde::Deserialize;
use url::Url;

use super::Seconds;

/// Bounds the values of the label that tells nodes apart in metrics.
const MOST_NODES: usize = 9;

/// The nodes and the contracts. Exactly one of `deployment_file` and `deployment` is given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    pub rpc_url: Url,
    /// More nodes, best of other parties, that are asked as one with the first.
    #[serde(default)]
    pub further_rpc_urls: Vec<Url>,
    /// How many nodes must say the same. Default: more than half.
    pub rpc_quorum: Option<usize>,
    pub deployment_file: Option<PathBuf>,
    pub deployment: Option<InlineDeployment>,
    #[serde(default = "poll_interval")]
    pub poll_interval: Seconds,
    /// Blocks that must lie on top of a block before its events are acted on.
    #[serde(default)]
    pub confirmations: u64,
    /// A head older than this makes the agent unready and stops bidding.
    #[serde(default = "max_head_age")]
    pub max_head_age: Seconds,
    /// Below this balance of the chain's own coin, in wei, the agent warns.
    #[serde(default = "low_gas_balance_wei")]
    pub low_gas_balance_wei: u64,
}

/// The addresses of a deployment, in the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InlineDeployment {
    pub chain_id: u64,
    pub market: Address,
    pub registry: Address,
    pub token: Address,
    pub token_decimals: u8,
    pub deployed_block: u64,
}

impl Chain {
    /// All nodes, in the order in which they are numbered.
    pub fn nodes(&self) -> impl Iterator<Item = Url> {
        std::iter::once(&self.rpc_url).chain(&self.further_rpc_urls).cloned()
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        1 + self.further_rpc_urls.len()
    }

    /// How many of the nodes must say the same.
    pub fn quorum(&self) -> usize {
        self.rpc_quorum.unwrap_or_else(|| Rpc::majority(self.node_count()))
    }

    /// What contradicts itself, with its path.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.deployment_file.is_some() == self.deployment.is_some() {
            return Some(("chain", "give exactly one of deployment_file and deployment"));
        }
        if self.node_count() > MOST_NODES {
            return Some(("chain.further_rpc_urls", "name at most eight, beside rpc_url"));
        }
        if self.further_rpc_urls.contains(&self.rpc_url) {
            return Some(("chain.further_rpc_urls", "must not name rpc_url again: it would have two votes"));
        }
        if !(1..=self.node_count()).contains(&self.quorum()) {
            return Some(("chain.rpc_quorum", "must be at least 1, and at most the number of nodes"));
        }
        None
    }
}

fn poll_interval() -> Seconds {
    Seconds(2)
}

fn max_head_age() -> Seconds {
    Seconds(120)
}

fn low_gas_balance_wei() -> u64 {
    10_000_000_000_000_000
}
