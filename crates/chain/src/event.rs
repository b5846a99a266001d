//! What the contracts said, in the words of the market.

use alloy::primitives::{Address, B256, Bytes};
use alloy::rpc::types::Log;
use alloy::sol_types::{Error as AbiError, SolEvent, SolEventInterface};
use market::{Amount, Bid, LeaseId, Order, OrderHash, SignedBid, Timestamp, Usage};

use crate::abi::{ILeaseMarket as m, ILeaseMarketEvents, IProviderRegistry as r, IProviderRegistryEvents};
use crate::convert::{
    ConvertError, bid_from_abi, from_u40, from_u96, order_from_abi, signed_bid_from_abi, to_amount,
};
use crate::deployment::Deployment;
use crate::revert::Revert;

/// An event with its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Its place in the block.
    pub log_index: u64,
    /// The transaction that caused it.
    pub transaction: B256,
    /// What happened.
    pub event: ChainEvent,
}

/// A tenant announced an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderPosted {
    /// Its name.
    pub order_hash: OrderHash,
    /// The order.
    pub order: Order,
    /// Its encoded requirements: a stranger's bytes, read them with [`crate::convert::decode_requirements`].
    pub requirements: Bytes,
}

/// A tenant accepted a bid and locked money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseOpened {
    /// The lease.
    pub lease_id: LeaseId,
    /// Who pays.
    pub tenant: Address,
    /// Who provides.
    pub provider: Address,
    /// The tenant's session key for this lease.
    pub signer: Address,
    /// What was locked.
    pub amount: Amount,
    /// What it may cost at most, in millionths of a base unit per second.
    pub rate_cap_e6: u128,
    /// The last moment to confirm.
    pub start_by: Timestamp,
    /// All its terms.
    pub bid: Bid,
}

/// Why a lease closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It ended and everything was settled.
    Finalized,
    /// The provider gave it back before it started.
    Declined,
    /// The provider never started it.
    NoShow,
    /// A dispute was decided.
    Resolved,
    /// A reason that this version does not know.
    Other(u8),
}

impl CloseReason {
    /// Reads the contract's number.
    pub(crate) const fn from_abi(number: u8) -> Self {
        match number {
            0 => Self::Finalized,
            1 => Self::Declined,
            2 => Self::NoShow,
            3 => Self::Resolved,
            other => Self::Other(other),
        }
    }
}

/// Something that the market or the registry said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the contract's events, documented in the interfaces"
)]
pub enum ChainEvent {
    /// A tenant announced an order.
    OrderPosted(Box<OrderPosted>),
    /// A tenant takes no more bids for an order.
    OrderCancelled { tenant: Address, nonce: u64 },
    /// Somebody published a bid. Its signature was not checked by anyone.
    BidPosted { lease_id: LeaseId, bid: Box<SignedBid> },
    /// A tenant accepted a bid.
    LeaseOpened(Box<LeaseOpened>),
    /// The provider started; the clock runs.
    LeaseConfirmed { lease_id: LeaseId, provider: Address, started_at: Timestamp, end_at: Timestamp },
    /// Money was added to a lease.
    LeaseToppedUp { lease_id: LeaseId, from: Address, amount: Amount, balance: Amount },
    /// A statement, a claim or a ruling was paid.
    LeaseSettled {
        lease_id: LeaseId,
        provider: Address,
        amount: Amount,
        fee: Amount,
        paid: Amount,
        as_of: Timestamp,
        usage_hash: B256,
    },
    /// A provider claimed without a countersignature.
    ClaimFiled { lease_id: LeaseId, provider: Address, cum: Amount, as_of: Timestamp, usage: Usage },
    /// The end of a lease was set.
    CloseRequested { lease_id: LeaseId, provider: Address, by: Address, end_at: Timestamp },
    /// A claim was disputed.
    LeaseDisputed {
        lease_id: LeaseId,
        provider: Address,
        conceded: Amount,
        contested: Amount,
        deposit: Amount,
        from_balance: Amount,
    },
    /// A dispute was decided.
    DisputeResolved {
        lease_id: LeaseId,
        provider: Address,
        award: Amount,
        slash: Amount,
        deposit_to: Address,
        by: Address,
    },
    /// A lease is over.
    LeaseClosed {
        lease_id: LeaseId,
        tenant: Address,
        provider: Address,
        paid: Amount,
        refund: Amount,
        reason: CloseReason,
    },
    /// A batch passed over one lease.
    ItemSkipped { lease_id: LeaseId, reason: Revert },
    /// Money came into an account.
    Deposited { payer: Address, owner: Address, token: Address, amount: Amount },
    /// Money left an account.
    Withdrawn { owner: Address, to: Address, token: Address, amount: Amount },
    /// A provider joined.
    ProviderRegistered {
        provider: Address,
        operator: Address,
        expiry: Timestamp,
        bond: Amount,
        uri: String,
        attributes_hash: B256,
    },
    /// A provider changed its gateway or attributes.
    ProviderUpdated { provider: Address, uri: String, attributes_hash: B256 },
    /// A provider changed its hot key; its earlier bids are void.
    OperatorSet { provider: Address, operator: Address, expiry: Timestamp, bid_epoch: u32 },
    /// A provider withdrew all its bids.
    BidEpochBumped { provider: Address, by: Address, bid_epoch: u32 },
    /// A provider's bond grew.
    BondAdded { provider: Address, amount: Amount, bond: Amount },
    /// A part of a provider's bond was taken.
    BondSlashed { provider: Address, victim: Address, to_victim: Amount, to_rest: Amount },
    /// An auditor attested attributes of a provider.
    Attested { provider: Address, auditor: Address, claims_hash: B256, expiry: Timestamp },
    /// An auditor took its attestation back.
    AttestationRevoked { provider: Address, auditor: Address },
    /// An event of ours with content that cannot be, such as a published bid with an impossible share.
    Malformed { topic: B256, reason: ConvertError },
}

impl ChainEvent {
    /// Reads a log; none if it is not one of the events that this version follows.
    pub(crate) fn read(deployment: &Deployment, log: &Log) -> Option<Self> {
        let topic = log.topics().first().copied().unwrap_or_default();
        let malformed = |reason| Self::Malformed { topic, reason };
        let read = if log.address() == deployment.market {
            ILeaseMarketEvents::decode_raw_log(log.topics(), &log.data().data).map(from_market)
        } else if log.address() == deployment.registry {
            IProviderRegistryEvents::decode_raw_log(log.topics(), &log.data().data)
                .map(|e| Ok(from_registry(e)))
        } else {
            return None;
        };
        match read {
            Ok(event) => event.unwrap_or_else(|reason| Some(malformed(reason))),
            // Events of a later version, and the libraries' own, are none of our business.
            Err(AbiError::InvalidLog { .. }) => None,
            Err(error) => Some(malformed(ConvertError::RequirementsEncoding(error.to_string()))),
        }
    }
}

impl LoggedEvent {
    /// Reads a log that has its place in the chain; none if it is not ours or has none.
    pub(crate) fn read(deployment: &Deployment, log: &Log) -> Option<Self> {
        Some(Self {
            block_number: log.block_number?,
            block_hash: log.block_hash?,
            log_index: log.log_index?,
            transaction: log.transaction_hash?,
            event: ChainEvent::read(deployment, log)?,
        })
    }
}

fn from_market(event: ILeaseMarketEvents) -> Result<Option<ChainEvent>, ConvertError> {
    use ILeaseMarketEvents as E;
    Ok(Some(match event {
        E::OrderPosted(e) => ChainEvent::OrderPosted(Box::new(OrderPosted {
            order_hash: OrderHash(e.orderHash),
            order: order_from_abi(&e.order),
            requirements: e.requirements,
        })),
        E::OrderCancelled(e) => ChainEvent::OrderCancelled { tenant: e.tenant, nonce: e.nonce },
        E::BidPosted(e) => {
            ChainEvent::BidPosted { lease_id: LeaseId(e.leaseId), bid: Box::new(signed_bid_from_abi(&e)?) }
        }
        E::LeaseOpened(e) => ChainEvent::LeaseOpened(Box::new(lease_opened(&e)?)),
        E::LeaseConfirmed(e) => ChainEvent::LeaseConfirmed {
            lease_id: LeaseId(e.leaseId),
            provider: e.provider,
            started_at: from_u40(e.startedAt),
            end_at: from_u40(e.endAt),
        },
        E::LeaseToppedUp(e) => ChainEvent::LeaseToppedUp {
            lease_id: LeaseId(e.leaseId),
            from: e.from,
            amount: Amount(e.amount),
            balance: Amount(e.balance),
        },
        E::LeaseSettled(e) => settled(&e),
        E::ClaimFiled(e) => ChainEvent::ClaimFiled {
            lease_id: LeaseId(e.leaseId),
            provider: e.provider,
            cum: Amount(e.cum),
            as_of: from_u40(e.asOf),
            usage: Usage(e.usage),
        },
        E::CloseRequested(e) => ChainEvent::CloseRequested {
            lease_id: LeaseId(e.leaseId),
            provider: e.provider,
            by: e.by,
            end_at: from_u40(e.endAt),
        },
        E::LeaseDisputed(e) => ChainEvent::LeaseDisputed {
            lease_id: LeaseId(e.leaseId),
            provider: e.provider,
            conceded: Amount(e.conceded),
            contested: Amount(e.contested),
            deposit: Amount(e.deposit),
            from_balance: Amount(e.fromBalance),
        },
        E::DisputeResolved(e) => ChainEvent::DisputeResolved {
            lease_id: LeaseId(e.leaseId),
            provider: e.provider,
            award: Amount(e.award),
            slash: Amount(from_u96(e.slash)),
            deposit_to: e.depositTo,
            by: e.by,
        },
        E::LeaseClosed(e) => closed(&e),
        E::ItemSkipped(e) => {
            ChainEvent::ItemSkipped { lease_id: LeaseId(e.id), reason: Revert::from_selector(e.reason.0) }
        }
        E::Deposited(e) => ChainEvent::Deposited {
            payer: e.payer,
            owner: e.owner,
            token: e.token,
            amount: to_amount(e.amount)?,
        },
        E::Withdrawn(e) => {
            ChainEvent::Withdrawn { owner: e.owner, to: e.to, token: e.token, amount: to_amount(e.amount)? }
        }
        E::TokenAllowed(_) | E::FeeSet(_) | E::IntakePausedSet(_) | E::SurplusRecovered(_) => {
            return Ok(None);
        }
    }))
}

pub(crate) fn lease_opened(event: &m::LeaseOpened) -> Result<LeaseOpened, ConvertError> {
    Ok(LeaseOpened {
        lease_id: LeaseId(event.leaseId),
        tenant: event.tenant,
        provider: event.provider,
        signer: event.signer,
        amount: Amount(event.amount),
        rate_cap_e6: from_u96(event.rateCapE6),
        start_by: from_u40(event.startBy),
        bid: bid_from_abi(&event.bid)?,
    })
}

fn settled(event: &m::LeaseSettled) -> ChainEvent {
    ChainEvent::LeaseSettled {
        lease_id: LeaseId(event.leaseId),
        provider: event.provider,
        amount: Amount(event.amount),
        fee: Amount(event.fee),
        paid: Amount(event.paid),
        as_of: from_u40(event.asOf),
        usage_hash: event.usageHash,
    }
}

fn closed(event: &m::LeaseClosed) -> ChainEvent {
    let reason = CloseReason::from_abi(event.reason);
    ChainEvent::LeaseClosed {
        lease_id: LeaseId(event.leaseId),
        tenant: event.tenant,
        provider: event.provider,
        paid: Amount(event.paid),
        refund: Amount(event.refund),
        reason,
    }
}

fn from_registry(event: IProviderRegistryEvents) -> Option<ChainEvent> {
    use IProviderRegistryEvents as E;
    Some(match event {
        E::ProviderRegistered(e) => ChainEvent::ProviderRegistered {
            provider: e.provider,
            operator: e.operator,
            expiry: from_u40(e.expiry),
            bond: Amount(e.bond),
            uri: e.uri,
            attributes_hash: e.attributesHash,
        },
        E::ProviderUpdated(e) => ChainEvent::ProviderUpdated {
            provider: e.provider,
            uri: e.uri,
            attributes_hash: e.attributesHash,
        },
        E::OperatorSet(e) => ChainEvent::OperatorSet {
            provider: e.provider,
            operator: e.operator,
            expiry: from_u40(e.expiry),
            bid_epoch: e.bidEpoch,
        },
        E::BidEpochBumped(e) => {
            ChainEvent::BidEpochBumped { provider: e.provider, by: e.by, bid_epoch: e.bidEpoch }
        }
        E::BondAdded(e) => {
            ChainEvent::BondAdded { provider: e.provider, amount: Amount(e.amount), bond: Amount(e.bond) }
        }
        E::BondSlashed(e) => ChainEvent::BondSlashed {
            provider: e.provider,
            victim: e.victim,
            to_victim: Amount(e.toVictim),
            to_rest: Amount(e.toRest),
        },
        E::Attested(e) => ChainEvent::Attested {
            provider: e.provider,
            auditor: e.auditor,
            claims_hash: e.claimsHash,
            expiry: from_u40(e.expiry),
        },
        E::AttestationRevoked(e) => {
            ChainEvent::AttestationRevoked { provider: e.provider, auditor: e.auditor }
        }
        E::MarketSet(_)
        | E::UnbondStarted(_)
        | E::BondWithdrawn(_)
        | E::StatusChanged(_)
        | E::ClaimableWithdrawn(_) => return None,
    })
}

/// Topics by which single events are looked up.
pub(crate) mod topics {
    use super::{B256, SolEvent, m, r};

    pub(crate) const ORDER_POSTED: B256 = m::OrderPosted::SIGNATURE_HASH;
    pub(crate) const BID_POSTED: B256 = m::BidPosted::SIGNATURE_HASH;
    pub(crate) const LEASE_OPENED: B256 = m::LeaseOpened::SIGNATURE_HASH;
    pub(crate) const LEASE_SETTLED: B256 = m::LeaseSettled::SIGNATURE_HASH;
    pub(crate) const PROVIDER_REGISTERED: B256 = r::ProviderRegistered::SIGNATURE_HASH;
    pub(crate) const PROVIDER_UPDATED: B256 = r::ProviderUpdated::SIGNATURE_HASH;
    pub(crate) const ATTESTED: B256 = r::Attested::SIGNATURE_HASH;
    pub(crate) const ATTESTATION_REVOKED: B256 = r::AttestationRevoked::SIGNATURE_HASH;
}

#[cfg(test)]
mod tests;
