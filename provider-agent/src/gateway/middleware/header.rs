//! The signature header is there once and well formed.

use axum::http::HeaderMap;
use gateway_api::auth::AUTH_HEADER;
use gateway_api::{ApiError, AuthError, AuthHeader, ErrorCode};

use crate::gateway::error::{Refused, Result};

pub(super) fn check(headers: &HeaderMap) -> Result<AuthHeader> {
    let mut values = headers.get_all(AUTH_HEADER).iter();
    let value = values
        .next()
        .ok_or_else(|| Refused::new(ErrorCode::Unsigned, "sign the request with a Leasehold-Auth header"))?;
    let malformed = || Refused(ApiError::from(AuthError::Malformed));
    if values.next().is_some() {
        return Err(malformed());
    }
    value
        .to_str()
        .map_err(|_| malformed())?
        .parse::<AuthHeader>()
        .map_err(|error| ApiError::from(error).into())
}
