//! Rows that the API server holds: objects are handed to it as whoever would write them, and nothing is kept.

use anyhow::{Context, Result};
use crd::TierName;
use isolation_probe::observation::Observation;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::Api;
use serde::Serialize;
use serde_json::{Value, json};

use crate::corpus::{self, Case, Change, harmless};
use crate::lease::Lease;
use crate::place::{ADDON, AGENT, BARE, OPERATOR, Place, REPLICA_SETS};

/// Our admission policies in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policies {
    Installed,
    Absent,
}

/// The pod template of a service's Deployment.
pub(crate) async fn template(place: &Place, lease: &Lease, service: &str) -> Result<Value> {
    let deployment =
        Api::<Deployment>::namespaced(place.admin.clone(), lease.namespace()).get(service).await?;
    Ok(serde_json::to_value(deployment.spec.context("a Deployment has a spec")?.template)?)
}

/// Whether the chart's admission policies are in force.
pub(crate) async fn policies(place: &Place) -> Result<Policies> {
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    let list: Value = place.admin.request(http::Request::get(path).body(Vec::new())?).await?;
    let bindings = list["items"].as_array().context("the API server lists no bindings")?;
    let is_ours = |binding: &Value| {
        binding["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("leasehold"))
    };
    Ok(if bindings.iter().any(is_ours) { Policies::Installed } else { Policies::Absent })
}

/// Every case in the lease's namespace, as who would write it.
pub(crate) async fn in_lease(place: &Place, lease: &Lease, template: &Value) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    let pods = place.as_account(REPLICA_SETS)?;
    let rendered = place.as_account(OPERATOR)?;
    // A pod like the lease's own is refused by nothing but the quota; else the refusals beside it mean nothing.
    let control = match submit(&pods, lease.namespace(), "pods", &harmless(template)).await? {
        Ok(()) => Ok("admitted".to_owned()),
        Err(reason) if reason.contains("exceeded quota") => Ok("refused by the quota alone".to_owned()),
        Err(reason) => Err(reason),
    };
    let mut cases = corpus::cases();
    if lease.tier == TierName::Strict {
        cases.push(corpus::root());
    }
    let pod_rows = [1, 2, 3, 4, 6, 10, 26, 35];
    for row in pod_rows {
        seen.push(Observation::control(row, "a pod like the lease's own", control.clone()));
    }
    for case in cases {
        let (kind, object) = case.object(template);
        let writer = match case.change {
            Change::Pod(_) | Change::Container(_) => &pods,
            Change::Service(_) | Change::Secret(_) => &rendered,
            // The account of the StatefulSet controller makes claims.
            Change::Claim(_) => &place.as_account(("kube-system", "statefulset-controller"))?,
        };
        let answer = submit(writer, lease.namespace(), kind, &object).await?;
        seen.push(judge(&case, answer));
    }
    seen.extend(other_writers(place, lease, template).await?);
    Ok(seen)
}

/// The same cases where nothing controls them.
pub(crate) async fn without_controls(place: &Place, template: &Value) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    for case in corpus::cases().into_iter().chain([corpus::root()]) {
        let (kind, object) = case.object(template);
        let answer = submit(&place.admin, BARE, kind, &object).await?;
        seen.push(judge(&case, answer));
    }
    let addon = place.as_account(ADDON)?;
    let answer = submit(&addon, BARE, "pods", &harmless(template)).await?;
    seen.push(Observation::attempt(34, "a pod by an add-on", admitted(answer)));
    let answer = relabel(&addon, BARE).await?;
    seen.push(Observation::attempt(33, "Pod Security label by an add-on", admitted(answer)));
    Ok(seen)
}

/// A quota's refusal holds only the rows whose control it is.
fn judge(case: &Case, answer: Result<(), String>) -> Observation {
    let result = match answer {
        Err(reason) if reason.contains("exceeded quota") && !matches!(case.row, 13 | 14 | 24) => {
            Ok("refused by nothing but the quota".to_owned())
        }
        answer => admitted(answer),
    };
    Observation::attempt(case.row, case.name, result)
}

fn admitted(answer: Result<(), String>) -> Result<String, String> {
    answer.map(|()| "admitted".to_owned()).map_err(|reason| layer(&reason))
}

/// Which layer refused, and its words in short.
fn layer(reason: &str) -> String {
    let name = if reason.contains("violates PodSecurity") {
        "Pod Security"
    } else if reason.contains("ValidatingAdmissionPolicy") {
        "admission policy"
    } else if reason.contains("exceeded quota") {
        "quota"
    } else if reason.contains("cannot ") {
        "rights"
    } else {
        "API server"
    };
    // The words begin with a name that the API server made up.
    let words = reason.split_once("is forbidden: ").map_or(reason, |(_, words)| words);
    let words: String = words.chars().take(110).collect();
    format!("{name}: {words}")
}

/// Rows 33 and 34: who else might write in the namespace.
async fn other_writers(place: &Place, lease: &Lease, template: &Value) -> Result<Vec<Observation>> {
    let mut seen = Vec::new();
    let namespace = lease.namespace();
    let addon = place.as_account(ADDON)?;
    let writers = [
        ("an add-on with every right", addon),
        ("the agent", place.as_account(AGENT)?),
        ("the lease's account", place.as_account((namespace, "workload"))?),
    ];
    for (who, client) in &writers {
        let answer = submit(client, namespace, "pods", &harmless(template)).await?;
        let answer = match answer {
            Err(reason) if reason.contains("exceeded quota") => Ok(()),
            answer => answer,
        };
        seen.push(Observation::attempt(34, format!("a pod by {who}"), admitted(answer)));
        let answer = relabel(client, namespace).await?;
        seen.push(Observation::attempt(33, format!("Pod Security label by {who}"), admitted(answer)));
    }
    Ok(seen)
}

/// Asks for a weaker Pod Security label, as a dry run.
async fn relabel(client: &Client, namespace: &str) -> Result<Result<(), String>> {
    let change = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    let request = http::Request::patch(format!("/api/v1/namespaces/{namespace}?dryRun=All"))
        .header("Content-Type", "application/merge-patch+json")
        .body(serde_json::to_vec(&change)?)?;
    answer(client.request::<Value>(request).await)
}

/// Hands an object to the API server as a dry run: everything is checked, nothing is kept.
pub(crate) async fn submit(
    client: &Client,
    namespace: &str,
    kind: &str,
    object: &Value,
) -> Result<Result<(), String>> {
    let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/{kind}?dryRun=All"))
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(object)?)?;
    answer(client.request::<Value>(request).await)
}

/// A refusal is an answer; anything else that goes wrong is a failure of the run.
pub(crate) fn answer(answer: kube::Result<Value>) -> Result<Result<(), String>> {
    match answer {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 409 | 422) => {
            Ok(Err(status.message))
        }
        Err(error) => Err(error).context("the API server did not answer"),
    }
}

#[cfg(test)]
mod tests {
    use isolation_probe::observation::Outcome;

    use super::*;

    #[test]
    fn a_quota_holds_only_the_rows_that_are_its_own() {
        let outcome = |row| {
            let case = Case { row, name: "case", change: Change::Service(json!({})) };
            judge(&case, Err("exceeded quota: lease".to_owned())).outcome
        };
        assert_eq!((outcome(13), outcome(15)), (Outcome::Stopped, Outcome::GotThrough));
        let refusal = "pods \"a\" is forbidden: violates PodSecurity";
        assert_eq!(layer(refusal), "Pod Security: violates PodSecurity");
    }
}
