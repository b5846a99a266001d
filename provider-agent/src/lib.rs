//! The provider's agent: follows the chain, bids, opens `ComputeLease`s, serves tenants, settles.
//!
//! In reading order: [`agent`] is the pure core, [`bidding`] and [`inventory`] decide about orders, [`effects`] is the only module that spends money
//! or writes to the cluster, [`series`] remembers usage for tenants, [`gateway`] is what tenants talk to, [`runtime`] wires everything together.

pub mod agent;
pub mod bidding;
pub mod gate;
pub mod inventory;
pub mod pricing;
pub mod settling;

pub mod config;
pub mod identity;
pub mod journal;
pub mod key;

pub mod cluster;
pub mod effects;
pub mod follow;
pub mod gateway;
pub mod inbox;
pub mod series;
pub mod standing;

pub mod args;
pub mod clock;
pub mod metrics;
pub mod runtime;
