//! The router without a socket: who gets in, who does not, and what they are told.

mod refusals;
mod series;

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use chain::{Eip712, HotKey};
use gateway_api::auth::{AUTH_HEADER, Audience, RequestParts, digest};
use gateway_api::{
    ApiError, AuthHeader, ErrorCode, MAX_FORWARD_BODY, MAX_MANIFEST_BODY, MAX_STATEMENT_BODY, ManifestUpload,
    routes,
};
use market::{Address, Amount, B256, BasisPoints, Bid, Lease, LeaseId, OrderHash, Timestamp};
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::*;
use crate::agent::{Answer, LeaseView, Refusal};
use crate::inbox::{Message, Request as AgentRequest};

const NOW: Timestamp = Timestamp(5_000);
const PROVIDER: Address = Address::repeat_byte(0x11);
const CHAIN: u64 = 31_337;

fn id() -> LeaseId {
    LeaseId(B256::repeat_byte(0x22))
}

fn key(byte: u8) -> HotKey {
    HotKey::from_bytes(&[byte; 32]).unwrap()
}

fn tenant() -> HotKey {
    key(1)
}

fn session() -> HotKey {
    key(2)
}

fn view(compute: Option<crd::ComputeLease>) -> LeaseView {
    let bid = Bid {
        provider: PROVIDER,
        tenant: tenant().address(),
        token: Address::ZERO,
        order_hash: OrderHash(B256::ZERO),
        bid_epoch: 0,
        salt: 0,
        valid_until: NOW,
        start_window: 0,
        max_duration: 0,
        notice_period: 0,
        max_slash: Amount(0),
        no_show_penalty: Amount(0),
        min_deposit: Amount(0),
        split_bps: BasisPoints::ZERO,
        arbiter: Address::ZERO,
        prices: market::Prices::default(),
        limits: market::Limits([1; 8]),
    };
    let lease = Lease {
        tenant: tenant().address(),
        provider: PROVIDER,
        signer: session().address(),
        started_at: Some(Timestamp(4_000)),
        end_at: Timestamp(9_000),
        last_as_of: Timestamp(4_000),
        ..testkit::lease()
    };
    LeaseView { id: id(), bid: Box::new(bid), lease, compute: compute.map(Arc::new), acknowledgement: None }
}

/// A gateway whose core knows one lease and answers every request with `answer`.
fn gateway_with(
    compute: Option<crd::ComputeLease>,
    answer: Result<Answer, Refusal>,
) -> (axum::Router, mpsc::UnboundedReceiver<AgentRequest>) {
    gateway_keeping(compute, answer, Series::none())
}

/// The same, with a history of usage.
fn gateway_keeping(
    compute: Option<crd::ComputeLease>,
    answer: Result<Answer, Refusal>,
    series: Series,
) -> (axum::Router, mpsc::UnboundedReceiver<AgentRequest>) {
    let (messages, mut inbox) = mpsc::channel(8);
    let (seen, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(message) = inbox.recv().await {
            match message {
                Message::Look { lease, reply } => {
                    reply.send((lease == id()).then(|| view(compute.clone()))).unwrap();
                }
                Message::Request { request, reply } => {
                    seen.send(request).unwrap();
                    reply.send(answer.clone()).unwrap();
                }
                Message::Event(_) => panic!("the gateway delivers no events"),
            }
        }
    });
    let settings = Settings {
        provider: PROVIDER,
        market: Address::repeat_byte(0x33),
        chain_id: CHAIN,
        eip712: Eip712::new(CHAIN, Address::repeat_byte(0x33)),
        tiers: vec![market::Tier::Strict],
        cluster_domain: "cluster.local".into(),
        request_timeout: Duration::from_secs(5),
        requests_per_second: 1,
        request_burst: 3,
        started_at: Timestamp(4_900),
        clock: || NOW,
    };
    let cluster = testkit::mock_api::MockApi::new().client();
    (router(Gateway::new(AgentHandle::new(messages), cluster, series, settings)), requests)
}

fn gateway() -> axum::Router {
    gateway_with(None, Ok(Answer::ManifestStored)).0
}

/// A request that is good in every respect, to be spoiled.
struct Call {
    key: HotKey,
    method: Method,
    path: String,
    signed_path: Option<String>,
    body: Vec<u8>,
    audience: Audience,
    issued_at: Timestamp,
    nonce: B256,
}

fn call(method: Method, path: &str) -> Call {
    Call {
        key: tenant(),
        method,
        path: path.into(),
        signed_path: None,
        body: vec![],
        audience: Audience { chain_id: CHAIN, provider: PROVIDER },
        issued_at: NOW,
        nonce: B256::repeat_byte(7),
    }
}

impl Call {
    fn request(&self) -> Request<Body> {
        let path = self.signed_path.as_ref().unwrap_or(&self.path);
        let parts = RequestParts { method: self.method.as_str(), path, body: &self.body };
        let (issued_at, expiry) = (self.issued_at, self.issued_at.saturating_add(30));
        let digest = digest(&parts, &self.audience, issued_at, expiry, self.nonce).unwrap();
        let header = AuthHeader {
            signer: self.key.address(),
            issued_at,
            expiry,
            nonce: self.nonce,
            signature: self.key.sign_digest(digest),
        };
        Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(AUTH_HEADER, header.to_string())
            .body(Body::from(self.body.clone()))
            .unwrap()
    }
}

async fn send(router: &axum::Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn refusal(router: &axum::Router, call: &Call) -> ErrorCode {
    let (status, body) = send(router, call.request()).await;
    let error: ApiError = serde_json::from_slice(&body).unwrap();
    assert_eq!(status.as_u16(), error.code.status());
    error.code
}

#[tokio::test]
async fn strangers_see_the_provider_and_the_health_and_nothing_else() {
    let router = gateway();
    let get = |path: &str| Request::builder().uri(path).body(Body::empty()).unwrap();
    assert_eq!(send(&router, get("/healthz")).await.0, StatusCode::OK);
    let (status, body) = send(&router, get("/v1/provider")).await;
    let info: gateway_api::ProviderInfo = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, info.provider, info.chain_id, info.now), (StatusCode::OK, PROVIDER, CHAIN, 5_000));
    for path in [routes::lease(id()), routes::usage(id()), routes::statement(id())] {
        let (status, body) = send(&router, get(&path)).await;
        let error: ApiError = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, error.code), (StatusCode::UNAUTHORIZED, ErrorCode::Unsigned));
    }
    let (_, body) = send(&router, get("/nothing")).await;
    let error: ApiError = serde_json::from_slice(&body).unwrap();
    assert_eq!(error.code, ErrorCode::UnknownRoute);
}

#[tokio::test]
async fn the_tenant_and_the_session_key_get_in() {
    let router = gateway();
    for (key, nonce) in [(tenant(), 1), (session(), 2)] {
        let call = Call { key, nonce: B256::repeat_byte(nonce), ..call(Method::GET, &routes::lease(id())) };
        let (status, body) = send(&router, call.request()).await;
        let found: gateway_api::LeaseStatus = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, found.lease_id), (StatusCode::OK, id().0));
        assert_eq!(found.phase, gateway_api::LeasePhase::Pending);
    }
}

#[tokio::test]
async fn every_way_of_not_being_the_signer_is_refused() {
    let router = gateway();
    let path = routes::lease(id());
    let get = || call(Method::GET, &path);
    let stale = Call { issued_at: Timestamp(NOW.0 - 36), ..get() };
    assert_eq!(refusal(&router, &stale).await, ErrorCode::Stale);
    let future = Call { issued_at: Timestamp(NOW.0 + 6), ..get() };
    assert_eq!(refusal(&router, &future).await, ErrorCode::NotYetValid);
    let foreign = Call { key: key(9), ..get() };
    assert_eq!(refusal(&router, &foreign).await, ErrorCode::Foreign);
    let elsewhere = Audience { chain_id: CHAIN, provider: Address::repeat_byte(0x44) };
    let misdirected = Call { audience: elsewhere, ..get() };
    assert_eq!(refusal(&router, &misdirected).await, ErrorCode::BadSignature);
    let redirected = Call { signed_path: Some(routes::usage(id())), ..get() };
    assert_eq!(refusal(&router, &redirected).await, ErrorCode::BadSignature);
    let queried = Call { path: format!("{path}?x=1"), signed_path: Some(path.clone()), ..get() };
    assert_eq!(refusal(&router, &queried).await, ErrorCode::BadSignature);
    let unknown = call(Method::GET, &routes::lease(LeaseId(B256::ZERO)));
    assert_eq!(refusal(&router, &unknown).await, ErrorCode::UnknownLease);
    let malformed = call(Method::GET, "/v1/leases/0xAB");
    assert_eq!(refusal(&router, &malformed).await, ErrorCode::MalformedRequest);
    let wrong_method = call(Method::DELETE, &path);
    assert_eq!(refusal(&router, &wrong_method).await, ErrorCode::MethodNotAllowed);
}

#[tokio::test]
async fn a_request_of_the_time_before_this_process_is_refused() {
    let (router, _) = gateway_with(None, Ok(Answer::ManifestStored));
    let old = Call { issued_at: Timestamp(4_899), ..call(Method::GET, &routes::lease(id())) };
    // It expired, too; the check that comes first names the reason.
    assert_eq!(refusal(&router, &old).await, ErrorCode::Stale);
}

#[tokio::test]
async fn a_replayed_request_is_refused() {
    let router = gateway();
    let call = call(Method::GET, &routes::lease(id()));
    assert_eq!(send(&router, call.request()).await.0, StatusCode::OK);
    assert_eq!(refusal(&router, &call).await, ErrorCode::Replayed);
}

#[tokio::test]
async fn an_eager_signer_is_slowed_down() {
    let router = gateway();
    let call = |nonce| Call { nonce: B256::repeat_byte(nonce), ..call(Method::GET, &routes::lease(id())) };
    for nonce in 1..=3 {
        assert_eq!(send(&router, call(nonce).request()).await.0, StatusCode::OK);
    }
    assert_eq!(refusal(&router, &call(4)).await, ErrorCode::TooManyRequests);
}

#[tokio::test]
async fn a_manifest_reaches_the_core_as_it_was_sent() {
    let (router, mut requests) = gateway_with(None, Ok(Answer::ManifestStored));
    let upload = ManifestUpload { salt: B256::repeat_byte(5), manifest: "{\"a\":1}".into() };
    let body = serde_json::to_vec(&upload).unwrap();
    let put = Call { body, ..call(Method::PUT, &routes::manifest(id())) };
    assert_eq!(send(&router, put.request()).await.0, StatusCode::OK);
    let AgentRequest::StoreManifest { lease, salt, manifest } = requests.recv().await.unwrap() else {
        panic!("another request")
    };
    assert_eq!((lease, salt, manifest), (id(), B256::repeat_byte(5), b"{\"a\":1}".to_vec()));
}

#[tokio::test]
async fn a_manifest_that_the_core_refuses_or_that_is_malformed_is_answered_so() {
    let (router, _requests) = gateway_with(None, Err(Refusal::ManifestHashMismatch));
    let upload = ManifestUpload { salt: B256::repeat_byte(5), manifest: "{}".into() };
    let body = serde_json::to_vec(&upload).unwrap();
    let put = |body, nonce| Call {
        body,
        nonce: B256::repeat_byte(nonce),
        ..call(Method::PUT, &routes::manifest(id()))
    };
    assert_eq!(refusal(&router, &put(body, 1)).await, ErrorCode::ManifestHashMismatch);
    assert_eq!(refusal(&router, &put(b"{}".to_vec(), 2)).await, ErrorCode::MalformedBody);
}

#[tokio::test]
async fn a_body_over_the_limit_of_its_route_is_refused_and_the_core_never_sees_it() {
    let (router, mut requests) = gateway_with(Some(serving(80)), Ok(Answer::ManifestStored));
    let forward = format!("/v1/leases/{}/services/web/80/x", id());
    let routes = [
        (Method::PUT, routes::manifest(id()), MAX_MANIFEST_BODY),
        (Method::PUT, routes::statement(id()), MAX_STATEMENT_BODY),
        (Method::POST, forward, MAX_FORWARD_BODY),
    ];
    for (method, path, limit) in routes {
        let large = Call { body: vec![b' '; limit + 1], ..call(method, &path) };
        let (status, body) = send(&router, large.request()).await;
        let error: ApiError = serde_json::from_slice(&body).unwrap();
        let message = format!("the body is larger than the {limit} bytes that this route accepts");
        assert_eq!((status, error.code), (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge), "{path}");
        assert_eq!(error.message, message);
    }
    assert!(requests.try_recv().is_err());
}

fn serving(port: i32) -> crd::ComputeLease {
    let spec = crd::ComputeLeaseSpec {
        lease_id: id().to_string(),
        tenant: String::new(),
        provider: String::new(),
        chain: crd::ChainRef { chain_id: 1, market: String::new() },
        tier: crd::TierName::Strict,
        limits: crd::ResourceLimits::default(),
        manifest: None,
        desired: crd::DesiredState::Running,
        term: None,
        settlement: None,
        suspension: None,
    };
    let mut object = crd::ComputeLease::new("lease", spec);
    object.status = Some(crd::ComputeLeaseStatus {
        services: vec![crd::ServiceStatus {
            name: "web".into(),
            replicas: 1,
            ready_replicas: 1,
            trouble: None,
            ports: vec![crd::PortStatus { port, protocol: crd::PortProtocol::Tcp, hosts: Vec::new() }],
            pods: vec![],
        }],
        ..crd::ComputeLeaseStatus::default()
    });
    object
}

#[tokio::test]
async fn only_exposed_ports_of_known_services_are_forwarded_to() {
    let path = |service: &str, port: u16| format!("/v1/leases/{}/services/{service}/{port}/x", id());
    let (router, _requests) = gateway_with(None, Ok(Answer::ManifestStored));
    assert_eq!(refusal(&router, &call(Method::GET, &path("web", 80))).await, ErrorCode::NotReady);
    let (router, _requests) = gateway_with(Some(serving(80)), Ok(Answer::ManifestStored));
    let get = |path: &str, nonce| Call { nonce: B256::repeat_byte(nonce), ..call(Method::GET, path) };
    assert_eq!(refusal(&router, &get(&path("db", 80), 1)).await, ErrorCode::UnknownService);
    assert_eq!(refusal(&router, &get(&path("web", 81), 2)).await, ErrorCode::PortNotExposed);
    // Allowed, but no such host exists here.
    assert_eq!(refusal(&router, &get(&path("web", 80), 3)).await, ErrorCode::ServiceUnreachable);
}

#[tokio::test]
async fn logs_name_the_services_that_there_are() {
    let (router, _requests) = gateway_with(Some(serving(80)), Ok(Answer::ManifestStored));
    let get = |query: &str, nonce| Call {
        nonce: B256::repeat_byte(nonce),
        ..call(Method::GET, &format!("/v1/leases/{}/logs{query}", id()))
    };
    assert_eq!(refusal(&router, &get("?service=db", 1)).await, ErrorCode::UnknownService);
    assert_eq!(refusal(&router, &get("?service=web", 2)).await, ErrorCode::NotReady);
    assert_eq!(refusal(&router, &get("", 3)).await, ErrorCode::MalformedRequest);
}

#[tokio::test]
async fn a_forwarded_request_loses_its_credentials_and_its_answer_its_connection_headers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = axum::Router::new().fallback(echo);
    tokio::spawn(axum::serve(listener, echo).into_future());
    let request = Request::builder()
        .method(Method::POST)
        .uri("/ignored")
        .header(AUTH_HEADER, "secret")
        .header("x-kept", "1")
        .header("te", "trailers")
        .header("content-length", "999")
        .body(())
        .unwrap();
    let uri = format!("http://{address}/a%2Fb?q=1").parse().unwrap();
    let forwarder = forwarder::Forwarder::new(Duration::from_secs(5));
    let answer = forwarder.forward(uri, request.into_parts().0, "hello".into()).await.unwrap();
    assert_eq!(answer.headers()["x-answer"], "1");
    let body = to_bytes(answer.into_body(), 1000).await.unwrap();
    assert_eq!(body, "POST /a%2Fb?q=1 auth=false kept=true hop=false hello");
}

async fn echo(request: Request<Body>) -> ([(&'static str, &'static str); 1], String) {
    let (parts, body) = request.into_parts();
    let has = |name: &str| parts.headers.contains_key(name);
    let (auth, kept, hop) = (has(AUTH_HEADER), has("x-kept"), has("te"));
    let body = to_bytes(body, 100).await.unwrap();
    let body = String::from_utf8_lossy(&body);
    let text = format!("{} {} auth={auth} kept={kept} hop={hop} {body}", parts.method, parts.uri);
    ([("x-answer", "1")], text)
}
