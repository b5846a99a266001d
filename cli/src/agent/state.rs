//! What the agent decides about one lease. Pure: what was read comes in as an event, what to do goes out as effects.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use gateway_api::RefusalReason;
use market::{Amount, Lease, LeaseId, LeaseState, PendingClaim, Statement, Timestamp, Windows, funded_until};

use super::config::DisputeRule;
use super::notice::{Notice, close_command, dispute_command, wrote};
use crate::claim::{Write, affordable_plan, closable_from, contestable_until, splittable_from};
use crate::countersign::{Refusal, Terms};
use crate::money::Money;

/// Whether this machine may send transactions for the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hands {
    /// It has the tenant's key.
    Free,
    /// It has the session key alone, which moves no money.
    Tied,
}

/// What the tenant wants, and what the market and the lease are.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) lease: LeaseId,
    pub(crate) terms: Terms,
    pub(crate) disputes: DisputeRule,
    pub(crate) hands: Hands,
    pub(crate) windows: Windows,
    pub(crate) warn_before: u64,
    pub(crate) unreachable_after: u64,
    pub(crate) money: Money,
}

/// A lease as one block has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainView {
    pub(crate) lease: Lease,
    /// The block's moment.
    pub(crate) now: Timestamp,
    /// What is owed by the waiting claim in this side's eyes; nothing if none waits.
    pub(crate) owed: Amount,
    /// What the tenant's account could put down for a dispute.
    pub(crate) account: Amount,
}

/// What was read, or came of an effect.
#[derive(Debug)]
pub(crate) enum Event {
    Chain(ChainView),
    /// The gateway answered.
    Reached {
        suspended: Option<String>,
        /// The services that do not answer although it does.
        silent: BTreeSet<String>,
    },
    /// The gateway did not answer.
    Unreachable(String),
    /// The provider had nothing new to sign.
    NothingNew,
    Signed(Statement),
    Refused(Refusal),
    Wrote(Write, B256),
    WriteFailed(Write, String),
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Tell(Notice),
    /// Ask the gateway about the lease and its services.
    Probe,
    /// Fetch what the provider proposes; sign or refuse it.
    Exchange,
    /// Read the chain again, and send the transaction if it is still right.
    Write(Write),
    /// There is nothing left to follow.
    Finish,
}

/// What was said before, so that it is not said again. Losing it costs a repetition and nothing else.
#[derive(Debug, Default)]
pub(crate) struct State {
    refused: Option<RefusalReason>,
    claim: Option<(PendingClaim, Urgency)>,
    can_close: bool,
    money_runs_out: bool,
    silent_since: Option<Timestamp>,
    silence_told: bool,
    suspended: bool,
    silent: BTreeSet<String>,
    failed: Option<String>,
}

/// How much of a dispute window is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    MoreThanHalf,
    Half,
    Quarter,
    Eighth,
}

impl Urgency {
    fn of(claim: &PendingClaim, now: Timestamp, window: u64) -> Self {
        let left = contestable_until(claim, window).seconds_since(now);
        match left {
            left if left <= window / 8 => Urgency::Eighth,
            left if left <= window / 4 => Urgency::Quarter,
            left if left <= window / 2 => Urgency::Half,
            _ => Urgency::MoreThanHalf,
        }
    }
}

impl Policy {
    /// The transaction that is right now, if any is and this machine may send it.
    pub(crate) fn due_write(&self, view: &ChainView) -> Option<Write> {
        if self.hands == Hands::Tied || self.disputes == DisputeRule::Tell {
            return None;
        }
        self.dispute(view).or_else(|| self.closing(view))
    }

    /// A claim that is too high is disputed from the middle of its window on: before, the provider may still settle what
    /// was signed, which replaces the claim. If the account cannot pay the whole stake, its owner has a quarter of the
    /// window more to fill it; then what it can pay is contested.
    fn dispute(&self, view: &ChainView) -> Option<Write> {
        let claim = self.excessive(view)?;
        let urgency = Urgency::of(&claim, view.now, self.windows.dispute);
        let plan = affordable_plan(&view.lease, &claim, view.owed, view.account)?;
        let is_time = match urgency {
            Urgency::MoreThanHalf => false,
            Urgency::Half => plan.conceded == view.owed,
            Urgency::Quarter | Urgency::Eighth => true,
        };
        is_time.then_some(Write::Dispute { conceded: plan.conceded })
    }

    /// The claim that waits, if it can be disputed and is above what is owed and tolerated.
    fn excessive(&self, view: &ChainView) -> Option<PendingClaim> {
        let claim = self.contestable(view)?;
        (claim.cum > self.terms.tolerance.over(view.owed)).then_some(claim)
    }

    fn contestable(&self, view: &ChainView) -> Option<PendingClaim> {
        let claim = view.lease.pending.filter(|_| view.lease.state == LeaseState::Active)?;
        (view.now < contestable_until(&claim, self.windows.dispute)).then_some(claim)
    }

    /// What closes the lease without anybody's consent, once that is allowed.
    fn closing(&self, view: &ChainView) -> Option<Write> {
        let Windows { claim, dispute, arbiter } = self.windows;
        let lease = &view.lease;
        match lease.state {
            LeaseState::Disputed if view.now >= splittable_from(lease, arbiter) => Some(Write::Resolve),
            LeaseState::Active
                if view.now >= lease.end_at && view.now >= closable_from(lease, claim, dispute) =>
            {
                Some(Write::Finalize)
            }
            _ => None,
        }
    }
}

impl State {
    /// Whether the newest proposal was refused.
    pub(crate) fn refused(&self) -> Option<RefusalReason> {
        self.refused
    }

    /// Whether the provider did not answer when it was last asked.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.silent_since.is_some()
    }

    /// What follows from an event at a moment.
    pub(crate) fn step(&mut self, policy: &Policy, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Chain(view) => self.on_chain(policy, &view),
            Event::Reached { suspended, silent } => self.on_reached(suspended, silent),
            Event::Unreachable(error) => self.on_unreachable(policy, error, now),
            Event::NothingNew => tell_all(self.on_answer()),
            Event::Signed(statement) => {
                self.refused = None;
                let Statement { amount_cum, as_of, last, .. } = statement;
                let signed = Notice::Signed { amount_cum, as_of, last };
                tell_all(self.on_answer().into_iter().chain([signed]))
            }
            Event::Refused(refusal) => {
                let back = self.on_answer();
                tell_all(back.into_iter().chain(self.on_refused(&refusal)))
            }
            Event::Wrote(write, transaction) => {
                self.failed = None;
                vec![Effect::Tell(wrote(write, transaction))]
            }
            Event::WriteFailed(write, error) => {
                let is_new = self.failed.replace(error.clone()).is_none_or(|before| before != error);
                let notice = Notice::WriteFailed { function: write.name(), error };
                is_new.then_some(Effect::Tell(notice)).into_iter().collect()
            }
        }
    }

    /// What the chain's windows ask for comes first, so that no provider can hold it up.
    fn on_chain(&mut self, policy: &Policy, view: &ChainView) -> Vec<Effect> {
        let lease = &view.lease;
        let mut effects = Vec::new();
        match lease.state {
            LeaseState::None | LeaseState::Open => return effects,
            LeaseState::Closed => {
                return vec![Effect::Tell(Notice::Closed { paid: lease.paid }), Effect::Finish];
            }
            LeaseState::Disputed => {}
            LeaseState::Active => {
                effects.extend(self.on_claim(policy, view).map(Effect::Tell));
                effects.extend(self.on_money(policy, view).map(Effect::Tell));
            }
        }
        match (policy.due_write(view), policy.closing(view)) {
            (Some(write), _) => effects.push(Effect::Write(write)),
            (None, Some(_)) if !self.can_close => {
                self.can_close = true;
                let command = close_command(policy.lease);
                effects.push(Effect::Tell(Notice::CanClose { command }));
            }
            (None, _) => {}
        }
        if lease.is_running(view.now) {
            effects.push(Effect::Probe);
        }
        if lease.state == LeaseState::Active {
            effects.push(Effect::Exchange);
        }
        effects
    }

    fn on_money(&mut self, policy: &Policy, view: &ChainView) -> Option<Notice> {
        let until = funded_until(&view.lease).filter(|_| view.lease.is_running(view.now));
        let until = until.filter(|until| *until < view.lease.end_at);
        let until = until.filter(|until| until.seconds_since(view.now) <= policy.warn_before);
        let told = std::mem::replace(&mut self.money_runs_out, until.is_some());
        until.filter(|_| !told).map(|funded_until| Notice::MoneyRunsOut { funded_until })
    }

    fn on_claim(&mut self, policy: &Policy, view: &ChainView) -> Option<Notice> {
        let Some(claim) = policy.contestable(view) else {
            self.claim = None;
            return None;
        };
        let urgency = Urgency::of(&claim, view.now, policy.windows.dispute);
        let told = self.claim.filter(|(before, _)| *before == claim).map(|(_, urgency)| urgency);
        let contestable_until = contestable_until(&claim, policy.windows.dispute);
        if policy.excessive(view).is_none() {
            self.claim = Some((claim, told.unwrap_or(urgency)));
            let notice = Notice::ClaimFiled { claimed_cum: claim.cum, contestable_until };
            return told.is_none().then_some(notice);
        }
        self.claim = Some((claim, urgency));
        let notice = Notice::ClaimTooHigh {
            claimed_cum: claim.cum,
            owed_cum: view.owed,
            contestable_until,
            command: dispute_command(policy.lease, view.owed, &policy.money),
        };
        told.is_none_or(|told| told < urgency).then_some(notice)
    }

    /// The provider has answered.
    fn on_answer(&mut self) -> Option<Notice> {
        self.silent_since = None;
        std::mem::take(&mut self.silence_told).then_some(Notice::ProviderBack)
    }

    fn on_reached(&mut self, suspended: Option<String>, silent: BTreeSet<String>) -> Vec<Effect> {
        let mut notices: Vec<Notice> = self.on_answer().into_iter().collect();
        let was_suspended = std::mem::replace(&mut self.suspended, suspended.is_some());
        match suspended {
            Some(reason) if !was_suspended => notices.push(Notice::Suspended { reason }),
            None if was_suspended => notices.push(Notice::Resumed),
            _ => {}
        }
        let named = |service: &String| service.clone();
        let new = silent.difference(&self.silent).map(named);
        notices.extend(new.map(|service| Notice::ServiceDown { service }));
        let back = self.silent.difference(&silent).map(named);
        notices.extend(back.map(|service| Notice::ServiceUp { service }));
        self.silent = silent;
        tell_all(notices)
    }

    fn on_unreachable(&mut self, policy: &Policy, error: String, now: Timestamp) -> Vec<Effect> {
        let since = *self.silent_since.get_or_insert(now);
        if self.silence_told || now.seconds_since(since) < policy.unreachable_after {
            return Vec::new();
        }
        self.silence_told = true;
        vec![Effect::Tell(Notice::ProviderUnreachable { since, error })]
    }

    /// The provider asks for more with every second; it is the same refusal until its reason changes.
    fn on_refused(&mut self, refusal: &Refusal) -> Option<Notice> {
        let Refusal { reason, proposed, largest_accepted, as_of, .. } = *refusal;
        let is_new = self.refused.replace(reason) != Some(reason);
        let (proposed_cum, largest_accepted_cum) = (proposed, largest_accepted);
        is_new.then_some(Notice::Refused { reason, proposed_cum, largest_accepted_cum, as_of })
    }
}

fn tell_all(notices: impl IntoIterator<Item = Notice>) -> Vec<Effect> {
    notices.into_iter().map(Effect::Tell).collect()
}

#[cfg(test)]
mod tests;
