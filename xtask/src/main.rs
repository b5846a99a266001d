//! Development tasks: `cargo xtask <task>`. Tasks drive child processes, so this program stays small to build.

use clap::Parser;

mod args;
mod cache;
mod process;
mod step;
mod testbed;
mod tools;

fn main() -> anyhow::Result<()> {
    args::Args::parse().run()
}
