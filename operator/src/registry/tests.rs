//! Registries that are honest, and registries that want us to ask somebody else.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};

use super::*;

const DIGEST: &str = "sha256:";

fn digest(document: &Value) -> String {
    format!("{DIGEST}{}", data_encoding::HEXLOWER.encode(&Sha256::digest(document.to_string())))
}

fn image_of(bytes: u64) -> Value {
    json!({"config": {"size": 1}, "layers": [{"size": bytes - 1}]})
}

fn index() -> Value {
    json!({"manifests": [
        {"digest": digest(&image_of(500)), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": digest(&image_of(900)), "platform": {"os": "linux", "architecture": "arm64"}},
    ]})
}

fn platforms(architectures: &[&str]) -> Vec<Platform> {
    let platform =
        |architecture: &&str| Platform { os: "linux".to_owned(), architecture: (*architecture).to_owned() };
    architectures.iter().map(platform).collect()
}

/// A server on loopback, and how often it was asked.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(router: Router) -> Self {
        // A second test of the same process finds the provider there, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let counted =
            router.layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
                counter.fetch_add(1, Ordering::SeqCst);
                next.run(request)
            }));
        tokio::spawn(async move { axum::serve(listener, counted).await });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn image(&self, rest: &str) -> ImageRef {
        format!("{}/{rest}", self.address).parse().unwrap()
    }

    /// A client that may ask this server and no other inside.
    fn client(&self) -> Registry {
        let allowed = format!("http://{}", self.address).parse().unwrap();
        Registry::new(AddressRules::new([allowed], Vec::new())).unwrap()
    }
}

fn documents() -> Router {
    let document = |document: Value| get(move || async move { document.to_string() });
    Router::new()
        .route("/v2/team/web/manifests/1", document(index()))
        .route(&format!("/v2/team/web/manifests/{}", digest(&index())), document(index()))
        .route(&format!("/v2/team/web/manifests/{}", digest(&image_of(500))), document(image_of(500)))
        .route(&format!("/v2/team/web/manifests/{}", digest(&image_of(900))), document(image_of(900)))
        .route(&format!("/v2/team/web/manifests/{DIGEST}{}", "0".repeat(64)), document(image_of(5)))
        .route("/v2/team/web/manifests/text", get(|| async { "hello" }))
        .route("/v2/team/web/manifests/broken", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/v2/team/web/manifests/secret", get(|| async { StatusCode::UNAUTHORIZED }))
}

#[tokio::test]
async fn a_tag_becomes_a_digest_and_the_largest_of_the_nodes_platforms_counts() {
    let server = Server::start(documents()).await;
    let describe = async |reference: &str, architectures: &[&str]| {
        server.client().describe(&server.image(reference), None, &platforms(architectures)).await.unwrap()
    };
    let described = |bytes| Description { digest: digest(&index()), bytes };
    assert_eq!(describe("team/web:1", &["amd64"]).await, described(500));
    assert_eq!(describe("team/web:1", &["amd64", "arm64"]).await, described(900));
    let pinned = format!("team/web:other@{}", digest(&index()));
    assert_eq!(describe(&pinned, &["amd64"]).await, described(500));
    let single = format!("team/web@{}", digest(&image_of(900)));
    assert_eq!(
        describe(&single, &["amd64"]).await,
        Description { digest: digest(&image_of(900)), bytes: 900 }
    );
}

#[tokio::test]
async fn each_failure_is_told_apart_without_the_registrys_words() {
    let server = Server::start(documents()).await;
    let fail = async |reference: &str, architectures: &[&str]| {
        let described =
            server.client().describe(&server.image(reference), None, &platforms(architectures)).await;
        described.unwrap_err().to_string()
    };
    assert_eq!(fail("team/web:2", &["amd64"]).await, "127.0.0.1 does not have it");
    assert_eq!(fail("team/web:1", &["riscv64"]).await, "it is not made for linux/riscv64");
    let registry = server.address;
    assert_eq!(
        fail("team/web:text", &["amd64"]).await,
        format!("{registry} answered with something that is no image")
    );
    assert_eq!(fail("team/web:broken", &["amd64"]).await, "127.0.0.1 answered with status 502");
    assert_eq!(
        fail("team/web:secret", &["amd64"]).await,
        "127.0.0.1 does not show it without credentials; name some under `registries` in the manifest"
    );
    assert_eq!(
        fail(&format!("team/web@{DIGEST}{}", "0".repeat(64)), &["amd64"]).await,
        format!("{registry} answered with other bytes than the digest names")
    );
}

#[tokio::test]
async fn a_registry_inside_is_not_asked_unless_it_is_allowed() {
    let server = Server::start(documents()).await;
    let client = Registry::new(AddressRules::new([], Vec::new())).unwrap();
    let error = client.describe(&server.image("team/web:1"), None, &platforms(&["amd64"])).await.unwrap_err();
    assert_eq!(error.to_string(), "127.0.0.1 is not a public address, and the provider does not allow it");
    let by_name: ImageRef = format!("localhost:{}/team/web:1", server.address.port()).parse().unwrap();
    let error = client.describe(&by_name, None, &platforms(&["amd64"])).await.unwrap_err();
    assert_eq!(error.to_string(), "localhost is not a public address, and the provider does not allow it");
    assert_eq!(server.asked(), 0);
}

/// A registry that sends us elsewhere: by a redirect, or for a token.
async fn treacherous(victim: SocketAddr) -> Server {
    let target = format!("http://{victim}/latest/meta-data");
    let realm = format!("Bearer realm=\"{target}\",service=\"x\"");
    Server::start(
        Router::new()
            .route(
                "/v2/a/manifests/redirect",
                get(|| async move { (StatusCode::FOUND, [(header::LOCATION, target)]) }),
            )
            .route(
                "/v2/a/manifests/token",
                get(|| async move { (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, realm)]) }),
            ),
    )
    .await
}

#[tokio::test]
async fn no_redirect_and_no_realm_leads_inside() {
    let victim = Server::start(Router::new().fallback(get(|| async { "credentials" }))).await;
    let registry = treacherous(victim.address).await;
    for tag in ["redirect", "token"] {
        let image = registry.image(&format!("a:{tag}"));
        let error = registry.client().describe(&image, None, &platforms(&["amd64"])).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed(_)), "{tag}: {error}");
    }
    assert_eq!((registry.asked(), victim.asked()), (2, 0));
}

/// Hands out a token and wants it back for the document.
fn guarded(headers: &HeaderMap) -> axum::response::Response {
    let host = headers[header::HOST].to_str().unwrap();
    let realm = format!("Bearer realm=\"http://{host}/token\",service=\"registry\",scope=\"ignored\"");
    match headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap()) {
        Some("Bearer open") => image_of(7).to_string().into_response(),
        Some(_) => StatusCode::FORBIDDEN.into_response(),
        None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, realm)]).into_response(),
    }
}

#[tokio::test]
async fn a_public_image_behind_a_token_is_described() {
    async fn token(axum::extract::RawQuery(query): axum::extract::RawQuery) -> String {
        assert_eq!(query.as_deref(), Some("service=registry&scope=repository%3Aa%2Fb%3Apull"));
        json!({"token": "open"}).to_string()
    }
    let router = Router::new()
        .route("/v2/a/b/manifests/1", get(|headers: HeaderMap| async move { guarded(&headers) }))
        .route("/token", get(token));
    let server = Server::start(router).await;
    let described = server.client().describe(&server.image("a/b:1"), None, &platforms(&["amd64"])).await;
    assert_eq!(described.unwrap(), Description { digest: digest(&image_of(7)), bytes: 7 });
}

#[tokio::test]
async fn endless_answers_and_endless_redirects_end() {
    let long = "x".repeat(LONGEST_ANSWER + 1);
    let router = Router::new().route("/v2/a/manifests/long", get(|| async move { long })).route(
        "/v2/a/manifests/round",
        get(|| async { (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "round")]) }),
    );
    let server = Server::start(router).await;
    let fail = async |tag: &str| {
        let image = server.image(&format!("a:{tag}"));
        server.client().describe(&image, None, &platforms(&["amd64"])).await.unwrap_err().to_string()
    };
    assert_eq!(fail("long").await, "127.0.0.1 answered with something that is no image");
    assert_eq!(fail("round").await, "127.0.0.1 answered with status 302");
    assert_eq!(server.asked(), 1 + 1 + MOST_REDIRECTS);
}

const SESAME: &str = "Basic bWU6b3Blbi1zZXNhbWU=";

fn credentials(password: &str) -> Credentials {
    Credentials { username: "me".to_owned(), password: manifest::Secret::new(password.to_owned()) }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap())
}

/// A registry with user and password: at the document itself, or where it hands out tokens.
fn private() -> Router {
    async fn basic(headers: HeaderMap) -> axum::response::Response {
        match authorization(&headers) {
            Some(SESAME) => image_of(7).to_string().into_response(),
            _ => {
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"r\"")]).into_response()
            }
        }
    }
    async fn token(headers: HeaderMap) -> axum::response::Response {
        match authorization(&headers) {
            Some(SESAME) => json!({"access_token": "open"}).to_string().into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        }
    }
    Router::new()
        .route("/v2/a/manifests/basic", get(basic))
        .route("/v2/a/manifests/token", get(|headers: HeaderMap| async move { guarded(&headers) }))
        .route("/token", get(token))
}

#[tokio::test]
async fn a_private_image_is_described_with_the_right_password_alone() {
    let server = Server::start(private()).await;
    for tag in ["basic", "token"] {
        let describe = async |credentials: Option<Credentials>| {
            let image = server.image(&format!("a:{tag}"));
            server.client().describe(&image, credentials.as_ref(), &platforms(&["amd64"])).await
        };
        let described = describe(Some(credentials("open-sesame"))).await.unwrap();
        assert_eq!(described, Description { digest: digest(&image_of(7)), bytes: 7 }, "{tag}");
        assert_eq!(
            describe(Some(credentials("hush-hush"))).await.unwrap_err().to_string(),
            "127.0.0.1 does not show it with the credentials that the manifest has for it",
            "{tag}"
        );
        assert_eq!(
            describe(None).await.unwrap_err().to_string(),
            "127.0.0.1 does not show it without credentials; name some under `registries` in the manifest",
            "{tag}"
        );
    }
}

#[tokio::test]
async fn nobody_but_the_registry_sees_the_password() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = seen.clone();
    let elsewhere = Server::start(Router::new().fallback(move |headers: HeaderMap| {
        note.lock().unwrap().push(authorization(&headers).map(str::to_owned));
        async { (StatusCode::OK, json!({"token": "open"}).to_string()) }
    }))
    .await;
    let target = format!("http://{}/x", elsewhere.address);
    let realm = format!("Bearer realm=\"{target}\"");
    let registry =
        Server::start(
            Router::new()
                .route(
                    "/v2/a/manifests/token",
                    get(|headers: HeaderMap| async move {
                        match authorization(&headers) {
                            None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, realm)])
                                .into_response(),
                            Some(shown) => {
                                assert_eq!(shown, "Bearer open");
                                image_of(7).to_string().into_response()
                            }
                        }
                    }),
                )
                .route(
                    "/v2/a/manifests/redirect",
                    get(|headers: HeaderMap| async move {
                        match authorization(&headers) {
                            None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic")])
                                .into_response(),
                            Some(_) => (StatusCode::FOUND, [(header::LOCATION, target)]).into_response(),
                        }
                    }),
                ),
        )
        .await;
    // The provider allows both, so that only the rule about passwords stands between them.
    let allowed =
        [registry.address, elsewhere.address].map(|address| format!("http://{address}").parse().unwrap());
    let client = Registry::new(AddressRules::new(allowed, Vec::new())).unwrap();
    let describe = async |tag: &str| {
        let image = registry.image(&format!("a:{tag}"));
        client.describe(&image, Some(&credentials("open-sesame")), &platforms(&["amd64"])).await
    };
    assert_eq!(describe("token").await.unwrap().bytes, 7);
    assert!(matches!(describe("redirect").await, Err(Error::NoImage { .. })));
    assert_eq!(*seen.lock().unwrap(), [None, None]);
}
