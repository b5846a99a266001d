//! Asks a kubelet for what its pods have used, directly and with nothing but the right to `nodes/stats`.
//!
//! Never through the API server: its node proxy needs a right that is enough to enter any container.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;
use serde::Deserialize;

/// A kubelet that does not answer in this time is asked again at the next scrape.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A node has a few hundred pods of a few kilobytes each.
const LONGEST_ANSWER: usize = 32 << 20;

/// How a kubelet proves who it is.
#[derive(Clone, Debug)]
pub enum KubeletTrust {
    /// By a certificate of this authority (PEM file).
    Authority(PathBuf),
    /// Not at all. The provider asked for it.
    Anything,
}

/// A scrape that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authority's certificate could not be read.
    #[error("failed to read the kubelet authority {path}")]
    ReadAuthority {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client could not be made.
    #[error("failed to make the kubelet client")]
    MakeClient(#[source] reqwest::Error),
    /// The token could not be read.
    #[error("failed to read the kubelet token {path}")]
    ReadToken {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The kubelet did not answer.
    #[error("failed to ask the kubelet at {addr}")]
    Ask {
        /// Its address.
        addr: SocketAddr,
        /// Cause.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is longer than any node's.
    #[error("the kubelet at {addr} answered more than {LONGEST_ANSWER} bytes")]
    AnswerTooLong {
        /// Its address.
        addr: SocketAddr,
    },
    /// The answer is not a summary.
    #[error("failed to parse the answer of the kubelet at {addr}")]
    ParseAnswer {
        /// Its address.
        addr: SocketAddr,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
}

/// Client of all kubelets.
#[derive(Debug)]
pub struct KubeletClient {
    http: reqwest::Client,
    token: PathBuf,
    port: u16,
}

impl KubeletClient {
    /// A client; the token is read anew for each scrape, because it is replaced every hour.
    pub fn new(trust: KubeletTrust, token: PathBuf, port: u16) -> Result<Self, Error> {
        // Redirects are refused: they could carry the token elsewhere.
        let builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let builder = match trust {
            KubeletTrust::Anything => builder.tls_danger_accept_invalid_certs(true),
            KubeletTrust::Authority(path) => {
                let pem = std::fs::read(&path).map_err(|source| Error::ReadAuthority { path, source })?;
                let authority = reqwest::Certificate::from_pem_bundle(&pem).map_err(Error::MakeClient)?;
                builder.tls_certs_only(authority)
            }
        };
        Ok(Self { http: builder.build().map_err(Error::MakeClient)?, token, port })
    }

    /// Everything that the pods of one node have used.
    pub async fn summary(&self, address: IpAddr) -> Result<Summary, Error> {
        let addr = SocketAddr::new(address, self.port);
        let token = tokio::fs::read_to_string(&self.token)
            .await
            .map_err(|source| Error::ReadToken { path: self.token.clone(), source })?;
        let ask = |source| Error::Ask { addr, source };
        let mut answer = self
            .http
            .get(format!("https://{addr}/stats/summary"))
            .bearer_auth(token.trim())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(ask)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(ask)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(Error::AnswerTooLong { addr });
            }
        }
        serde_json::from_slice(&body).map_err(|source| Error::ParseAnswer { addr, source })
    }
}

/// The part of `/stats/summary` that is metered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Summary {
    /// The node itself.
    #[serde(default)]
    pub node: NodeStats,
    /// Pods of the node.
    #[serde(default)]
    pub pods: Vec<PodStats>,
}

/// The node, as far as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStats {
    /// Groups of processes, one of which holds all pods.
    #[serde(default)]
    pub system_containers: Vec<SystemContainer>,
}

/// A group of processes of the node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SystemContainer {
    /// What it is.
    #[serde(default)]
    pub name: String,
    /// Its CPU.
    pub cpu: Option<GroupCpu>,
}

/// CPU counter of a group. Nothing in it is required: pods are metered whatever a kubelet says of groups.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupCpu {
    /// CPU time since the start.
    pub usage_core_nano_seconds: Option<u64>,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStats {
    /// Which pod.
    pub pod_ref: PodRef,
    /// When its counters began.
    pub start_time: Option<Timestamp>,
    /// CPU of the whole pod, whose counter survives restarts of containers.
    pub cpu: Option<CpuStats>,
    /// Memory of the whole pod.
    pub memory: Option<MemoryStats>,
    /// Network of the pod.
    pub network: Option<NetworkStats>,
}

/// Identity of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PodRef {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
}

/// CPU counters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CpuStats {
    /// When they were read.
    pub time: Timestamp,
    /// CPU time since the start.
    pub usage_core_nano_seconds: Option<u64>,
}

/// Memory gauges.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemoryStats {
    /// When they were read.
    pub time: Timestamp,
    /// Memory that cannot be reclaimed.
    pub working_set_bytes: Option<u64>,
}

/// Network counters of the pod's first interface.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStats {
    /// When they were read.
    pub time: Timestamp,
    /// Bytes received since the start.
    pub rx_bytes: Option<u64>,
    /// Bytes sent since the start.
    pub tx_bytes: Option<u64>,
}
