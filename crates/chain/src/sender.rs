//! Sends transactions of one key, one actor per key.
//!
//! The actor owns the key's nonces. Each call is simulated, signed with an explicit nonce, written down, broadcast,
//! and followed until it is as deep in the chain as configured. A transaction that does not get in is replaced under
//! the same nonce with a higher fee; one that a reorganisation drops is broadcast again, with the same bytes. With a
//! [`Journal`] a process that dies loses none of that: the next one takes up what is not final. All calls of
//! Leasehold are idempotent, so a caller that hears [`Outcome::Rejected`] may simply ask again.

mod actor;
mod broadcast;
mod fees;
mod finality;
mod journal;
mod recovery;
mod watching;

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use tokio::sync::{mpsc, oneshot, watch};

use crate::calls::Call;
use crate::deployment::Deployment;
use crate::event::LoggedEvent;
use crate::revert::Revert;
use crate::rpc::{Receipt, Rpc, RpcError};
use crate::signer::HotKey;

pub use journal::{Journal, JournalEntry, JournalError, JournalFuture};

/// How a sender behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderConfig {
    /// Time between two looks for receipts.
    pub poll_interval: Duration,
    /// Without inclusion for this long, the fee is raised.
    pub bump_after: Duration,
    /// Without inclusion for this long, the same bytes are broadcast again.
    pub rebroadcast_after: Duration,
    /// The most that is paid for one unit of gas.
    pub max_fee_per_gas: u128,
    /// How many blocks a transaction must have, its own included, before it counts as mined; at least 1.
    pub confirmations: u64,
    /// How often a request is tried before the call is rejected.
    pub attempts: u32,
    /// How many transactions may be on their way at once.
    pub max_in_flight: usize,
    /// Time between two looks at what became final, with a journal.
    pub finality_interval: Duration,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            bump_after: Duration::from_secs(45),
            rebroadcast_after: Duration::from_secs(15),
            max_fee_per_gas: 500_000_000_000,
            confirmations: 1,
            attempts: 5,
            max_in_flight: 16,
            finality_interval: Duration::from_secs(12),
        }
    }
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its hash.
    pub tx_hash: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas spent.
    pub gas_used: u64,
    /// Whether it succeeded. It was simulated before, so a failure means that somebody else was faster.
    pub success: bool,
    /// The contract it made.
    pub contract: Option<Address>,
    /// What the contracts said, with the leases that a batch passed over.
    pub events: Vec<LoggedEvent>,
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// It is in a block.
    Mined(Mined),
    /// The contract would refuse it; nothing was sent.
    Reverted(Revert),
    /// It could not be sent, or its fate is not known to be mined.
    Rejected(SendError),
}

/// Why a call was not mined.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The node did not answer as it should.
    #[error("failed to send {call}")]
    Rpc {
        /// The function.
        call: &'static str,
        /// The cause.
        #[source]
        source: RpcError,
    },
    /// The contract would refuse it; nothing was sent.
    #[error("the contract refused {call}: {reason}")]
    Reverted {
        /// The function.
        call: &'static str,
        /// The contract's reason.
        reason: Revert,
    },
    /// It was mined but failed, because the state changed after its simulation.
    #[error("{call} failed in transaction {tx_hash}")]
    Failed {
        /// The function.
        call: &'static str,
        /// The transaction.
        tx_hash: B256,
    },
    /// The key cannot pay for gas.
    #[error("the account {account} cannot pay for the gas of {call}")]
    NoGas {
        /// The function.
        call: &'static str,
        /// The account to fund.
        account: Address,
    },
    /// The market rate for gas is above what may be paid.
    #[error("gas costs {needed} a unit, more than the configured {limit}")]
    FeeTooHigh {
        /// The present rate.
        needed: u128,
        /// The configured limit.
        limit: u128,
    },
    /// The node refused the transaction itself.
    #[error("the node refused {call}: {message}")]
    Refused {
        /// The function.
        call: &'static str,
        /// The node's words.
        message: String,
    },
    /// Another transaction of the same key, not sent by this actor, took the nonce.
    #[error("the nonce {nonce} of {call} was used by a transaction sent elsewhere with the same key")]
    NonceTaken {
        /// The function.
        call: &'static str,
        /// The nonce.
        nonce: u64,
    },
    /// A nonce before its own is used by nothing that is known, so it could not get into a block.
    #[error("the nonce {nonce} of {call} stands behind one that nobody uses")]
    Gap {
        /// The function.
        call: &'static str,
        /// The nonce.
        nonce: u64,
    },
    /// It could not be written down, so it was not broadcast.
    #[error("failed to write {call} down before it is sent")]
    Journal {
        /// The function.
        call: &'static str,
        /// The cause.
        #[source]
        source: JournalError,
    },
    /// Another process has taken over the key's journal, and sends from now on.
    #[error("another process sends with this key now")]
    TakenOver,
    /// The actor has ended.
    #[error("the transaction sender has stopped")]
    Stopped,
}

impl SendError {
    /// Whether asking again may well succeed.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Rpc { source, .. } => source.is_retriable(),
            Self::Failed { .. }
            | Self::FeeTooHigh { .. }
            | Self::NonceTaken { .. }
            | Self::Gap { .. }
            | Self::NoGas { .. }
            | Self::Journal { .. } => true,
            Self::Reverted { .. } | Self::Refused { .. } | Self::TakenOver | Self::Stopped => false,
        }
    }
}

impl Outcome {
    /// The mined and successful transaction, or why there is none. `call` names the call in errors.
    pub fn succeeded(self, call: &'static str) -> Result<Mined, SendError> {
        match self {
            Self::Mined(mined) if mined.success => Ok(mined),
            Self::Mined(mined) => Err(SendError::Failed { call, tx_hash: mined.tx_hash }),
            Self::Reverted(reason) => Err(SendError::Reverted { call, reason }),
            Self::Rejected(error) => Err(error),
        }
    }
}

struct Job {
    call: Call,
    reply: oneshot::Sender<Outcome>,
}

/// How far an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The journal is not read yet.
    Opening,
    /// Transactions of an earlier process are on their way.
    Recovering,
    /// Every earlier transaction has met its fate.
    Ready,
    /// Another process has the journal.
    TakenOver,
}

/// A handle to the actor of one key. Clones share it; the actor ends after the last one is dropped.
#[derive(Clone, Debug)]
pub struct TxSender {
    account: Address,
    jobs: mpsc::Sender<Job>,
    stage: watch::Receiver<Stage>,
}

impl TxSender {
    /// Starts the actor for `key` on the current tokio runtime. No other sender may use the key meanwhile.
    ///
    /// `deployment` is only used to read the events of receipts. What is on its way is forgotten with the process.
    pub fn spawn(rpc: Rpc, deployment: Deployment, key: HotKey, config: SenderConfig) -> Self {
        Self::start(rpc, deployment, key, config, None)
    }

    /// Starts an actor that first takes up what the journal holds, and sends nothing that it does not hold.
    pub fn spawn_with_journal(
        rpc: Rpc,
        deployment: Deployment,
        key: HotKey,
        config: SenderConfig,
        journal: impl Journal + 'static,
    ) -> Self {
        Self::start(rpc, deployment, key, config, Some(Box::new(journal)))
    }

    fn start(
        rpc: Rpc,
        deployment: Deployment,
        key: HotKey,
        config: SenderConfig,
        journal: Option<Box<dyn Journal>>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(64);
        let (stage, seen) = watch::channel(Stage::Opening);
        let account = key.address();
        let actor = actor::Actor {
            chain_id: deployment.chain_id,
            read: Box::new(move |receipt| mined(&deployment, receipt)),
            rpc,
            key,
            config,
            queue,
            next_nonce: None,
            in_flight: BTreeMap::new(),
            finished: BTreeMap::new(),
            journal,
            unwritten: false,
            gap_since: None,
            stage,
        };
        tokio::spawn(actor.run());
        Self { account, jobs, stage: seen }
    }

    /// Waits until the journal was read; at once for a sender without one. Nothing is sent before that.
    pub async fn opened(&self) -> Result<(), SendError> {
        let mut stage = self.stage.clone();
        match stage.wait_for(|stage| *stage != Stage::Opening).await {
            Ok(_) => Ok(()),
            Err(_) => Err(SendError::Stopped),
        }
    }

    /// Waits until what an earlier process sent is in a block or given up. What is read from the chain after this
    /// knows of it.
    pub async fn ready(&self) -> Result<(), SendError> {
        let mut stage = self.stage.clone();
        match stage.wait_for(|stage| matches!(stage, Stage::Ready | Stage::TakenOver)).await.as_deref() {
            Ok(Stage::TakenOver) => Err(SendError::TakenOver),
            Ok(_) => Ok(()),
            Err(_) => Err(SendError::Stopped),
        }
    }

    /// Waits until another process has taken over the journal; for ever if that never happens.
    pub async fn taken_over(&self) {
        let mut stage = self.stage.clone();
        if stage.wait_for(|stage| *stage == Stage::TakenOver).await.is_err() {
            std::future::pending().await
        }
    }

    /// The account that signs and pays.
    pub fn account(&self) -> Address {
        self.account
    }

    /// Sends a call and waits for its outcome. Dropping the future does not stop the transaction.
    pub async fn send(&self, call: Call) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        if self.jobs.send(Job { call, reply }).await.is_err() {
            return Outcome::Rejected(SendError::Stopped);
        }
        outcome.await.unwrap_or(Outcome::Rejected(SendError::Stopped))
    }

    /// Sends a call and insists that it succeeds.
    pub async fn execute(&self, call: Call) -> Result<Mined, SendError> {
        let name = call.name;
        self.send(call).await.succeeded(name)
    }
}

fn mined(deployment: &Deployment, receipt: &Receipt) -> Mined {
    Mined {
        tx_hash: receipt.transaction_hash,
        block_number: receipt.block_number.to(),
        block_hash: receipt.block_hash,
        gas_used: receipt.gas_used.to(),
        success: receipt.status.to::<u64>() == 1,
        contract: receipt.contract_address,
        events: receipt.logs.iter().filter_map(|log| LoggedEvent::read(deployment, log)).collect(),
    }
}
