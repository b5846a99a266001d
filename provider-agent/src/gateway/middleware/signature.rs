//! The request was made just now, for us, by who says so: method, path with query, body and audience are all signed.

use axum::http::request::Parts;
use gateway_api::auth::{RequestParts, authenticate};
use gateway_api::{ApiError, AuthHeader, Authenticated};
use market::Timestamp;

use crate::gateway::Settings;
use crate::gateway::error::Result;

pub(super) fn check(
    header: &AuthHeader,
    parts: &Parts,
    body: &[u8],
    settings: &Settings,
    now: Timestamp,
) -> Result<Authenticated> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = RequestParts { method: parts.method.as_str(), path, body };
    authenticate(header, &request, &settings.audience(), settings.started_at, now)
        .map_err(|error| ApiError::from(error).into())
}
