//! The probe's binary; [`isolation_probe::args`] says what it can do.

use clap::Parser as _;
use isolation_probe::args::Args;

fn main() -> anyhow::Result<()> {
    Args::parse().run()
}
