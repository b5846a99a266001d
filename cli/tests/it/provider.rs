//! A provider without a cluster: bids on chain, serves a pinned TLS gateway, confirms, meters by the clock, settles.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chain::{At, ChainEvent, Cursor, Followed, FollowerConfig, LogFollower, TxSender};
use gateway_api::auth::{AUTH_HEADER, Audience, AuthHeader, RequestParts, authenticate};
use gateway_api::{
    ApiError, Decimal, ErrorCode, LeasePhase, LeaseStatus, ManifestUpload, ResourceUsage, SeriesQuery,
    ServiceStatus, SignedStatementBody, StatementProposal, StatementRefusal, UsageReport, UsageSeries,
    UsedResources,
};
use http::{HeaderMap, Method, StatusCode, Uri};
use market::{Amount, Bid, Lease, LeaseId, PendingClaim, Timestamp, Usage, amount, cap_cum};
use sha2::{Digest, Sha256};
use testkit::TestMarket;
use tokio::sync::Mutex;

/// How the provider treats its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manners {
    Honest,
    /// Proposes one base unit more than the usage costs.
    Greedy,
    /// Proposes nothing at all, and keeps no series of usage.
    Silent,
    /// Reports so many hundredths of a per cent more than there is, as usage and as amount.
    Inflating(u32),
    /// Its service is dead; it says that the service is ready, and bills it.
    Dead,
}

pub(crate) struct Provider {
    pub(crate) market: TestMarket,
    operator: TxSender,
    manners: std::sync::Mutex<Manners>,
    /// Manifests by lease.
    accepted: Mutex<BTreeMap<LeaseId, [u8; 32]>>,
    /// What tenants would not sign.
    refusals: Mutex<Vec<StatementRefusal>>,
    /// A lease of which nothing is ever answered.
    ignored: std::sync::Mutex<Option<LeaseId>>,
}

/// Starts the gateway and returns its registry record.
pub(crate) async fn start(market: TestMarket, manners: Manners) -> Result<(Arc<Provider>, String)> {
    let key = rcgen::KeyPair::generate()?;
    let certificate = rcgen::CertificateParams::new(vec!["127.0.0.1".into()])?.self_signed(&key)?;
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )?;
    use rcgen::PublicKeyData as _;
    let pin = data_encoding::BASE64URL_NOPAD.encode(&Sha256::digest(key.subject_public_key_info()));
    let operator = market.sender(&market.operator);
    let provider = Arc::new(Provider {
        market,
        operator,
        manners: std::sync::Mutex::new(manners),
        accepted: Mutex::default(),
        refusals: Mutex::default(),
        ignored: std::sync::Mutex::default(),
    });
    let router = axum::Router::new().fallback(serve).with_state(Arc::clone(&provider));
    let handle = axum_server::Handle::new();
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(Arc::new(config));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    tokio::spawn(
        axum_server::bind_rustls(address, tls).handle(handle.clone()).serve(router.into_make_service()),
    );
    let address = handle.listening().await.context("the gateway did not listen")?;
    tokio::spawn(bid_on_orders(Arc::clone(&provider)));
    Ok((provider, format!("https://{address}#pin-sha256={pin}")))
}

/// Answers every order with one bid that is right, one that is too expensive, and some that are traps.
async fn bid_on_orders(provider: Arc<Provider>) -> Result<()> {
    let market = &provider.market;
    let config = FollowerConfig::default();
    let cursor = Cursor::start(market.deployment().deployed_block);
    let mut follower = LogFollower::new(market.client.rpc().clone(), *market.deployment(), config, cursor);
    let mut seen = BTreeSet::new();
    loop {
        // Orders are not billed, so a reorganisation needs nothing here.
        let Followed::Progress { events, .. } = follower.next().await? else { continue };
        for logged in &events {
            let ChainEvent::OrderPosted(posted) = &logged.event else { continue };
            if !seen.insert(posted.order_hash) {
                continue;
            }
            let requirements =
                chain::convert::decode_requirements(posted.order.requirements_hash, &posted.requirements)?;
            let bid = Bid { limits: requirements.limits()?, ..market.bid(posted.order_hash, 1).await? };
            let dear = Bid {
                salt: 2,
                prices: market::Prices(bid.prices.0.map(|price| market::Price(price.0 * 1_000_000))),
                ..bid
            };
            // Cheap, but the money would be stuck for a century, or the provider's own key or share would decide a dispute.
            let cheap = market::Prices(bid.prices.0.map(|price| market::Price(price.0 / 2)));
            let endless = Bid { salt: 3, prices: cheap, start_window: u32::MAX, ..bid };
            let partial = Bid { salt: 4, prices: cheap, arbiter: market.operator.address(), ..bid };
            let unfair = Bid { salt: 5, prices: cheap, split_bps: market::BasisPoints::WHOLE, ..bid };
            for bid in [dear, endless, partial, unfair, bid] {
                let (_, signed) = market.operator.sign_bid(&market.client.eip712(), bid)?;
                provider.operator.execute(market.client.calls().post_bid(&signed)?).await?;
            }
        }
    }
}

async fn serve(
    State(provider): State<Arc<Provider>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match provider.answer(&method, &uri, &headers, &body).await {
        Ok(response) => response,
        Err(error) => refuse(ErrorCode::Internal, &format!("{error:#}")),
    }
}

fn refuse(code: ErrorCode, message: &str) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap();
    (status, axum::Json(ApiError::new(code, message))).into_response()
}

impl Provider {
    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response> {
        let path = uri.path_and_query().context("a path")?.as_str();
        let mut parts = uri.path().splitn(5, '/').skip(3);
        let id: LeaseId = parts.next().context("a lease")?.parse()?;
        let route = parts.next().unwrap_or_default();
        if *self.ignored.lock().unwrap() == Some(id) {
            std::future::pending::<()>().await;
        }
        let header: AuthHeader = headers.get(AUTH_HEADER).context("a signature")?.to_str()?.parse()?;
        let request = RequestParts { method: method.as_str(), path, body };
        let client = &self.market.client;
        let audience =
            Audience { chain_id: client.deployment().chain_id, provider: self.market.provider.address() };
        let now = Timestamp(u64::try_from(jiff::Timestamp::now().as_second())?);
        let seen = match authenticate(&header, &request, &audience, Timestamp(0), now) {
            Ok(seen) => seen,
            Err(error) => {
                let error = ApiError::from(error);
                return Ok(refuse(error.code, &error.message));
            }
        };
        let lease = client.lease(id, At::Latest).await?;
        if ![lease.signer, lease.tenant].contains(&seen.signer) {
            return Ok(refuse(ErrorCode::Foreign, "not your lease"));
        }
        Ok(match (method.as_str(), route) {
            ("PUT", "manifest") => self.accept_manifest(id, &serde_json::from_slice(body)?).await?,
            ("GET", "") => axum::Json(self.status(id).await).into_response(),
            ("GET", "usage/series") if self.manners() == Manners::Silent => {
                refuse(ErrorCode::UnknownRoute, "no such route")
            }
            ("GET", "usage/series") => {
                let query = axum::extract::Query::<SeriesQuery>::try_from_uri(uri)?.0;
                axum::Json(self.series(id, &lease, &query).await?).into_response()
            }
            ("GET", "usage") => axum::Json(self.usage(id, &lease).await?).into_response(),
            ("GET", "statement") => self.propose(id, &lease).await?,
            ("PUT", "statement") => self.settle(id, &serde_json::from_slice(body)?).await?,
            ("PUT", "statement/refusal") => {
                self.refusals.lock().await.push(serde_json::from_slice(body)?);
                StatusCode::NO_CONTENT.into_response()
            }
            (_, route) if route.starts_with("services/") && self.manners() == Manners::Dead => {
                refuse(ErrorCode::ServiceUnreachable, "the service does not answer")
            }
            (_, route) if route.starts_with("logs") => "hello from web\n".into_response(),
            (method, route) => format!("{method} {route} {}", String::from_utf8_lossy(body)).into_response(),
        })
    }

    /// Accepts what the order committed to, and is ready at once.
    async fn accept_manifest(&self, id: LeaseId, upload: &ManifestUpload) -> Result<Response> {
        let client = &self.market.client;
        let opened = client.lease_opened(id).await?.context("a lease")?;
        let order = client.order_posted(opened.bid.order_hash).await?.context("an order")?;
        if upload.hash() != order.order.manifest_hash {
            return Ok(refuse(ErrorCode::ManifestHashMismatch, "another manifest"));
        }
        let manifest = manifest::from_canonical(upload.manifest.as_bytes())?;
        anyhow::ensure!(manifest.requirements().limits()? == opened.bid.limits, "the limits differ");
        self.operator.execute(client.calls().confirm(&[id])).await?;
        self.accepted.lock().await.insert(id, upload.hash().0);
        Ok(StatusCode::OK.into_response())
    }

    async fn status(&self, id: LeaseId) -> LeaseStatus {
        let accepted = self.accepted.lock().await.get(&id).copied();
        let web = ServiceStatus {
            name: "web".to_owned(),
            replicas: 1,
            ready_replicas: 1,
            trouble: None,
            ports: Vec::new(),
            pods: Vec::new(),
        };
        LeaseStatus {
            lease_id: id.0,
            phase: if accepted.is_some() { LeasePhase::Ready } else { LeasePhase::Pending },
            reason: String::new(),
            message: String::new(),
            manifest_hash: accepted.map(Into::into),
            term: None,
            acknowledgement: None,
            services: accepted.map(|_| web).into_iter().collect(),
        }
    }

    async fn usage(&self, id: LeaseId, lease: &Lease) -> Result<UsageReport> {
        let now = self.market.now().await?.min(lease.end_at);
        let opened = self.market.client.lease_opened(id).await?.context("a lease")?;
        Ok(report(&opened.bid, lease, now))
    }

    /// Some twenty points from the start on, two in an answer. Who inflates its statements inflates them, too.
    async fn series(&self, id: LeaseId, lease: &Lease, query: &SeriesQuery) -> Result<UsageSeries> {
        let now = self.market.now().await?.min(lease.end_at);
        let opened = self.market.client.lease_opened(id).await?.context("a lease")?;
        let start = lease.started_at.context("a start")?.0;
        let step = usize::try_from(now.seconds_since(Timestamp(start)).div_ceil(20).max(1))?;
        let moments: Vec<u64> = (start + 1..now.0).step_by(step).chain([now.0]).collect();
        let first = moments.partition_point(|at| query.from.is_some_and(|from| *at <= from));
        let mut points = Vec::new();
        for at in moments.iter().skip(first.saturating_sub(1)).take(2) {
            let mut point = report(&opened.bid, lease, Timestamp(*at));
            if let Manners::Inflating(bps) = self.manners() {
                let truth = Usage::from(&point.allocated);
                point.allocated = ResourceUsage::from(&Usage(truth.0.map(|used| more(used, bps))));
            }
            points.push(point);
        }
        let next = points.get(1).map(|point| point.as_of).filter(|at| *at < now.0);
        Ok(UsageSeries { points, next })
    }

    async fn propose(&self, id: LeaseId, lease: &Lease) -> Result<Response> {
        let manners = self.manners();
        if manners == Manners::Silent || lease.started_at.is_none() {
            return Ok(refuse(ErrorCode::NoStatement, "nothing to sign"));
        }
        let as_of = self.market.now().await?.min(lease.end_at);
        let opened = self.market.client.lease_opened(id).await?.context("a lease")?;
        let elapsed = lease.elapsed(as_of);
        let truth = metered(&opened.bid, elapsed);
        let due = amount(&opened.bid.prices, &opened.bid.limits, &truth, elapsed).0;
        let (usage, asked) = match manners {
            Manners::Inflating(bps) => (Usage(truth.0.map(|used| more(used, bps))), more(due, bps)),
            Manners::Greedy => (truth, due + 1),
            // Rounding aside, a settlement caps what can be asked for the seconds after it.
            Manners::Honest | Manners::Silent | Manners::Dead => {
                let cap = cap_cum(lease.paid, lease.rate_cap_e6, lease.last_as_of, as_of)?;
                (truth, due.min(cap.0))
            }
        };
        let meter_root = [7; 32].into();
        let proposal = StatementProposal {
            amount_cum: Decimal(asked),
            as_of: as_of.0,
            usage: ResourceUsage::from(&usage),
            meter_root,
            usage_hash: usage::usage_hash(&usage, as_of, meter_root),
            last: as_of == lease.end_at,
            settled_cum: Decimal(lease.paid.0),
        };
        Ok(axum::Json(proposal).into_response())
    }

    async fn settle(&self, id: LeaseId, body: &SignedStatementBody) -> Result<Response> {
        let client = &self.market.client;
        let (statement, signature) = body.parts(id);
        let lease = client.lease(id, At::Latest).await?;
        if client.eip712().statement_signer(&statement, &signature) != Some(lease.signer) {
            return Ok(refuse(ErrorCode::StatementRefused, "not the session key"));
        }
        self.operator.execute(client.calls().settle(&[(statement, signature)])?).await?;
        if statement.last {
            let opened = client.lease_opened(id).await?.context("a lease")?;
            self.operator.execute(client.calls().finalize(&[opened.bid])?).await?;
        }
        Ok(StatusCode::OK.into_response())
    }

    fn manners(&self) -> Manners {
        *self.manners.lock().unwrap()
    }

    pub(crate) fn behave(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }

    /// Answers nothing more about a lease.
    pub(crate) fn ignore(&self, lease: Option<LeaseId>) {
        *self.ignored.lock().unwrap() = lease;
    }

    /// What tenants told that they do not sign, since this was asked last.
    pub(crate) async fn take_refusals(&self) -> Vec<StatementRefusal> {
        std::mem::take(&mut *self.refusals.lock().await)
    }

    /// Files a claim over everything that the lease could have used.
    pub(crate) async fn claim_everything(&self, id: LeaseId) -> Result<PendingClaim> {
        let opened = self.market.client.lease_opened(id).await?.context("a lease")?;
        let usage = Usage(opened.bid.limits.0.map(|limit| u128::from(limit) * 1_000_000));
        self.operator.execute(self.market.client.calls().claim(&[(opened.bid, usage)])?).await?;
        self.market.client.lease(id, At::Latest).await?.pending.context("a claim")
    }

    pub(crate) async fn account(&self) -> Amount {
        self.market.client.available(self.market.provider.address(), At::Latest).await.unwrap()
    }
}

fn report(bid: &Bid, lease: &Lease, as_of: Timestamp) -> UsageReport {
    let usage = metered(bid, lease.elapsed(as_of));
    let (allocated, used) = (ResourceUsage::from(&usage), UsedResources::default());
    UsageReport { as_of: as_of.0, sequence: 1, allocated, used, meter_root: [7; 32].into() }
}

/// A figure and so many hundredths of a per cent of it.
fn more(figure: u128, bps: u32) -> u128 {
    figure + figure * u128::from(bps) / 10_000
}

/// Everything allocated, all the time.
fn metered(bid: &Bid, elapsed: u64) -> Usage {
    Usage(bid.limits.0.map(|limit| u128::from(limit) * u128::from(elapsed)))
}
