//! The demo driver; `cargo xtask demo` builds it and hands it a running testbed.

use clap::Parser;
use e2e::args::Args;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a rustls crypto provider is installed already"))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(Args::parse().run())
}
