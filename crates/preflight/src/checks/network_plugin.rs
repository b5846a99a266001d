//! `network_plugin`: what the operator's network canary found last.
//!
//! Whether network policies are enforced can only be tried by pods, and nothing is written here. The canary tries it when the
//! operator runs and tells it in Events of the Lease that elects it.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable, pass},
};

pub(super) fn check(facts: &ClusterFacts, _values: &Values) -> Judgement {
    let said = |event: &&Event| {
        let about = event.regarding.as_ref();
        about.is_some_and(|about| about.name.as_deref() == Some(crd::labels::OPERATOR_ELECTION))
            && event.action.as_deref() == Some(crd::reason::PROVE_NETWORK)
    };
    let newest = facts.events.as_ref()?.iter().filter(said).max_by_key(|event| told_at(event));
    let Some(event) = newest else {
        return not_applicable(
            "only pods can try whether the plug-in enforces NetworkPolicy; the operator's canary does it after the installation, and \
             Events of an hour hold no result of it: see the metric operator_network_policy_enforced",
        );
    };
    let note = event.note.as_deref().unwrap_or_default();
    match event.reason.as_deref() {
        Some(crd::reason::NETWORK_ENFORCED) => pass(format!("the operator's canary says: {note}")),
        Some(crd::reason::NETWORK_NOT_ENFORCED) => fail(
            format!("the operator's canary says: {note}"),
            "put a network plug-in in the cluster that enforces NetworkPolicy in both directions, such as Calico or Cilium",
        ),
        _ => fail(
            format!("the operator's canary says: {note}"),
            "see what keeps its two pods from running: docs/operators.md, The network canary",
        ),
    }
}

/// Repeats count in the series.
fn told_at(event: &Event) -> Option<Timestamp> {
    let repeated = event.series.as_ref().map(|series| series.last_observed_time.0);
    repeated.max(event.event_time.as_ref().map(|time| time.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{facts, failed, object, passed, skipped};

    fn event(about: &str, reason: &str, at: &str) -> Event {
        object(json!({
            "metadata": {"name": format!("{about}.{reason}")},
            "eventTime": at,
            "regarding": {"kind": "Lease", "name": about},
            "action": "ProveNetwork",
            "reason": reason,
            "note": format!("{reason} it is"),
        }))
    }

    fn checked(events: Vec<Event>) -> Judgement {
        check(&ClusterFacts { events: Ok(events), ..facts() }, &Values::default())
    }

    #[test]
    fn the_newest_word_of_the_operator_counts() {
        let early = |reason| event("leasehold-operator", reason, "2026-11-24T00:00:00.000000Z");
        let late = |reason| event("leasehold-operator", reason, "2026-11-24T00:10:00.000000Z");
        assert_eq!(
            passed(checked(vec![late("NetworkEnforced"), early("NetworkNotEnforced")])),
            "the operator's canary says: NetworkEnforced it is"
        );
        let (message, fix) = failed(checked(vec![early("NetworkEnforced"), late("NetworkNotEnforced")]));
        assert_eq!(message, "the operator's canary says: NetworkNotEnforced it is");
        assert!(fix.starts_with("put a network plug-in"), "{fix}");
        let (_, fix) = failed(checked(vec![late("NetworkUnproved")]));
        assert!(fix.starts_with("see what keeps its two pods"), "{fix}");
    }

    #[test]
    fn before_the_operator_runs_nobody_can_tell() {
        let others = event("something-else", "NetworkEnforced", "2026-11-24T00:00:00.000000Z");
        assert!(skipped(checked(vec![others])).starts_with("only pods can try"));
    }
}
