//! Development tasks: `cargo xtask <task>`. Tasks drive child processes, so this program stays small to build.

use clap::Parser;

mod args;
mod testbed;

fn main() -> anyhow::Result<()> {
    args::Args::parse().run()
}
