//! The body is whole and fits. It must be read before the signature can be checked, so its size and number are bounded first.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use gateway_api::ErrorCode;
use http_body_util::{BodyExt, Limited};
use tokio::sync::OwnedSemaphorePermit;

use super::BodyLimit;
use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};

/// Requests without a body, the bulk of them, need no permit, so slow uploads cannot starve them.
pub(super) fn permit(gateway: &Gateway, body: &Body) -> Result<Option<OwnedSemaphorePermit>> {
    if body.is_end_stream() {
        return Ok(None);
    }
    Arc::clone(&gateway.shared().bodies)
        .try_acquire_owned()
        .map(Some)
        .map_err(|_| Refused::new(ErrorCode::TooManyRequests, "the gateway is busy; try again in a moment"))
}

pub(super) async fn read(body: Body, limit: BodyLimit, timeout: Duration) -> Result<Bytes> {
    let read = tokio::time::timeout(timeout, Limited::new(body, limit.0).collect());
    match read.await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refused::new(
            ErrorCode::BodyTooLarge,
            format!("the body is larger than the {} bytes that this route accepts", limit.0),
        )),
        Ok(Err(_)) => Err(Refused::new(ErrorCode::MalformedBody, "the body ended before it was whole")),
        Err(_) => Err(Refused::new(ErrorCode::MalformedBody, "the body did not arrive in time")),
    }
}
