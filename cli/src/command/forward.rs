//! `leasehold forward`: a local HTTP address whose requests are signed and passed on to a service of the lease.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use gateway_api::{MAX_FORWARD_BODY, routes};
use http::{HeaderMap, HeaderName, StatusCode, header};
use manifest::{Expose, ServiceName};
use market::LeaseId;
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::gateway::Gateway;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
    /// The service
    service: String,
    /// The service's port [default: the one that the manifest exposes to the tenant]
    #[arg(long)]
    port: Option<u16>,
    /// Local address; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

#[derive(Serialize)]
struct Listening {
    url: String,
}

struct Target {
    gateway: Gateway,
    lease: LeaseId,
    service: ServiceName,
    port: u16,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease, service, port, listen } = args;
    let service: ServiceName =
        service.parse().map_err(|error: manifest::ParseName| Stop::new(Kind::Usage, error.to_string()))?;
    let port = match port {
        Some(port) => port,
        None => exposed_port(context, lease, &service)?,
    };
    if !listen.ip().is_loopback() {
        eprintln!(
            "warning: {listen} is not a loopback address; whoever reaches it uses the lease in your name"
        );
    }
    let gateway = context.gateway(lease).await?;
    let target = Arc::new(Target { gateway, lease, service, port });
    let router = axum::Router::new().fallback(forward).with_state(target);
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| format!("failed to listen on {listen}"))?;
    let listening = Listening { url: format!("http://{}", listener.local_addr()?) };
    context.output.print(&listening, |listening| listening.url.clone())?;
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            eprintln!("cannot wait for Ctrl-C: {error}");
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(interrupted).await.context("the local server failed")
}

/// The one port that the lease's manifest exposes.
fn exposed_port(context: &Context, lease: LeaseId, service: &ServiceName) -> anyhow::Result<u16> {
    let unknown = |text: String| Stop::new(Kind::NotFound, text).advise("give --port PORT");
    let canonical = context.home.manifest(lease)?;
    let canonical =
        canonical.ok_or_else(|| unknown(format!("this machine does not have the manifest of {lease}")))?;
    let manifest = manifest::from_canonical(&canonical).context("the kept manifest is damaged")?;
    let found = manifest.services().get(service);
    let found = found.ok_or_else(|| unknown(format!("the lease has no service {service}")))?;
    let mut exposed = found.ports.iter().filter(|port| port.expose != Expose::Internal);
    match (exposed.next(), exposed.next()) {
        (Some(port), None) => Ok(port.port.0),
        (None, _) => Err(unknown(format!("{service} exposes no port to the tenant")).into()),
        (Some(_), Some(_)) => Err(unknown(format!("{service} exposes several ports")).into()),
    }
}

async fn forward(State(target): State<Arc<Target>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_local(&parts.headers) {
        return (StatusCode::MISDIRECTED_REQUEST, "this address answers to its own name only\n")
            .into_response();
    }
    if !is_own_page(&parts.headers) {
        return (StatusCode::FORBIDDEN, "pages of other sites may not use this address\n").into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, MAX_FORWARD_BODY).await else {
        let text = format!("a body may have at most {MAX_FORWARD_BODY} bytes\n");
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = routes::forward(target.lease, &target.service, target.port, path);
    let answer = target.gateway.request(parts.method, &path, end_to_end(&parts.headers), body).await;
    match answer {
        Ok(answer) => {
            let (status, headers) = (answer.status(), end_to_end(answer.headers()));
            let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{:#}\n", anyhow::Error::new(error))).into_response(),
    }
}

/// A web page of another site must not reach the lease through a name of its own that points here.
fn is_local(headers: &HeaderMap) -> bool {
    is_local_authority(text(headers, &header::HOST).unwrap_or_default())
}

/// A web page of another site must not send requests here in the user's name, which are signed on the way.
/// Browsers say where a request comes from; following a link is the user's own doing.
fn is_own_page(headers: &HeaderMap) -> bool {
    let origin_is_local = text(headers, &header::ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| is_local_authority(authority))
    });
    let field = |name: &'static str| text(headers, &HeaderName::from_static(name));
    let foreign = field("sec-fetch-site") == Some("cross-site");
    origin_is_local && (!foreign || field("sec-fetch-mode") == Some("navigate"))
}

/// None if the header is absent; a value that is no text is no name of this machine.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// `localhost` or an address, with or without a port.
fn is_local_authority(authority: &str) -> bool {
    use std::net::{IpAddr, SocketAddr};
    let bare = authority.trim_start_matches('[').trim_end_matches(']');
    authority == "localhost"
        || authority.strip_prefix("localhost:").is_some_and(|port| port.parse::<u16>().is_ok())
        || authority.parse::<SocketAddr>().is_ok()
        || bare.parse::<IpAddr>().is_ok()
}

/// The headers that are meant for the other end, and not for the next hop.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const HOP: [HeaderName; 9] = [
        header::CONNECTION,
        header::HOST,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::CONTENT_LENGTH,
    ];
    let named: Vec<&str> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let is_hop = |name: &HeaderName| {
        HOP.contains(name)
            || matches!(name.as_str(), "keep-alive" | "expect" | gateway_api::auth::AUTH_HEADER)
            || named.iter().any(|other| name.as_str().eq_ignore_ascii_case(other))
    };
    headers
        .iter()
        .filter(|(name, _)| !is_hop(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn headers_of_the_hop_and_forged_signatures_stay_behind() {
        let sent = headers(&[
            ("accept", "text/html"),
            ("connection", "close, x-private"),
            ("x-private", "1"),
            ("host", "localhost"),
            ("leasehold-auth", "v1 forged"),
            ("content-length", "3"),
        ]);
        assert_eq!(end_to_end(&sent), headers(&[("accept", "text/html")]));
    }

    #[test]
    fn pages_of_other_sites_are_refused_but_links_and_programs_are_not() {
        let own = [
            &[][..],
            &[("origin", "http://localhost:3000")],
            &[("origin", "http://127.0.0.1:5"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
        ];
        for pairs in own {
            assert!(is_own_page(&headers(pairs)), "{pairs:?}");
        }
        let foreign = [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost.evil.example")],
            &[
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
            ],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        ];
        for pairs in foreign {
            assert!(!is_own_page(&headers(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn only_local_names_are_answered_to() {
        for host in ["localhost", "localhost:80", "127.0.0.1", "127.0.0.1:5", "[::1]", "[::1]:5"] {
            assert!(is_local(&headers(&[("host", host)])), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:80",
            "127.0.0.1.evil.example",
            "localhost.evil.example:5",
            "localhost:x",
            "",
        ] {
            assert!(!is_local(&headers(&[("host", host)])), "{host}");
        }
    }
}
