//! The `leasehold` binary as its users meet it.

mod lease;
mod manifest;
mod provider;
mod run;
mod usage;
mod wallet;
