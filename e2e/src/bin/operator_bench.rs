//! The operator's load generator; `cargo xtask bench operator` builds it and hands it a cluster with fake nodes.

use std::process::ExitCode;

use clap::Parser;
use e2e::{bench::BenchArgs, program};

fn main() -> ExitCode {
    program::run(BenchArgs::parse().run())
}
