//! `gateway_api`: the Gateway for public services is there and takes routes of leases.

use std::collections::BTreeMap;

use crate::{
    ClusterFacts, Values,
    facts::{Gateway, Listener, RouteNamespaces},
    outcome::{Judgement, fail, not_applicable, pass},
    selector::may_choose,
};

/// What the operator and its providers work with.
const RESOURCES: [&str; 2] = ["gateways", "httproutes"];
/// What a controller that took the Gateway says of it.
const CONDITIONS: [&str; 2] = ["Accepted", "Programmed"];

pub(super) fn check(facts: &ClusterFacts, values: &Values) -> Judgement {
    let exposure = &values.operator.exposure;
    if exposure.gateway.name.is_empty() {
        return not_applicable("operator.exposure.gateway names none, so leases get no public services");
    }
    let served = facts.gateway_resources.as_ref()?;
    if let Some(missing) = RESOURCES.iter().find(|wanted| !served.iter().any(|found| found == *wanted)) {
        return fail(
            format!("the API server does not serve {missing} of gateway.networking.k8s.io/v1"),
            "install the definitions of the Gateway API 1.0 or later (v1, standard channel) and a controller of it",
        );
    }
    let name = format!("{}/{}", exposure.gateway.namespace, exposure.gateway.name);
    let Some(gateway) = facts.gateway.as_ref()? else {
        return fail(
            format!("there is no Gateway {name}"),
            "make it, or name another in operator.exposure.gateway",
        );
    };
    if let Some(condition) = CONDITIONS.iter().find(|condition| !is_true(gateway, condition)) {
        return fail(
            format!("the Gateway {name} is not {condition}"),
            format!(
                "see what its controller says: kubectl -n {} describe gateway {}",
                exposure.gateway.namespace, exposure.gateway.name
            ),
        );
    }
    let is_http = |listener: &&Listener| matches!(listener.protocol.as_str(), "HTTP" | "HTTPS");
    let open: Vec<_> = gateway
        .spec
        .listeners
        .iter()
        .filter(is_http)
        .filter(|listener| takes_routes_of_leases(&listener.allowed_routes.namespaces))
        .collect();
    if open.is_empty() {
        return fail(
            format!("no HTTP listener of the Gateway {name} takes routes from lease namespaces"),
            format!(
                "set allowedRoutes.namespaces of a listener to {{from: Selector, selector: {{matchLabels: {{{}: \"true\"}}}}}}",
                crd::labels::LEASE_NAMESPACE
            ),
        );
    }
    let domain = &exposure.public_domain;
    let fits = |listener: &&&Listener| takes_hosts_under(listener.hostname.as_deref(), domain);
    match open.iter().find(fits) {
        Some(listener) => pass(format!(
            "the Gateway {name} takes routes of leases for *.{domain} on its listener {}",
            listener.name
        )),
        None => fail(
            format!(
                "no listener of the Gateway {name} that takes routes of leases takes the hosts *.{domain}"
            ),
            format!("give one the hostname \"*.{domain}\", or none"),
        ),
    }
}

fn is_true(gateway: &Gateway, wanted: &str) -> bool {
    gateway.status.conditions.iter().any(|found| found.type_ == wanted && found.status == "True")
}

fn takes_routes_of_leases(namespaces: &RouteNamespaces) -> bool {
    let lease = BTreeMap::from([(crd::labels::LEASE_NAMESPACE.to_owned(), "true".to_owned())]);
    match namespaces.from.as_deref() {
        Some("All") => true,
        Some("Selector") => may_choose(namespaces.selector.as_ref(), &lease),
        _ => false,
    }
}

fn takes_hosts_under(hostname: Option<&str>, domain: &str) -> bool {
    match hostname.filter(|hostname| !hostname.is_empty()) {
        None => true,
        Some(hostname) => hostname.strip_prefix("*.").is_some_and(|suffix| {
            domain == suffix || domain.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::test_support::{facts, failed, object, passed, skipped, values};

    const EXPOSED: &str = "{operator: {exposure: {gateway: {namespace: ingress, name: public}, publicDomain: apps.example.net}}}";

    fn gateway(listener: Value, programmed: &str) -> Value {
        json!({
            "spec": {"listeners": [listener]},
            "status": {"conditions": [
                {"type": "Accepted", "status": "True", "reason": "", "message": "", "lastTransitionTime": "2026-11-24T00:00:00Z"},
                {"type": "Programmed", "status": programmed, "reason": "", "message": "", "lastTransitionTime": "2026-11-24T00:00:00Z"}
            ]}
        })
    }

    fn listener() -> Value {
        json!({
            "name": "web", "protocol": "HTTP", "port": 80, "hostname": "*.apps.example.net",
            "allowedRoutes": {"namespaces": {
                "from": "Selector", "selector": {"matchLabels": {"leasehold.dev/lease-namespace": "true"}}
            }}
        })
    }

    fn checked(gateway: Option<Value>) -> Judgement {
        check(&ClusterFacts { gateway: Ok(gateway.map(object)), ..facts() }, &values(EXPOSED))
    }

    #[test]
    fn a_gateway_that_takes_routes_of_leases_passes() {
        assert_eq!(
            passed(checked(Some(gateway(listener(), "True")))),
            "the Gateway ingress/public takes routes of leases for *.apps.example.net on its listener web"
        );
        assert_eq!(
            skipped(check(&facts(), &Values::default())),
            "operator.exposure.gateway names none, so leases get no public services"
        );
    }

    #[test]
    fn each_step_from_the_definitions_to_the_hosts_can_be_missing() {
        let bare = ClusterFacts { gateway_resources: Ok(Vec::new()), ..facts() };
        assert_eq!(
            failed(check(&bare, &values(EXPOSED))).0,
            "the API server does not serve gateways of gateway.networking.k8s.io/v1"
        );
        assert_eq!(failed(checked(None)).0, "there is no Gateway ingress/public");
        assert_eq!(
            failed(checked(Some(gateway(listener(), "False")))),
            (
                "the Gateway ingress/public is not Programmed".to_owned(),
                "see what its controller says: kubectl -n ingress describe gateway public".to_owned()
            )
        );
        let mut closed = listener();
        closed["allowedRoutes"] = json!(null);
        closed.as_object_mut().unwrap().remove("allowedRoutes");
        let (message, fix) = failed(checked(Some(gateway(closed, "True"))));
        assert_eq!(
            message,
            "no HTTP listener of the Gateway ingress/public takes routes from lease namespaces"
        );
        assert_eq!(
            fix,
            "set allowedRoutes.namespaces of a listener to {from: Selector, selector: {matchLabels: {leasehold.dev/lease-namespace: \"true\"}}}"
        );
        let mut elsewhere = listener();
        elsewhere["hostname"] = json!("*.other.example.net");
        assert_eq!(
            failed(checked(Some(gateway(elsewhere, "True")))).1,
            "give one the hostname \"*.apps.example.net\", or none"
        );
    }

    #[test]
    fn a_listener_takes_hosts_by_whole_labels() {
        let takes = |hostname| takes_hosts_under(hostname, "apps.example.net");
        assert!(
            takes(None)
                && takes(Some(""))
                && takes(Some("*.apps.example.net"))
                && takes(Some("*.example.net"))
        );
        assert!(
            !takes(Some("apps.example.net"))
                && !takes(Some("*.ple.net"))
                && !takes(Some("*.x.apps.example.net"))
        );
    }
}
