//! The operator's load generator; `cargo xtask bench operator` builds it and hands it a cluster with fake nodes.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use e2e::bench::BenchArgs;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("rustls has a provider already")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(BenchArgs::parse().run())
}
