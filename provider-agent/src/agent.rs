//! The agent's core: `step` takes an event and says what to do about it. No IO, no clock, no randomness.
//!
//! ```text
//!  chain logs, heads ─┐                                   ┌─▶ transactions (confirm, settle, claim, finalize, ...)
//!  ComputeLeases ─────┼─▶ Event ─▶ step(&mut State) ─▶ Effect ─▶ ComputeLease and Secret writes
//!  gateway requests ──┤                                   ├─▶ answers to gateway requests
//!  ticks, outcomes ───┘                                   └─▶ metrics and logs
//! ```
//!
//! Everything is level-triggered. Events only say what is known now; after each of them `State::converge` compares what is with what should
//! be and names the next action. A lost event costs time, never money: a periodic resync reads everything again. State that must survive is on
//! chain, in the `ComputeLease` or derivable from both.

mod disputes;
mod effect;
mod event;
mod lease;
mod object;
mod orders;
mod refusals;
mod requests;
mod signed;
mod state;
mod statement;

use market::Timestamp;

pub use effect::{Answer, Basis, Effect, LeaseCall, ReclaimCause, Record, Refusal, Telling, UnsignedNews};
pub use event::{
    BidOutcome, CallOutcome, ChainNews, Event, Head, ManifestUpload, OpenedLease, ReplyId, SignedUpload,
    WriteFailure,
};
pub use lease::{LeaseRecord, Unsigned};
pub use object::ManifestSecret;
pub use refusals::RefusedProposal;
pub use state::{Acknowledgement, LeaseView, Rules, State};
pub use statement::{NoProposal, Proposal};

/// Folds `event` into `state` and returns what is to be done about it.
pub fn step(state: &mut State, event: Event, now: Timestamp) -> Vec<Effect> {
    match event {
        Event::Chain(news) => state.chain_news(news, now),
        Event::Head(head) => state.head_seen(head),
        Event::CaughtUp => state.caught_up(now),
        Event::LogsRead { upto } => state.logs_read(upto),
        // What an earlier process bid at last is not counted yet.
        Event::OrderAssessed { order, inherited_by, .. } if !state.has_heard(inherited_by) => {
            state.order_to_assess_again(order, now)
        }
        Event::OrderAssessed { order, facts, cluster, inherited_by: _ } => {
            state.order_assessed(order, &facts, &cluster, now)
        }
        Event::OrderUnassessable { order } => {
            state.order_to_assess_again(order, now.saturating_add(orders::REASSESS_AFTER))
        }
        Event::OrderMissing { order } => state.order_missing(order, now),
        Event::OrderUnfetched { order } => state.order_unfetched(order),
        Event::BidFinished { lease, outcome } => state.bid_finished(lease, outcome, now),
        Event::LeasesRead(leases) => state.leases_read(leases, now),
        Event::Resync { opened, leases, compute_leases } => state.resync(opened, leases, compute_leases, now),
        Event::ComputeLeaseObserved(object) => state.compute_lease_observed(object, now),
        Event::ComputeLeaseDeleted { name } => state.compute_lease_deleted(&name, now),
        Event::ManifestUploaded(upload) => state.manifest_uploaded(upload, now),
        Event::StatementRequested { lease, reply } => state.statement_requested(lease, reply),
        Event::StatementSigned(upload) => state.statement_signed(upload, now),
        Event::StatementRefused { lease, refused, reply } => {
            state.statement_refused(lease, refused, reply, now)
        }
        Event::WriteFinished { lease, outcome } => state.write_finished(lease, outcome, now),
        Event::RequestDone { reply, answer } => vec![Effect::Answer { reply, answer }],
        Event::CallFinished { call, leases, outcome } => state.call_finished(call, &leases, outcome, now),
        Event::Tick => state.tick(now),
    }
}

#[cfg(test)]
mod tests;
