//! `PUT /v1/leases/{id}/manifest`: the tenant's manifest, checked against the order's hash by the core.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use gateway_api::{ErrorCode, ManifestUpload};

use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::Admitted;
use crate::inbox::Request;

/// Answers only after the cluster has it.
pub(in crate::gateway) async fn store(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
) -> Result<StatusCode> {
    // The parser's message could quote a secret.
    let ManifestUpload { salt, manifest } = serde_json::from_slice(&admitted.body).map_err(|_| {
        Refused::new(
            ErrorCode::MalformedBody,
            "the body is a JSON object with salt (0x and 64 hex digits) and manifest (text)",
        )
    })?;
    let request = Request::StoreManifest { lease: admitted.view.id, salt, manifest: manifest.into_bytes() };
    gateway.shared().agent.request(request).await??;
    Ok(StatusCode::OK)
}
