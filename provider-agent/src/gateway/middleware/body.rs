//! The body is whole and fits. It must be read before the signature can be checked, so its size and number are bounded first.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use gateway_api::{ErrorCode, MAX_MANIFEST_BODY, MAX_STATEMENT_BODY};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::BodyLimit;
use crate::gateway::error::{Refused, Result};

/// The unit in which memory is lent.
const UNIT: usize = 4 << 10;
/// Memory for the bodies of statements, of manifests and of forwarded requests, in units: 4, 16 and 48 MiB. Each kind has its own, so that
/// slow uploads of one kind cannot keep the others out, and together they stay far below what the process may use.
const STATEMENTS: usize = 1024;
const MANIFESTS: usize = 4096;
const FORWARDS: usize = 12_288;

/// Memory for bodies whose signature cannot be checked yet.
#[derive(Clone, Debug)]
pub(in crate::gateway) struct Bodies {
    statements: Arc<Semaphore>,
    manifests: Arc<Semaphore>,
    forwards: Arc<Semaphore>,
}

impl Default for Bodies {
    fn default() -> Self {
        let lend = |units| Arc::new(Semaphore::new(units));
        Self { statements: lend(STATEMENTS), manifests: lend(MANIFESTS), forwards: lend(FORWARDS) }
    }
}

impl Bodies {
    /// Lends the memory that the body may need. Requests without a body, the bulk of them, need none.
    pub(super) fn permit(&self, body: &Body, limit: BodyLimit) -> Result<Option<OwnedSemaphorePermit>> {
        if body.is_end_stream() {
            return Ok(None);
        }
        let announced = body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = announced.unwrap_or(usize::MAX).min(limit.0);
        let units = u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX);
        let pool = if limit.0 <= MAX_STATEMENT_BODY {
            &self.statements
        } else if limit.0 <= MAX_MANIFEST_BODY {
            &self.manifests
        } else {
            &self.forwards
        };
        Arc::clone(pool).try_acquire_many_owned(units).map(Some).map_err(|_| {
            Refused::new(ErrorCode::TooManyRequests, "the gateway is busy; try again in a moment")
        })
    }
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

#[cfg(test)]
mod tests {
    use gateway_api::MAX_FORWARD_BODY;

    use super::*;

    #[test]
    fn memory_for_bodies_is_bounded_and_large_uploads_leave_room_for_statements() {
        let bodies = Bodies::default();
        let large = Body::from(vec![0; MAX_FORWARD_BODY]);
        let permits: Vec<_> =
            (0..6).map(|_| bodies.permit(&large, BodyLimit(MAX_FORWARD_BODY)).unwrap()).collect();
        let refused = bodies.permit(&Body::from("x"), BodyLimit(MAX_FORWARD_BODY)).unwrap_err();
        assert_eq!(refused.0.code, ErrorCode::TooManyRequests);
        assert!(bodies.permit(&Body::from("x"), BodyLimit(MAX_STATEMENT_BODY)).unwrap().is_some());
        assert!(bodies.permit(&Body::empty(), BodyLimit(MAX_FORWARD_BODY)).unwrap().is_none());
        drop(permits);
        assert!(bodies.permit(&large, BodyLimit(MAX_FORWARD_BODY)).unwrap().is_some());
    }
}
