//! The demo driver; `cargo xtask demo` builds it and hands it a running testbed.

use std::process::ExitCode;

use clap::Parser;
use e2e::{args::Args, program};

fn main() -> ExitCode {
    program::run(Args::parse().run())
}
