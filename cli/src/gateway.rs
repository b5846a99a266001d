//! Signed requests to a provider's gateway.

mod series;
mod tls;
mod uri;

use std::time::Duration;

use alloy_primitives::B256;
use bytes::Bytes;
use chain::HotKey;
use gateway_api::auth::{self, AUTH_HEADER, Audience, AuthHeader, RequestParts};
use gateway_api::{
    ApiError, ErrorCode, LeaseStatus, ManifestUpload, SignedStatementBody, StatementProposal,
    StatementRefusal, UsageReport, routes,
};
use http::Method;
use market::{LeaseId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use uri::GatewayUri;
use uri::Trust;

/// Seconds that a signed request stays valid.
const LIFETIME_SECONDS: u64 = 50;
/// Time for an ordinary answer. Streams are exempt.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer read into memory.
const MAX_ANSWER: usize = 4 << 20;

/// Talks to one gateway with one key.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    http: reqwest::Client,
    uri: GatewayUri,
    audience: Audience,
    key: HotKey,
}

/// Why a gateway did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("failed to prepare a connection to the gateway")]
    Prepare(#[source] reqwest::Error),
    #[error("failed to prepare the gateway's TLS")]
    Tls(#[source] rustls::Error),
    #[error("failed to reach the provider's gateway {gateway}")]
    Reach {
        gateway: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the provider refused")]
    Refused(#[source] ApiError),
    #[error("the provider's gateway did not answer in time")]
    Timeout,
    #[error("the gateway answered with status {status} and something unreadable")]
    Unreadable { status: u16 },
    #[error("the provider's series of usage has no end")]
    EndlessSeries,
    #[error("failed to write the request")]
    Encode(#[source] serde_json::Error),
    #[error("the request cannot be signed")]
    Sign(#[source] auth::AuthError),
    #[error("{0:?} is not a path")]
    Path(String),
}

impl GatewayError {
    /// The gateway's own reason, if it gave one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            GatewayError::Refused(error) => Some(error.code),
            _ => None,
        }
    }

    /// Whether asking again later may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            GatewayError::Reach { .. } | GatewayError::Timeout | GatewayError::Unreadable { .. } => true,
            GatewayError::Refused(error) => matches!(
                error.code,
                // The agent learns of a lease a moment after the chain does.
                ErrorCode::UnknownLease
                    | ErrorCode::NotReady
                    | ErrorCode::NoStatement
                    | ErrorCode::IssuedBeforeStart
                    | ErrorCode::TooManyRequests
                    | ErrorCode::Unavailable
                    | ErrorCode::Internal
            ),
            _ => false,
        }
    }
}

impl Gateway {
    pub(crate) fn new(uri: GatewayUri, audience: Audience, key: HotKey) -> Result<Self, GatewayError> {
        let builder = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .no_proxy();
        let builder = match uri.trust {
            Trust::Pin(pin) => {
                builder.tls_backend_preconfigured(tls::pinned(pin).map_err(GatewayError::Tls)?)
            }
            Trust::WebPki => builder,
        };
        Ok(Gateway { http: builder.build().map_err(GatewayError::Prepare)?, uri, audience, key })
    }

    pub(crate) async fn upload_manifest(
        &self,
        lease: LeaseId,
        upload: &ManifestUpload,
    ) -> Result<(), GatewayError> {
        self.send(Method::PUT, &routes::manifest(lease), encode(upload)?).await.map(drop)
    }

    pub(crate) async fn status(&self, lease: LeaseId) -> Result<LeaseStatus, GatewayError> {
        self.get(&routes::lease(lease)).await
    }

    pub(crate) async fn usage(&self, lease: LeaseId) -> Result<UsageReport, GatewayError> {
        self.get(&routes::usage(lease)).await
    }

    pub(crate) async fn proposal(&self, lease: LeaseId) -> Result<StatementProposal, GatewayError> {
        self.get(&routes::statement(lease)).await
    }

    /// The same; none if the provider has nothing to sign.
    pub(crate) async fn proposal_if_any(
        &self,
        lease: LeaseId,
    ) -> Result<Option<StatementProposal>, GatewayError> {
        match self.proposal(lease).await {
            Err(error) if error.code() == Some(ErrorCode::NoStatement) => Ok(None),
            found => found.map(Some),
        }
    }

    pub(crate) async fn upload_statement(
        &self,
        lease: LeaseId,
        body: &SignedStatementBody,
    ) -> Result<(), GatewayError> {
        self.send(Method::PUT, &routes::statement(lease), encode(body)?).await.map(drop)
    }

    /// Tells why a proposal is not signed.
    pub(crate) async fn upload_refusal(
        &self,
        lease: LeaseId,
        body: &StatementRefusal,
    ) -> Result<(), GatewayError> {
        self.send(Method::PUT, &routes::statement_refusal(lease), encode(body)?).await.map(drop)
    }

    /// Asks a service for a path. None if it answered, whatever it said; else why the gateway has no answer of it.
    pub(crate) async fn probe(
        &self,
        lease: LeaseId,
        service: &manifest::ServiceName,
        port: u16,
        path: &str,
    ) -> Result<Option<ErrorCode>, GatewayError> {
        let path = routes::forward(lease, service, port, path);
        let exchange = async {
            let response = self.request(Method::GET, &path, http::HeaderMap::new(), Bytes::new()).await?;
            if !response.status().is_client_error() && !response.status().is_server_error() {
                return Ok(None);
            }
            match refusal(response).await {
                GatewayError::Refused(error) => Ok(Some(error.code)),
                // An error that is not the gateway's is the service's own answer.
                GatewayError::Unreadable { .. } => Ok(None),
                error => Err(error),
            }
        };
        let in_time = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        in_time.unwrap_or(Err(GatewayError::Timeout))
    }

    /// A stream of log text.
    pub(crate) async fn logs(&self, path: &str) -> Result<reqwest::Response, GatewayError> {
        let response = self.request(Method::GET, path, http::HeaderMap::new(), Bytes::new()).await?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    /// Any request, with the answer as it comes. `path` includes the query.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: http::HeaderMap,
        body: Bytes,
    ) -> Result<reqwest::Response, GatewayError> {
        let url = self.uri.base.join(path).map_err(|_| GatewayError::Path(path.to_owned()))?;
        // What is signed is what is sent: the path after the URL library has normalised it.
        let signed_path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        if url.origin() != self.uri.base.origin() {
            return Err(GatewayError::Path(path.to_owned()));
        }
        let parts = RequestParts { method: method.as_str(), path: signed_path, body: &body };
        let header =
            sign(&self.key, &parts, &self.audience, now(), B256::random()).map_err(GatewayError::Sign)?;
        let request =
            self.http.request(method, url.clone()).headers(headers).header(AUTH_HEADER, header.to_string());
        let reach = |source| GatewayError::Reach { gateway: self.uri.base.to_string(), source };
        request.body(body).send().await.map_err(reach)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, GatewayError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&answer).map_err(|_| GatewayError::Unreadable { status: 200 })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, GatewayError> {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let exchange = async {
            let response = self.request(method, path, headers, body).await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            read(response).await
        };
        let in_time = tokio::time::timeout(ANSWER_TIMEOUT, exchange).await;
        in_time.unwrap_or(Err(GatewayError::Timeout))
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Bytes, GatewayError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(GatewayError::Encode)
}

async fn read(mut response: reqwest::Response) -> Result<Bytes, GatewayError> {
    let status = response.status().as_u16();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| GatewayError::Unreadable { status })? {
        if answer.len() + chunk.len() > MAX_ANSWER {
            return Err(GatewayError::Unreadable { status });
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer.into())
}

async fn refusal(response: reqwest::Response) -> GatewayError {
    let status = response.status().as_u16();
    match read(response).await.map(|answer| serde_json::from_slice(&answer)) {
        Ok(Ok(error)) => GatewayError::Refused(printable(error)),
        _ => GatewayError::Unreadable { status },
    }
}

/// The provider's words, without what could move the cursor or hide a line of a terminal.
fn printable(error: ApiError) -> ApiError {
    let message = error.message.chars().filter(|c| !c.is_control()).take(500).collect();
    ApiError { message, ..error }
}

/// Signs a request for the next minute.
fn sign(
    key: &HotKey,
    parts: &RequestParts<'_>,
    audience: &Audience,
    issued_at: Timestamp,
    nonce: B256,
) -> Result<AuthHeader, auth::AuthError> {
    let expiry = issued_at.saturating_add(LIFETIME_SECONDS);
    let digest = auth::digest(parts, audience, issued_at, expiry, nonce)?;
    Ok(AuthHeader { signer: key.address(), issued_at, expiry, nonce, signature: key.sign_digest(digest) })
}

/// This machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    #[test]
    fn a_providers_words_cannot_write_over_the_terminal() {
        let error = ApiError::new(ErrorCode::Foreign, format!("\x1b[2Jpaid\r\n{}", "x".repeat(1_000)));
        assert_eq!(printable(error).message, format!("[2Jpaid{}", "x".repeat(493)));
    }

    #[test]
    fn a_signed_request_is_believed_by_the_gateways_own_check() {
        let key = HotKey::random();
        let audience = Audience { chain_id: 5, provider: Address::repeat_byte(3) };
        let parts = RequestParts { method: "GET", path: "/v1/leases/0x0/usage?a=b", body: b"" };
        let header = sign(&key, &parts, &audience, Timestamp(100), B256::repeat_byte(1)).unwrap();
        let header: AuthHeader = header.to_string().parse().unwrap();
        let seen = auth::authenticate(&header, &parts, &audience, Timestamp(0), Timestamp(101)).unwrap();
        assert_eq!(seen.signer, key.address());
    }
}
