//! The meter beside the kernel, on a real kubelet; `cargo xtask accuracy` builds it and hands it a running testbed.
//!
//! Modules in reading order: what a run is given ([`args`]), the cluster ([`place`]), the leases and their work
//! ([`burners`]), what goes wrong meanwhile ([`disturb`]), what the kernel counted ([`kernel`]), the order of things
//! ([`run`]) and the judgement ([`judge`]).

use std::process::ExitCode;

use clap::Parser;
use e2e::program;

mod args;
mod burners;
mod disturb;
mod judge;
mod kernel;
mod place;
mod run;

fn main() -> ExitCode {
    program::run(args::Args::parse().run())
}
