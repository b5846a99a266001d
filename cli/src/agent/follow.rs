//! Follows one lease: reads, asks the state what to do, and does it. Each lease has a task of its own, so that a provider
//! that does not answer holds up nobody else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Address;
use anyhow::Context as _;
use chain::rpc::At;
use chain::{ChainClient, HotKey, LeaseOpened};
use gateway_api::auth::Audience;
use gateway_api::{ErrorCode, LeasePhase};
use market::{Amount, LeaseId, Timestamp, Windows};
use tokio::time::MissedTickBehavior;

use super::config::Config;
use super::notice::Notice;
use super::outlet::Outlet;
use super::probe::{Round, round};
use super::state::{ChainView, Effect, Event, Hands, Policy, State};
use crate::claim::Write;
use crate::context::{Wallet, connect, find_lease, registered_gateway};
use crate::countersign::{Countersigner, Look, Own, owed};
use crate::gateway::{Gateway, GatewayError, now};
use crate::home::{Home, LeaseRecord};
use crate::own_view::Seen;

/// Longest text of a provider that is passed on.
const MAX_REASON: usize = 200;

/// What all leases share.
pub(crate) struct Env {
    pub(crate) home: Home,
    pub(crate) chain: ChainClient,
    pub(crate) config: Config,
    pub(crate) outlet: Outlet,
    pub(crate) windows: Windows,
    /// The tenant's key, if this machine has it.
    pub(crate) wallet: Option<(Address, Wallet)>,
}

/// How often to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Once,
    UntilClosed,
}

/// How a lease was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    Closed,
    Refused,
    /// Chain or provider did not answer as they should.
    Unanswered,
    Well,
}

/// Follows a lease to its end, or looks at it once.
pub(crate) async fn follow(env: Arc<Env>, id: LeaseId, pace: Pace) -> anyhow::Result<Left> {
    let mut follower = Follower::begin(&env, id).await?;
    let (name, observed) = (follower.record.name.clone(), follower.seen.view.summary());
    env.outlet.tell(id, &Notice::Watching { name, observed })?;
    let mut ticks = tokio::time::interval(Duration::from_secs(env.config.interval));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let left = match follower.look().await {
            Ok(left) => left,
            // A watcher outlives failures of provider, node and network.
            Err(error) => follower.complain(&error),
        };
        if left == Left::Closed || pace == Pace::Once {
            return Ok(left);
        }
    }
}

struct Follower<'a> {
    env: &'a Env,
    record: LeaseRecord,
    key: HotKey,
    opened: LeaseOpened,
    policy: Policy,
    state: State,
    seen: Seen,
    gateway: Option<Gateway>,
    /// What went wrong last, so that it is said once.
    complaint: Option<String>,
}

impl<'a> Follower<'a> {
    async fn begin(env: &'a Env, id: LeaseId) -> anyhow::Result<Self> {
        let record = env.home.lease(id)?;
        let opened = find_lease(&env.chain, id).await?;
        let money = env.outlet.money().clone();
        let (terms, disputes) = env.config.terms(id, &money)?;
        let has_key = env.wallet.as_ref().is_some_and(|(account, _)| *account == opened.tenant);
        let policy = Policy {
            lease: id,
            terms,
            disputes,
            hands: if has_key { Hands::Free } else { Hands::Tied },
            windows: env.windows,
            warn_before: env.config.warn_before,
            unreachable_after: env.config.unreachable_after,
            money,
        };
        let (key, seen) = (record.session_key()?, Seen::load(&env.home, id)?);
        let (state, gateway, complaint) = (State::default(), None, None);
        Ok(Follower { env, record, key, opened, policy, state, seen, gateway, complaint })
    }

    /// One look at chain and provider, with all that follows from it.
    async fn look(&mut self) -> anyhow::Result<Left> {
        let view = self.chain_view().await?;
        let now = view.now;
        let mut effects: VecDeque<Effect> = self.state.step(&self.policy, Event::Chain(view), now).into();
        let mut left = Left::Well;
        while let Some(effect) = effects.pop_front() {
            let event = match effect {
                Effect::Tell(notice) => {
                    self.env.outlet.tell(self.policy.lease, &notice)?;
                    continue;
                }
                Effect::Finish => {
                    self.env.home.forget_manifest(self.policy.lease)?;
                    return Ok(Left::Closed);
                }
                Effect::Probe => self.probe(now).await.map(Some),
                Effect::Exchange => self.exchange(now).await.map(Some),
                Effect::Write(_) => self.write().await,
            };
            match event {
                Ok(Some(event)) => {
                    if matches!(event, Event::Wrote(..)) {
                        // What was still to do was right for the lease as it was before.
                        effects.clear();
                    }
                    effects.extend(self.state.step(&self.policy, event, now));
                }
                Ok(None) => {}
                // What is left to do does not depend on what failed.
                Err(error) => left = self.complain(&error),
            }
        }
        if left == Left::Well {
            self.complaint = None;
        }
        Ok(match self.state.refused() {
            _ if self.state.is_unanswered() => Left::Unanswered,
            Some(_) => Left::Refused,
            None => left,
        })
    }

    /// The lease at the newest block, with what this side makes of a claim on it.
    async fn chain_view(&self) -> anyhow::Result<ChainView> {
        let Self { env, opened, .. } = self;
        let block = env.chain.block(At::Latest).await?;
        let at = At::Block(block.hash);
        let lease = env.chain.lease(opened.lease_id, at).await?;
        let mut view = ChainView { lease, now: block.timestamp, owed: Amount::ZERO, account: Amount::ZERO };
        if let Some(claim) = &lease.pending {
            let signed = env.home.signed(opened.lease_id)?;
            let own = Own {
                bid: &opened.bid,
                lease: &lease,
                now: block.timestamp,
                previous: signed.as_ref().map(|signed| &signed.proposal),
                terms: self.policy.terms,
                observed: Some(self.seen.observed()),
            };
            view.owed = owed(&own, claim);
            view.account = env.chain.available(opened.tenant, at).await?;
        }
        Ok(view)
    }

    /// Where the registry says that the provider is now, or else where it was.
    async fn connect(&mut self) -> anyhow::Result<Gateway> {
        if let Some(gateway) = &self.gateway {
            return Ok(gateway.clone());
        }
        let LeaseRecord { provider, chain_id, gateway: before, .. } = &self.record;
        let gateway = match registered_gateway(&self.env.chain, *provider, self.key.clone()).await {
            Ok(gateway) => gateway,
            Err(error) => {
                eprintln!("the registry does not say where {provider} is: {error:#}");
                connect(before, Audience { chain_id: *chain_id, provider: *provider }, self.key.clone())?
            }
        };
        self.gateway = Some(gateway.clone());
        Ok(gateway)
    }

    /// Asks about the lease and its services, and remembers what was seen before anything is judged by it.
    async fn probe(&mut self, chain_time: Timestamp) -> anyhow::Result<Event> {
        let gateway = self.connect().await?;
        let (watched, id) = (&self.seen.watched, self.policy.lease);
        let found = round(&gateway, id, watched).await;
        let unseen = BTreeMap::new();
        let sights = found.as_ref().map_or(&unseen, |round| &round.sights);
        // A moment that is dated late is held against a later statement only; one that is dated early would be held
        // against an innocent one.
        let at = now().max(chain_time);
        self.seen.view.observe(at, self.env.config.interval, watched, sights);
        self.env.home.save_observed(id, &self.seen.view)?;
        match found {
            Ok(Round { status, silent, .. }) => {
                let reason = if status.message.is_empty() { status.reason } else { status.message };
                let reason = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
                let suspended = (status.phase == LeasePhase::Paused).then_some(reason);
                Ok(Event::Reached { suspended, silent })
            }
            Err(error) => self.unreachable(error),
        }
    }

    /// Signs or refuses what the provider proposes.
    async fn exchange(&mut self, chain_time: Timestamp) -> anyhow::Result<Event> {
        let gateway = self.connect().await?;
        let proposal = match gateway.proposal_if_any(self.policy.lease).await {
            Ok(Some(proposal)) => proposal,
            Ok(None) => return Ok(Event::NothingNew),
            Err(error) => return self.unreachable(error),
        };
        self.seen.view.propose(&proposal, now().max(chain_time));
        self.env.home.save_observed(self.policy.lease, &self.seen.view)?;
        let signer = Countersigner {
            home: &self.env.home,
            chain: &self.env.chain,
            gateway: &gateway,
            key: &self.key,
            lease: self.policy.lease,
            bid: &self.opened.bid,
            terms: self.policy.terms,
            observed: Some(self.seen.observed()),
        };
        Ok(match signer.decide(&proposal).await? {
            Look::Signed(statement) => Event::Signed(statement),
            Look::Refused(refusal) => Event::Refused(refusal),
            Look::Unchanged | Look::Nothing => Event::NothingNew,
        })
    }

    /// An answer that is a refusal is an answer; the rest is silence, and so are the gateway's own failures.
    fn unreachable(&mut self, error: GatewayError) -> anyhow::Result<Event> {
        if error.code().is_some_and(|code| !matches!(code, ErrorCode::Unavailable | ErrorCode::Internal)) {
            return Err(error.into());
        }
        // The provider may have moved.
        self.gateway = None;
        Ok(Event::Unreachable(format!("{:#}", anyhow::Error::new(error))))
    }

    /// Sends the transaction that is right by what the chain says now, which may be another than a moment ago, or none.
    async fn write(&mut self) -> anyhow::Result<Option<Event>> {
        let view = self.chain_view().await?;
        let Some(write) = self.policy.due_write(&view) else { return Ok(None) };
        let (_, wallet) = self.env.wallet.as_ref().context("there is no key to write with")?;
        Ok(Some(match send(wallet, &self.env.chain, write, &self.opened).await {
            Ok(transaction) => Event::Wrote(write, transaction),
            Err(error) => Event::WriteFailed(write, format!("{error:#}")),
        }))
    }

    /// Says what went wrong, once.
    fn complain(&mut self, error: &anyhow::Error) -> Left {
        let text = format!("{error:#}");
        if self.complaint.as_ref() != Some(&text) {
            eprintln!("{}: will look again: {text}", self.policy.lease);
            self.complaint = Some(text);
        }
        Left::Unanswered
    }
}

async fn send(
    wallet: &Wallet,
    chain: &ChainClient,
    write: Write,
    opened: &LeaseOpened,
) -> anyhow::Result<alloy_primitives::B256> {
    Ok(wallet.send(write.call(&chain.calls(), &opened.bid)?).await?.tx_hash)
}
