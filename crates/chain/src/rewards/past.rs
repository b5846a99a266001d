//! Everything that happened to one programme up to one block.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolEventInterface;
use market::{Amount, Timestamp};
use rewards::{
    Difference, Epoch, History, Inputs, Leaf, ProgrammeId, ProgrammeTerms, Purse, Root, compute, hash, verify,
};

use super::convert::{fact, leaf_from_abi, terms_from_abi};
use super::{RewardsClient, RewardsError};
use crate::abi::{IRewardsDistributor as d, IRewardsDistributorEvents as E};
use crate::convert::from_u40;
use crate::rpc::{At, Block};

/// Providers that the contract is asked about at once.
const MEMBERS_AT_ONCE: u64 = 100;

/// A programme's books, as the contract keeps them; a root that is final by time is reckoned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// Who created it.
    pub sponsor: Address,
    /// The newest final root, or 0.
    pub final_number: u32,
    /// The first epoch without a final root.
    pub next_epoch: Epoch,
    /// The earliest root that waits, or 0.
    pub first_pending: u32,
    /// All that was put in.
    pub funded: Amount,
    /// What final roots promised.
    pub committed: Amount,
    /// What was paid of it.
    pub claimed: Amount,
    /// What the sponsor got back.
    pub returned: Amount,
    /// What the newest final root carried over.
    pub carried: Amount,
}

/// A root as it was posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedRoot {
    /// Its number in the programme, from 1.
    pub number: u32,
    /// Up to the end of which epoch it counts.
    pub epoch: Epoch,
    /// Who posted it.
    pub poster: Address,
    /// The final root that it builds on, or 0.
    pub base: u32,
    /// The top of its tree.
    pub hash: B256,
    /// What it could spend.
    pub allowance: Amount,
    /// Every provider's leaf.
    pub leaves: Vec<Leaf>,
}

/// What has become of a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootState {
    /// It can be refuted before this moment.
    Pending(Timestamp),
    /// It was shown wrong.
    Refuted,
    /// It is paid out.
    Final,
    /// Another root on the same base became final.
    Superseded,
}

/// A programme up to one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The programme.
    pub programme: ProgrammeId,
    /// The block.
    pub head: Block,
    /// The rules.
    pub terms: ProgrammeTerms,
    /// The contract's books.
    pub books: Books,
    /// What the events say.
    pub history: History,
    /// Every root that was posted, by number.
    pub roots: Vec<PostedRoot>,
    created: u64,
}

impl Past {
    /// The root with this number.
    pub fn root(&self, number: u32) -> Result<&PostedRoot, RewardsError> {
        self.roots.iter().find(|root| root.number == number).ok_or(RewardsError::NoRoot(number))
    }

    /// The leaves that a root on this base builds on; none where nothing is final yet.
    pub fn leaves_of(&self, number: u32) -> Result<&[Leaf], RewardsError> {
        if number == 0 { Ok(&[]) } else { Ok(&self.root(number)?.leaves) }
    }

    /// What a root of `epoch` on the newest final root may spend.
    fn allowance(&self, epoch: Epoch) -> Amount {
        let Books { next_epoch, carried, committed, returned, .. } = self.books;
        let funded = self.history.funded_by(epoch);
        let uncommitted = funded.saturating_sub(committed).saturating_sub(returned);
        Purse { next_epoch, carried, uncommitted }.allowance(&self.terms, epoch)
    }
}

impl RewardsClient {
    /// Reads everything that happened to a programme, as of the newest block.
    pub async fn past(&self, programme: ProgrammeId) -> Result<Past, RewardsError> {
        let head = self.chain.block(At::Latest).await?;
        let from = self.chain.deployment().deployed_block.min(head.number);
        let topics = [None, Some(B256::from(programme.0))];
        let logs = self.chain.rpc().all_logs(&[self.distributor], &topics, from, head.number).await?;
        let (mut facts, mut roots, mut creation) = (Vec::new(), Vec::new(), None);
        for log in &logs {
            // An event with an account in the programme's place, or of a later version, is none of ours.
            let Ok(event) = E::decode_raw_log(log.topics(), &log.data().data) else { continue };
            let place = (log.block_number.unwrap_or_default(), log.log_index.unwrap_or_default());
            match &event {
                E::ProgrammeCreated(e) => creation = Some((place.0, terms_from_abi(&e.terms)?)),
                E::RootPosted(e) => roots.push(posted(e)),
                other => facts.extend(fact(other).map(|fact| (place, fact))),
            }
        }
        let Some((created, terms)) = creation else { return Err(RewardsError::NoProgramme(programme.0)) };
        if terms.kind == rewards::Kind::Matched {
            facts.extend(self.fees(terms.token, created, &head).await?);
            facts.sort_by_key(|(place, _)| *place);
        }
        let mut history = History::new(terms.kind);
        facts.iter().try_for_each(|(_, fact)| history.apply(fact))?;
        let books = self.books(programme, At::Block(head.hash)).await?;
        let past = Past { programme, head, terms, books, history, roots, created };
        self.compare(&past).await?;
        self.still(&head).await?;
        Ok(past)
    }

    /// What a root of `epoch` on the newest final root follows from, whether or not it can be posted yet.
    pub async fn inputs(&self, past: &Past, epoch: Epoch) -> Result<Inputs, RewardsError> {
        let allowance = past.allowance(epoch);
        let call = d::allowanceOfCall { programme: past.programme.0, epoch: epoch.0 };
        let contract = self.call("allowanceOf", call, At::Block(past.head.hash)).await?;
        same("the allowance", allowance, Amount(contract))?;
        self.inputs_on(past, epoch, past.books.final_number, allowance).await
    }

    /// The right root of `epoch`, on the newest final root.
    pub async fn compute(&self, past: &Past, epoch: Epoch) -> Result<(Inputs, Root), RewardsError> {
        let inputs = self.inputs(past, epoch).await?;
        let root = compute(&inputs)?;
        Ok((inputs, root))
    }

    /// The wrong leaves of a posted root.
    pub async fn verify(&self, past: &Past, root: &PostedRoot) -> Result<Vec<Difference>, RewardsError> {
        let view = self.view(past, root.number).await?;
        same("the root", hash(past.programme, &root.leaves), view.root)?;
        let inputs = self.inputs_on(past, root.epoch, root.base, root.allowance).await?;
        Ok(verify(&inputs, &root.leaves)?)
    }

    /// What has become of a root.
    pub async fn state(&self, past: &Past, number: u32) -> Result<RootState, RewardsError> {
        let view = self.view(past, number).await?;
        let until = from_u40(view.postedAt).saturating_add(u64::from(past.terms.challenge_window));
        match view.state {
            1 => Ok(RootState::Pending(until)),
            2 => Ok(RootState::Refuted),
            3 => Ok(RootState::Final),
            4 | 5 => Ok(RootState::Superseded),
            _ => Err(RewardsError::NoRoot(number)),
        }
    }

    async fn view(&self, past: &Past, number: u32) -> Result<d::RootView, RewardsError> {
        let call = d::rootOfCall { programme: past.programme.0, number };
        self.call("rootOf", call, At::Block(past.head.hash)).await
    }

    async fn inputs_on(
        &self,
        past: &Past,
        epoch: Epoch,
        base: u32,
        allowance: Amount,
    ) -> Result<Inputs, RewardsError> {
        let leaves = past.leaves_of(base)?;
        if base != 0 {
            same("the root before", hash(past.programme, leaves), self.view(past, base).await?.root)?;
        }
        let last = self.last_block(past, epoch).await?;
        Ok(past.history.inputs(past.programme, &past.terms, epoch, last, leaves, allowance)?)
    }

    /// The last block before the end of an epoch.
    async fn last_block(&self, past: &Past, epoch: Epoch) -> Result<u64, RewardsError> {
        let (end, now) = (past.terms.end_of(epoch), past.head.timestamp);
        if now < end {
            return Err(RewardsError::NotOver { epoch, end, now });
        }
        // The block of the creation is before the programme's start; the head is not before the epoch's end.
        let (mut before, mut after) = (past.created, past.head.number);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            let block = self.chain.rpc().block_at(middle).await?.ok_or(RewardsError::Moved(middle))?;
            if block.timestamp < end { before = middle } else { after = middle }
        }
        self.still(&past.head).await?;
        Ok(before)
    }

    async fn books(&self, programme: ProgrammeId, at: At) -> Result<Books, RewardsError> {
        let view = self.call("programmeOf", d::programmeOfCall { programme: programme.0 }, at).await?;
        Ok(Books {
            sponsor: view.sponsor,
            final_number: view.finalNumber,
            next_epoch: Epoch(view.nextEpoch),
            first_pending: view.firstPending,
            funded: Amount(view.funded),
            committed: Amount(view.committed),
            claimed: Amount(view.claimed),
            returned: Amount(view.returned),
            carried: Amount(view.carried),
        })
    }

    /// Holds what the logs say against what the contract says at the same block.
    async fn compare(&self, past: &Past) -> Result<(), RewardsError> {
        let at = At::Block(past.head.hash);
        same("the funds", past.history.funded_by(Epoch(u32::MAX)), past.books.funded)?;
        let mut members = Vec::new();
        loop {
            let call = d::enrolledCall {
                programme: past.programme.0,
                offset: U256::from(members.len()),
                limit: U256::from(MEMBERS_AT_ONCE),
            };
            let page = self.call("enrolled", call, at).await?;
            if page.is_empty() {
                break;
            }
            members.extend(page);
        }
        same("the number of providers", past.history.members().len(), members.len())?;
        for (logs, contract) in past.history.members().iter().zip(&members) {
            same("a provider", logs.account, contract.account)?;
            same("a provider's epoch", logs.enrolled_in.0, contract.enrolledIn)?;
            same("a provider's counter", logs.counter(past.terms.kind).0, contract.counter)?;
        }
        Ok(())
    }

    /// Refuses what was read if the chain was reorganised meanwhile.
    async fn still(&self, head: &Block) -> Result<(), RewardsError> {
        let found = self.chain.rpc().block_at(head.number).await?;
        if found.is_some_and(|block| block.hash == head.hash) {
            Ok(())
        } else {
            Err(RewardsError::Moved(head.number))
        }
    }
}

fn posted(event: &d::RootPosted) -> PostedRoot {
    PostedRoot {
        number: event.number,
        epoch: Epoch(event.epoch),
        poster: event.poster,
        base: event.base,
        hash: event.root,
        allowance: Amount(event.allowance),
        leaves: event.leaves.iter().map(leaf_from_abi).collect(),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    logs: T,
    contract: T,
) -> Result<(), RewardsError> {
    if logs == contract {
        return Ok(());
    }
    Err(RewardsError::Differ { what, logs: format!("{logs:?}"), contract: format!("{contract:?}") })
}
