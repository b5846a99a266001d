//! What the contracts themselves say an account holds, and where books differ from it.

use std::collections::BTreeMap;
use std::fmt;

use alloy::primitives::Address;
use market::Amount;

use super::line::{Balances, Book};
use crate::client::{ChainClient, ClientError, Provider};
use crate::rpc::At;

/// A number that the books and the contracts both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// What a book holds.
    Held(Book),
    /// All fees ever paid, in a token.
    FeesPaid(Address),
}

/// Books and contracts disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In what.
    pub measure: Measure,
    /// What follows from the events.
    pub books: Amount,
    /// What the contract says.
    pub chain: Amount,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Book::Account(token)) => write!(f, "account in {token}"),
            Self::Held(book) => f.write_str(book.name()),
            Self::FeesPaid(token) => write!(f, "fees paid in {token}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, books, chain } = self;
        write!(f, "{measure}: {books} by the events, {chain} by the contract")
    }
}

/// Every measure in which the two disagree. What one of them lacks is nothing.
pub fn differences(books: &Balances, chain: &Balances) -> Vec<Difference> {
    let (ours, theirs) = (measures(books), measures(chain));
    let amount = |of: &BTreeMap<Measure, Amount>, measure| of.get(&measure).copied().unwrap_or_default();
    let all: std::collections::BTreeSet<Measure> = ours.keys().chain(theirs.keys()).copied().collect();
    all.into_iter()
        .map(|measure| Difference { measure, books: amount(&ours, measure), chain: amount(&theirs, measure) })
        .filter(|found| found.books != found.chain)
        .collect()
}

fn measures(balances: &Balances) -> BTreeMap<Measure, Amount> {
    let Balances { held, fees_paid } = balances;
    let held = held.iter().map(|(book, amount)| (Measure::Held(*book), *amount));
    let fees = fees_paid.iter().map(|(token, amount)| (Measure::FeesPaid(*token), *amount));
    held.chain(fees).collect()
}

impl ChainClient {
    /// The token of bonds, and everything that the contracts hold for an account.
    pub async fn balances(&self, account: Address, at: At) -> Result<(Address, Balances), ClientError> {
        let mut balances = Balances::default();
        for token in self.tokens(at).await? {
            let available = self.available_in(account, token, at).await?;
            balances.held.insert(Book::Account(token), available);
            balances.fees_paid.insert(token, self.fees_paid(account, token, at).await?);
        }
        let Provider { bond, locked, unbonding, .. } = self.provider_of(account, at).await?;
        let compensation = self.claimable_bond(account, at).await?;
        balances.held.extend([
            (Book::Bond, bond),
            (Book::Locked, locked),
            (Book::Unbonding, unbonding),
            (Book::Compensation, compensation),
        ]);
        Ok((self.bond_token(at).await?, balances))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_one_side_has_is_a_difference_and_what_is_nothing_is_none() {
        let token = Address::repeat_byte(1);
        let held = |amounts: &[(Book, u128)]| Balances {
            held: amounts.iter().map(|(book, amount)| (*book, Amount(*amount))).collect(),
            fees_paid: BTreeMap::from([(token, Amount(7))]),
        };
        let books = held(&[(Book::Account(token), 5), (Book::Bond, 3)]);
        let mut chain = held(&[(Book::Account(token), 5), (Book::Locked, 0), (Book::Compensation, 2)]);
        chain.fees_paid.insert(token, Amount(8));
        let found: Vec<_> = differences(&books, &chain).iter().map(ToString::to_string).collect();
        let expected = [
            "bond: 3 by the events, 0 by the contract".to_owned(),
            "compensation: 0 by the events, 2 by the contract".to_owned(),
            format!("fees paid in {token}: 7 by the events, 8 by the contract"),
        ];
        assert_eq!(found, expected);
    }
}
