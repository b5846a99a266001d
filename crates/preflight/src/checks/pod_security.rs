//! `pod_security`: the release's namespace is there and takes *restricted* pods only.

use kube::ResourceExt;

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, pass},
};

const LABEL: &str = "pod-security.kubernetes.io/enforce";

pub(super) fn check(facts: &ClusterFacts, _values: &Values) -> Judgement {
    let name = &facts.namespace;
    let label = format!("kubectl label --overwrite namespace {name} {LABEL}=restricted");
    let Some(namespace) = facts.system_namespace.as_ref()? else {
        return fail(
            format!("there is no namespace {name}"),
            format!("kubectl create namespace {name} && {label}"),
        );
    };
    match namespace.labels().get(LABEL).map(String::as_str) {
        Some("restricted") => pass(format!("the namespace {name} enforces Pod Security restricted")),
        Some(other) => fail(format!("the namespace {name} enforces Pod Security {other} only"), label),
        None => fail(format!("the namespace {name} enforces no Pod Security"), label),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::{facts, failed, object, passed};

    #[test]
    fn the_namespace_must_be_there_and_restricted() {
        let check = |namespace: Option<serde_json::Value>| {
            let facts = ClusterFacts { system_namespace: Ok(namespace.map(object)), ..facts() };
            check(&facts, &Values::default())
        };
        let labelled = |level: &str| Some(json!({"metadata": {"labels": {LABEL: level}}}));
        assert_eq!(
            passed(check(labelled("restricted"))),
            "the namespace leasehold-system enforces Pod Security restricted"
        );
        let label = "kubectl label --overwrite namespace leasehold-system pod-security.kubernetes.io/enforce=restricted";
        assert_eq!(
            failed(check(labelled("baseline"))),
            (
                "the namespace leasehold-system enforces Pod Security baseline only".to_owned(),
                label.to_owned()
            )
        );
        assert_eq!(
            failed(check(Some(json!({})))),
            ("the namespace leasehold-system enforces no Pod Security".to_owned(), label.to_owned())
        );
        assert_eq!(failed(check(None)).1, format!("kubectl create namespace leasehold-system && {label}"));
    }
}
