//! The escape table on a real cluster; `cargo xtask isolation` builds it and hands it a running testbed.
//!
//! Modules in reading order: what a run is given ([`args`]), who acts ([`place`]), the order of things ([`run`]), leases
//! ([`lease`]), and the proofs: from inside of containers ([`inside`], aimed by [`aim`]), objects given to the API server
//! ([`admission`]), rights ([`rights`]), images that are another tenant's ([`private_images`]), the race for a host ([`hosts`]), loads ([`loads`]), limits that only the node can tell
//! ([`node`]), a network that enforces nothing ([`unenforced`]) and what a lease leaves behind ([`residue`]). [`table`] judges.

use std::process::ExitCode;

use clap::Parser;
use e2e::program;

mod admission;
mod aim;
mod args;
mod corpus;
mod hosts;
mod inside;
mod lease;
mod loads;
mod node;
mod place;
mod private_images;
mod rendered;
mod residue;
mod rights;
mod run;
mod table;
mod unenforced;

fn main() -> ExitCode {
    program::run(args::Args::parse().run())
}
