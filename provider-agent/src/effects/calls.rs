//! Transactions about leases. Each reads the leases again first and drops what the chain no longer asks for.

use chain::calls::Call;
use chain::convert::ConvertError;
use chain::rpc::{At, CallRequest};
use chain::{ChainEvent, ClientError, Mined, Outcome};
use market::{
    Amount, Bid, Lease, LeaseId, LeaseState, Signature64, Statement, Timestamp, Usage, amount,
    check_admission, check_statement, funded_until, supplement_cum,
};

use super::Shared;
use crate::agent::{CallOutcome, Event, LeaseCall, ReclaimCause};

impl Shared {
    pub(super) async fn confirm(&self, ids: Vec<LeaseId>) {
        let items = ids.into_iter().map(|id| (id, id)).collect();
        self.call(
            LeaseCall::Confirm,
            items,
            |_, lease, now| lease.state == LeaseState::Open && now <= lease.end_at,
            |ids| Ok(self.chain.calls().confirm(&ids)),
        )
        .await;
    }

    pub(super) async fn decline(&self, bid: Bid) {
        self.call(
            LeaseCall::Decline,
            self.with_ids(vec![bid]),
            |_, lease, _| lease.state == LeaseState::Open,
            |_| self.chain.calls().decline(&bid),
        )
        .await;
    }

    /// Nothing but this ends a tenant's workload from our side: what is unfunded by the chain's own rule, and what stays suspended for what is
    /// unsigned, after the notice period.
    pub(super) async fn reclaim(&self, bid: Bid, cause: ReclaimCause) {
        let items = self.with_ids(vec![bid]);
        if let (ReclaimCause::Unsigned { .. }, [(lease, _)]) = (cause, items.as_slice())
            && let Some(outcome) = self.why_not_give_up(*lease).await
        {
            let finished = Event::CallFinished { call: LeaseCall::Reclaim, leases: vec![*lease], outcome };
            return self.deliver(finished).await;
        }
        self.call(
            LeaseCall::Reclaim,
            items,
            |bid, lease, now| match cause {
                ReclaimCause::Unfunded => {
                    lease.is_running(now) && funded_until(lease).is_some_and(|until| until <= now)
                }
                ReclaimCause::Unsigned { paid } => {
                    let ends_at = now.saturating_add(bid.notice_period.into());
                    lease.is_running(now) && lease.paid == paid && ends_at < lease.end_at
                }
            },
            |_| self.chain.calls().reclaim(&bid),
        )
        .await;
    }

    /// An end on chain is for good, so the object is read again: a person may have set the lease going this very second.
    async fn why_not_give_up(&self, lease: LeaseId) -> Option<CallOutcome> {
        match self.is_suspended(lease).await {
            Ok(true) => {
                tracing::warn!(%lease, "the tenant of a suspended lease signed nothing: ending it after the notice period");
                None
            }
            Ok(false) => Some(CallOutcome::Unneeded),
            Err(error) => {
                tracing::warn!(%lease, error = &error as &dyn std::error::Error, "failed to read a ComputeLease");
                Some(CallOutcome::Failed)
            }
        }
    }

    pub(super) async fn settle(&self, statements: Vec<(Statement, Signature64)>) {
        let items = statements.into_iter().map(|item| (item.0.lease_id, item)).collect();
        self.call(
            LeaseCall::Settle,
            items,
            |(statement, _), lease, now| {
                // Settled already, perhaps by a transaction whose receipt was lost: to send it again only costs gas.
                let is_news = statement.as_of > lease.last_as_of || statement.amount_cum > lease.paid;
                is_news
                    && (check_statement(lease, statement, now).is_ok()
                        || check_admission(lease, statement).is_ok())
            },
            |statements| self.chain.calls().settle(&statements),
        )
        .await;
    }

    pub(super) async fn claim(&self, claims: Vec<(Box<Bid>, Usage)>) {
        let eip712 = self.chain.eip712();
        let items = claims
            .into_iter()
            .filter_map(|(bid, usage)| Some((eip712.bid_digest(&bid).ok()?, (*bid, usage))))
            .collect();
        self.call(
            LeaseCall::Claim,
            items,
            |(bid, usage), lease, now| match lease.state {
                // One that bills up to the end waits already, perhaps filed by a transaction whose receipt was lost.
                LeaseState::Active => {
                    now >= lease.end_at && lease.pending.is_none_or(|pending| pending.at < lease.end_at)
                }
                LeaseState::Disputed => {
                    let due = amount(&bid.prices, &bid.limits, usage, lease.elapsed(lease.end_at));
                    supplement_cum(lease, due).is_some()
                }
                LeaseState::None | LeaseState::Open | LeaseState::Closed => false,
            },
            |claims| self.chain.calls().claim(&claims),
        )
        .await;
    }

    pub(super) async fn finalize(&self, bids: Vec<Bid>) {
        self.call(
            LeaseCall::Finalize,
            self.with_ids(bids),
            |_, lease, now| lease.state == LeaseState::Active && now >= lease.end_at,
            |bids| self.chain.calls().finalize(&bids),
        )
        .await;
    }

    pub(super) async fn resolve(&self, bid: Bid) {
        self.call(
            LeaseCall::Resolve,
            self.with_ids(vec![bid]),
            |_, lease, _| lease.state == LeaseState::Disputed,
            // Before the arbiter's time is over the contract refuses this of anybody else.
            |_| self.chain.calls().resolve(&bid, Amount::ZERO, Amount::ZERO),
        )
        .await;
    }

    /// A bid has an id, or it could not have become a lease.
    fn with_ids(&self, bids: Vec<Bid>) -> Vec<(LeaseId, Bid)> {
        let eip712 = self.chain.eip712();
        bids.into_iter().filter_map(|bid| Some((eip712.bid_digest(&bid).ok()?, bid))).collect()
    }

    async fn call<T>(
        &self,
        call: LeaseCall,
        items: Vec<(LeaseId, T)>,
        still_wanted: impl Fn(&T, &Lease, Timestamp) -> bool,
        encode: impl FnOnce(Vec<T>) -> Result<Call, ConvertError>,
    ) {
        let ids: Vec<_> = items.iter().map(|(id, _)| *id).collect();
        // What an earlier process sent must be on chain before the chain is asked whether anything is left to do.
        if let Err(error) = self.sender.ready().await {
            tracing::warn!(call = call.label(), error = &error as &dyn std::error::Error, "not sent");
            let outcome = CallOutcome::Failed;
            return self.deliver(Event::CallFinished { call, leases: ids, outcome }).await;
        }
        let (leases, now) = match self.leases_now(&ids).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(
                    call = call.label(),
                    error = &error as &dyn std::error::Error,
                    "failed to read leases"
                );
                return self
                    .deliver(Event::CallFinished { call, leases: ids, outcome: CallOutcome::Failed })
                    .await;
            }
        };
        let (mut wanted_ids, mut wanted, mut unneeded) = (vec![], vec![], vec![]);
        for ((id, item), lease) in items.into_iter().zip(&leases) {
            if still_wanted(&item, lease, now) {
                wanted_ids.push(id);
                wanted.push(item);
            } else {
                unneeded.push(id);
            }
        }
        if !unneeded.is_empty() {
            let read = ids.iter().copied().zip(leases).collect();
            self.deliver(Event::LeasesRead(read)).await;
            let outcome = CallOutcome::Unneeded;
            self.deliver(Event::CallFinished { call, leases: unneeded, outcome }).await;
        }
        if !wanted.is_empty() {
            let (outcome, skipped) = self.send_call(call, encode(wanted), &wanted_ids).await;
            self.read_leases(&wanted_ids).await;
            let (skipped, rest): (Vec<_>, Vec<_>) =
                wanted_ids.into_iter().partition(|id| skipped.contains(id));
            for (leases, outcome) in [(rest, outcome), (skipped, CallOutcome::Skipped)] {
                if !leases.is_empty() {
                    self.deliver(Event::CallFinished { call, leases, outcome }).await;
                }
            }
        }
    }

    /// The outcome, and the leases that the contract passed over.
    async fn send_call(
        &self,
        call: LeaseCall,
        encoded: Result<Call, ConvertError>,
        ids: &[LeaseId],
    ) -> (CallOutcome, Vec<LeaseId>) {
        let name = call.label();
        if let (Ok(encoded), [id]) = (&encoded, ids)
            && call.is_batch()
            && self.would_be_skipped(encoded).await
        {
            tracing::warn!(call = name, lease = %id, "the contract would pass over it: not sent");
            self.metrics.items_skipped.with_label_values(&[name]).inc();
            return (CallOutcome::Skipped, vec![*id]);
        }
        let outcome = match encoded {
            Ok(encoded) => match self.send(encoded).await {
                Outcome::Mined(mined) if mined.success => {
                    tracing::info!(call = name, transaction = %mined.tx_hash, gas = mined.gas_used, "mined");
                    return (CallOutcome::Mined, self.skipped(call, &mined));
                }
                Outcome::Mined(mined) => {
                    tracing::warn!(call = name, transaction = %mined.tx_hash, "failed on chain");
                    CallOutcome::Failed
                }
                Outcome::Reverted(reason) => {
                    tracing::warn!(call = name, %reason, "refused by the contract");
                    CallOutcome::Failed
                }
                Outcome::Rejected(error) => {
                    tracing::warn!(call = name, error = &error as &dyn std::error::Error, "not sent");
                    CallOutcome::Failed
                }
            },
            Err(error) => {
                tracing::error!(
                    call = name,
                    error = &error as &dyn std::error::Error,
                    "failed to encode a call"
                );
                CallOutcome::Failed
            }
        };
        (outcome, Vec::new())
    }

    /// Whether the contract, asked now, would do nothing. Without an answer it is sent, which simulates it again.
    async fn would_be_skipped(&self, call: &Call) -> bool {
        let request = CallRequest::by(self.sender.account(), call.to, call.data.clone());
        let done = self.chain.rpc().call(&request, At::Latest).await;
        done.is_ok_and(|done| done.len() == 32 && done.iter().all(|byte| *byte == 0))
    }

    fn skipped(&self, call: LeaseCall, mined: &Mined) -> Vec<LeaseId> {
        let passed_over = mined.events.iter().filter_map(|logged| match &logged.event {
            ChainEvent::ItemSkipped { lease_id, reason } => Some((*lease_id, reason)),
            _ => None,
        });
        passed_over
            .map(|(lease, reason)| {
                tracing::warn!(call = call.label(), %lease, %reason, "the contract passed over it");
                self.metrics.items_skipped.with_label_values(&[call.label()]).inc();
                lease
            })
            .collect()
    }

    /// Sends and counts.
    pub(super) async fn send(&self, call: Call) -> Outcome {
        let name = call.name;
        let outcome = self.sender.send(call).await;
        let label = match &outcome {
            Outcome::Mined(mined) if mined.success => "mined",
            Outcome::Mined(_) => "failed",
            Outcome::Reverted(_) => "reverted",
            Outcome::Rejected(_) => "rejected",
        };
        self.metrics.transactions.with_label_values(&[name, label]).inc();
        outcome
    }

    /// The leases and the chain's time, from one block.
    pub(super) async fn leases_now(&self, ids: &[LeaseId]) -> Result<(Vec<Lease>, Timestamp), ClientError> {
        let block = self.chain.block(At::Latest).await?;
        let leases = self.chain.get_leases(ids, At::Block(block.hash)).await?;
        Ok((leases, block.timestamp))
    }
}
