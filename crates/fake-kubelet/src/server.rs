//! A kubelet that speaks HTTPS and wants its token, at whatever time the test says it is.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{Answer, Fault, PodReading};

pub(crate) const TOKEN: &str = "token-of-the-meter";

/// A kubelet on a free port of loopback. Dropping it ends it.
#[derive(Debug)]
pub struct FakeKubelet {
    address: SocketAddr,
    files: tempfile::TempDir,
    kubelet: Arc<Mutex<Kubelet>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Kubelet {
    namespace: String,
    answer: Answer,
    asked: u64,
}

impl FakeKubelet {
    /// Starts one whose pods are in a namespace; it answers with nothing until it is told what.
    pub async fn start(namespace: &str) -> anyhow::Result<Self> {
        // Another test of the process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir()?;
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        std::fs::write(files.path().join("ca.crt"), certified.cert.pem())?;
        std::fs::write(files.path().join("token"), format!("{TOKEN}\n"))?;
        let key = certified.signing_key.serialize_pem();
        let tls = RustlsConfig::from_pem(certified.cert.pem().into_bytes(), key.into_bytes()).await?;
        let kubelet = Kubelet { namespace: namespace.to_owned(), answer: Answer::Pods(Vec::new()), asked: 0 };
        let kubelet = Arc::new(Mutex::new(kubelet));
        let app = Router::new().route("/stats/summary", get(summary)).with_state(kubelet.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server = axum_server::from_tcp_rustls(listener, tls).context("failed to serve")?;
        let server = tokio::spawn(async move {
            server.serve(app.into_make_service()).await.expect("a server on loopback serves");
        });
        Ok(Self { address, files, kubelet, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that it shows.
    pub fn authority(&self) -> PathBuf {
        self.files.path().join("ca.crt")
    }

    /// The file with the token that it wants.
    pub fn token(&self) -> PathBuf {
        Path::join(self.files.path(), "token")
    }

    /// What it answers from now on.
    pub fn answers(&self, answer: Answer) {
        self.kubelet.lock().unwrap_or_else(PoisonError::into_inner).answer = answer;
    }

    /// How often it was asked by somebody with the token.
    pub fn asked(&self) -> u64 {
        self.kubelet.lock().unwrap_or_else(PoisonError::into_inner).asked
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Whether a request shows the token.
pub(crate) fn is_admitted(headers: &HeaderMap) -> bool {
    let expected = format!("Bearer {TOKEN}");
    headers.get(AUTHORIZATION).is_some_and(|found| found.as_bytes() == expected.as_bytes())
}

async fn summary(State(kubelet): State<Arc<Mutex<Kubelet>>>, headers: HeaderMap) -> Response {
    if !is_admitted(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (namespace, answer) = {
        let mut kubelet = kubelet.lock().unwrap_or_else(PoisonError::into_inner);
        kubelet.asked += 1;
        (kubelet.namespace.clone(), kubelet.answer.clone())
    };
    match answer {
        Answer::Pods(pods) => Json(document(&namespace, &pods)).into_response(),
        Answer::Nothing(Fault::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        Answer::Nothing(Fault::Hang) => std::future::pending().await,
        Answer::Nothing(Fault::Garbage) => "<html>not a summary</html>".into_response(),
        // The length promises more than comes.
        Answer::Nothing(_) => {
            let cut = "{\"pods\": [";
            ([("content-length", "1000")], Body::from_stream(broken_after(cut))).into_response()
        }
    }
}

/// One chunk, and the connection breaks.
fn broken_after(text: &'static str) -> impl futures::Stream<Item = Result<&'static str, std::io::Error>> {
    futures::stream::iter([Ok(text), Err(std::io::ErrorKind::ConnectionReset.into())])
}

/// `/stats/summary` as a kubelet writes it, as far as anybody reads it, and a little more.
fn document(namespace: &str, pods: &[PodReading]) -> Value {
    let pods: Vec<Value> = pods.iter().map(|reading| pod(namespace, reading)).collect();
    json!({"node": {"nodeName": "node", "systemContainers": []}, "pods": pods})
}

fn pod(namespace: &str, reading: &PodReading) -> Value {
    let PodReading { uid, name, start, at, cpu, memory, tx, .. } = reading;
    let (start, at) = (time(*start), time(*at));
    json!({
        "podRef": {"name": name, "namespace": namespace, "uid": uid},
        "startTime": start,
        "containers": [{"name": "workload", "startTime": start, "cpu": {"time": at, "usageCoreNanoSeconds": 1}}],
        "cpu": {"time": at, "usageNanoCores": 7, "usageCoreNanoSeconds": cpu},
        "memory": {"time": at, "usageBytes": memory, "workingSetBytes": memory, "rssBytes": 0},
        "network": {"time": at, "name": "eth0", "rxBytes": 2 * tx, "rxErrors": 0, "txBytes": tx, "interfaces": []},
        "process_stats": {"process_count": 3}
    })
}

fn time(second: u64) -> String {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    Timestamp::from_second(second).unwrap_or_default().to_string()
}
