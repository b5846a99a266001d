//! `ANY /v1/leases/{id}/services/{service}/{port}/{*path}`: the way to a port that the manifest exposes to its tenant.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use gateway_api::ErrorCode;
use http_body_util::BodyExt;

use crate::agent::LeaseView;
use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::gateway::forwarder::{Target, target};
use crate::gateway::middleware::Admitted;

pub(in crate::gateway) async fn forward(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
    request: Request,
) -> Result<Response> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = target(path)
        .ok_or_else(|| Refused::new(ErrorCode::MalformedRequest, "name a service, a port and a path"))?;
    check_exposed(&admitted.view, &target)?;
    let uri = target
        .uri(&crd::lease_name(admitted.view.id), &gateway.shared().settings.cluster_domain)
        .map_err(|error| Refused::internal("name a service's address", &error))?;
    let slot = gateway.shared().forwards.take(admitted.view.id, 1).ok_or_else(|| {
        Refused::new(
            ErrorCode::TooManyRequests,
            "too many requests of this lease are on their way; wait for some",
        )
    })?;
    let (parts, _) = request.into_parts();
    let answer = gateway.shared().forwarder.forward(uri, parts, admitted.body).await?;
    Ok(answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            // Moved in, so that the slot is taken exactly as long as the answer flows.
            let _open = &slot;
            frame
        }))
    }))
}

/// The operator's status lists exactly the ports that the manifest exposes to the tenant.
fn check_exposed(view: &LeaseView, target: &Target<'_>) -> Result<()> {
    let status = view
        .compute
        .as_ref()
        .and_then(|object| object.status.as_ref())
        .filter(|status| !status.services.is_empty())
        .ok_or_else(|| Refused::new(ErrorCode::NotReady, "the lease runs nothing yet"))?;
    let service = status
        .services
        .iter()
        .find(|service| service.name == target.service)
        .ok_or_else(|| Refused::new(ErrorCode::UnknownService, "the lease has no such service"))?;
    if service.ports.iter().any(|port| port.port == i32::from(target.port)) {
        Ok(())
    } else {
        Err(Refused::new(
            ErrorCode::PortNotExposed,
            "the manifest does not expose this port to the tenant (expose: tenant or public)",
        ))
    }
}
