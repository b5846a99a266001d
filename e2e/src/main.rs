//! The demo driver; `cargo xtask demo` builds it and hands it a running testbed.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use e2e::args::Args;

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
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(Args::parse().run())
}
