//! `permissions`: who runs this may create, change and remove what the chart holds.

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, pass},
    rights,
};

/// Of what is lacking, so much is shown.
const SHOWN: usize = 5;

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let lacking = facts.lacking.as_ref()?;
    let namespace = &facts.namespace;
    if lacking.is_empty() {
        let asked = rights::of_the_chart(values).len();
        return pass(format!("you hold the {asked} rights that installing the chart in {namespace} takes"));
    }
    let mut shown: Vec<_> = lacking.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more @ 1..) = lacking.len().checked_sub(SHOWN) {
        shown.push(format!("{more} more"));
    }
    fail(
        format!("you may not {} in {namespace}", shown.join(", ")),
        "install as a cluster administrator, or have one bind these rights to you",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rights::{Right, Scope},
        test_support::{facts, failed, passed},
    };

    #[test]
    fn the_first_rights_that_are_lacking_are_named() {
        let check = |lacking| check(&ClusterFacts { lacking: Ok(lacking), ..facts() }, &Values::default());
        assert_eq!(
            passed(check(Vec::new())),
            format!(
                "you hold the {} rights that installing the chart in leasehold-system takes",
                rights::of_the_chart(&Values::default()).len()
            )
        );
        let right = |resource| Right { verb: "create", group: "apps", resource, scope: Scope::Namespaced };
        let (message, fix) = failed(check(["a", "b", "c", "d", "e", "f", "g"].map(right).into()));
        assert_eq!(
            message,
            "you may not create a.apps, create b.apps, create c.apps, create d.apps, create e.apps, 2 more in leasehold-system"
        );
        assert_eq!(fix, "install as a cluster administrator, or have one bind these rights to you");
    }
}
