use std::num::NonZeroU32;

use http::StatusCode;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;
use testkit::mock_api::MockApi;
use tokio::time::{Duration, Instant};

use super::*;
use crate::election::{Election, ElectionSettings};

fn generous() -> Rate {
    let many = NonZeroU32::new(1_000_000).unwrap();
    Rate { per_second: many, burst: many }
}

async fn candidate(api: &MockApi) -> Election {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = ElectionSettings::new("system", "leasehold-operator", "first".to_owned());
    Election::new(api.client(), settings)
}

fn is_refused<T: std::fmt::Debug>(result: kube::Result<T>) -> bool {
    match result {
        Err(kube::Error::Service(error)) => error.downcast_ref() == Some(&NotElected),
        _ => false,
    }
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_write_is_refused_outside_the_term_and_reads_are_not() {
    let server = MockApi::new();
    server.insert("/api/v1/namespaces/a", json!({"metadata": {"name": "a"}}));
    let mut election = candidate(&server).await;
    let namespaces = Api::<Namespace>::all(elected(server.client(), generous(), election.term()));
    let object = serde_json::from_value(json!({"metadata": {"name": "b"}})).unwrap();
    let merge = Patch::Merge(json!({"metadata": {"labels": {"x": "y"}}}));
    let (create, patch, delete) = (PostParams::default(), PatchParams::default(), DeleteParams::default());

    assert!(is_refused(namespaces.create(&create, &object).await));
    assert!(is_refused(namespaces.replace("a", &create, &object).await));
    assert!(is_refused(namespaces.patch("a", &patch, &merge).await));
    assert!(is_refused(namespaces.delete("a", &delete).await));
    assert!(is_refused(namespaces.delete_collection(&delete, &Default::default()).await));
    assert!(namespaces.get("a").await.is_ok());
    assert!(namespaces.list(&Default::default()).await.is_ok());
    let arrived: Vec<String> = server.take_writes();
    assert_eq!(arrived, Vec::<String>::new(), "a refused write never reaches the server");

    election.acquire().await;
    namespaces.create(&create, &object).await.unwrap();
    namespaces.patch("a", &patch, &merge).await.unwrap();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert!(is_refused(namespaces.delete("a", &delete).await), "the term was not renewed");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_gets_no_answer_is_given_up_when_the_term_ends_and_not_before() {
    let server = MockApi::new();
    let mut election = candidate(&server).await;
    election.acquire().await;
    let silent = Client::new(
        service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, BoxError>>()),
        "default",
    );
    let namespaces = Api::<Namespace>::all(elected(silent, generous(), election.term()));
    let done = telemetry::CancellationToken::new();
    let holding = tokio::spawn(election.hold(done.clone()));
    let began = Instant::now();
    let delete = DeleteParams::default();
    let write = namespaces.delete("a", &delete);
    let failing = async {
        // Renewals go on for a minute, then the server refuses them.
        tokio::time::sleep(Duration::from_secs(60)).await;
        for _ in 0..100 {
            server.fail_next("PUT", "leases/leasehold-operator", StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    let (written, ()) = tokio::join!(write, failing);
    assert!(is_refused(written));
    let lasted = began.elapsed();
    assert!(lasted > Duration::from_secs(60) && lasted <= Duration::from_secs(70), "{lasted:?}");
    assert_eq!(holding.await.unwrap(), Err(crate::election::Lost::Expired));
}
