//! Hosts through whole reconciliations, on a mock API server.

use crd::{HostClaim, condition};
use serde_json::json;

use super::{decide::Proof, *};
use crate::lease_controller::test_support::*;

const HOST: &str = "shop.example.com";

fn shop(host: &str) -> String {
    let port = format!("{{port: 8080, expose: public, hosts: [{host}]}}");
    manifest_yaml().replace("{port: 8080, expose: tenant}", &port)
}

fn claim_path() -> String {
    format!("/apis/leasehold.dev/v1alpha1/namespaces/{SYSTEM}/hostclaims/{HOST}")
}

fn claim(scenario: &Scenario) -> Option<HostClaim> {
    scenario.api.find(&claim_path()).map(|claim| serde_json::from_value(claim).unwrap())
}

fn prove(scenario: &Scenario, proof: Proof) {
    let question = Question { host: HOST.to_owned(), lease_id: lease_id().to_string(), lease: name() };
    scenario.ctx.proofs.know(question, proof, now());
}

fn exposed(scenario: &Scenario) -> (String, String) {
    let status = scenario.lease().status.unwrap();
    let found = condition::find(&status.conditions, condition::EXPOSED).unwrap();
    (found.reason.clone(), found.message.clone())
}

fn hostnames(scenario: &Scenario) -> Vec<String> {
    let path = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/web-8080", name());
    serde_json::from_value(scenario.api.find(&path).unwrap()["spec"]["hostnames"].clone()).unwrap()
}

/// The claim of a lease that is none of ours.
fn strangers(released_at: Option<i64>) -> HostClaim {
    HostClaim::new(
        HOST,
        HostClaimSpec {
            host: HOST.to_owned(),
            lease_id: format!("0x{}", "77".repeat(32)),
            compute_lease: crd::ComputeLeaseRef { name: "lease-other".to_owned(), uid: "other".to_owned() },
            tenant: format!("0x{}", "9".repeat(40)),
            service: "web".to_owned(),
            port: 80,
            unproven_since: None,
            released_at,
        },
    )
}

#[tokio::test]
async fn a_proven_host_is_claimed_routed_and_given_back_at_the_end() {
    let scenario = Scenario::provisioned(&shop(HOST)).await;
    let made = format!("web-{}.apps.example.net", &name().label_value()[..26]);
    assert_eq!(hostnames(&scenario), std::slice::from_ref(&made));
    assert_eq!(claim(&scenario), None);
    let record = format!("set the DNS record _leasehold.{HOST}. TXT \"{}\"", lease_id());
    assert_eq!(
        exposed(&scenario),
        ("HostUnchecked".to_owned(), format!("{HOST}: the DNS has not answered yet; {record}"))
    );

    prove(&scenario, Proof::Absent);
    scenario.reconcile().await.unwrap();
    assert_eq!(exposed(&scenario), ("HostNotProven".to_owned(), format!("{HOST}: {record}")));
    assert_eq!(claim(&scenario), None);

    prove(&scenario, Proof::Proven);
    scenario.reconcile().await.unwrap();
    assert_eq!(hostnames(&scenario), [made, HOST.to_owned()]);
    assert_eq!(exposed(&scenario).0, "HostsRouted");
    let namespace = scenario.api.find(&namespace_path()).unwrap();
    assert_eq!(namespace["metadata"]["annotations"]["leasehold.dev/hosts"], json!(HOST));
    assert_eq!(claim(&scenario).unwrap().spec.compute_lease, claims::holder(&scenario.lease()));
    assert_eq!(scenario.reconcile().await.unwrap(), Vec::<String>::new());

    scenario.api.remove(&namespace_path());
    release_all(&scenario.lease(), &scenario.ctx).await.unwrap();
    assert_eq!(claim(&scenario).unwrap().spec.released_at, Some(NOW));
}

#[tokio::test]
async fn a_host_of_another_lease_is_not_routed_however_proven() {
    for (released_at, reason) in [(None, "HostTaken"), (Some(NOW - 60), "HostCoolingDown")] {
        let scenario = Scenario::new(&shop(HOST));
        scenario.api.insert(&claim_path(), strangers(released_at));
        prove(&scenario, Proof::Proven);
        scenario.reconcile().await.unwrap();
        scenario.api.run_quota_controller();
        scenario.reconcile().await.unwrap();
        assert_eq!(exposed(&scenario).0, reason);
        assert_eq!(claim(&scenario).unwrap().spec, strangers(released_at).spec);
        assert_eq!(hostnames(&scenario).len(), 1);
    }
}

#[tokio::test]
async fn a_host_that_the_manifest_drops_is_given_back() {
    let scenario = Scenario::provisioned(&shop(HOST)).await;
    prove(&scenario, Proof::Proven);
    scenario.reconcile().await.unwrap();
    let without = shop("other.example.com");
    scenario.put_manifest(&without);
    scenario.change_lease(|changed| {
        changed.spec.manifest = lease(&without).spec.manifest;
        changed.spec.manifest.as_mut().unwrap().revision = 2;
    });
    scenario.reconcile().await.unwrap();
    assert_eq!(claim(&scenario).unwrap().spec.released_at, Some(NOW));
    assert_eq!(hostnames(&scenario).len(), 1);
}

#[tokio::test]
async fn a_host_under_a_domain_of_the_provider_is_reserved() {
    for host in ["a.apps.example.net", "apps.example.net", "www.owner.example"] {
        let scenario = Scenario::provisioned(&shop(host)).await;
        assert_eq!(exposed(&scenario).0, "HostReserved", "{host}");
        assert_eq!(hostnames(&scenario).len(), 1);
    }
}

#[tokio::test]
async fn a_host_is_given_back_though_the_provider_took_its_gateway_away() {
    let mut scenario = Scenario::provisioned(&shop(HOST)).await;
    prove(&scenario, Proof::Proven);
    scenario.reconcile().await.unwrap();
    assert_eq!(claim(&scenario).unwrap().spec.released_at, None);
    std::sync::Arc::get_mut(&mut scenario.ctx).unwrap().settings.exposure = None;
    scenario.change_lease(|lease| lease.spec.desired = crd::DesiredState::Ended);
    scenario.reconcile().await.unwrap();
    assert_eq!(claim(&scenario).unwrap().spec.released_at, None);
    scenario.api.remove(&namespace_path());
    scenario.reconcile().await.unwrap();
    assert_eq!(claim(&scenario).unwrap().spec.released_at, Some(NOW));
    let status = scenario.lease().status.unwrap();
    assert!(condition::is_true(&status.conditions, condition::CLEANED));
}
