//! The reverse proxy behind the forwarding route. It knows where to and how; whether is decided before.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::request::Parts;
use axum::http::{Request, Uri, Version};
use axum::response::Response;
use gateway_api::ErrorCode;
use gateway_api::auth::AUTH_HEADER;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_http::timeout::TimeoutBody;

use super::error::{Refused, Result};

/// Headers that belong to one connection, not to the message (RFC 9110, 7.6.1), and what proxies consume.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A service's port and the path on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub service: &'a str,
    pub port: u16,
    /// Path and query as they were sent, with their escapes.
    pub path: &'a str,
}

/// The HTTP client towards the services.
#[derive(Clone, Debug)]
pub struct Forwarder {
    client: Client<HttpConnector, Body>,
    timeout: Duration,
}

/// Takes `/v1/leases/{id}/services/{service}/{port}/...` apart, without decoding: the service sees what the tenant sent and signed.
pub fn target(path_and_query: &str) -> Option<Target<'_>> {
    let rest = path_and_query.strip_prefix("/v1/leases/")?;
    let (_lease, rest) = rest.split_once('/')?;
    let (service, rest) = rest.strip_prefix("services/")?.split_once('/')?;
    let slash = rest.find('/')?;
    let (port, path) = rest.split_at(slash);
    // A DNS label, so that nothing in it can change the host.
    let is_label = !service.is_empty()
        && service.len() <= 63
        && service.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    (is_label && is_number).then_some(Target { service, port: port.parse().ok()?, path })
}

impl Target<'_> {
    /// The address inside the cluster.
    pub fn uri(&self, namespace: &str, cluster_domain: &str) -> Result<Uri, axum::http::Error> {
        let Self { service, port, path } = self;
        Uri::builder()
            .scheme("http")
            .authority(format!("{service}.{namespace}.svc.{cluster_domain}:{port}"))
            .path_and_query(*path)
            .build()
    }
}

impl Forwarder {
    /// A client whose every wait is bounded by `timeout`.
    pub fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT.min(timeout)));
        // A lease ends with its namespace; idle connections to it would only delay that.
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(10)).build(connector);
        Self { client, timeout }
    }

    /// Sends the request to `uri` and streams the answer back.
    pub async fn forward(&self, uri: Uri, parts: Parts, body: Bytes) -> Result<Response> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = parts.method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = parts.headers;
        let headers = request.headers_mut();
        strip_hop_by_hop(headers);
        headers.remove(AUTH_HEADER);
        // The client sets both from the address and the body.
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::EXPECT);
        let answer = match tokio::time::timeout(self.timeout, self.client.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "failed to reach a service");
                return Err(Refused::new(ErrorCode::ServiceUnreachable, "the service does not answer"));
            }
            Err(_) => {
                return Err(Refused::new(ErrorCode::ServiceTimeout, "the service did not answer in time"));
            }
        };
        let (mut head, body) = answer.into_parts();
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::HTTP_11;
        head.extensions.clear();
        Ok(Response::from_parts(head, Body::new(TimeoutBody::new(self.timeout, body))))
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: &str = "/v1/leases/0x01";

    #[test]
    fn a_target_keeps_path_query_and_escapes() {
        let path = format!("{LEASE}/services/web/8080/a%2Fb/../c?x=1&y=%20");
        let target = target(&path).unwrap();
        assert_eq!(target, Target { service: "web", port: 8080, path: "/a%2Fb/../c?x=1&y=%20" });
        let uri = target.uri("lease-abc", "cluster.local").unwrap();
        assert_eq!(uri.to_string(), "http://web.lease-abc.svc.cluster.local:8080/a%2Fb/../c?x=1&y=%20");
    }

    #[test]
    fn nothing_in_a_target_can_name_another_host() {
        for tail in [
            "services/web.other/80/",
            "services/web@evil/80/",
            "services/web%2eother/80/",
            "services//80/",
            "services/web/80",
            "services/web/+80/",
            "services/web/70000/",
            "services/web/80@evil/",
            "services/WEB/80/",
            "logs",
        ] {
            assert_eq!(target(&format!("{LEASE}/{tail}")), None, "{tail}");
        }
    }

    #[test]
    fn hop_by_hop_headers_and_those_that_connection_names_are_stripped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-secret"),
            ("x-secret", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("x-kept", "2"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
