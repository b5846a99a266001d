//! What the core can learn. Closed: a new source of events is a new variant, and the compiler shows every place that must know it.

use std::fmt;

use crd::ComputeLease;
use market::{
    Address, B256, Bid, Lease, LeaseId, Order, OrderHash, Requirements, Signature64, Statement, Timestamp,
};

use crate::agent::{Answer, LeaseCall, Refusal, RefusedProposal};
use crate::bidding::Facts;
use crate::inventory::ClusterSnapshot;

/// Something that is now known.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A log of the market or the registry.
    Chain(ChainNews),
    /// The newest block.
    Head(Head),
    /// All logs up to this height were delivered.
    LogsRead {
        upto: u64,
    },
    /// All logs up to the head were delivered once.
    CaughtUp,
    /// What the chain and the cluster say about an order that [`super::Effect::AssessOrder`] asked about.
    OrderAssessed {
        order: OrderHash,
        facts: Facts,
        cluster: ClusterSnapshot,
        /// Height of a block by which everything that an earlier process sent was on chain or given up.
        inherited_by: u64,
    },
    /// The chain or the cluster did not answer.
    OrderUnassessable {
        order: OrderHash,
    },
    /// A lease names an order that was never posted.
    OrderMissing {
        order: OrderHash,
    },
    /// The chain did not say whether it was.
    OrderUnfetched {
        order: OrderHash,
    },
    /// A bid is on chain, or is not going to be.
    BidFinished {
        lease: LeaseId,
        outcome: BidOutcome,
    },
    /// Fresh reads of leases.
    LeasesRead(Vec<(LeaseId, Lease)>),
    /// A periodic read of everything.
    Resync {
        opened: Vec<OpenedLease>,
        leases: Vec<(LeaseId, Lease)>,
        compute_leases: Vec<ComputeLease>,
    },
    ComputeLeaseObserved(Box<ComputeLease>),
    ComputeLeaseDeleted {
        name: String,
    },
    /// A tenant's manifest, with a caller that waits.
    ManifestUploaded(ManifestUpload),
    /// A tenant asks what to sign.
    StatementRequested {
        lease: LeaseId,
        reply: ReplyId,
    },
    /// A tenant signed.
    StatementSigned(SignedUpload),
    /// A tenant does not sign.
    StatementRefused {
        lease: LeaseId,
        refused: RefusedProposal,
        reply: ReplyId,
    },
    /// A write to the cluster ended; `None` when the object is gone.
    WriteFinished {
        lease: LeaseId,
        outcome: Result<Option<Box<ComputeLease>>, WriteFailure>,
    },
    /// A write that a caller waits for ended.
    RequestDone {
        reply: ReplyId,
        answer: Result<Answer, Refusal>,
    },
    /// A transaction about leases ended.
    CallFinished {
        call: LeaseCall,
        leases: Vec<LeaseId>,
        outcome: CallOutcome,
    },
    /// Time passed.
    Tick,
}

/// What the market's logs say, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainNews {
    /// `requirements` is `None` when the bytes do not decode or do not match their hash.
    OrderPosted {
        hash: OrderHash,
        order: Box<Order>,
        requirements: Option<Requirements>,
        posted_at: Timestamp,
    },
    OrderCancelled {
        tenant: Address,
        nonce: u64,
    },
    /// A bid of ours, perhaps by an earlier process.
    BidPosted {
        lease: LeaseId,
        bid: Box<Bid>,
    },
    /// A bid of ours was accepted.
    LeaseOpened(OpenedLease),
    /// The tenant contests what we claimed, not later than then.
    LeaseDisputed {
        lease: LeaseId,
        at: Timestamp,
    },
    /// Anything else about leases; they are read again.
    LeaseTouched(LeaseId),
    /// Blocks were replaced; everything about leases is read again.
    Reorganised,
}

/// An accepted bid of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedLease {
    pub id: LeaseId,
    pub bid: Box<Bid>,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub number: u64,
    pub timestamp: Timestamp,
    /// What a unit of gas costs there, in the smallest unit of the chain's coin.
    pub gas_price: u128,
}

/// Names a caller that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u64);

/// A manifest as it was uploaded. It holds the tenant's secrets, so it does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestUpload {
    pub lease: LeaseId,
    pub salt: B256,
    /// The canonical bytes, not looked at yet.
    pub manifest: Vec<u8>,
    pub reply: ReplyId,
}

impl fmt::Debug for ManifestUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestUpload").field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// A statement as it was uploaded, with the address that its signature recovers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedUpload {
    pub statement: Statement,
    pub signature: Signature64,
    pub signer: Address,
    pub reply: ReplyId,
}

/// How posting a bid ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BidOutcome {
    Posted,
    /// No bid was sent.
    Failed,
    /// A bid was signed and sent, and is not on chain. Whoever saw it may still accept it.
    Lost,
}

/// How a transaction about leases ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It is in a block; the leases were read again before this event.
    Mined,
    /// The chain, read again, no longer asked for it, so nothing was sent.
    Unneeded,
    /// The contract passed over them, in the transaction or in its simulation.
    Skipped,
    /// It was refused or could not be sent.
    Failed,
}

/// How a write to the cluster failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFailure {
    /// The chain, read again, did not allow the write.
    Unneeded,
    /// The API server refused or did not answer.
    Failed,
}
