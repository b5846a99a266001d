//! Which logs the books of an account need, and nothing more: a market holds many accounts.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use market::{LeaseId, Timestamp};

use super::fact::{Fact, MoneyEvent, Place};
use super::{BooksError, LeaseTokens};
use crate::abi::{ILeaseMarket as m, IProviderRegistry as r};
use crate::client::{ChainClient, ClientError};
use crate::rpc::{At, Block};

/// Leases that the contract is asked about at once; a node bounds the gas of a call.
const LEASES_AT_ONCE: usize = 200;

/// What is going on while books are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Logs are being read, up to this block.
    Logs {
        /// What they are of.
        of: &'static str,
        /// The last block.
        upto: u64,
    },
    /// Times of blocks are being read, because the node's logs do not tell them.
    Times {
        /// How many blocks are left.
        left: usize,
    },
    /// The contracts are asked for their balances.
    Comparing,
}

/// Height of a block, and place in it.
type Position = (u64, u64);
/// Logs by their place: an event that names an account twice comes once.
type Found = BTreeMap<Position, Log>;

impl ChainClient {
    /// Every event that some balance of an account follows from, in order.
    pub async fn money_facts(
        &self,
        account: Address,
        head: &Block,
        step: &impl Fn(Step),
    ) -> Result<Vec<Fact>, BooksError> {
        let (market, registry) = (self.deployment().market, self.deployment().registry);
        let word = Some(account.into_word());
        let mut found = Found::new();
        let own: [(&str, Address, &[Option<B256>]); 7] = [
            ("withdrawals", market, &[None, word]),
            ("the account and its leases", market, &[None, None, word]),
            ("leases of the provider", market, &[Some(m::LeaseOpened::SIGNATURE_HASH), None, None, word]),
            ("leases of the provider", market, &[Some(m::LeaseClosed::SIGNATURE_HASH), None, None, word]),
            ("the bond", registry, &[None, word]),
            ("compensation", registry, &[Some(r::BondSlashed::SIGNATURE_HASH), None, word]),
            ("compensation", registry, &[Some(r::BondSlashed::SIGNATURE_HASH), None, None, word]),
        ];
        for (of, contract, topics) in own {
            self.collect(&mut found, of, contract, topics, head, step).await?;
        }
        let all = |signature| [Some(signature)];
        self.collect(&mut found, "fees", market, &all(m::FeeSet::SIGNATURE_HASH), head, step).await?;
        let events = self.events(&found)?;
        let is_treasury =
            |event: &MoneyEvent| matches!(event, MoneyEvent::FeeSet { treasury } if *treasury == account);
        if events.values().any(is_treasury) {
            let topics = all(m::LeaseSettled::SIGNATURE_HASH);
            self.collect(&mut found, "payments to everybody", market, &topics, head, step).await?;
        }
        let is_tenant = |event: &MoneyEvent| matches!(event, MoneyEvent::LeaseOpened { tenant, .. } if *tenant == account);
        if events.values().any(is_tenant) {
            // These name the provider but not the tenant, and disputes are rare.
            for signature in [m::LeaseDisputed::SIGNATURE_HASH, m::DisputeResolved::SIGNATURE_HASH] {
                self.collect(&mut found, "disputes", market, &all(signature), head, step).await?;
            }
        }
        self.dated(found, step).await
    }

    async fn collect(
        &self,
        found: &mut Found,
        of: &'static str,
        contract: Address,
        topics: &[Option<B256>],
        head: &Block,
        step: &impl Fn(Step),
    ) -> Result<(), BooksError> {
        step(Step::Logs { of, upto: head.number });
        let from = self.deployment().deployed_block.min(head.number);
        for log in self.rpc().all_logs(&[contract], topics, from, head.number).await? {
            found.insert(place(&log), log);
        }
        Ok(())
    }

    fn events(&self, found: &Found) -> Result<BTreeMap<Position, MoneyEvent>, BooksError> {
        let mut events = BTreeMap::new();
        for (place, log) in found {
            events.extend(MoneyEvent::read(self.deployment(), log)?.map(|event| (*place, event)));
        }
        Ok(events)
    }

    /// Reads the logs, with the times of their blocks.
    async fn dated(&self, found: Found, step: &impl Fn(Step)) -> Result<Vec<Fact>, BooksError> {
        let mut times: BTreeMap<u64, Timestamp> = BTreeMap::new();
        let mut facts = Vec::new();
        let events = self.events(&found)?;
        let mut unknown: BTreeSet<u64> = events.keys().map(|(block, _)| *block).collect();
        for log in found.values() {
            if let (Some(block), Some(time)) = (log.block_number, log.block_timestamp) {
                times.insert(block, Timestamp(time));
                unknown.remove(&block);
            }
        }
        for (done, block) in unknown.iter().enumerate() {
            step(Step::Times { left: unknown.len() - done });
            let header = self.rpc().block_at(*block).await?.ok_or(BooksError::Moved(*block))?;
            times.insert(*block, header.timestamp);
        }
        for ((block, log_index), event) in events {
            let log = found.get(&(block, log_index));
            let transaction = log.and_then(|log| log.transaction_hash).unwrap_or_default();
            let time = times.get(&block).copied().unwrap_or_default();
            facts.push(Fact { place: Place { block, log_index, time, transaction }, event });
        }
        Ok(facts)
    }

    /// The token of every lease that the facts name. It stays readable after the lease has closed.
    pub async fn lease_tokens(&self, facts: &[Fact], head: &Block) -> Result<LeaseTokens, ClientError> {
        let (mut tokens, mut unknown) = (LeaseTokens::new(), BTreeSet::new());
        for fact in facts {
            match &fact.event {
                MoneyEvent::LeaseOpened { lease, token, .. } => {
                    tokens.insert(*lease, *token);
                }
                MoneyEvent::LeaseToppedUp { lease, .. } | MoneyEvent::LeaseSettled { lease, .. } => {
                    unknown.insert(*lease);
                }
                _ => {}
            }
        }
        let unknown: Vec<LeaseId> = unknown.into_iter().filter(|lease| !tokens.contains_key(lease)).collect();
        for some in unknown.chunks(LEASES_AT_ONCE) {
            let views = self.get_leases(some, At::Block(head.hash)).await?;
            tokens.extend(some.iter().copied().zip(views.iter().map(|lease| lease.token)));
        }
        Ok(tokens)
    }
}

/// [`crate::Rpc::logs`] lets no log pass that lacks its place.
fn place(log: &Log) -> Position {
    (log.block_number.unwrap_or_default(), log.log_index.unwrap_or_default())
}
