//! `gpu`: no GPU is sold that no lease can have.

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable},
    tenant_nodes::fitting,
};

/// The extended resource that the agent counts.
const RESOURCE: &str = "nvidia.com/gpu";

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let nodes = fitting(facts.nodes.as_ref()?, &values.operator.tenant_nodes);
    let gpus: u64 = nodes
        .iter()
        .filter_map(|node| node.status.as_ref()?.allocatable.as_ref()?.get(RESOURCE)?.0.parse::<u64>().ok())
        .fold(0, u64::saturating_add);
    if values.agent.config.pricing.sells_gpus() {
        return fail(
            format!(
                "GPUs have a price ({gpus} are allocatable on nodes for tenants), but this version's operator refuses leases with GPUs"
            ),
            "leave agent.config.pricing.gpu_hour and gpu_model_hour out",
        );
    }
    not_applicable(format!(
        "GPUs have no price, so none is sold; nodes for tenants have {gpus} allocatable {RESOURCE}"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{facts, failed, node, skipped, values};

    #[test]
    fn a_price_for_what_the_operator_refuses_fails() {
        let nodes =
            ["a", "b"].map(|name| node(name, json!({"status": {"allocatable": {"nvidia.com/gpu": "2"}}})));
        let facts = ClusterFacts { nodes: Ok(nodes.into()), ..facts() };
        for price in ["gpu_hour: \"1\"", "gpu_model_hour: {nvidia-l4: \"1\"}"] {
            let yaml = format!("{{agent: {{config: {{pricing: {{{price}}}}}}}}}");
            assert_eq!(
                failed(check(&facts, &values(&yaml))),
                (
                    "GPUs have a price (4 are allocatable on nodes for tenants), but this version's operator refuses leases with GPUs".to_owned(),
                    "leave agent.config.pricing.gpu_hour and gpu_model_hour out".to_owned()
                )
            );
        }
        assert_eq!(
            skipped(check(&facts, &Values::default())),
            "GPUs have no price, so none is sold; nodes for tenants have 4 allocatable nvidia.com/gpu"
        );
    }
}
