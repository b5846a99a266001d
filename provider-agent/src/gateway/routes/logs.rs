//! `GET /v1/leases/{id}/logs?service=&follow=&tail=`: the service's pods' logs as text, one line after the other.
//!
//! The right to read them comes from the RoleBinding that the operator makes in the lease's namespace, and goes with it.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{BoxStream, select_all};
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use gateway_api::ErrorCode;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde::Deserialize;

use crate::agent::LeaseView;
use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::gateway::middleware::Admitted;

const DEFAULT_TAIL: u32 = 100;
const LONGEST_TAIL: u32 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::gateway) struct LogQuery {
    service: String,
    #[serde(default)]
    follow: bool,
    tail: Option<u32>,
}

pub(in crate::gateway) async fn stream(
    State(gateway): State<Gateway>,
    Extension(admitted): Extension<Admitted>,
    query: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Response> {
    let Query(query) = query.map_err(|error| Refused::new(ErrorCode::MalformedRequest, error.body_text()))?;
    let permit = Arc::clone(&gateway.shared().log_streams).try_acquire_owned().map_err(|_| {
        Refused::new(ErrorCode::TooManyRequests, "too many log streams are open; try again later")
    })?;
    let pods = pods_of(&admitted.view, &query.service)?;
    let api: Api<Pod> = Api::namespaced(gateway.shared().cluster.clone(), &crd::lease_name(admitted.view.id));
    let params = LogParams {
        follow: query.follow,
        tail_lines: Some(query.tail.unwrap_or(DEFAULT_TAIL).min(LONGEST_TAIL).into()),
        ..LogParams::default()
    };
    let mut streams = Vec::new();
    for pod in &pods {
        let prefix = if pods.len() > 1 { format!("[{pod}] ") } else { String::new() };
        streams.push(pod_lines(&api, pod, &params, prefix).await?);
    }
    let lines = select_all(streams).map(move |line| {
        // Moved in, so that the permit lives exactly as long as the stream.
        let _open = &permit;
        line
    });
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(lines)).into_response())
}

async fn pod_lines(
    api: &Api<Pod>,
    pod: &str,
    params: &LogParams,
    prefix: String,
) -> Result<BoxStream<'static, std::io::Result<Bytes>>> {
    let reader = api.log_stream(pod, params).await.map_err(|error| match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 404) => {
            Refused::new(ErrorCode::NotReady, format!("pod {pod} has no logs (yet)"))
        }
        other => Refused::internal("open a log stream", &other),
    })?;
    Ok(reader.lines().map_ok(move |line| Bytes::from(format!("{prefix}{line}\n"))).boxed())
}

fn pods_of(view: &LeaseView, service: &str) -> Result<Vec<String>> {
    let not_ready = || Refused::new(ErrorCode::NotReady, "the lease runs nothing yet");
    let status = view.compute.as_ref().and_then(|object| object.status.as_ref()).ok_or_else(not_ready)?;
    if status.services.is_empty() {
        return Err(not_ready());
    }
    let found = status.services.iter().find(|one| one.name == service).ok_or_else(|| {
        let names: Vec<_> = status.services.iter().map(|one| one.name.as_str()).collect();
        Refused::new(ErrorCode::UnknownService, format!("the lease's services are: {}", names.join(", ")))
    })?;
    if found.pods.is_empty() {
        return Err(Refused::new(ErrorCode::NotReady, "the service has no pods yet"));
    }
    Ok(found.pods.iter().map(|pod| pod.name.clone()).collect())
}
