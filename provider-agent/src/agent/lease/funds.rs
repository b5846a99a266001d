//! Leases whose money runs out before their end: seen ahead, so that a tenant can add to it before anything ends.

use std::sync::Arc;

use market::{Lease, Timestamp, funded_until, funded_until_after};

use super::LeaseRecord;
use super::chain_action::payable;
use crate::agent::effect::Effect;
use crate::agent::state::State;

/// When the money of a running lease runs out, if that is before its end and at most `ahead` seconds away. What the
/// tenant signed counts as paid; what it did not counts at the full rate, as the chain counts it.
fn runs_out(record: &LeaseRecord, chain_time: Timestamp, ahead: u64) -> Option<Timestamp> {
    let lease: &Lease = record.lease.as_ref().filter(|lease| lease.is_running(chain_time))?;
    let until = match payable(record, lease, chain_time) {
        Some(signed) => funded_until_after(lease, &signed.statement),
        None => funded_until(lease),
    }?;
    (until < lease.end_at && until <= chain_time.saturating_add(ahead)).then_some(until)
}

impl State {
    /// Tells of each lease once when its money gets short, and again after it was long enough meanwhile.
    pub(in crate::agent) fn warn_of_empty_leases(&mut self, now: Timestamp) -> Vec<Effect> {
        if !self.follows_the_chain(now) {
            return Vec::new();
        }
        let (chain_time, ahead) = (self.chain_time(), self.rules.warn_before);
        let mut effects = Vec::new();
        for record in self.leases.values_mut() {
            let until = runs_out(record, chain_time, ahead);
            // What is gone is acted on, and a warning of it comes too late.
            if let (None, Some(until)) = (record.runs_out, until.filter(|until| *until > chain_time)) {
                let object = record.compute.clone().map(Arc::unwrap_or_clone).map(Box::new);
                effects.push(Effect::WarnOfFunds { lease: record.id, until, object });
            }
            record.runs_out = until;
        }
        effects
    }

    /// How many leases have money for no longer than the warning's time.
    pub fn leases_running_out(&self) -> usize {
        self.leases.values().filter(|record| record.runs_out.is_some()).count()
    }
}
