//! Entry point of the operator: installs the TLS provider and hands over to the composition root.

use clap::Parser;
use operator::args::Args;

fn main() -> anyhow::Result<()> {
    // Nothing may open a TLS connection before this.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed before main"))?;
    Args::parse().run()
}
