//! `GET /v1/leases/{id}/logs?service=&follow=&tail=`: the service's pods' logs as text, one line after the other.
//!
//! The right to read them comes from the RoleBinding that the operator makes in the lease's namespace, and goes with it.

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream::{self, BoxStream, Stream, select_all};
use futures::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, StreamExt};
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
/// Longer lines are cut, as the container runtime cuts them.
const LONGEST_LINE: u64 = 16 << 10;

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
    let pods = pods_of(&admitted.view, &query.service)?;
    let slot = gateway.shared().log_streams.take(admitted.view.id, pods.len()).ok_or_else(|| {
        Refused::new(ErrorCode::TooManyRequests, "too many log streams are open; try again later")
    })?;
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
        // Moved in, so that the slot is taken exactly as long as the stream is open.
        let _open = &slot;
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
    Ok(lines(reader, prefix).boxed())
}

/// The lines of a log, whatever bytes they hold. A line without an end is the workload's right and must not fill our memory: it is cut.
fn lines(
    reader: impl AsyncBufRead + Send + 'static,
    prefix: String,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold((Box::pin(reader), prefix), async |(mut reader, prefix)| {
        let mut line = prefix.clone().into_bytes();
        if reader.as_mut().take(LONGEST_LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        Ok(Some((Bytes::from(line), (reader, prefix))))
    })
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

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use futures::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn lines_keep_any_bytes_and_one_without_an_end_is_cut() {
        let mut log = b"one\n\xff\n".to_vec();
        log.extend(vec![b'x'; (16 << 10) + 3]);
        let pieces: Vec<Bytes> = lines(Cursor::new(log), "[a] ".into()).try_collect().await.unwrap();
        assert_eq!(pieces[..2], [&b"[a] one\n"[..], &b"[a] \xff\n"[..]]);
        assert_eq!((pieces[2].len(), &pieces[3][..]), (4 + (16 << 10) + 1, &b"[a] xxx\n"[..]));
        assert_eq!(pieces.len(), 4);
    }
}
