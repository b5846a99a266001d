//! The port for the people who run the process: `/metrics`, `/healthz`, `/readyz`.
//!
//! It serves no tenant and writes nothing.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::checks::{Checks, Report};

/// Failures of the admin server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("failed to listen on {addr}")]
    Listen {
        /// Address that was asked for.
        addr: SocketAddr,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The server stopped by itself.
    #[error("failed to serve the admin port")]
    Serve(#[source] io::Error),
}

/// A listening admin server that does not answer yet.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
}

impl AdminServer {
    /// Takes the port, so that a wrong address ends the process at its start.
    pub async fn bind(addr: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind(addr).await.map_err(|source| Error::Listen { addr, source })?;
        Ok(Self { listener })
    }

    /// Address that was taken, useful when port 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until the token is cancelled.
    pub async fn serve(
        self,
        registry: Registry,
        alive: Checks,
        ready: Checks,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        axum::serve(self.listener, router(registry, alive, ready))
            .with_graceful_shutdown(shutdown.cancelled_owned())
            .await
            .map_err(Error::Serve)
    }
}

/// The routes alone, for tests and for processes with a server of their own.
pub fn router(registry: Registry, alive: Checks, ready: Checks) -> Router {
    Router::new()
        .route("/metrics", get(metrics).with_state(registry))
        .route("/healthz", get(report).with_state(alive))
        .route("/readyz", get(report).with_state(ready))
}

async fn metrics(State(registry): State<Registry>) -> Response {
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "failed to encode metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn report(State(checks): State<Checks>) -> Response {
    let report: Report = checks.report();
    let status = if report.passes() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{report}{}\n", if report.passes() { "ok" } else { "failed" })).into_response()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use prometheus::IntCounter;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn get(addr: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{} {body}", head.split(' ').nth(1).unwrap())
    }

    #[tokio::test]
    async fn the_port_tells_metrics_life_and_readiness_until_shutdown() {
        let registry = Registry::new();
        let counter = IntCounter::new("operator_things_total", "Things.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let ready = Checks::new();
        let caches = ready.add("caches", "not synced");
        let shutdown = CancellationToken::new();
        let server = AdminServer::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let addr = server.local_addr().unwrap();
        let task = tokio::spawn(server.serve(registry, Checks::new(), ready, shutdown.clone()));

        assert_eq!(get(addr, "/healthz").await, "200 ok\n");
        assert_eq!(get(addr, "/readyz").await, "503 caches: not synced\nfailed\n");
        caches.pass();
        assert_eq!(get(addr, "/readyz").await, "200 caches: ok\nok\n");
        assert_eq!(
            get(addr, "/metrics").await,
            "200 # HELP operator_things_total Things.\n# TYPE operator_things_total counter\noperator_things_total 1\n"
        );

        shutdown.cancel();
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it() {
        let server = AdminServer::bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let addr = server.local_addr().unwrap();
        assert_eq!(
            AdminServer::bind(addr).await.unwrap_err().to_string(),
            format!("failed to listen on {addr}")
        );
    }
}
