//! `leasehold`: rent computing power from a market without a middleman, and offer it.

mod agent;
mod args;
mod attributes_file;
mod claim;
mod command;
mod context;
mod countersign;
mod exit;
mod gateway;
mod home;
mod key_file;
mod manifest_file;
mod moment;
mod money;
mod offer;
mod output;
mod own_view;
mod poll;
mod private_file;
mod progress;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    // The first provider that is installed is the only one; nothing can have installed another before main.
    let _first = rustls::crypto::ring::default_provider().install_default();
    exit::report(args::Args::parse().run())
}
