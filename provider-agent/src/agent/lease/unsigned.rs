//! What is delivered and not signed: looked at together on every tick, by what the chain and the objects say then. The rules are the gate's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crd::{ComputeLeaseSpec, DesiredState, Suspension};
use market::{Address, Amount, LeaseId, Timestamp};

use super::LeaseRecord;
use crate::agent::effect::{Effect, ReclaimCause, UnsignedNews};
use crate::agent::object;
use crate::agent::state::State;
use crate::agent::statement;
use crate::gate::{Debt, History, Hold, Standing};

/// The unsigned value of all running leases, as it was at the last tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsigned {
    /// Of leases that nothing is held against.
    pub in_time: Amount,
    /// Of leases that are about to be suspended.
    pub announced: Amount,
    pub suspended: Amount,
    pub leases_suspended: usize,
    of_tenants: BTreeMap<Address, Amount>,
    /// Tenants with a lease that is over a bound.
    behind: BTreeSet<Address>,
}

impl Unsigned {
    /// What a tenant has unsigned in all.
    pub(in crate::agent) fn of(&self, tenant: Address) -> Amount {
        self.of_tenants.get(&tenant).copied().unwrap_or_default()
    }

    /// What a tenant has unsigned if that is too much, or for too long, to take more from it.
    pub(in crate::agent) fn held_against(&self, tenant: Address) -> Option<Amount> {
        self.behind.contains(&tenant).then(|| self.of(tenant))
    }
}

/// What a tenant owes its signature for, and what of it is signed.
pub(in crate::agent) struct Account {
    pub(in crate::agent) due: Amount,
    pub(in crate::agent) acknowledged: Amount,
    pub(in crate::agent) debt: Debt,
}

/// The account of a lease that runs. What cannot be proposed is not unsigned.
pub(in crate::agent) fn account(record: &LeaseRecord, chain_time: Timestamp) -> Option<Account> {
    let lease = record.lease.filter(|lease| lease.is_running(chain_time))?;
    let signed = record.signed_statement().map(|signed| signed.statement);
    let acknowledged = signed.map_or(lease.paid, |signed| signed.amount_cum.max(lease.paid));
    let due = statement::due_now(record, &lease, chain_time).unwrap_or(acknowledged).max(acknowledged);
    let was_settled = lease.started_at.is_some_and(|started_at| started_at < lease.last_as_of);
    let is_signed = signed.is_some() || was_settled;
    let debt = Debt {
        unsigned: due.saturating_sub(acknowledged),
        since: signed.map_or(lease.last_as_of, |signed| signed.as_of.max(lease.last_as_of)),
        history: if is_signed { History::Signed } else { History::NeverSigned },
        hold: record.compute.as_ref().map_or(Hold::Free, |object| hold(&object.spec)),
    };
    Some(Account { due, acknowledged, debt })
}

/// A suspension is ours by its own field alone; who takes that away keeps the pause.
fn hold(spec: &ComputeLeaseSpec) -> Hold {
    let moment = |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or_default());
    match (spec.desired, spec.suspension) {
        (DesiredState::Paused, Some(Suspension { since: Some(since), .. })) => {
            Hold::Suspended { since: moment(since) }
        }
        (DesiredState::Paused, _) => Hold::Foreign,
        (DesiredState::Running | DesiredState::Ended, Some(Suspension { since: Some(_), .. })) => {
            Hold::Lifted
        }
        (DesiredState::Running | DesiredState::Ended, Some(Suspension { announced_at, since: None, .. })) => {
            Hold::Announced { at: moment(announced_at) }
        }
        (DesiredState::Running | DesiredState::Ended, None) => Hold::Free,
    }
}

/// What the object should say.
fn wanted(
    spec: &ComputeLeaseSpec,
    hold: Hold,
    standing: Standing,
    chain_time: Timestamp,
) -> (DesiredState, Option<Suspension>) {
    let now = i64::try_from(chain_time.0).unwrap_or(i64::MAX);
    let announced_at = spec.suspension.map_or(now, |suspension| suspension.announced_at);
    let is_ours = matches!(hold, Hold::Suspended { .. });
    let resumed = if is_ours { DesiredState::Running } else { spec.desired };
    match standing {
        Standing::Fine => (resumed, None),
        Standing::Announced(reason) => (resumed, Some(Suspension { reason, announced_at, since: None })),
        Standing::Suspended(_) if is_ours => (spec.desired, spec.suspension),
        Standing::Suspended(reason) => {
            (DesiredState::Paused, Some(Suspension { reason, announced_at, since: Some(now) }))
        }
        Standing::Reclaimed | Standing::LeftAlone => (spec.desired, spec.suspension),
    }
}

impl State {
    /// Announces, suspends, resumes and gives up running leases by what is unsigned.
    pub(in crate::agent) fn hold_what_is_unsigned(&mut self, now: Timestamp) -> Vec<Effect> {
        if !self.follows_the_chain(now) {
            return Vec::new();
        }
        let chain_time = self.chain_time();
        let debts: Vec<(LeaseId, Address, Debt)> = self
            .leases
            .values()
            .filter_map(|record| Some((record.id, record.bid.tenant, account(record, chain_time)?.debt)))
            .collect();
        self.unsigned = self.sum(&debts, chain_time);
        let mut effects = Vec::new();
        for (id, tenant, debt) in debts {
            let standing = self.rules.gate.standing(&debt, self.unsigned.of(tenant), chain_time);
            effects.extend(self.hold(id, tenant, &debt, standing, now));
            effects.extend(self.give_up(id, standing, now));
        }
        effects
    }

    fn sum(&self, debts: &[(LeaseId, Address, Debt)], chain_time: Timestamp) -> Unsigned {
        let mut sum = Unsigned::default();
        for (_, tenant, debt) in debts {
            let total = sum.of_tenants.entry(*tenant).or_default();
            *total = total.saturating_add(debt.unsigned);
        }
        for (_, tenant, debt) in debts {
            let total = match debt.hold {
                Hold::Free | Hold::Lifted | Hold::Foreign => &mut sum.in_time,
                Hold::Announced { .. } => &mut sum.announced,
                Hold::Suspended { .. } => {
                    sum.leases_suspended += 1;
                    &mut sum.suspended
                }
            };
            *total = total.saturating_add(debt.unsigned);
            if self.rules.gate.is_over(debt, sum.of(*tenant), chain_time) {
                sum.behind.insert(*tenant);
            }
        }
        sum
    }

    /// Takes the lease's write slot if its object should say something else.
    fn hold(
        &mut self,
        id: LeaseId,
        tenant: Address,
        debt: &Debt,
        standing: Standing,
        now: Timestamp,
    ) -> Vec<Effect> {
        let chain_time = self.chain_time();
        let at = self.rules.gate.suspends_at(debt, self.unsigned.of(tenant), chain_time);
        let Some(record) = self.leases.get_mut(&id) else { return Vec::new() };
        let (Some(object), Some(lease)) = (record.compute.clone(), record.lease) else { return Vec::new() };
        let is_busy = !record.write.is_free(now) || !record.waiting.is_empty();
        if is_busy
            || object.metadata.deletion_timestamp.is_some()
            || object.spec.desired == DesiredState::Ended
        {
            return Vec::new();
        }
        let (desired, suspension) = wanted(&object.spec, debt.hold, standing, chain_time);
        let Some(write) = object::hold(record, &lease, &self.rules, chain_time, desired, suspension) else {
            return Vec::new();
        };
        record.write.take();
        let unsigned = debt.unsigned;
        let news = match (debt.hold, standing) {
            (Hold::Free, Standing::Announced(_)) => at.map(|at| UnsignedNews::Announced { unsigned, at }),
            (Hold::Free | Hold::Announced { .. }, Standing::Suspended(_)) => {
                Some(UnsignedNews::Suspended { unsigned })
            }
            (Hold::Suspended { .. }, Standing::Fine | Standing::Announced(_)) => Some(UnsignedNews::Resumed),
            _ => None,
        };
        let object = Box::new(Arc::unwrap_or_clone(object));
        let tell = news.map(|news| Effect::TellOfUnsigned { lease: id, news, object });
        std::iter::once(write).chain(tell).collect()
    }

    /// Brings the end of a lease nearer that was suspended too long, if that is possible: by the contract's rule it never goes back.
    fn give_up(&mut self, id: LeaseId, standing: Standing, now: Timestamp) -> Option<Effect> {
        let chain_time = self.chain_time();
        let record = self.leases.get_mut(&id).filter(|_| standing == Standing::Reclaimed)?;
        let lease = record.lease.filter(|_| record.call.is_free(now))?;
        let ends_at = chain_time.saturating_add(record.bid.notice_period.into());
        if lease.end_at <= ends_at {
            return None;
        }
        record.call.take();
        record.called_on = record.lease;
        Some(Effect::Reclaim { bid: record.bid.clone(), cause: ReclaimCause::Unsigned { paid: lease.paid } })
    }

    /// What running leases have used unsigned, as of the last tick.
    pub fn unsigned(&self) -> &Unsigned {
        &self.unsigned
    }
}
