//! What every long-running binary of ours needs around its work: logs, metrics, health and shutdown.
//!
//! Knows nothing about leases: no domain crate may be imported here.
#![warn(missing_docs)]

pub mod admin;
pub mod checks;
pub mod logging;
pub mod shutdown;

pub use admin::AdminServer;
pub use checks::{Check, Checks, Health};
pub use logging::LogFormat;
pub use prometheus::Registry;
pub use tokio_util::sync::CancellationToken;
