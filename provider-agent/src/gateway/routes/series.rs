//! `GET /v1/leases/{id}/usage/series?from=&to=&step=`: what the lease had used by when.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use gateway_api::{ErrorCode, SeriesQuery, UsageSeries};

use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::AdmittedPast;

pub(in crate::gateway) async fn show(
    State(gateway): State<Gateway>,
    Extension(AdmittedPast(lease)): Extension<AdmittedPast>,
    query: Result<Query<SeriesQuery>, QueryRejection>,
) -> Result<Json<UsageSeries>> {
    let malformed = |text: String| Refused::new(ErrorCode::MalformedRequest, text);
    let Query(query) = query.map_err(|error| malformed(error.body_text()))?;
    query.check().map_err(|error| malformed(error.to_string()))?;
    Ok(Json(gateway.shared().series.of(lease, query).await?))
}
