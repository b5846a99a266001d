//! The few JSON-RPC calls that Leasehold makes, with only the fields that it reads.
//!
//! Every answer comes from a node that may be wrong, behind, or somebody else's. Fields are parsed strictly;
//! what a node sends beyond them is ignored, so that chains with fields of their own work too.

mod answer;
mod ballot;
mod error;
mod node;
mod panel;

use alloy::primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy::rpc::types::Log;
use market::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use node::Node;
use panel::Panel;

pub use error::RpcError;
pub use panel::{NodeDeed, NodeWatch};

/// Which state a read sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest block: what drives provisioning. It may be reorganised away.
    Latest,
    /// A block that the network is unlikely to give up.
    Safe,
    /// A block that the network will not give up: what drives books.
    Finalized,
    /// One block by its hash, so that several reads see the same state.
    Block(B256),
}

impl At {
    fn param(self) -> Value {
        match self {
            Self::Latest => json!("latest"),
            Self::Safe => json!("safe"),
            Self::Finalized => json!("finalized"),
            Self::Block(hash) => json!({ "blockHash": hash }),
        }
    }
}

/// The header of a block, as far as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before it.
    pub parent: B256,
    /// Its time.
    pub timestamp: Timestamp,
    /// The base fee of its transactions, on chains that have one.
    pub base_fee: Option<u128>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireBlock {
    number: U64,
    hash: B256,
    parent_hash: B256,
    timestamp: U64,
    base_fee_per_gas: Option<U256>,
}

impl From<WireBlock> for Block {
    fn from(block: WireBlock) -> Self {
        Self {
            number: block.number.to(),
            hash: block.hash,
            parent: block.parent_hash,
            timestamp: Timestamp(block.timestamp.to()),
            base_fee: block.base_fee_per_gas.map(|fee| fee.saturating_to()),
        }
    }
}

/// What came of a transaction that is in a block.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The transaction.
    pub transaction_hash: B256,
    /// The block that holds it.
    pub block_hash: B256,
    /// Its height.
    pub block_number: U64,
    /// Gas spent.
    pub gas_used: U64,
    /// 1 if it succeeded.
    pub status: U64,
    /// The contract it made.
    pub contract_address: Option<Address>,
    /// Its logs.
    pub logs: Vec<Log>,
}

/// A call without a sender's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRequest {
    /// Who calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// What is called; nothing to create a contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// The call's data.
    #[serde(rename = "input")]
    pub data: Bytes,
}

impl CallRequest {
    /// A call by nobody in particular.
    pub fn anonymous(to: Address, data: Vec<u8>) -> Self {
        Self { from: None, to: Some(to), data: data.into() }
    }

    /// A call by `from` that will become a transaction.
    pub fn by(from: Address, to: TxKind, data: Bytes) -> Self {
        Self { from: Some(from), to: to.to().copied(), data }
    }
}

/// Which logs to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogRange {
    /// Those of all blocks from the first to the second height, both included.
    Heights(u64, u64),
    /// Those of one block, which the node must have.
    Block(B256),
}

/// A connection to a node, or to several that are asked as one.
#[derive(Clone, Debug)]
pub struct Rpc {
    panel: Panel,
}

impl Rpc {
    /// Prepares a connection to one node. Nothing is sent yet.
    pub fn dial(url: Url) -> Result<Self, RpcError> {
        Self::dial_several([url], 1)
    }

    /// Prepares connections to nodes of which `needed` must say the same before anything is believed.
    pub fn dial_several(urls: impl IntoIterator<Item = Url>, needed: usize) -> Result<Self, RpcError> {
        let nodes = urls.into_iter().map(Node::new).collect::<Result<Vec<_>, _>>()?;
        if needed == 0 || needed > nodes.len() {
            return Err(RpcError::Nodes("at least one node must agree, and no more than there are"));
        }
        Ok(Self { panel: Panel::new(nodes, needed) })
    }

    /// Tells `watch` what each node does.
    pub fn watched(self, watch: NodeWatch) -> Self {
        Self { panel: self.panel.watched(watch) }
    }

    /// The fewest of several nodes that outvote all others.
    pub fn majority(nodes: usize) -> usize {
        nodes / 2 + 1
    }

    /// The id of the chain that the node follows.
    pub async fn chain_id(&self) -> Result<u64, RpcError> {
        let id: U64 = self.panel.agreed("eth_chainId", json!([])).await?;
        Ok(id.to())
    }

    /// Refuses a node that follows another chain; of several, leaves such a node alone.
    pub async fn check_chain(&self, expected: u64) -> Result<(), RpcError> {
        let is_right = |found: &U64| match found.to() {
            found if found == expected => Ok(()),
            found => Err(RpcError::WrongChain { expected, found }),
        };
        self.panel.expected("eth_chainId", json!([]), is_right).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<Block, RpcError> {
        self.block(At::Latest).await
    }

    /// A block that must exist.
    pub async fn block(&self, at: At) -> Result<Block, RpcError> {
        let found: Option<WireBlock> = match at {
            At::Block(hash) => self.panel.agreed("eth_getBlockByHash", json!([hash, false])).await?,
            at => {
                let height = |block: &Option<WireBlock>| block.as_ref().map(|block| block.number);
                self.panel.reached("eth_getBlockByNumber", json!([at.param(), false]), height).await?
            }
        };
        found.map(Block::from).ok_or(RpcError::NoBlock)
    }

    /// The state that nodes can be compared at: of several, a block that enough of them have.
    async fn fixed(&self, at: At) -> Result<At, RpcError> {
        match at {
            At::Block(_) => Ok(at),
            at if self.panel.has_one() => Ok(at),
            at => Ok(At::Block(self.block(at).await?.hash)),
        }
    }

    /// The block at a height, if the node has it.
    pub async fn block_at(&self, number: u64) -> Result<Option<Block>, RpcError> {
        let found: Option<WireBlock> =
            self.panel.agreed("eth_getBlockByNumber", json!([U64::from(number), false])).await?;
        match found.map(Block::from) {
            Some(block) if block.number != number => {
                Err(RpcError::Inconsistent("a block of another height than asked for"))
            }
            found => Ok(found),
        }
    }

    /// Logs of our contracts, in order. `topics` filters by position, as `eth_getLogs` does.
    ///
    /// A log from elsewhere than asked for, or without its place in the chain, is an error: taking it would
    /// let a node invent events.
    pub async fn logs(
        &self,
        addresses: &[Address],
        topics: &[Option<B256>],
        range: &LogRange,
    ) -> Result<Vec<Log>, RpcError> {
        let mut filter = match range {
            LogRange::Heights(from, to) => {
                json!({ "fromBlock": U64::from(*from), "toBlock": U64::from(*to) })
            }
            LogRange::Block(hash) => json!({ "blockHash": hash }),
        };
        filter["address"] = json!(addresses);
        if !topics.is_empty() {
            filter["topics"] = json!(topics);
        }
        let logs: Vec<Log> = self.panel.agreed("eth_getLogs", json!([filter])).await?;
        check_logs(&logs, addresses, topics, range)?;
        Ok(logs)
    }

    /// Logs of a long range, asked for in pieces that the node is willing to answer.
    pub async fn all_logs(
        &self,
        addresses: &[Address],
        topics: &[Option<B256>],
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, RpcError> {
        let (mut next, mut span, mut found) = (from, to.saturating_sub(from), Vec::new());
        while next <= to {
            let last = to.min(next.saturating_add(span));
            match self.logs(addresses, topics, &LogRange::Heights(next, last)).await {
                Ok(logs) => {
                    found.extend(logs);
                    next = last.saturating_add(1);
                    span = span.saturating_mul(2);
                }
                Err(error) if error.is_refused() && span > 0 => span /= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Runs a call without a transaction.
    pub async fn call(&self, call: &CallRequest, at: At) -> Result<Bytes, RpcError> {
        let at = self.fixed(at).await?;
        self.panel.agreed("eth_call", json!([call, at.param()])).await
    }

    /// Gas that a call would take as a transaction.
    pub async fn estimate_gas(&self, call: &CallRequest) -> Result<u64, RpcError> {
        let gas: U64 = self.panel.reached("eth_estimateGas", json!([call]), U64::to::<u64>).await?;
        Ok(gas.to())
    }

    /// The first nonce of an account that no mined transaction has used.
    pub async fn mined_nonce(&self, account: Address) -> Result<u64, RpcError> {
        self.nonce_at(account, At::Latest).await
    }

    /// The first nonce of an account that no transaction has used up to there.
    pub async fn nonce_at(&self, account: Address, at: At) -> Result<u64, RpcError> {
        let at = self.fixed(at).await?;
        let nonce: U64 = self.panel.agreed("eth_getTransactionCount", json!([account, at.param()])).await?;
        Ok(nonce.to())
    }

    /// The first nonce of an account that no known transaction uses.
    pub async fn pending_nonce(&self, account: Address) -> Result<u64, RpcError> {
        let params = json!([account, "pending"]);
        let nonce: U64 = self.panel.reached("eth_getTransactionCount", params, U64::to::<u64>).await?;
        Ok(nonce.to())
    }

    /// What the node suggests to pay above the base fee.
    pub async fn suggested_tip(&self) -> Result<u128, RpcError> {
        let tip: U256 = self.panel.reached("eth_maxPriorityFeePerGas", json!([]), |tip| *tip).await?;
        Ok(tip.saturating_to())
    }

    /// Hands a signed transaction to the network.
    pub async fn send_raw(&self, transaction: &[u8]) -> Result<B256, RpcError> {
        let encoded = Bytes::copy_from_slice(transaction);
        self.panel.given("eth_sendRawTransaction", json!([encoded])).await
    }

    /// What came of a transaction, if it is in a block.
    pub async fn receipt(&self, transaction: B256) -> Result<Option<Receipt>, RpcError> {
        let found: Option<Receipt> =
            self.panel.agreed("eth_getTransactionReceipt", json!([transaction])).await?;
        match found {
            Some(receipt) if receipt.transaction_hash != transaction => {
                Err(RpcError::Inconsistent("the receipt of another transaction"))
            }
            found => Ok(found),
        }
    }

    /// The code of a contract.
    pub async fn code(&self, address: Address) -> Result<Bytes, RpcError> {
        let at = self.fixed(At::Latest).await?;
        self.panel.agreed("eth_getCode", json!([address, at.param()])).await
    }

    /// What an account holds of the chain's own coin.
    pub async fn native_balance(&self, address: Address) -> Result<U256, RpcError> {
        let at = self.fixed(At::Latest).await?;
        self.panel.agreed("eth_getBalance", json!([address, at.param()])).await
    }

    /// Any other call, to the first node; for development nodes and tests.
    pub async fn request<T>(&self, method: &'static str, params: Value) -> Result<T, RpcError>
    where
        T: serde::de::DeserializeOwned,
    {
        let answer = self.panel.first(method, params).await?;
        serde_json::from_value(answer).map_err(|source| RpcError::Answer { method, source })
    }
}

fn check_logs(
    logs: &[Log],
    addresses: &[Address],
    topics: &[Option<B256>],
    range: &LogRange,
) -> Result<(), RpcError> {
    let mut before = (0, 0);
    for log in logs {
        let (Some(number), Some(hash), Some(index)) = (log.block_number, log.block_hash, log.log_index)
        else {
            return Err(RpcError::Inconsistent("a log outside any block"));
        };
        let wanted = match range {
            LogRange::Heights(from, to) => (*from..=*to).contains(&number),
            LogRange::Block(wanted) => *wanted == hash,
        };
        if !wanted || log.removed {
            return Err(RpcError::Inconsistent("a log of another block than asked for"));
        }
        let matches = topics
            .iter()
            .enumerate()
            .all(|(position, topic)| topic.is_none_or(|topic| log.topics().get(position) == Some(&topic)));
        if !addresses.contains(&log.address()) || !matches {
            return Err(RpcError::Inconsistent("a log that was not asked for"));
        }
        if log.transaction_hash.is_none() || (number, index.saturating_add(1)) <= before {
            return Err(RpcError::Inconsistent("logs out of order"));
        }
        before = (number, index.saturating_add(1));
    }
    Ok(())
}
