//! The agent's gateway over TLS, as a tenant's client meets it, and as one that misbehaves does.

use std::time::{SystemTime, UNIX_EPOCH};

use ::market::{B256, LeaseId, Statement, Timestamp};
use anyhow::{Context, Result, ensure};
use chain::HotKey;
use gateway_api::{
    ApiError, AuthHeader, ErrorCode, LeaseStatus, SignedStatementBody, StatementProposal,
    auth::{AUTH_HEADER, Audience, RequestParts, digest},
    routes,
};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::{
    market::{Market, Tenant},
    process::{Agent, Starter},
    stage::eventually,
};

/// Signs requests and sends them.
#[derive(Clone)]
pub(super) struct Gateway {
    http: reqwest::Client,
    base: String,
    audience: Audience,
    eip712: chain::Eip712,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

impl Gateway {
    /// Whoever is there is believed: that clients check the pin is the client's own test.
    pub(super) fn new(starter: &Starter, market: &Market) -> Result<Self> {
        let http = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build()?;
        let client = market.client();
        let audience =
            Audience { chain_id: client.deployment().chain_id, provider: market.provider().address() };
        Ok(Self { http, base: starter.gateway(), audience, eip712: client.eip712() })
    }

    /// A header with which `key` asks for this.
    pub(super) fn header(
        &self,
        key: &HotKey,
        method: &Method,
        path: &str,
        body: &[u8],
    ) -> Result<AuthHeader> {
        let issued_at = Timestamp(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
        let (expiry, nonce) = (issued_at.saturating_add(50), B256::random());
        let parts = RequestParts { method: method.as_str(), path, body };
        let signature = key.sign_digest(digest(&parts, &self.audience, issued_at, expiry, nonce)?);
        Ok(AuthHeader { signer: key.address(), issued_at, expiry, nonce, signature })
    }

    /// Sends a request with whatever header.
    pub(super) async fn send_with(
        &self,
        header: &AuthHeader,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer> {
        let request = self.http.request(method, format!("{}{path}", self.base));
        let response = request.header(AUTH_HEADER, header.to_string()).body(body).send().await?;
        Ok(Answer { status: response.status(), body: response.bytes().await?.to_vec() })
    }

    pub(super) async fn send(
        &self,
        key: &HotKey,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Answer> {
        let header = self.header(key, &method, path, &body)?;
        self.send_with(&header, method, path, body).await
    }

    async fn get<T: DeserializeOwned>(&self, key: &HotKey, path: &str) -> Result<T> {
        let answer = self.send(key, Method::GET, path, Vec::new()).await?;
        ensure!(answer.status.is_success(), "GET {path} is answered {answer:?}");
        serde_json::from_slice(&answer.body).with_context(|| format!("GET {path} has another answer"))
    }

    pub(super) async fn status(&self, key: &HotKey, lease: LeaseId) -> Result<LeaseStatus> {
        self.get(key, &routes::lease(lease)).await
    }

    pub(super) async fn proposal(&self, key: &HotKey, lease: LeaseId) -> Result<StatementProposal> {
        self.get(key, &routes::statement(lease)).await
    }

    /// What the agent proposes once it has seen usage up to `as_of`.
    pub(super) async fn proposal_up_to(
        &self,
        agent: &Agent,
        key: &HotKey,
        lease: LeaseId,
        as_of: Timestamp,
    ) -> Result<StatementProposal> {
        eventually("a proposal", agent, async || {
            // It opens only some seconds after its start, and says that there is nothing while nothing is metered.
            Ok(self.proposal(key, lease).await.is_ok_and(|proposal| proposal.as_of == as_of.0))
        })
        .await?;
        self.proposal(key, lease).await
    }

    /// Signs what the agent proposes, once it has seen usage up to `as_of`.
    pub(super) async fn countersign(
        &self,
        agent: &Agent,
        tenant: &Tenant,
        lease: LeaseId,
        as_of: Timestamp,
    ) -> Result<Statement> {
        let proposal = self.proposal_up_to(agent, &tenant.session, lease, as_of).await?;
        let statement = proposal.statement(lease)?;
        let signature = tenant.session.sign_statement(&self.eip712, &statement)?;
        let body = serde_json::to_vec(&SignedStatementBody::new(&statement, signature))?;
        let answer = self.send(&tenant.session, Method::PUT, &routes::statement(lease), body).await?;
        ensure!(answer.status.is_success(), "a signature is answered {answer:?}");
        Ok(statement)
    }
}

impl Answer {
    /// Why not, if it was refused.
    pub(super) fn refusal(&self) -> Result<Option<ErrorCode>> {
        if self.status.is_success() {
            return Ok(None);
        }
        let error: ApiError = serde_json::from_slice(&self.body).with_context(|| format!("{self:?}"))?;
        Ok(Some(error.code))
    }
}
