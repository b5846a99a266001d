//! The meter's load generator; `cargo xtask bench meter` builds it and hands it an API server.

use std::process::ExitCode;

use clap::Parser;
use e2e::{meter_bench::BenchArgs, program};

fn main() -> ExitCode {
    program::run(BenchArgs::parse().run())
}
