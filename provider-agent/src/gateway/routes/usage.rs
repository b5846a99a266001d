//! `GET /v1/leases/{id}/usage`: what the operator's meter published last.

use axum::{Extension, Json};
use gateway_api::{ErrorCode, UsageReport};

use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::Admitted;
use crate::series::Point;

pub(in crate::gateway) async fn show(Extension(admitted): Extension<Admitted>) -> Result<Json<UsageReport>> {
    let usage = admitted
        .view
        .compute
        .as_ref()
        .and_then(|object| object.status.as_ref()?.usage.as_ref())
        .ok_or_else(|| Refused::new(ErrorCode::NotReady, "nothing is metered yet"))?;
    let point =
        Point::try_from(usage).map_err(|error| Refused::internal("read the published usage", &error))?;
    Ok(Json(UsageReport::from(&point)))
}
