//! What the core can ask for. Closed; `effects` is the only module that carries them out.

use crd::ComputeLease;
use market::{Address, Amount, Bid, LeaseId, OrderHash, Signature64, Statement, Timestamp, Usage};

use crate::agent::{ManifestSecret, Proposal, RefusedProposal, ReplyId};
use crate::bidding::DeclineReason;
use crate::series::Seen;

/// Something to do. Whatever spends money or ends a workload reads the chain again first, inside the effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the chain and the cluster what [`crate::bidding::decide`] needs.
    AssessOrder {
        order: OrderHash,
        tenant: Address,
    },
    /// Find orders that leases name and that no log brought.
    FetchOrders(Vec<OrderHash>),
    /// Sign with the hot key and post on chain.
    PostBid {
        order: OrderHash,
        lease: LeaseId,
        bid: Box<Bid>,
        order_posted_at: Timestamp,
    },
    /// Read leases from the chain.
    ReadLeases(Vec<LeaseId>),
    /// Read everything from the chain and the cluster.
    Resync,
    Confirm(Vec<LeaseId>),
    /// Give an open lease back: full refund, no penalty.
    Decline(Box<Bid>),
    /// End a lease, at once if its money does not cover it, otherwise after the notice period.
    Reclaim {
        bid: Box<Bid>,
        cause: ReclaimCause,
    },
    Settle(Vec<(Statement, Signature64)>),
    Claim(Vec<(Box<Bid>, Usage)>),
    Finalize(Vec<Bid>),
    /// Close a dispute by the agreed split, when the arbiter's time is over.
    Resolve(Box<Bid>),
    /// Server-side apply of the whole object.
    ApplyComputeLease {
        lease: LeaseId,
        object: Box<ComputeLease>,
        basis: Basis,
    },
    /// Write the Secret, then the object that names it, then answer.
    StoreManifest {
        lease: LeaseId,
        secret: ManifestSecret,
        object: Box<ComputeLease>,
        basis: Basis,
        reply: ReplyId,
    },
    /// Write the object with the newest statement, then answer.
    StoreStatement {
        lease: LeaseId,
        object: Box<ComputeLease>,
        basis: Basis,
        reply: ReplyId,
    },
    /// Delete the object and its Secret.
    DeleteComputeLease {
        lease: LeaseId,
        name: String,
    },
    Answer {
        reply: ReplyId,
        answer: Result<Answer, Refusal>,
    },
    /// Tell people that a running lease's money lasts no longer than this.
    WarnOfFunds {
        lease: LeaseId,
        until: Timestamp,
        object: Option<Box<ComputeLease>>,
    },
    /// Tell people what follows from usage that a tenant does not sign.
    TellOfUnsigned {
        lease: LeaseId,
        news: UnsignedNews,
        object: Box<ComputeLease>,
    },
    /// Remember what the meter published, for the tenant to look at.
    KeepUsage(Box<Seen>),
    /// Count and log.
    Record(Record),
}

/// What the cluster held when a write was decided on. Whatever somebody changed since is shown to the core instead of being written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// No object.
    Absent,
    /// An object of this generation, which is the number of its spec.
    Generation(i64),
}

/// Why the provider ends a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimCause {
    /// The full rate since the last settlement eats the whole balance.
    Unfunded,
    /// It has been suspended too long, with so much paid.
    Unsigned { paid: Amount },
}

/// A turn in the life of a lease whose tenant does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsignedNews {
    /// It will be suspended.
    Announced {
        unsigned: Amount,
        at: Timestamp,
    },
    Suspended {
        unsigned: Amount,
    },
    Resumed,
}

/// The transactions about leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseCall {
    Confirm,
    Decline,
    Reclaim,
    Settle,
    Claim,
    Finalize,
    Resolve,
}

/// What a waiting caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    ManifestStored,
    Proposal(Box<Proposal>),
    StatementStored,
    /// A refusal of a proposal is counted.
    RefusalHeard,
}

/// Why a waiting caller is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a lease of this provider.
    UnknownLease,
    /// The lease is over.
    LeaseOver,
    /// The order's log has not been seen (yet), so the manifest cannot be checked.
    OrderUnknown,
    ManifestHashMismatch,
    /// What is wrong, by path.
    ManifestInvalid(Vec<String>),
    /// The manifest asks for more than was paid for.
    ManifestExceedsBid,
    /// Nothing is metered yet.
    NoUsageYet,
    /// Not a statement that was proposed; ask again.
    StatementStale,
    /// A newer statement is stored already.
    StatementNotMonotone,
    StatementForeignSigner,
    /// The cluster did not take the write; try again.
    NotStored,
}

/// Something worth counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    OrderSeen {
        order: OrderHash,
    },
    OrderDeclined {
        order: OrderHash,
        reasons: Vec<DeclineReason>,
    },
    LeaseDeclined {
        lease: LeaseId,
        reason: LeaseDecline,
    },
    /// A `ComputeLease` that names another chain or market; it is left alone.
    ForeignComputeLease {
        name: String,
    },
    /// A `ComputeLease` whose lease the chain does not know.
    OrphanComputeLease {
        name: String,
    },
    LeaseDisputed {
        lease: LeaseId,
    },
    /// What the meter published is no usage.
    UnreadableUsage {
        lease: LeaseId,
    },
    /// The tenant does not sign a proposal.
    StatementRefused {
        lease: LeaseId,
        refused: RefusedProposal,
        telling: Telling,
    },
}

/// Whether something goes to the log, too. What tenants can repeat at will does so now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    Logged,
    Counted,
}

/// Why an open lease is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseDecline {
    OrderUnknown,
    /// The operator refuses the manifest for good.
    Rejected,
    /// The start window ends and the workloads are not ready.
    NotReadyInTime,
}

impl LeaseCall {
    /// Whether the contract takes many at once, and passes over what it cannot carry out.
    pub fn is_batch(self) -> bool {
        match self {
            Self::Confirm | Self::Settle | Self::Claim | Self::Finalize => true,
            Self::Decline | Self::Reclaim | Self::Resolve => false,
        }
    }

    /// The label in metrics, which is the contract's word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Decline => "decline",
            Self::Reclaim => "reclaim",
            Self::Settle => "settle",
            Self::Claim => "claim",
            Self::Finalize => "finalize",
            Self::Resolve => "resolve",
        }
    }
}

impl LeaseDecline {
    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::OrderUnknown => "order_unknown",
            Self::Rejected => "rejected",
            Self::NotReadyInTime => "not_ready_in_time",
        }
    }
}
