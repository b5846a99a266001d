//! The books of one account: every token that came in or went out, from the contracts' events alone, held against
//! the contracts' own balances at the same block.
//!
//! Not every movement has an event of its own. `books/post.rs` says which movements follow from which event: the fee is a
//! part of a settlement, a refund a part of a close, locks follow from opening and closing, and a dispute's deposit
//! is told by the dispute but returned by the ruling. [`ChainClient::books`] reads the events and compares; a node
//! that leaves one out shows as a [`Difference`].

mod compare;
mod fact;
mod line;
mod post;
mod read;

use alloy::primitives::Address;
use market::{Amount, LeaseId};

use crate::client::{ChainClient, ClientError};
use crate::convert::ConvertError;
use crate::rpc::{At, Block, RpcError};
pub use compare::{Difference, Measure, differences};
pub use fact::{Fact, MoneyEvent, Place};
pub use line::{Balances, Book, Kind, Line};
pub use post::{PostError, post};
pub use read::Step;

/// Books could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The contracts could not be read.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An event holds what cannot be.
    #[error("a value cannot be converted")]
    Convert(#[from] ConvertError),
    /// An event of the contracts cannot be read.
    #[error("an event in block {0} cannot be decoded")]
    Decode(u64),
    /// The events contradict each other.
    #[error("the node's logs cannot be the account's history")]
    Post(#[from] PostError),
    /// The chain was reorganised while it was read; reading again settles it.
    #[error("the chain moved while block {0} was read")]
    Moved(u64),
}

/// Everything that moved in one account up to one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// Whose.
    pub account: Address,
    /// Up to which block.
    pub head: Block,
    /// The token of bonds and of compensation.
    pub bond_token: Address,
    /// Every movement, oldest first.
    pub lines: Vec<Line>,
    /// What is left of all of them.
    pub balances: Balances,
    /// The same by the contracts' own word, at the same block.
    pub chain: Balances,
    /// Where the two disagree; empty if the books are right.
    pub differences: Vec<Difference>,
}

/// The leases that events name, with their tokens.
pub type LeaseTokens = std::collections::BTreeMap<LeaseId, Address>;

impl ChainClient {
    /// Reads the books of `account`, as of one block that `at` names when the reading begins.
    pub async fn books(&self, account: Address, at: At, step: impl Fn(Step)) -> Result<Books, BooksError> {
        let head = self.block(at).await?;
        let facts = self.money_facts(account, &head, &step).await?;
        let tokens = self.lease_tokens(&facts, &head).await?;
        let (lines, balances) = post(account, &facts, &tokens)?;
        step(Step::Comparing);
        let (bond_token, chain) = self.balances(account, At::Block(head.hash)).await?;
        // After the last read: whatever was read before belongs to this block.
        let still = self.rpc().block_at(head.number).await?;
        if still.is_none_or(|block| block.hash != head.hash) {
            return Err(BooksError::Moved(head.number));
        }
        let differences = compare::differences(&balances, &chain);
        Ok(Books { account, head, bond_token, lines, balances, chain, differences })
    }
}

impl Books {
    /// What a movement is counted in.
    pub fn token_of(&self, book: Book) -> Address {
        match book {
            Book::Account(token) => token,
            Book::Bond | Book::Locked | Book::Unbonding | Book::Compensation => self.bond_token,
        }
    }

    /// What is left in a book.
    pub fn balance(&self, book: Book) -> Amount {
        self.balances.held.get(&book).copied().unwrap_or_default()
    }
}
