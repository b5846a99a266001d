//! Many kubelets at once, whose pods burn steadily: a load for a meter, with its truth in closed form.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context as _, ensure};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::server::{TOKEN, is_admitted};

/// So often a kubelet reads its counters, in seconds.
const TICK: i64 = 10;
/// Nodes that have an address of their own on loopback.
const MOST_NODES: usize = 250;

/// A pod that does the same all its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteadyPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// When it began, in Unix seconds.
    pub started: i64,
    /// What it burns, in thousandths of a CPU.
    pub cpu_milli: u64,
    /// Its working set, in bytes.
    pub memory: u64,
    /// What it sends in a second, in bytes.
    pub tx_per_second: u64,
}

impl SteadyPod {
    /// CPU nanoseconds that it had burnt at a second.
    pub fn burnt(&self, at: i64) -> u64 {
        self.cpu_milli * 1_000_000 * self.age(at)
    }

    fn age(&self, at: i64) -> u64 {
        u64::try_from(at - self.started).unwrap_or(0)
    }
}

/// Kubelets on addresses of loopback that share a port, as those of a cluster do. Dropping it ends them.
#[derive(Debug)]
pub struct Fleet {
    files: tempfile::TempDir,
    port: u16,
    asked: Arc<AtomicU64>,
    servers: Vec<JoinHandle<()>>,
}

#[derive(Clone, Debug)]
struct Node {
    pods: Arc<Vec<SteadyPod>>,
    asked: Arc<AtomicU64>,
}

impl Fleet {
    /// The address of a node.
    pub fn address(node: usize) -> IpAddr {
        // Far from the addresses that programs on loopback use by themselves.
        let last = u8::try_from(node % MOST_NODES).unwrap_or(u8::MAX);
        Ipv4Addr::new(127, 20, 0, last + 1).into()
    }

    /// Starts a kubelet for each node.
    ///
    /// # Errors
    /// For more nodes than have addresses, or when one cannot listen.
    pub async fn start(nodes: Vec<Vec<SteadyPod>>) -> anyhow::Result<Self> {
        ensure!((1..=MOST_NODES).contains(&nodes.len()), "there may be 1 to {MOST_NODES} nodes");
        // Somebody else of the process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let files = tempfile::tempdir()?;
        let names = (0..nodes.len()).map(|node| Self::address(node).to_string());
        let certified = rcgen::generate_simple_self_signed(names.collect::<Vec<_>>())?;
        std::fs::write(files.path().join("ca.crt"), certified.cert.pem())?;
        std::fs::write(files.path().join("token"), format!("{TOKEN}\n"))?;
        let key = certified.signing_key.serialize_pem();
        let tls = RustlsConfig::from_pem(certified.cert.pem().into_bytes(), key.into_bytes()).await?;
        let mut fleet = Self { files, port: 0, asked: Arc::default(), servers: Vec::new() };
        for (number, pods) in nodes.into_iter().enumerate() {
            let address = SocketAddr::new(Self::address(number), fleet.port);
            let listener =
                TcpListener::bind(address).with_context(|| format!("failed to listen on {address}"))?;
            listener.set_nonblocking(true)?;
            fleet.port = listener.local_addr()?.port();
            let node = Node { pods: Arc::new(pods), asked: fleet.asked.clone() };
            let app = Router::new().route("/stats/summary", get(summary)).with_state(node);
            let server = axum_server::from_tcp_rustls(listener, tls.clone()).context("failed to serve")?;
            fleet.servers.push(tokio::spawn(async move {
                server.serve(app.into_make_service()).await.expect("a server on loopback serves");
            }));
        }
        Ok(fleet)
    }

    /// The port of all.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate that they show.
    pub fn authority(&self) -> PathBuf {
        self.files.path().join("ca.crt")
    }

    /// The file with the token that they want.
    pub fn token(&self) -> PathBuf {
        self.files.path().join("token")
    }

    /// How often they answered somebody with the token.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

async fn summary(State(node): State<Node>, headers: HeaderMap) -> Response {
    if !is_admitted(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    node.asked.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now().as_second();
    let pods: Vec<Value> = node.pods.iter().map(|pod| reading(pod, now / TICK * TICK)).collect();
    let document = json!({"node": {"nodeName": "node", "systemContainers": []}, "pods": pods});
    ([(CONTENT_TYPE, "application/json")], document.to_string()).into_response()
}

/// A pod as a kubelet of version 1.35 tells of it, in all its length: two and a half kilobytes.
fn reading(pod: &SteadyPod, at: i64) -> Value {
    let time = |second: i64| Timestamp::from_second(second).unwrap_or_default().to_string();
    let (start, at_text) = (time(pod.started), time(at));
    let pressure = |total: u64| {
        let window = json!({"total": total, "avg10": 0, "avg60": 0, "avg300": 0});
        json!({"full": window, "some": window})
    };
    let cpu = json!({
        "time": at_text, "usageNanoCores": pod.cpu_milli * 1_000_000, "usageCoreNanoSeconds": pod.burnt(at),
        "psi": pressure(0)
    });
    let memory = json!({
        "time": at_text, "availableBytes": pod.memory, "usageBytes": pod.memory, "workingSetBytes": pod.memory,
        "rssBytes": pod.memory / 2, "pageFaults": 12_345, "majorPageFaults": 12, "psi": pressure(0)
    });
    let disk = json!({
        "time": at_text, "availableBytes": 50_123_456_512_u64, "capacityBytes": 100_123_456_512_u64, "usedBytes": 40_960,
        "inodesFree": 6_234_567, "inodes": 6_553_600, "inodesUsed": 11
    });
    let io = json!({"time": at_text, "psi": pressure(0)});
    let interface = json!({
        "name": "eth0", "rxBytes": 2 * pod.tx_per_second * pod.age(at), "rxErrors": 0,
        "txBytes": pod.tx_per_second * pod.age(at), "txErrors": 0
    });
    let mut network = interface.clone();
    network["time"] = json!(at_text);
    network["interfaces"] = json!([interface]);
    json!({
        "podRef": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid},
        "startTime": start,
        "containers": [{
            "name": "workload", "startTime": start, "cpu": cpu, "memory": memory, "io": io, "rootfs": disk,
            "logs": disk, "swap": {"time": at_text, "swapAvailableBytes": 0, "swapUsageBytes": 0}
        }],
        "cpu": cpu,
        "memory": memory,
        "io": io,
        "network": network,
        "ephemeral-storage": disk,
        "process_stats": {"process_count": 3},
        "swap": {"time": at_text, "swapAvailableBytes": 0, "swapUsageBytes": 0}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_as_long_as_a_real_one_and_tells_the_truth() {
        let pod = SteadyPod {
            namespace: "clease-aaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
            name: "web-76b8d7c9c4-2xk9p".into(),
            uid: "0b1c7a3e-5a53-4f3e-9a39-1d7a3f0c8a11".into(),
            started: 1_800_000_000,
            cpu_milli: 250,
            memory: 64 << 20,
            tx_per_second: 1_000,
        };
        let found = reading(&pod, 1_800_000_040);
        assert_eq!(found["cpu"]["usageCoreNanoSeconds"], 10_000_000_000_u64);
        assert_eq!(found["network"]["txBytes"], 40_000);
        let length = found.to_string().len();
        assert!((2_200..3_500).contains(&length), "{length}");
    }
}
