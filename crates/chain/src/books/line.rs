//! The lines of books, and what they are sorted by.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use market::{Amount, LeaseId};

use super::fact::Place;

/// Where something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Book {
    /// The account in the market, in this token: what can be withdrawn.
    Account(Address),
    /// All of the bond in the registry.
    Bond,
    /// The part of the bond that leases hold.
    Locked,
    /// The part of the bond that was asked back.
    Unbonding,
    /// What the registry owes out of slashed bonds.
    Compensation,
}

impl Book {
    /// Its name, the same in every form of output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Bond => "bond",
            Self::Locked => "locked",
            Self::Unbonding => "unbonding",
            Self::Compensation => "compensation",
        }
    }

    /// Whether it only says which part of another book is spoken for, so that nothing in it adds to what is owned.
    pub const fn is_part_of_bond(self) -> bool {
        matches!(self, Self::Locked | Self::Unbonding)
    }
}

/// Why something moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody paid into the account.
    Deposit,
    /// The owner took money out.
    Withdrawal,
    /// A statement that the tenant signed was paid, fee included.
    Statement,
    /// A claim that nobody disputed was paid, fee included.
    Claim,
    /// What the tenant conceded when it disputed was paid, fee included.
    Concession,
    /// What a ruling or the agreed split left to pay was paid, fee included.
    Award,
    /// The protocol's part of a payment.
    Fee,
    /// The deposit of a dispute that the tenant lost in full.
    DisputeDepositWon,
    /// As the treasury: the fee of somebody's payment.
    FeeIncome,
    /// As a tenant: money was locked in a new lease.
    LeaseFunded,
    /// As anybody: money was added to a lease.
    LeaseToppedUp,
    /// As a tenant: the part of a dispute's deposit that the lease's balance did not cover.
    DisputeDeposit,
    /// As a tenant: that deposit came back.
    DisputeDepositReturned,
    /// As a tenant: the rest of a closed lease.
    Refund,
    /// The bond of the registration.
    BondPosted,
    /// More bond.
    BondAdded,
    /// Bond went back to the owner.
    BondWithdrawn,
    /// Bond that a ruling took.
    Slash,
    /// Bond that a lease which was not started took.
    NoShowPenalty,
    /// A new lease holds a part of the bond.
    BondLocked,
    /// A closed lease holds it no longer.
    BondUnlocked,
    /// Another amount of the bond was asked back than before.
    UnbondRequested,
    /// As a victim: somebody's slashed bond.
    Compensation,
    /// As the treasury: what the victim did not get of it.
    SlashRest,
    /// The owner took compensation out.
    CompensationWithdrawn,
}

impl Kind {
    /// Every kind, in the order of totals.
    pub const ALL: [Self; 25] = [
        Self::Deposit,
        Self::Withdrawal,
        Self::Statement,
        Self::Claim,
        Self::Concession,
        Self::Award,
        Self::Fee,
        Self::DisputeDepositWon,
        Self::FeeIncome,
        Self::LeaseFunded,
        Self::LeaseToppedUp,
        Self::DisputeDeposit,
        Self::DisputeDepositReturned,
        Self::Refund,
        Self::BondPosted,
        Self::BondAdded,
        Self::BondWithdrawn,
        Self::Slash,
        Self::NoShowPenalty,
        Self::BondLocked,
        Self::BondUnlocked,
        Self::UnbondRequested,
        Self::Compensation,
        Self::SlashRest,
        Self::CompensationWithdrawn,
    ];

    /// Its name, the same in every form of output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Statement => "statement",
            Self::Claim => "claim",
            Self::Concession => "concession",
            Self::Award => "award",
            Self::Fee => "fee",
            Self::DisputeDepositWon => "dispute_deposit_won",
            Self::FeeIncome => "fee_income",
            Self::LeaseFunded => "lease_funded",
            Self::LeaseToppedUp => "lease_topped_up",
            Self::DisputeDeposit => "dispute_deposit",
            Self::DisputeDepositReturned => "dispute_deposit_returned",
            Self::Refund => "refund",
            Self::BondPosted => "bond_posted",
            Self::BondAdded => "bond_added",
            Self::BondWithdrawn => "bond_withdrawn",
            Self::Slash => "slash",
            Self::NoShowPenalty => "no_show_penalty",
            Self::BondLocked => "bond_locked",
            Self::BondUnlocked => "bond_unlocked",
            Self::UnbondRequested => "unbond_requested",
            Self::Compensation => "compensation",
            Self::SlashRest => "slash_rest",
            Self::CompensationWithdrawn => "compensation_withdrawn",
        }
    }
}

/// One movement. One of `amount_in` and `amount_out` is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event that it follows from.
    pub place: Place,
    /// Where it happened.
    pub book: Book,
    /// Why.
    pub kind: Kind,
    /// For which lease.
    pub lease: Option<LeaseId>,
    /// Who was on the other side.
    pub counterparty: Option<Address>,
    /// What came in.
    pub amount_in: Amount,
    /// What went out.
    pub amount_out: Amount,
    /// What the book holds after it.
    pub balance: Amount,
}

/// What an account holds at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// By book.
    pub held: BTreeMap<Book, Amount>,
    /// All fees ever taken off its earnings, by token.
    pub fees_paid: BTreeMap<Address, Amount>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_its_place_in_totals() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.is_sorted());
        assert_eq!(Kind::ALL.map(|kind| kind as usize), std::array::from_fn(|place| place));
    }
}
