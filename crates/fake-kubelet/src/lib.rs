//! Kubelets that play a script whose truth is known in closed form: the judge of the meter.
//!
//! For tests only. It imports nothing of ours, so that the judge shares no line and no mistake with what it judges.
//! A [`Script`] says what nodes and pods really do, in milliseconds; from it follow what the API server shows
//! ([`Script::pods_at`], [`Script::node_at`]), what a kubelet answers ([`Script::stats`], [`FakeKubelet`] over TLS),
//! and what an honest meter must have counted ([`Judge`]).
#![warn(missing_docs)]

mod fleet;
mod judge;
mod load;
mod random;
mod script;
mod server;
mod shown;
mod stats;

pub use fleet::{Fleet, SteadyPod};
pub use judge::{Judge, Range};
pub use load::Load;
pub use random::Random;
pub use script::{Fault, NodeScript, PodScript, RunScript, Scrape, Script, Span};
pub use server::FakeKubelet;
pub use shown::{ShownNode, ShownPod, ShownRun, ShownState};
pub use stats::{Answer, PodReading};

/// The millisecond at which scripts begin.
pub const EPOCH: u64 = 1_800_000_000_000;
/// How often a kubelet renews its Lease.
pub const HEARTBEAT: u64 = 10_000;
/// After so long without a heartbeat the control plane takes a node for lost.
pub const GRACE: u64 = 40_000;
