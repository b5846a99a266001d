//! `leasehold-deploy`: puts the market on a chain. `cargo xtask deploy` runs it with the pinned compiler.

mod args;
mod build;
mod print;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    match args::Args::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
