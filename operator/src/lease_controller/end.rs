//! How a lease ends: wait for its last usage, delete the namespace, wait until it is gone.
//!
//! Each step is decided from what is there, so the order holds through any restart. The meter publishes the
//! last usage as soon as it sees the end; one that is gone must not keep a lease, so the wait is bounded.

use std::time::Duration;

use crd::{ComputeLease, ComputeLeaseStatus, condition, reason};
use jiff::Timestamp;

use super::{
    Context,
    cleanup::{self, Teardown},
    stuck::{self, Stuck},
};

/// Where the end of a lease stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The meter has not published the last usage; nothing was deleted yet.
    AwaitingUsage {
        /// How much longer it may take.
        rest: Duration,
    },
    /// It did not in time: what it had published stands. Nothing was deleted yet.
    MeterSilent,
    /// The namespace is being deleted.
    DeletingNamespace,
    /// The namespace is gone, a volume of it is not.
    DeletingVolumes,
    /// It takes too long.
    Stuck(Stuck),
    /// Nothing is left.
    Ended,
}

/// Whether what the usage is counted from may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUsage {
    /// It is published, nothing was ever to be counted, or the meter had its time already.
    Settled,
    /// The meter has this much longer.
    Awaited(Duration),
    /// The meter had its time.
    Overdue,
}

/// Takes the next step.
pub async fn end(lease: &ComputeLease, ctx: &Context) -> Result<Ending, cleanup::Error> {
    let status = ctx.memory.status(lease);
    let known = condition::find(&status.conditions, condition::USAGE_COLLECTED);
    if known.is_none_or(|known| known.reason != reason::METER_SILENT) {
        let wait = ctx.settings.final_usage_wait;
        match last_usage(lease, waiting_since(&status), wait, (ctx.clock)()) {
            LastUsage::Settled => {}
            LastUsage::Awaited(rest) => return Ok(Ending::AwaitingUsage { rest }),
            LastUsage::Overdue => return Ok(Ending::MeterSilent),
        }
    }
    let teardown = cleanup::tear_down(lease, ctx).await?;
    if let Some(stuck) = stuck::look(lease, ctx, teardown).await? {
        return Ok(Ending::Stuck(stuck));
    }
    Ok(match teardown {
        Teardown::DeletingNamespace => Ending::DeletingNamespace,
        Teardown::DeletingVolumes => Ending::DeletingVolumes,
        Teardown::Gone => Ending::Ended,
    })
}

/// Whether the meter is still to be waited for; `since` is when the wait began, none if it begins now.
///
/// A lease that never had a term owes nothing, so its end depends on no meter.
pub fn last_usage(
    lease: &ComputeLease,
    since: Option<Timestamp>,
    wait: Duration,
    now: Timestamp,
) -> LastUsage {
    let conditions = lease.conditions();
    let is_given_up = condition::find(conditions, condition::USAGE_COLLECTED)
        .is_some_and(|known| known.reason == reason::METER_SILENT);
    if lease.spec.term.is_none() || is_given_up || condition::is_true(conditions, condition::USAGE_FINAL) {
        return LastUsage::Settled;
    }
    let waited = now.duration_since(since.unwrap_or(now)).unsigned_abs();
    match wait.checked_sub(waited) {
        Some(rest) if !rest.is_zero() => LastUsage::Awaited(rest),
        _ => LastUsage::Overdue,
    }
}

/// The wait is written down as a condition, so that a restart does not begin it anew.
fn waiting_since(status: &ComputeLeaseStatus) -> Option<Timestamp> {
    let waiting = condition::find(&status.conditions, condition::USAGE_COLLECTED)?;
    (waiting.status == condition::ConditionStatus::False.as_str()).then_some(waiting.last_transition_time.0)
}

#[cfg(test)]
mod tests {
    use crd::Term;

    use super::*;
    use crate::lease_controller::test_support::{lease, manifest_yaml, now};

    #[test]
    fn the_meter_is_awaited_for_its_time_and_only_where_there_was_a_term() {
        let second = |second: i64| Some(Timestamp::from_second(now().as_second() + second).unwrap());
        let wait = Duration::from_secs(120);
        let mut lease = lease(&manifest_yaml());
        assert_eq!(last_usage(&lease, None, wait, now()), LastUsage::Settled);
        lease.spec.term = Some(Term { started_at: 1, ends_at: 2 });
        assert_eq!(last_usage(&lease, None, wait, now()), LastUsage::Awaited(wait));
        assert_eq!(
            last_usage(&lease, second(-100), wait, now()),
            LastUsage::Awaited(Duration::from_secs(20))
        );
        assert_eq!(last_usage(&lease, second(-120), wait, now()), LastUsage::Overdue);
        assert_eq!(last_usage(&lease, None, Duration::ZERO, now()), LastUsage::Overdue);
    }
}
