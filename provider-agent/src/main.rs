//! `provider-agent`: see the library.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    // First of all: nothing may pick another TLS provider by itself. Only a second call could fail.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is installed already"))?;
    provider_agent::args::Args::parse().run()
}
