//! What the operator sees of a lease at one moment.

use serde::{Deserialize, Serialize};

use crate::{Boot, Millis};

/// What one container may use at most; what it is allocated while it is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Thousandths of a CPU.
    pub cpu_milli: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Thousandths of a GPU.
    pub gpu_milli: u64,
    /// Thousandths of extended devices.
    pub device_milli: u64,
}

/// One run of a container, between two restarts.
///
/// The API server keeps whole seconds: round starts up and ends down, so that the tenant never pays for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it started.
    pub started_at: Millis,
    /// When it ended.
    pub finished_at: Millis,
}

/// What a container does at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// It is pending, pulling, crashed and waiting, or evicted.
    Waiting,
    /// It runs.
    Running {
        /// Since when.
        started_at: Millis,
        /// Since when it has been ready without a break; none if it has a readiness probe and is not ready. A container
        /// without a probe is ready since it started.
        ready_since: Option<Millis>,
    },
    /// It has ended for good.
    Terminated(Run),
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// Its limits.
    pub limits: ResourceLimits,
    /// What it does now.
    pub state: ContainerState,
    /// The run before the present one, if it restarted.
    pub last_run: Option<Run>,
}

/// One pod of a lease, as the pod watch shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Its UID: names are reused, UIDs are not.
    pub uid: String,
    /// The service that it is a replica of.
    pub service: String,
    /// Its containers.
    pub containers: Vec<ContainerView>,
    /// What its runtime may use beside the containers' limits. It widens what a reading may show, and is not allocated.
    pub overhead: ResourceLimits,
    /// Its node.
    pub node: NodeView,
    /// Whether something that keeps it from being ready lies with the provider.
    pub trouble: Trouble,
}

/// What is known of a pod's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The last moment of which it is known that it lived. What it ran after that is not known, and not credited.
    pub alive_until: Millis,
    /// Its present boot, where that is known.
    pub boot: Option<Boot>,
}

/// Whose fault it is that a running container is not ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is wrong with the node or with what the provider does to the pod.
    None,
    /// The node is unfit or lost, or the pod is being evicted.
    Provider,
}

impl Trouble {
    /// This, or that where this is none.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match self {
            Self::None => other,
            Self::Provider => self,
        }
    }
}

/// One volume of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeView {
    /// The claim's UID.
    pub uid: String,
    /// Its capacity.
    pub bytes: u64,
    /// When it was bound.
    pub bound_since: Millis,
}

/// A service that the lease must run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// How many replicas must be ready.
    pub replicas: u32,
}

/// Everything of a lease at one moment. Pods and volumes that are missing from it no longer exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseView {
    /// What it must run to count as up.
    pub services: Vec<ServiceView>,
    /// Its pods.
    pub pods: Vec<PodView>,
    /// Its bound volumes.
    pub volumes: Vec<VolumeView>,
    /// Public addresses that it holds.
    pub leased_ips: u32,
    /// Bytes per second that it may send; none where nothing bounds it.
    pub egress_bytes_per_second: Option<u64>,
}

/// A counter that the kubelet keeps for a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Counter {
    /// CPU time of the pod's control group, in nanoseconds.
    CpuNanoseconds,
    /// Bytes received.
    NetworkRxBytes,
    /// Bytes sent.
    NetworkTxBytes,
}

/// One reading of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The pod.
    pub pod_uid: String,
    /// The counter.
    pub counter: Counter,
    /// When the counter started from nought.
    pub start: Millis,
    /// When it was read.
    pub at: Millis,
    /// What it showed.
    pub value: u64,
}

/// One reading of a pod's working set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GaugeSample {
    /// The pod.
    pub pod_uid: String,
    /// When it was read.
    pub at: Millis,
    /// Bytes in use.
    pub bytes: u64,
}
