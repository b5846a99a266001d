//! Rows that access rights hold: the API server is asked what each identity may do.

use anyhow::{Context, Result};
use e2e::chart::NAMESPACE;
use isolation_probe::observation::Observation;
use serde_json::{Value, json};

use crate::lease::Lease;
use crate::place::{ADDON, AGENT, OPERATOR, Place};

/// What somebody asks to do: verb, API group, resource with subresource, namespace (empty for all).
type Question = (&'static str, &'static str, &'static str, &'static str);

/// What no account of a lease may do, anywhere.
const OF_A_LEASE: [Question; 12] = [
    ("*", "*", "*", ""),
    ("get", "", "secrets", "leasehold-system"),
    ("list", "", "secrets", ""),
    ("list", "", "pods", ""),
    ("create", "", "pods", "default"),
    ("create", "", "pods/exec", ""),
    ("get", "", "nodes/proxy", ""),
    ("list", "", "nodes", ""),
    ("create", "", "serviceaccounts/token", ""),
    ("list", "leasehold.dev", "computeleases", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
    ("impersonate", "", "users", ""),
];

/// What would make the operator a deputy of a tenant.
const OF_THE_OPERATOR: [Question; 11] = [
    ("*", "*", "*", ""),
    ("list", "", "secrets", ""),
    ("get", "", "secrets", "default"),
    ("create", "", "pods/exec", ""),
    ("get", "", "nodes/proxy", ""),
    ("create", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings", ""),
    ("escalate", "rbac.authorization.k8s.io", "clusterroles", ""),
    ("impersonate", "", "users", ""),
    ("create", "admissionregistration.k8s.io", "validatingwebhookconfigurations", ""),
    ("patch", "", "nodes", ""),
];

/// What would let a lease's owner into another lease, or into anything else.
const OF_THE_AGENT: [Question; 6] = [
    ("create", "", "pods/exec", "default"),
    ("create", "", "pods/exec", "kube-system"),
    ("create", "", "pods/attach", ""),
    ("create", "", "pods/ephemeralcontainers", ""),
    ("get", "", "pods/log", "kube-system"),
    ("create", "", "pods", ""),
];

/// Rows 31, 32 and 35: our own identities.
pub(crate) async fn of_ours(place: &Place) -> Result<Vec<Observation>> {
    let mut seen = ask(place, 32, OPERATOR, &OF_THE_OPERATOR).await?;
    seen.extend(ask(place, 31, AGENT, &OF_THE_AGENT).await?);
    for identity in [OPERATOR, AGENT, (NAMESPACE, "leasehold-meter")] {
        seen.extend(ask(place, 35, identity, &[("create", "", "serviceaccounts/token", "")]).await?);
    }
    Ok(seen)
}

/// Row 6: the accounts of a lease.
pub(crate) async fn of_lease(place: &Place, lease: &Lease) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for account in ["default", "workload"] {
        seen.extend(ask(place, 6, (lease.namespace(), account), &OF_A_LEASE).await?);
    }
    Ok(seen)
}

/// The same questions for an identity that may do anything.
pub(crate) async fn without_controls(place: &Place) -> Result<Vec<Observation>> {
    let mut seen = ask(place, 32, ADDON, &OF_THE_OPERATOR).await?;
    seen.extend(ask(place, 31, ADDON, &OF_THE_AGENT).await?);
    seen.extend(ask(place, 35, ADDON, &[("create", "", "serviceaccounts/token", "")]).await?);
    seen.extend(ask(place, 6, ADDON, &OF_A_LEASE).await?);
    Ok(seen)
}

async fn ask(place: &Place, row: u8, who: (&str, &str), questions: &[Question]) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for question in questions {
        let (verb, _, resource, namespace) = question;
        let everywhere = if namespace.is_empty() { "everywhere" } else { namespace };
        let tried = format!("{} may {verb} {resource} {everywhere}", who.1);
        let answer =
            if may(place, who, question).await? { Ok("yes".to_owned()) } else { Err("no".to_owned()) };
        seen.push(Observation::attempt(row, tried, answer));
    }
    Ok(seen)
}

async fn may(place: &Place, (account_namespace, name): (&str, &str), question: &Question) -> Result<bool> {
    let (verb, group, resource, namespace) = question;
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{account_namespace}:{name}"),
            "groups": [
                "system:serviceaccounts",
                format!("system:serviceaccounts:{account_namespace}"),
                "system:authenticated",
            ],
            "resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource,
                "namespace": namespace,
            },
        },
    });
    let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(&review)?)?;
    let answer: Value = place.admin.request(request).await.context("failed to ask for rights")?;
    answer["status"]["allowed"].as_bool().context("the API server does not say what is allowed")
}
