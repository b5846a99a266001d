//! The routes and the checks in front of each.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, put};
use gateway_api::routes::{HEALTHZ, PROVIDER, patterns};
use gateway_api::{ErrorCode, MAX_FORWARD_BODY, MAX_MANIFEST_BODY, MAX_STATEMENT_BODY};

use super::Gateway;
use super::error::Refused;
use super::middleware::{BodyLimit, admit, admit_past};
use super::routes::{forward, logs, manifest, provider, series, statement, status, usage};

/// No body is expected.
const NO_BODY: usize = 0;

/// All routes.
pub fn router(gateway: Gateway) -> Router {
    // `any` is a fallback itself, so only the others get one.
    let only = |route: MethodRouter<Gateway>| route.fallback(method_not_allowed);
    let signed = |limit: usize, route: MethodRouter<Gateway>| {
        route.layer(from_fn_with_state((gateway.clone(), BodyLimit(limit)), admit))
    };
    let past = from_fn_with_state((gateway.clone(), BodyLimit(NO_BODY)), admit_past);
    Router::new()
        .route(HEALTHZ, only(get(async || StatusCode::OK)))
        .route(PROVIDER, only(get(provider::show)))
        .route(patterns::MANIFEST, signed(MAX_MANIFEST_BODY, only(put(manifest::store))))
        .route(patterns::LEASE, signed(NO_BODY, only(get(status::show))))
        .route(patterns::USAGE, signed(NO_BODY, only(get(usage::show))))
        .route(patterns::USAGE_SERIES, only(get(series::show)).layer(past))
        .route(patterns::LOGS, signed(NO_BODY, only(get(logs::stream))))
        .route(
            patterns::STATEMENT,
            signed(MAX_STATEMENT_BODY, only(get(statement::propose).put(statement::store))),
        )
        .route(patterns::STATEMENT_REFUSAL, signed(MAX_STATEMENT_BODY, only(put(statement::refuse))))
        .route(patterns::FORWARD, signed(MAX_FORWARD_BODY, any(forward::forward)))
        .route(patterns::FORWARD_ROOT, signed(MAX_FORWARD_BODY, any(forward::forward)))
        .fallback(async || Refused::new(ErrorCode::UnknownRoute, "no such route"))
        .with_state(gateway)
}

async fn method_not_allowed() -> Refused {
    Refused::new(ErrorCode::MethodNotAllowed, "this route does not take this method")
}
