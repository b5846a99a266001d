//! The meter's ledger: what a lease was given, and what it used, as cumulative counters.
//!
//! Pure: time, pod states and samples come in as values, totals come out. The ledger counts only inside the
//! lease's term, only what was delivered, never twice, never backwards, and decides every doubt in the tenant's
//! favour. Its state can be written out and read back at any point; feeding the same observations again changes
//! nothing.
#![warn(missing_docs)]

mod allocated;
mod book;
pub mod bundle;
mod counters;
mod delta;
mod evidence;
mod ledger;
pub mod lives;
mod observation;
pub mod rollup;
mod time;
mod totals;
pub mod verify;

pub use book::Book;
pub use counters::{COUNTERS, Counters};
pub use delta::{QuarantineReason, Verdict};
pub use evidence::{merkle_root, usage_hash};
pub use ledger::{Ledger, Term};
pub use observation::{
    ContainerState, ContainerView, Counter, GaugeSample, LeaseView, NodeView, PodView, ResourceLimits, Run,
    Sample, ServiceView, Trouble, VolumeView,
};
pub use time::{Boot, Millis};
pub use totals::{Totals, Used};
