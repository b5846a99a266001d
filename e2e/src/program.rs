//! What every program of this crate begins with.

use std::process::ExitCode;

use anyhow::{Context, Result};

/// Does the work on a runtime of its own, and says on stderr what ended it early.
pub fn run(work: impl Future<Output = Result<()>>) -> ExitCode {
    match start(work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(work: impl Future<Output = Result<()>>) -> Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok()
        .context("rustls has a provider already")?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
