//! The series of usage, at the door: also of a lease that is over, and to its owners alone.

use gateway_api::{SeriesQuery, UsageReport, UsageSeries};
use telemetry::Registry;

use super::*;
use crate::metrics::Metrics;
use crate::series::tests::point;
use crate::series::{Owners, Retention, Seen};

const GONE: LeaseId = LeaseId(B256::repeat_byte(0x77));

/// A gateway whose series hold two points of the lease that runs, and one of a lease that only the series remember.
async fn remembering(directory: &tempfile::TempDir) -> axum::Router {
    let retention = Retention { fives: u64::MAX, hours: u64::MAX };
    let settings = crate::series::Settings { file: directory.path().join("series"), retention };
    let (series, mut keeper) = Series::new(settings, Metrics::new(&Registry::new()).unwrap());
    let owners = Owners { tenant: tenant().address(), signer: session().address() };
    for (lease, at, count) in [(id(), 4_100, 1), (GONE, 3_000, 1), (id(), 4_600, 2)] {
        series.note(Seen { lease, owners, point: point(at, count) });
        keeper.write(NOW).await.unwrap();
    }
    gateway_keeping(None, Ok(Answer::ManifestStored), series).0
}

fn get(key: HotKey, path: &str, nonce: u8) -> Call {
    Call { key, nonce: B256::repeat_byte(nonce), ..call(Method::GET, path) }
}

#[tokio::test]
async fn the_tenant_and_the_session_key_see_the_series_also_of_a_lease_that_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let router = remembering(&directory).await;
    let whole = vec![UsageReport::from(&point(4_100, 1)), UsageReport::from(&point(4_600, 2))];
    let cases = [
        (tenant(), id(), SeriesQuery::default(), whole.clone()),
        (session(), id(), SeriesQuery { from: Some(4_600), ..SeriesQuery::default() }, whole[1..].to_vec()),
        (session(), GONE, SeriesQuery::default(), vec![UsageReport::from(&point(3_000, 1))]),
    ];
    for (nonce, (key, lease, query, points)) in (1..).zip(cases) {
        let call = get(key, &routes::usage_series(lease, &query), nonce);
        let (status, body) = send(&router, call.request()).await;
        let shown: UsageSeries = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, shown), (StatusCode::OK, UsageSeries { points, next: None }));
    }
}

#[tokio::test]
async fn strangers_and_other_leases_are_refused_and_so_is_a_query_that_says_more() {
    let directory = tempfile::tempdir().unwrap();
    let router = remembering(&directory).await;
    let series = |lease| routes::usage_series(lease, &SeriesQuery::default());
    for lease in [id(), GONE] {
        assert_eq!(refusal(&router, &get(key(9), &series(lease), 1)).await, ErrorCode::Foreign);
    }
    let unknown = get(tenant(), &series(LeaseId(B256::ZERO)), 2);
    assert_eq!(refusal(&router, &unknown).await, ErrorCode::UnknownLease);
    // Of a lease that is over nothing else is shown.
    assert_eq!(refusal(&router, &get(tenant(), &routes::usage(GONE), 2)).await, ErrorCode::UnknownLease);
    let queries = ["?till=1", "?from=-1", "?from=1&from=2", "?step=0", "?step=301", "?from=2&to=1"];
    for (key, queries) in [(tenant(), &queries[..3]), (session(), &queries[3..])] {
        for (nonce, query) in (3..).zip(queries) {
            let call = get(key.clone(), &format!("{}{query}", series(id())), nonce);
            assert_eq!(refusal(&router, &call).await, ErrorCode::MalformedRequest, "{query}");
        }
    }
}

#[tokio::test]
async fn a_provider_that_keeps_no_series_says_so() {
    let router = gateway();
    let call = get(tenant(), &routes::usage_series(id(), &SeriesQuery::default()), 1);
    assert_eq!(refusal(&router, &call).await, ErrorCode::NoSeries);
}
