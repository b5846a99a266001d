//! Row 16: many leases want one host name at the same moment.

use anyhow::{Result, ensure};
use e2e::chart::NAMESPACE;
use isolation_probe::observation::{Observation, Outcome};
use kube::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::admission::answer;
use crate::place::{BARE, OPERATOR, Place};

const LEASES: usize = 100;
const HOST: &str = "isolation.example.org";

/// The race for a claim, and then the ways around the winner.
pub(crate) async fn race(place: &Place) -> Result<Vec<Observation>> {
    let path = format!("/apis/leasehold.dev/v1alpha1/namespaces/{NAMESPACE}/hostclaims");
    let listed: kube::Result<Value> = place.admin.request(http::Request::get(&path).body(Vec::new())?).await;
    match listed {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return Ok(vec![Observation::new(
                16,
                "HostClaim",
                Outcome::NotTried,
                "the cluster has no index of hosts",
            )]);
        }
        Err(error) => return Err(error.into()),
    }
    let operator = place.as_account(OPERATOR)?;
    let (won, refusals) = create_all(&operator, &path, |number| claim(HOST, HOST, number)).await?;
    if won == 0 {
        let reason = refusals.first().cloned().unwrap_or_default();
        return Ok(vec![Observation::new(16, "the operator's claim", Outcome::ControlFailed, reason)]);
    }
    let mut seen = vec![wins(won)];
    let take = json!({"spec": {"leaseId": lease_id(LEASES + 1)}});
    let request = http::Request::patch(format!("{path}/{HOST}"))
        .header("Content-Type", "application/merge-patch+json")
        .body(serde_json::to_vec(&take)?)?;
    let taken = answer(operator.request(request).await)?;
    seen.push(Observation::attempt(16, "another lease in a claim that is held", admitted(taken)));
    let alias = create(&operator, &path, &claim("alias.example.org", HOST, LEASES + 2)).await?;
    seen.push(Observation::attempt(16, "a claim that is not named after its host", admitted(alias)));
    let delete = http::Request::delete(format!("{path}/{HOST}")).body(Vec::new())?;
    let _: Value = place.admin.request(delete).await?;
    Ok(seen)
}

/// The same race in an index whose objects are named after the lease.
pub(crate) async fn without_controls(place: &Place) -> Result<Vec<Observation>> {
    let path = format!("/api/v1/namespaces/{BARE}/configmaps");
    let (won, _) = create_all(&place.admin, &path, |number| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("host-{number}")},
            "data": {"host": HOST},
        })
    })
    .await?;
    ensure!(won > 0, "nobody could write an index at all");
    Ok(vec![wins(won)])
}

fn wins(won: usize) -> Observation {
    let seen = format!("{won} of {LEASES} leases hold it");
    Observation::attempt(
        16,
        format!("{LEASES} leases for {HOST}"),
        if won == 1 { Err(seen) } else { Ok(seen) },
    )
}

async fn create_all(
    client: &Client,
    path: &str,
    object: impl Fn(usize) -> Value,
) -> Result<(usize, Vec<String>)> {
    let mut race = JoinSet::new();
    for number in 0..LEASES {
        let (client, path, object) = (client.clone(), path.to_owned(), object(number));
        race.spawn(async move { create(&client, &path, &object).await });
    }
    let (mut won, mut refusals) = (0, Vec::new());
    for outcome in race.join_all().await {
        match outcome? {
            Ok(()) => won += 1,
            Err(reason) => refusals.push(reason),
        }
    }
    Ok((won, refusals))
}

async fn create(client: &Client, path: &str, object: &Value) -> Result<Result<(), String>> {
    let request = http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(object)?)?;
    answer(client.request(request).await)
}

fn claim(name: &str, host: &str, lease: usize) -> Value {
    json!({
        "apiVersion": "leasehold.dev/v1alpha1", "kind": "HostClaim", "metadata": {"name": name},
        "spec": {
            "host": host, "leaseId": lease_id(lease), "tenant": format!("0x{}", "2".repeat(40)),
            "computeLease": {"name": format!("lease-{lease}"), "uid": format!("uid-{lease}")},
            "service": "web", "port": 8080,
        },
    })
}

fn lease_id(number: usize) -> String {
    format!("0x{number:064x}")
}

fn admitted(answer: Result<(), String>) -> Result<String, String> {
    answer.map(|()| "admitted".to_owned())
}
