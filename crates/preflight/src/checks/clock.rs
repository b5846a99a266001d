//! `clock`: the API server, this machine and the nodes agree about the time.
//!
//! Requests to the gateway live for 50 seconds and an agent stops bidding when the chain's head is two minutes old, so
//! [`TOLERANCE_SECONDS`] leaves most of both. Dates of HTTP have whole seconds, which it covers as well.

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

use crate::{
    ClusterFacts, Values,
    facts::Clocks,
    outcome::{Judgement, fail, pass},
    tenant_nodes::{count, fitting},
};

/// How far two clocks may be apart.
const TOLERANCE_SECONDS: i64 = 10;
/// A kubelet renews its Lease every 10 seconds; one renewal may fail.
const HEARTBEAT_SECONDS: i64 = 20;

const FIX: &str = "let NTP (chrony or systemd-timesyncd) set the clock";

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let clocks = facts.clocks.as_ref()?;
    let apart = apart(clocks);
    if apart > TOLERANCE_SECONDS {
        return fail(
            format!("the clocks of the API server and of this machine are {apart} s apart"),
            format!("{FIX} of this machine and of the API server's"),
        );
    }
    let nodes = fitting(facts.nodes.as_ref()?, &values.operator.tenant_nodes);
    let heartbeats = facts.heartbeats.as_ref()?;
    let mut seen = 0;
    for node in nodes {
        let name = node.name_any();
        let Some(renewed) = heartbeats.iter().find(|lease| lease.name_any() == name).and_then(renewed_at)
        else {
            continue;
        };
        seen += 1;
        let (ahead, behind) = (renewed - clocks.there, clocks.there - renewed - HEARTBEAT_SECONDS);
        let off = ahead.max(behind);
        if off > TOLERANCE_SECONDS {
            let side = if ahead > behind { "ahead of" } else { "behind" };
            return fail(
                format!(
                    "the clock of node {name} is at least {off} s {side} the API server's, or its kubelet is late"
                ),
                format!("{FIX} of {name}"),
            );
        }
    }
    let checked = count(seen);
    pass(format!("the API server, this machine and {checked} agree to {TOLERANCE_SECONDS} s"))
}

/// The least that the clocks can be apart.
fn apart(clocks: &Clocks) -> i64 {
    (clocks.asked - clocks.there).max(clocks.there - clocks.answered).max(0)
}

fn renewed_at(lease: &Lease) -> Option<i64> {
    Some(lease.spec.as_ref()?.renew_time.as_ref()?.0.as_second())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::test_support::{NOW, facts, failed, object, passed};

    fn checked(there: i64, heartbeat: i64) -> Judgement {
        let at = Timestamp::from_second(heartbeat).unwrap();
        let lease =
            object(json!({"metadata": {"name": "node-a"}, "spec": {"renewTime": format!("{at:.6}")}}));
        let clocks = Clocks { there, asked: NOW, answered: NOW + 2 };
        let facts = ClusterFacts { clocks: Ok(clocks), heartbeats: Ok(vec![lease]), ..facts() };
        check(&facts, &Values::default())
    }

    #[test]
    fn clocks_within_the_tolerance_pass() {
        for (there, heartbeat) in
            [(NOW - 10, NOW - 10), (NOW + 12, NOW + 12), (NOW, NOW + 10), (NOW, NOW - 30)]
        {
            assert_eq!(
                passed(checked(there, heartbeat)),
                "the API server, this machine and 1 node agree to 10 s"
            );
        }
    }

    #[test]
    fn the_clock_that_is_off_is_named() {
        for there in [NOW - 11, NOW + 13] {
            assert_eq!(
                failed(checked(there, there)),
                (
                    "the clocks of the API server and of this machine are 11 s apart".to_owned(),
                    "let NTP (chrony or systemd-timesyncd) set the clock of this machine and of the API server's".to_owned()
                )
            );
        }
        let (ahead, behind) = (failed(checked(NOW, NOW + 11)), failed(checked(NOW, NOW - 31)));
        assert_eq!(
            ahead.0,
            "the clock of node node-a is at least 11 s ahead of the API server's, or its kubelet is late"
        );
        assert_eq!(
            behind.0,
            "the clock of node node-a is at least 11 s behind the API server's, or its kubelet is late"
        );
        assert_eq!(ahead.1, "let NTP (chrony or systemd-timesyncd) set the clock of node-a");
    }
}
