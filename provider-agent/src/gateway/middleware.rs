//! The checks in front of every signed route, in their order, one file each.
//!
//! [`header`] the signature header is there and well formed · [`lease`] the path names a lease of ours and the claimed signer may act for it ·
//! [`body`] the body fits · [`signature`] time and signature hold, so the claim is true · [`nonce`] the request is new · [`rate`] the signer is
//! not too eager.

pub(super) mod body;
mod header;
mod lease;
mod nonce;
pub(super) mod rate;
mod signature;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use gateway_api::AuthHeader;
use market::LeaseId;

use super::Gateway;
use super::error::Result;
use crate::agent::LeaseView;

/// The most bytes that a route reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyLimit(pub(super) usize);

/// What the handlers learn: an admitted request.
#[derive(Clone, Debug)]
pub(super) struct Admitted {
    pub(super) view: LeaseView,
    pub(super) body: Bytes,
}

/// The same of a route that also shows leases that are over.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdmittedPast(pub(super) LeaseId);

/// Runs the checks and hands the request on, with what they found as extensions.
pub(super) async fn admit(
    State((gateway, limit)): State<(Gateway, BodyLimit)>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let header = header::check(&parts.headers)?;
    // Who could not be allowed anything is not worth the memory of a body.
    let view = lease::check(&gateway, parts.uri.path(), header.signer).await?;
    let body = believe(&gateway, limit, &header, &parts, body).await?;
    parts.extensions.insert(Admitted { view, body });
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

/// The same, for a route that also shows leases that are over.
pub(super) async fn admit_past(
    State((gateway, limit)): State<(Gateway, BodyLimit)>,
    request: Request,
    next: Next,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let header = header::check(&parts.headers)?;
    let lease = lease::check_past(&gateway, parts.uri.path(), header.signer).await?;
    believe(&gateway, limit, &header, &parts, body).await?;
    parts.extensions.insert(AdmittedPast(lease));
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

/// Reads the body of a request whose claimed signer may make it, and checks that the claim is true.
async fn believe(
    gateway: &Gateway,
    limit: BodyLimit,
    header: &AuthHeader,
    parts: &Parts,
    body: Body,
) -> Result<Bytes> {
    // Held until the answer's head is ready, so that the bodies in memory are bounded.
    let _permit = gateway.shared().bodies.permit(&body, limit)?;
    let body = body::read(body, limit, gateway.shared().settings.request_timeout).await?;
    // After the body: it may have taken its time, and the request must still be valid when its nonce is looked up.
    let now = gateway.shared().settings.now();
    let signed = signature::check(header, parts, &body, &gateway.shared().settings, now)?;
    nonce::check(gateway, &signed, now)?;
    rate::check(gateway, signed.signer, now)?;
    Ok(body)
}
