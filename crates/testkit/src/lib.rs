//! Real parts for tests: a chain and a database in processes of their own, a market on it, and a node that lies on demand.
//!
//! For tests only: errors are `anyhow`, and nothing here is careful with money. Everything listens on loopback,
//! and every process started is ended by its id when its handle is dropped.
#![warn(missing_docs)]

pub mod anvil;
pub mod chart_metrics;
pub mod contracts;
pub mod faulty_rpc;
pub mod gate;
pub mod lease;
#[allow(missing_docs, reason = "documented by its own module")]
pub mod mock_api;
pub mod postgres;
pub mod test_market;

pub use anvil::Anvil;
pub use faulty_rpc::{Fault, FaultyRpc};
pub use gate::{Gate, Moment};
pub use lease::lease;
pub use test_market::TestMarket;
