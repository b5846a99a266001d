//! The `leasehold` binary as its users meet it.
#![allow(clippy::unwrap_used, reason = "tests; helpers beside test functions are not recognised as such")]

mod agent;
mod earnings;
mod lease;
mod leaving;
mod manifest;
mod provider;
mod rewards;
mod run;
mod usage;
mod verify;
mod wallet;
mod world;
