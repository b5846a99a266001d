//! Development tasks: `cargo xtask <task>`. Tasks drive child processes, so this program stays small to build.

use std::process::ExitCode;

use clap::Parser;

mod accuracy;
mod agentless;
mod args;
mod bench;
mod cache;
mod codegen;
mod demo;
mod deploy;
mod images;
mod isolation;
mod process;
mod step;
mod suite;
mod testbed;
mod tidy;
mod tools;

fn main() -> ExitCode {
    match args::Args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
