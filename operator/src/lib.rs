//! The operator: turns `ComputeLease` objects into isolated namespaces. As processes of their own it meters
//! what runs in them and answers their questions for names.
//!
//! It holds no keys and never talks to a chain. Everything it does follows from the `ComputeLease`, the
//! cluster and the clock, so it may be killed at any moment and started again.

pub mod args;
pub mod canary;
pub mod client;
pub mod dns;
pub mod election;
mod exposure_args;
pub mod http_route;
pub mod lease_controller;
pub mod meter;
pub mod metrics;
pub mod operation;
pub mod public_internet;
pub mod registry;
pub mod settings;
pub mod watches;
