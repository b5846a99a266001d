//! The next write to the cluster for a lease, if any.

use market::{Lease, LeaseId, LeaseState, Timestamp};

use super::{LeaseRecord, WaitingWrite};
use crate::agent::effect::{Effect, Refusal};
use crate::agent::object;
use crate::agent::state::State;

/// How long the chain must deny a lease whose log was seen before its object goes: longer than a reorganisation or a node that lags.
const UNKNOWN_GRACE: u64 = 600;

/// What the chain asks of the cluster.
enum Wanted {
    /// An object with this lease's present terms.
    Object,
    /// No object.
    Nothing,
    /// Wait; neither create nor delete.
    AsItIs,
}

impl State {
    /// Takes the lease's write slot for the next write, if there is one. A lease that is over and cleaned up is forgotten here.
    pub(super) fn next_write(&mut self, id: LeaseId, now: Timestamp) -> Vec<Effect> {
        let chain_time = self.chain_time();
        let Some(record) = self.leases.get_mut(&id) else { return Vec::new() };
        let Some(lease) = record.lease else { return Vec::new() };
        let being_deleted =
            record.compute.as_ref().is_some_and(|object| object.metadata.deletion_timestamp.is_some());
        let wanted = wanted(record, &lease, chain_time, now);
        let mut effects = match wanted {
            Wanted::Nothing => refuse_waiting(record),
            Wanted::Object | Wanted::AsItIs => Vec::new(),
        };
        if being_deleted || !record.write.is_free(now) {
            return effects;
        }
        match wanted {
            Wanted::Nothing if record.compute.is_some() => {
                record.write.take();
                effects.push(Effect::DeleteComputeLease { lease: id, name: record.name.clone() });
            }
            Wanted::Nothing => {
                self.leases.remove(&id);
                // A lease that the chain denies may come back with its log; one that is closed may not.
                if lease.state == LeaseState::Closed {
                    self.closed.insert(id);
                }
            }
            Wanted::AsItIs => {}
            Wanted::Object => {
                let requirements =
                    self.orders.get(&record.bid.order_hash).and_then(|order| order.requirements.as_ref());
                let tier = requirements.map(|requirements| requirements.tier);
                if let Some(effect) = object::next(record, &lease, tier, &self.rules, chain_time) {
                    record.write.take();
                    effects.push(effect);
                }
            }
        }
        effects
    }
}

fn wanted(record: &LeaseRecord, lease: &Lease, chain_time: Timestamp, now: Timestamp) -> Wanted {
    match lease.state {
        LeaseState::Closed => Wanted::Nothing,
        LeaseState::None => match record.unknown_since {
            Some(since) if now.seconds_since(since) >= UNKNOWN_GRACE => Wanted::Nothing,
            _ => Wanted::AsItIs,
        },
        // What is over is not created again only to be deleted.
        LeaseState::Open if record.compute.is_none() && chain_time > lease.end_at => Wanted::AsItIs,
        LeaseState::Active if record.compute.is_none() && chain_time >= lease.end_at => Wanted::AsItIs,
        LeaseState::Disputed if record.compute.is_none() => Wanted::AsItIs,
        LeaseState::Open | LeaseState::Active | LeaseState::Disputed => Wanted::Object,
    }
}

fn refuse_waiting(record: &mut LeaseRecord) -> Vec<Effect> {
    record
        .waiting
        .drain(..)
        .map(|waiting| {
            let (WaitingWrite::Manifest { reply, .. } | WaitingWrite::Statement { reply, .. }) = waiting;
            Effect::Answer { reply, answer: Err(Refusal::LeaseOver) }
        })
        .collect()
}
