//! The chain as the rest of Leasehold sees it: typed reads, a log follower, a transaction sender.
//!
//! Everything that arrives from an RPC node is treated as a stranger's input: it is parsed into the types of
//! [`market`] or refused with a typed error, never trusted to be well formed and never a reason to panic.
//! Decisions do not live here; this crate turns calls into outcomes and logs into events.
#![warn(missing_docs)]

pub mod abi;
pub mod books;
pub mod calls;
mod client;
pub mod convert;
pub mod deploy;
mod deployment;
mod eip712;
mod event;
pub mod follower;
mod revert;
pub mod rewards;
pub mod rpc;
pub mod sender;
pub mod signer;

pub use calls::{Call, Calls};
pub use client::{Attestation, ChainClient, ClientError, Payment, Provider, ProviderRecord, ProviderStatus};
pub use convert::ConvertError;
pub use deployment::Deployment;
pub use eip712::{Eip712, RecoverError, recover};
pub use event::{ChainEvent, CloseReason, LeaseOpened, LoggedEvent, OrderPosted};
pub use follower::{Cursor, FollowError, Followed, FollowerConfig, LogFollower};
pub use revert::Revert;
pub use rewards::{RewardsClient, RewardsError};
pub use rpc::{At, Block, NodeDeed, NodeWatch, Rpc, RpcError};
pub use sender::{
    Journal, JournalEntry, JournalError, JournalFuture, Mined, Outcome, SendError, SenderConfig, TxSender,
};
pub use signer::HotKey;
