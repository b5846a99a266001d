//! Proposals that tenants do not sign, in their own words: counted, logged now and then, the newest kept. Nobody has to believe them, and no
//! proposal is lowered for one: what is refused stays unsigned, and what follows from that is the gate's matter.

use gateway_api::RefusalReason;
use market::{Amount, B256, LeaseId, Timestamp};

use super::effect::{Answer, Effect, Record, Telling};
use super::event::ReplyId;
use super::state::State;

/// Seconds between two lines of the log about one lease's refusals: a tenant may send many.
const QUIET: u64 = 60;

/// A proposal that a tenant did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedProposal {
    pub reason: RefusalReason,
    pub proposed: Amount,
    pub as_of: Timestamp,
    pub usage_hash: B256,
    /// What the tenant says it would have signed.
    pub largest_accepted: Amount,
}

/// The newest refusal of a lease, and when one was logged last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptRefusal {
    pub(super) refused: RefusedProposal,
    logged_at: Timestamp,
}

impl State {
    pub(super) fn statement_refused(
        &mut self,
        id: LeaseId,
        refused: RefusedProposal,
        reply: ReplyId,
        now: Timestamp,
    ) -> Vec<Effect> {
        let record = match self.live_lease(id) {
            Ok((record, _)) => record,
            Err(refusal) => return vec![Effect::Answer { reply, answer: Err(refusal) }],
        };
        let logged_at = record.refusal.map(|kept| kept.logged_at);
        let is_quiet = logged_at.is_some_and(|at| now.seconds_since(at) < QUIET);
        let telling = if is_quiet { Telling::Counted } else { Telling::Logged };
        let logged_at = logged_at.filter(|_| is_quiet).unwrap_or(now);
        record.refusal = Some(KeptRefusal { refused, logged_at });
        vec![
            Effect::Record(Record::StatementRefused { lease: id, refused, telling }),
            Effect::Answer { reply, answer: Ok(Answer::RefusalHeard) },
        ]
    }
}
