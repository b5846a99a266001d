//! Which changes of a status wait a moment, because the next is there within it.
//!
//! While pods come and go their names, their nodes and their count change several times a second. Each as a write of its own
//! would be most of what a lease costs the API server, and nobody reads what is over before it is read.

use std::time::Duration;

use crd::{ComputeLeaseStatus, Phase, condition, reason};
use jiff::{SignedDuration, Timestamp};

/// How long such a change may wait. After that it is no passing one.
const LONGEST: SignedDuration = SignedDuration::from_secs(2);

/// How much longer a change may wait that was seen first at `since`; none if it is to be written now.
pub fn rest(since: Timestamp, now: Timestamp) -> Option<Duration> {
    let left = LONGEST - now.duration_since(since);
    Duration::try_from(left).ok().filter(|left| !left.is_zero())
}

/// Whether two statuses of a lease that is applied differ in nothing that somebody acts upon: only in which pods there are, in
/// how many of them are ready, or, while a revision replaces them one for one, in some being away.
pub fn is_passing(current: &ComputeLeaseStatus, wanted: &ComputeLeaseStatus) -> bool {
    let mut rest = wanted.clone();
    if rest.services.len() != current.services.len() {
        return false;
    }
    for (service, before) in rest.services.iter_mut().zip(&current.services) {
        service.pods.clone_from(&before.pods);
        service.ready_replicas = before.ready_replicas;
    }
    let (Some(now), Some(before)) = (
        rest.conditions.iter_mut().find(|now| now.type_ == condition::READY),
        condition::find(&current.conditions, condition::READY),
    ) else {
        return false;
    };
    let is_replaced = current.phase == Phase::Ready
        && wanted.phase == Phase::Degraded
        && current.rollout.is_some()
        && now.reason == reason::PODS_NOT_READY;
    if is_replaced {
        rest.phase = current.phase;
        now.clone_from(before);
    }
    now.message.clone_from(&before.message);
    rest.message.clone_from(&current.message);
    rest == *current
}

#[cfg(test)]
mod tests {
    use crd::{Cause, PodStatus, Rollout, ServiceStatus, Trouble, condition::ConditionStatus};

    use super::*;

    fn status(
        phase: Phase,
        reason: &str,
        message: &str,
        ready_replicas: i32,
        pod: &str,
    ) -> ComputeLeaseStatus {
        let mut conditions = Vec::new();
        let state = if phase == Phase::Ready { ConditionStatus::True } else { ConditionStatus::False };
        let now = Timestamp::UNIX_EPOCH;
        condition::set_condition(&mut conditions, condition::READY, state, reason, message, Some(1), now);
        ComputeLeaseStatus {
            phase,
            conditions,
            message: Some(message.to_owned()),
            services: vec![ServiceStatus {
                name: "web".to_owned(),
                replicas: 2,
                ready_replicas,
                trouble: None,
                ports: Vec::new(),
                pods: vec![PodStatus {
                    name: pod.to_owned(),
                    uid: "uid".to_owned(),
                    node: None,
                    runtime_class: None,
                }],
            }],
            ..ComputeLeaseStatus::default()
        }
    }

    #[test]
    fn pods_that_come_wait_and_what_somebody_acts_upon_does_not() {
        let waiting = status(Phase::Provisioning, reason::AWAITING_PODS, "0 of 2", 0, "a");
        let more = status(Phase::Provisioning, reason::AWAITING_PODS, "1 of 2", 1, "b");
        let ready = status(Phase::Ready, reason::ALL_READY, "", 2, "b");
        let mut in_trouble = more.clone();
        in_trouble.services[0].trouble = Some(Trouble::new(Cause::Unschedulable, "no room".to_owned()));
        let mut newer = more.clone();
        newer.observed_generation = Some(2);
        let mut larger = more.clone();
        larger.services.push(more.services[0].clone());
        let passing =
            [&more, &ready, &in_trouble, &newer, &larger].map(|wanted| is_passing(&waiting, wanted));
        assert_eq!(passing, [true, false, false, false, false]);
    }

    #[test]
    fn a_pod_that_is_away_waits_only_while_a_revision_replaces_it() {
        let ready = status(Phase::Ready, reason::ALL_READY, "", 2, "a");
        let degraded = status(Phase::Degraded, reason::PODS_NOT_READY, "1 of 2", 1, "a");
        let rollout = Some(Rollout { revision: 2, started_at: 1, deadline_at: 2 });
        let during = |status: &ComputeLeaseStatus| ComputeLeaseStatus { rollout, ..status.clone() };
        let passing = [
            is_passing(&during(&ready), &during(&degraded)),
            is_passing(&ready, &degraded),
            is_passing(&during(&degraded), &during(&ready)),
        ];
        assert_eq!(passing, [true, false, false]);
    }

    #[test]
    fn nothing_waits_longer_than_two_seconds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let rests = [0, 1, 2, 9].map(|second| rest(at(0), at(second)));
        assert_eq!(rests, [Some(Duration::from_secs(2)), Some(Duration::from_secs(1)), None, None]);
    }
}
