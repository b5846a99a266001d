//! The `leasehold` binary as its users meet it.

mod manifest;
mod run;
mod usage;
mod wallet;
