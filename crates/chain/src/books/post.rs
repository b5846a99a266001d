//! From events to movements. Pure: the same events give the same books.
//!
//! The rules repeat what the contracts do and do not tell of:
//!
//! - `LeaseSettled` credits the provider `amount - fee` and the treasury of that moment `fee`; here the whole amount
//!   comes in and the fee goes out.
//! - `LeaseOpened` takes `amount` from the tenant and locks `maxSlash` of the provider's bond; the lock has no event.
//!   `LeaseClosed` returns the rest and releases the lock.
//! - `LeaseDisputed` takes from the tenant's account what of the deposit the lease's balance did not cover;
//!   `DisputeResolved` says who gets the deposit, but not how much it is.
//! - `BondSlashed` comes right after the `LeaseClosed` that it belongs to, and credits victim and rest.
//! - `UnbondStarted` replaces what was asked back; `BondWithdrawn` lowers it by what left.
//! - A payment without a usage hash was a concession if the dispute follows at once, an award if the ruling does, and
//!   else a claim.
//!
//! One account may be tenant, provider, treasury and victim at once: each role moves money by itself.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use market::{Amount, LeaseId};

use super::LeaseTokens;
use super::fact::{Fact, MoneyEvent, Place};
use super::line::{Balances, Book, Kind, Line};
use crate::event::CloseReason;

/// The events cannot be an account's history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// More went out than there was.
    #[error("block {block} takes {amount} out of {book}, which holds {held}")]
    Overdrawn {
        /// The block.
        block: u64,
        /// Out of where.
        book: &'static str,
        /// What was there.
        held: Amount,
        /// What was taken.
        amount: Amount,
    },
    /// More came in than can be.
    #[error("block {block} makes {book} larger than any balance")]
    TooLarge {
        /// The block.
        block: u64,
        /// Into where.
        book: &'static str,
    },
    /// A lease was never opened.
    #[error("block {block} tells of lease {lease}, whose opening is not among the logs")]
    UnknownLease {
        /// The block.
        block: u64,
        /// The lease.
        lease: LeaseId,
    },
}

/// The movements of `account`, and what they leave. `facts` are in the chain's order and hold at least all events
/// that name the account, as [`super::ChainClient::books`] reads them; `tokens` has every lease that they name.
pub fn post(
    account: Address,
    facts: &[Fact],
    tokens: &LeaseTokens,
) -> Result<(Vec<Line>, Balances), PostError> {
    let mut posting = Posting {
        account,
        tokens,
        treasury: None,
        leases: BTreeMap::new(),
        deposits: BTreeMap::new(),
        lines: Vec::new(),
        balances: Balances::default(),
    };
    for (index, fact) in facts.iter().enumerate() {
        let next = facts.get(index + 1).filter(|next| fact.place.is_followed_by(&next.place));
        let before = index.checked_sub(1).and_then(|before| facts.get(before));
        let before = before.filter(|before| before.place.is_followed_by(&fact.place));
        posting.post(fact, before, next)?;
    }
    Ok((posting.lines, posting.balances))
}

/// What an opened lease is about.
#[derive(Clone, Copy)]
struct Terms {
    tenant: Address,
    max_slash: Amount,
}

struct Posting<'a> {
    account: Address,
    tokens: &'a LeaseTokens,
    treasury: Option<Address>,
    leases: BTreeMap<LeaseId, Terms>,
    /// Deposits of disputes that are not decided.
    deposits: BTreeMap<LeaseId, Amount>,
    lines: Vec<Line>,
    balances: Balances,
}

/// A movement whose direction and amount are still to be said.
#[derive(Clone, Copy)]
struct Entry {
    place: Place,
    book: Book,
    kind: Kind,
    lease: Option<LeaseId>,
    counterparty: Option<Address>,
}

impl Posting<'_> {
    fn post(&mut self, fact: &Fact, before: Option<&Fact>, next: Option<&Fact>) -> Result<(), PostError> {
        let Fact { place, event } = fact;
        match event {
            MoneyEvent::Deposited { .. } | MoneyEvent::Withdrawn { .. } => self.transferred(*place, event),
            MoneyEvent::LeaseOpened { .. } | MoneyEvent::LeaseToppedUp { .. } => self.funded(*place, event),
            MoneyEvent::LeaseSettled { .. } => self.settled(*place, event, next),
            MoneyEvent::LeaseDisputed { lease, deposit, from_balance, provider } => {
                self.deposits.insert(*lease, *deposit);
                let is_tenant = self.leases.get(lease).is_some_and(|terms| terms.tenant == self.account);
                if !is_tenant {
                    return Ok(());
                }
                let entry = self.of_lease(*place, Kind::DisputeDeposit, *lease, Some(*provider))?;
                self.take(entry, deposit.saturating_sub(*from_balance))
            }
            MoneyEvent::DisputeResolved { lease, provider, deposit_to } => {
                self.resolved(*place, *lease, *provider, *deposit_to)
            }
            MoneyEvent::LeaseClosed { .. } => self.closed(*place, event),
            MoneyEvent::FeeSet { treasury } => {
                self.treasury = Some(*treasury);
                Ok(())
            }
            MoneyEvent::ProviderRegistered { .. }
            | MoneyEvent::BondAdded { .. }
            | MoneyEvent::UnbondStarted { .. }
            | MoneyEvent::BondWithdrawn { .. } => self.bonded(*place, event),
            MoneyEvent::BondSlashed { .. } => self.slashed(*place, event, before),
            MoneyEvent::ClaimableWithdrawn { account, to, amount } if *account == self.account => {
                let kind = Kind::CompensationWithdrawn;
                self.take(entry(*place, Book::Compensation, kind, None, Some(*to)), *amount)
            }
            MoneyEvent::ClaimableWithdrawn { .. } => Ok(()),
        }
    }

    fn transferred(&mut self, place: Place, event: &MoneyEvent) -> Result<(), PostError> {
        match event {
            MoneyEvent::Deposited { payer, owner, token, amount } if *owner == self.account => {
                self.give(entry(place, Book::Account(*token), Kind::Deposit, None, Some(*payer)), *amount)
            }
            MoneyEvent::Withdrawn { owner, token, to, amount } if *owner == self.account => {
                self.take(entry(place, Book::Account(*token), Kind::Withdrawal, None, Some(*to)), *amount)
            }
            _ => Ok(()),
        }
    }

    fn funded(&mut self, place: Place, event: &MoneyEvent) -> Result<(), PostError> {
        match event {
            MoneyEvent::LeaseOpened { lease, tenant, provider, token, amount, max_slash } => {
                self.leases.insert(*lease, Terms { tenant: *tenant, max_slash: *max_slash });
                if *tenant == self.account {
                    let book = Book::Account(*token);
                    let entry = entry(place, book, Kind::LeaseFunded, Some(*lease), Some(*provider));
                    self.take(entry, *amount)?;
                }
                if *provider == self.account {
                    let entry = entry(place, Book::Locked, Kind::BondLocked, Some(*lease), Some(*tenant));
                    self.give(entry, *max_slash)?;
                }
                Ok(())
            }
            MoneyEvent::LeaseToppedUp { lease, from, amount } if *from == self.account => {
                let entry = self.of_lease(place, Kind::LeaseToppedUp, *lease, None)?;
                self.take(entry, *amount)
            }
            _ => Ok(()),
        }
    }

    fn settled(&mut self, place: Place, event: &MoneyEvent, next: Option<&Fact>) -> Result<(), PostError> {
        let MoneyEvent::LeaseSettled { lease, provider, amount, fee, usage_hash } = event else {
            return Ok(());
        };
        let treasury = self.treasury;
        if *provider == self.account {
            let tenant = self.leases.get(lease).map(|terms| terms.tenant);
            let kind = paid_as(*lease, *usage_hash, next);
            let entry = self.of_lease(place, kind, *lease, tenant)?;
            self.give(entry, *amount)?;
            self.take(Entry { kind: Kind::Fee, counterparty: treasury, ..entry }, *fee)?;
            if let Book::Account(token) = entry.book {
                let paid = self.balances.fees_paid.entry(token).or_default();
                // The contract's counter stays at the largest number too.
                *paid = paid.saturating_add(*fee);
            }
        }
        if treasury == Some(self.account) {
            let entry = self.of_lease(place, Kind::FeeIncome, *lease, Some(*provider))?;
            self.give(entry, *fee)?;
        }
        Ok(())
    }

    fn resolved(
        &mut self,
        place: Place,
        lease: LeaseId,
        provider: Address,
        deposit_to: Address,
    ) -> Result<(), PostError> {
        let deposit = self.deposits.remove(&lease);
        if deposit_to != self.account {
            return Ok(());
        }
        let deposit = deposit.ok_or(PostError::UnknownLease { block: place.block, lease })?;
        let tenant = self.leases.get(&lease).map(|terms| terms.tenant);
        let entry = match tenant == Some(self.account) {
            true => self.of_lease(place, Kind::DisputeDepositReturned, lease, Some(provider))?,
            false => self.of_lease(place, Kind::DisputeDepositWon, lease, tenant)?,
        };
        self.give(entry, deposit)
    }

    fn closed(&mut self, place: Place, event: &MoneyEvent) -> Result<(), PostError> {
        let MoneyEvent::LeaseClosed { lease, tenant, provider, refund, .. } = event else { return Ok(()) };
        if *tenant == self.account {
            let entry = self.of_lease(place, Kind::Refund, *lease, Some(*provider))?;
            self.give(entry, *refund)?;
        }
        if *provider == self.account {
            let unknown = PostError::UnknownLease { block: place.block, lease: *lease };
            let Terms { max_slash, .. } = self.leases.get(lease).copied().ok_or(unknown)?;
            let entry = entry(place, Book::Locked, Kind::BondUnlocked, Some(*lease), Some(*tenant));
            self.take(entry, max_slash)?;
        }
        Ok(())
    }

    fn bonded(&mut self, place: Place, event: &MoneyEvent) -> Result<(), PostError> {
        let bond = |kind, counterparty| entry(place, Book::Bond, kind, None, counterparty);
        match event {
            MoneyEvent::ProviderRegistered { provider, bond: amount } if *provider == self.account => {
                self.give(bond(Kind::BondPosted, None), *amount)
            }
            MoneyEvent::BondAdded { provider, amount } if *provider == self.account => {
                self.give(bond(Kind::BondAdded, None), *amount)
            }
            MoneyEvent::UnbondStarted { provider, amount } if *provider == self.account => {
                let before = self.held(Book::Unbonding);
                let entry = entry(place, Book::Unbonding, Kind::UnbondRequested, None, None);
                match amount.checked_sub(before) {
                    Some(more) => self.give(entry, more),
                    None => self.take(entry, before.saturating_sub(*amount)),
                }
            }
            MoneyEvent::BondWithdrawn { provider, to, amount } if *provider == self.account => {
                self.take(bond(Kind::BondWithdrawn, Some(*to)), *amount)?;
                self.take(Entry { book: Book::Unbonding, ..bond(Kind::BondWithdrawn, Some(*to)) }, *amount)
            }
            _ => Ok(()),
        }
    }

    fn slashed(&mut self, place: Place, event: &MoneyEvent, before: Option<&Fact>) -> Result<(), PostError> {
        let MoneyEvent::BondSlashed { provider, victim, rest, to_victim, to_rest } = event else {
            return Ok(());
        };
        let closed = before.and_then(|before| match &before.event {
            MoneyEvent::LeaseClosed { lease, provider: of, reason, .. } if of == provider => {
                Some((*lease, *reason))
            }
            _ => None,
        });
        let lease = closed.map(|(lease, _)| lease);
        let kind = match closed {
            Some((_, CloseReason::NoShow)) => Kind::NoShowPenalty,
            _ => Kind::Slash,
        };
        if *provider == self.account {
            for (to, amount) in [(victim, to_victim), (rest, to_rest)] {
                self.take(entry(place, Book::Bond, kind, lease, Some(*to)), *amount)?;
            }
        }
        let shares = [(victim, to_victim, Kind::Compensation), (rest, to_rest, Kind::SlashRest)];
        for (to, amount, kind) in shares {
            if *to == self.account {
                self.give(entry(place, Book::Compensation, kind, lease, Some(*provider)), *amount)?;
            }
        }
        Ok(())
    }

    /// An entry of the account that a lease is paid in.
    fn of_lease(
        &self,
        place: Place,
        kind: Kind,
        lease: LeaseId,
        counterparty: Option<Address>,
    ) -> Result<Entry, PostError> {
        let unknown = PostError::UnknownLease { block: place.block, lease };
        let token = self.tokens.get(&lease).copied().ok_or(unknown)?;
        Ok(entry(place, Book::Account(token), kind, Some(lease), counterparty))
    }

    fn held(&self, book: Book) -> Amount {
        self.balances.held.get(&book).copied().unwrap_or_default()
    }

    fn give(&mut self, entry: Entry, amount: Amount) -> Result<(), PostError> {
        let too_large = PostError::TooLarge { block: entry.place.block, book: entry.book.name() };
        let balance = self.held(entry.book).checked_add(amount).ok_or(too_large)?;
        self.write(entry, amount, Amount::ZERO, balance);
        Ok(())
    }

    fn take(&mut self, entry: Entry, amount: Amount) -> Result<(), PostError> {
        let held = self.held(entry.book);
        let (block, book) = (entry.place.block, entry.book.name());
        let balance = held.checked_sub(amount).ok_or(PostError::Overdrawn { block, book, held, amount })?;
        self.write(entry, Amount::ZERO, amount, balance);
        Ok(())
    }

    /// What moves nothing has no line.
    fn write(&mut self, entry: Entry, amount_in: Amount, amount_out: Amount, balance: Amount) {
        if amount_in == amount_out {
            return;
        }
        let Entry { place, book, kind, lease, counterparty } = entry;
        self.balances.held.insert(book, balance);
        self.lines.push(Line { place, book, kind, lease, counterparty, amount_in, amount_out, balance });
    }
}

fn entry(
    place: Place,
    book: Book,
    kind: Kind,
    lease: Option<LeaseId>,
    counterparty: Option<Address>,
) -> Entry {
    Entry { place, book, kind, lease, counterparty }
}

/// What kind of payment a settlement was.
fn paid_as(lease: LeaseId, usage_hash: B256, next: Option<&Fact>) -> Kind {
    match next.map(|next| &next.event) {
        Some(MoneyEvent::LeaseDisputed { lease: of, .. }) if *of == lease => Kind::Concession,
        Some(MoneyEvent::DisputeResolved { lease: of, .. }) if *of == lease => Kind::Award,
        _ if usage_hash.is_zero() => Kind::Claim,
        _ => Kind::Statement,
    }
}

#[cfg(test)]
mod tests;
