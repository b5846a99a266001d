//! The distributor of rewards: what happened to a programme, what follows from it, and the calls that act on it.
//!
//! Everything is read as of one block. What the logs say is compared with what the contract says of itself at that
//! block, so that a node which leaves logs out is found out before money depends on it.

mod calls;
mod convert;
mod fees;
mod past;

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::{SolCall, SolEvent};
use market::{Amount, Timestamp};
use rewards::{ComputeError, Epoch, HistoryError, Impossible, Leaf, ProgrammeId};

use crate::abi::{IRewardsDistributor as d, IToken};
use crate::client::{ChainClient, ClientError, read};
use crate::convert::{ConvertError, to_amount};
use crate::rpc::{At, LogRange, RpcError};
use crate::sender::Mined;
pub use calls::RewardsCalls;
pub use convert::{attribute_id, leaf_to_abi, terms_from_abi, terms_to_abi};
pub use past::{Books, Past, PostedRoot, RootState};

/// A programme could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RewardsError {
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The contract could not be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A value cannot be expressed.
    #[error("a value cannot be converted")]
    Convert(#[from] ConvertError),
    /// The contract there belongs to another market.
    #[error("the distributor belongs to the market {found}, not {expected}")]
    WrongMarket {
        /// The deployment's market.
        expected: Address,
        /// The distributor's.
        found: Address,
    },
    /// Nobody created it.
    #[error("there is no programme {0}")]
    NoProgramme(U256),
    /// Nobody posted it.
    #[error("the programme has no root {0}")]
    NoRoot(u32),
    /// What is asked about has not happened yet.
    #[error("epoch {epoch} ends at {end}, and the newest block is of {now}")]
    NotOver {
        /// The epoch.
        epoch: Epoch,
        /// Its end.
        end: Timestamp,
        /// The time of the newest block.
        now: Timestamp,
    },
    /// The chain was reorganised while it was read; reading again settles it.
    #[error("the chain moved while block {0} was read")]
    Moved(u64),
    /// The events contradict each other.
    #[error("the node's logs cannot be the programme's history")]
    History(#[from] HistoryError),
    /// The events contradict the contract's state at the same block.
    #[error("the node's logs and the contract differ in {what}: {logs} and {contract}")]
    Differ {
        /// What of.
        what: &'static str,
        /// What the logs say.
        logs: String,
        /// What the contract says.
        contract: String,
    },
    /// The events give no root.
    #[error("the root cannot be computed")]
    Compute(#[from] ComputeError),
    /// The posted root contradicts the events.
    #[error("the posted root contradicts the node's logs")]
    Impossible(#[from] Impossible),
}

/// Reads one distributor.
#[derive(Clone, Debug)]
pub struct RewardsClient {
    chain: ChainClient,
    distributor: Address,
}

impl RewardsClient {
    /// Connects to a distributor, and refuses one of another market.
    pub async fn connect(chain: ChainClient, distributor: Address) -> Result<Self, RewardsError> {
        if chain.rpc().code(distributor).await?.is_empty() {
            return Err(ClientError::NoContract(distributor).into());
        }
        let client = Self { chain, distributor };
        let found = client.call("market", d::marketCall {}, At::Latest).await?;
        let expected = client.chain.deployment().market;
        if found == expected { Ok(client) } else { Err(RewardsError::WrongMarket { expected, found }) }
    }

    /// The market and its node.
    pub fn chain(&self) -> &ChainClient {
        &self.chain
    }

    /// The contract.
    pub fn distributor(&self) -> Address {
        self.distributor
    }

    /// Makes calls to the distributor.
    pub fn calls(&self) -> RewardsCalls {
        RewardsCalls::new(self.distributor)
    }

    /// How many programmes there are; they are numbered from 1.
    pub async fn programme_count(&self, at: At) -> Result<U256, RewardsError> {
        self.call("programmeCount", d::programmeCountCall {}, at).await
    }

    /// What a claim with this leaf would pay now; nothing where it would be refused.
    pub async fn claimable(
        &self,
        programme: ProgrammeId,
        leaf: &Leaf,
        proof: Vec<B256>,
        at: At,
    ) -> Result<Amount, RewardsError> {
        let call = d::claimableCall { programme: programme.0, leaf: leaf_to_abi(leaf), proof };
        Ok(Amount(self.call("claimable", call, at).await?))
    }

    /// The programme that a transaction created.
    pub async fn created_in(&self, mined: &Mined) -> Result<Option<ProgrammeId>, RewardsError> {
        let topics = [Some(d::ProgrammeCreated::SIGNATURE_HASH)];
        let block = LogRange::Block(mined.block_hash);
        let logs = self.chain.rpc().logs(&[self.distributor], &topics, &block).await?;
        let ours = logs.iter().find(|log| log.transaction_hash == Some(mined.tx_hash));
        let topic = ours.and_then(|log| log.topics().get(1).copied());
        Ok(topic.map(|programme| ProgrammeId(programme.into())))
    }

    /// What the distributor owes an account, to be withdrawn.
    pub async fn credit(&self, account: Address, token: Address, at: At) -> Result<Amount, RewardsError> {
        Ok(to_amount(self.call("credit", d::creditCall { account, token }, at).await?)?)
    }

    /// What auditors sign for a report of capacity.
    pub async fn report_digest(&self, report: d::CapacityReport) -> Result<B256, RewardsError> {
        self.call("reportDigest", d::reportDigestCall { report }, At::Latest).await
    }

    /// Decimals and name of a programme's token, which need not be the market's.
    pub async fn token(&self, token: Address) -> Result<(u8, String), RewardsError> {
        Ok(self.chain.token_terms(token).await?)
    }

    /// What an account holds of a token, and what of it the distributor may draw.
    pub async fn wallet(&self, token: Address, owner: Address) -> Result<(Amount, Amount), RewardsError> {
        let (rpc, spender) = (self.chain.rpc(), self.distributor);
        let held = read(rpc, token, "balanceOf", IToken::balanceOfCall { owner }, At::Latest).await?;
        let call = IToken::allowanceCall { owner, spender };
        let allowed = read(rpc, token, "allowance", call, At::Latest).await?;
        Ok((to_amount(held)?, Amount(allowed.saturating_to())))
    }

    async fn call<C: SolCall>(&self, name: &'static str, call: C, at: At) -> Result<C::Return, RewardsError> {
        Ok(read(self.chain.rpc(), self.distributor, name, call, at).await?)
    }
}
