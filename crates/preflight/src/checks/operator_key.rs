//! `operator_key`: the Secret with the hot key is there. What it holds is not looked at.

use crate::{
    ClusterFacts, Values,
    outcome::{Judgement, fail, not_applicable, pass},
};

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let (namespace, name) = (&facts.namespace, &values.agent.operator_key.secret_name);
    if name.is_empty() {
        return not_applicable("agent.operatorKey.secretName is not given");
    }
    if *facts.has_operator_key.as_ref()? {
        return pass(format!("the Secret {namespace}/{name} is there; its content was not read"));
    }
    let key = &values.agent.operator_key.secret_key;
    fail(
        format!("there is no Secret {namespace}/{name} with the hot key"),
        format!(
            "leasehold wallet new operator.key && kubectl -n {namespace} create secret generic {name} --from-file={key}=operator.key"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{facts, failed, passed, skipped, values};

    #[test]
    fn the_secret_must_be_there_once_it_is_named() {
        let named = values("{agent: {operatorKey: {secretName: hot}}}");
        let check = |has| check(&ClusterFacts { has_operator_key: Ok(has), ..facts() }, &named);
        assert_eq!(passed(check(true)), "the Secret leasehold-system/hot is there; its content was not read");
        assert_eq!(
            failed(check(false)),
            (
                "there is no Secret leasehold-system/hot with the hot key".to_owned(),
                "leasehold wallet new operator.key && kubectl -n leasehold-system create secret generic hot --from-file=operator-key=operator.key".to_owned()
            )
        );
        assert_eq!(
            skipped(super::check(&facts(), &Values::default())),
            "agent.operatorKey.secretName is not given"
        );
    }
}
