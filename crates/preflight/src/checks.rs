//! The checks, one file each, in the order in which they are shown: what stands above explains failures below.

mod admission;
mod clock;
mod gateway_api;
mod gpu;
mod kubelet_serving;
mod network_plugin;
mod operator_key;
mod permissions;
mod pod_security;
mod sandbox;
mod server_version;
mod storage_class;
mod tenant_nodes;
mod user_namespaces;

use crate::{ClusterFacts, Outcome, Values, outcome::Judgement};

type Check = fn(&ClusterFacts, &Values) -> Judgement;

/// Names are an interface: scripts ask for them.
const CLUSTER: [(&str, Check); 14] = [
    ("server_version", server_version::check),
    ("permissions", permissions::check),
    ("tenant_nodes", tenant_nodes::check),
    ("user_namespaces", user_namespaces::check),
    ("sandbox", sandbox::check),
    ("storage_class", storage_class::check),
    ("gateway_api", gateway_api::check),
    ("network_plugin", network_plugin::check),
    ("clock", clock::check),
    ("kubelet_serving", kubelet_serving::check),
    ("gpu", gpu::check),
    ("pod_security", pod_security::check),
    ("admission", admission::check),
    ("operator_key", operator_key::check),
];

/// What the cluster can carry, check by check.
pub fn cluster(facts: &ClusterFacts, values: &Values) -> Vec<Outcome> {
    CLUSTER.iter().map(|(name, check)| Outcome::new(name, check(facts, values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facts::Unread,
        test_support::{facts, forbidden, values},
    };

    #[test]
    fn a_cluster_that_has_everything_fails_nowhere() {
        let outcomes = cluster(&facts(), &values("{operator: {tiers: [strict, userns, sandboxed]}}"));
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.verdict.is_fail()).collect::<Vec<_>>(),
            [&outcomes[0]; 0]
        );
    }

    #[test]
    fn what_cannot_be_read_fails_the_checks_that_need_it_and_says_how_to_read_it() {
        let facts = ClusterFacts { nodes: Err(forbidden("the nodes")), ..facts() };
        let outcomes = cluster(&facts, &values("{operator: {tiers: [userns]}}"));
        let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.verdict.is_fail()).collect();
        let expected = ["tenant_nodes", "user_namespaces", "clock", "gpu"].map(|check| Outcome {
            check,
            verdict: crate::Verdict::Fail {
                message: "the nodes cannot be read: you may not".to_owned(),
                fix: "run this as a user who may read it; whoever installs the chart may".to_owned(),
            },
        });
        assert_eq!(failed, expected.iter().collect::<Vec<_>>());
        let unreachable = Unread { is_forbidden: false, ..forbidden("the nodes") };
        assert_eq!(unreachable.fix(), "see that the API server can be reached from here and run this again");
    }
}
