//! The events that money follows, out of the contracts' logs.

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alloy::sol_types::{Error as AbiError, SolEventInterface};
use market::{Amount, LeaseId, Timestamp};

use super::BooksError;
use crate::abi::{ILeaseMarketEvents, IProviderRegistryEvents};
use crate::convert::{from_u96, to_amount};
use crate::deployment::Deployment;
use crate::event::CloseReason;

/// Where an event is in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Height of its block.
    pub block: u64,
    /// Its place in the block.
    pub log_index: u64,
    /// Time of its block.
    pub time: Timestamp,
    /// The transaction that caused it.
    pub transaction: B256,
}

impl Place {
    /// Whether `later` came in the same transaction with nothing of any contract between.
    pub(super) fn is_followed_by(&self, later: &Self) -> bool {
        (self.block, self.transaction) == (later.block, later.transaction)
            && self.log_index.checked_add(1) == Some(later.log_index)
    }
}

/// An event with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Where.
    pub place: Place,
    /// What.
    pub event: MoneyEvent,
}

/// An event of the market or the registry that some balance follows from, reduced to what moves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are those of the contracts' events, documented in the interfaces"
)]
pub enum MoneyEvent {
    /// Money came into an account.
    Deposited { payer: Address, owner: Address, token: Address, amount: Amount },
    /// Money left an account.
    Withdrawn { owner: Address, token: Address, to: Address, amount: Amount },
    /// The tenant's money and the provider's bond were locked.
    LeaseOpened {
        lease: LeaseId,
        tenant: Address,
        provider: Address,
        token: Address,
        amount: Amount,
        max_slash: Amount,
    },
    /// Money of an account was added to a lease.
    LeaseToppedUp { lease: LeaseId, from: Address, amount: Amount },
    /// A provider was paid.
    LeaseSettled { lease: LeaseId, provider: Address, amount: Amount, fee: Amount, usage_hash: B256 },
    /// A claim was disputed.
    LeaseDisputed { lease: LeaseId, provider: Address, deposit: Amount, from_balance: Amount },
    /// The dispute was decided.
    DisputeResolved { lease: LeaseId, provider: Address, deposit_to: Address },
    /// A lease is over.
    LeaseClosed { lease: LeaseId, tenant: Address, provider: Address, refund: Amount, reason: CloseReason },
    /// Fees go there from now on.
    FeeSet { treasury: Address },
    /// A provider joined with a bond.
    ProviderRegistered { provider: Address, bond: Amount },
    /// A bond grew.
    BondAdded { provider: Address, amount: Amount },
    /// So much of a bond is asked back, in place of what was before.
    UnbondStarted { provider: Address, amount: Amount },
    /// Bond left.
    BondWithdrawn { provider: Address, to: Address, amount: Amount },
    /// Bond was taken.
    BondSlashed { provider: Address, victim: Address, rest: Address, to_victim: Amount, to_rest: Amount },
    /// Compensation left.
    ClaimableWithdrawn { account: Address, to: Address, amount: Amount },
}

impl MoneyEvent {
    /// Reads a log; none if no money follows from it.
    pub(super) fn read(deployment: &Deployment, log: &Log) -> Result<Option<Self>, BooksError> {
        let (topics, data) = (log.topics(), &log.data().data);
        let read = if log.address() == deployment.market {
            ILeaseMarketEvents::decode_raw_log(topics, data).map(from_market)
        } else if log.address() == deployment.registry {
            IProviderRegistryEvents::decode_raw_log(topics, data).map(from_registry)
        } else {
            return Ok(None);
        };
        match read {
            Ok(event) => event,
            // The libraries' own events move nothing.
            Err(AbiError::InvalidLog { .. }) => Ok(None),
            // One of ours that cannot be read may move something: no books without it.
            Err(_) => Err(BooksError::Decode(log.block_number.unwrap_or_default())),
        }
    }
}

fn from_market(event: ILeaseMarketEvents) -> Result<Option<MoneyEvent>, BooksError> {
    use ILeaseMarketEvents as E;
    Ok(Some(match event {
        E::Deposited(e) => {
            let amount = to_amount(e.amount)?;
            MoneyEvent::Deposited { payer: e.payer, owner: e.owner, token: e.token, amount }
        }
        E::Withdrawn(e) => {
            let amount = to_amount(e.amount)?;
            MoneyEvent::Withdrawn { owner: e.owner, token: e.token, to: e.to, amount }
        }
        E::LeaseOpened(e) => MoneyEvent::LeaseOpened {
            lease: LeaseId(e.leaseId),
            tenant: e.tenant,
            provider: e.provider,
            token: e.bid.token,
            amount: Amount(e.amount),
            max_slash: Amount(from_u96(e.bid.maxSlash)),
        },
        E::LeaseToppedUp(e) => {
            MoneyEvent::LeaseToppedUp { lease: LeaseId(e.leaseId), from: e.from, amount: Amount(e.amount) }
        }
        E::LeaseSettled(e) => MoneyEvent::LeaseSettled {
            lease: LeaseId(e.leaseId),
            provider: e.provider,
            amount: Amount(e.amount),
            fee: Amount(e.fee),
            usage_hash: e.usageHash,
        },
        E::LeaseDisputed(e) => MoneyEvent::LeaseDisputed {
            lease: LeaseId(e.leaseId),
            provider: e.provider,
            deposit: Amount(e.deposit),
            from_balance: Amount(e.fromBalance),
        },
        E::DisputeResolved(e) => MoneyEvent::DisputeResolved {
            lease: LeaseId(e.leaseId),
            provider: e.provider,
            deposit_to: e.depositTo,
        },
        E::LeaseClosed(e) => MoneyEvent::LeaseClosed {
            lease: LeaseId(e.leaseId),
            tenant: e.tenant,
            provider: e.provider,
            refund: Amount(e.refund),
            reason: CloseReason::from_abi(e.reason),
        },
        E::FeeSet(e) => MoneyEvent::FeeSet { treasury: e.treasury },
        // What was recovered was in nobody's account.
        E::SurplusRecovered(_)
        | E::OrderPosted(_)
        | E::OrderCancelled(_)
        | E::BidPosted(_)
        | E::LeaseConfirmed(_)
        | E::ClaimFiled(_)
        | E::CloseRequested(_)
        | E::ItemSkipped(_)
        | E::TokenAllowed(_)
        | E::IntakePausedSet(_) => return Ok(None),
    }))
}

fn from_registry(event: IProviderRegistryEvents) -> Result<Option<MoneyEvent>, BooksError> {
    use IProviderRegistryEvents as E;
    Ok(Some(match event {
        E::ProviderRegistered(e) => {
            MoneyEvent::ProviderRegistered { provider: e.provider, bond: Amount(e.bond) }
        }
        E::BondAdded(e) => MoneyEvent::BondAdded { provider: e.provider, amount: Amount(e.amount) },
        E::UnbondStarted(e) => MoneyEvent::UnbondStarted { provider: e.provider, amount: Amount(e.amount) },
        E::BondWithdrawn(e) => {
            MoneyEvent::BondWithdrawn { provider: e.provider, to: e.to, amount: Amount(e.amount) }
        }
        E::BondSlashed(e) => MoneyEvent::BondSlashed {
            provider: e.provider,
            victim: e.victim,
            rest: e.rest,
            to_victim: Amount(e.toVictim),
            to_rest: Amount(e.toRest),
        },
        E::ClaimableWithdrawn(e) => {
            let amount = to_amount(e.amount)?;
            MoneyEvent::ClaimableWithdrawn { account: e.account, to: e.to, amount }
        }
        E::MarketSet(_)
        | E::ProviderUpdated(_)
        | E::OperatorSet(_)
        | E::BidEpochBumped(_)
        | E::StatusChanged(_)
        | E::Attested(_)
        | E::AttestationRevoked(_) => return Ok(None),
    }))
}
