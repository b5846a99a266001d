//! The command line, and the one place where it is turned into a running command.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use url::Url;

use crate::command;
use crate::context::{Confirmation, Context};
use crate::home::Home;
use crate::output::{Form, Output};

/// Rent computing power from a market without a middleman, and offer it.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 not in time, \
    6 not enough money, 7 no acceptable bid, 8 statement refused, 9 manifest not valid"
)]
pub(crate) struct Args {
    /// File with the addresses of the market's contracts
    #[arg(long, global = true, value_name = "FILE", env = "LEASEHOLD_DEPLOYMENT")]
    deployment: Option<PathBuf>,
    /// URL of a node of the chain; of several, with commas between, more than half must say the same
    #[arg(long, global = true, value_name = "URL", env = "LEASEHOLD_RPC", value_delimiter = ',')]
    rpc: Vec<Url>,
    /// File with your private key, mode 0600
    #[arg(long, global = true, value_name = "FILE", env = "LEASEHOLD_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// Folder that remembers your leases [default: ~/.leasehold]
    #[arg(long, global = true, value_name = "DIR", env = "LEASEHOLD_HOME")]
    home: Option<PathBuf>,
    /// Form of the result on standard output
    #[arg(short, long, global = true, value_enum, default_value_t = Form::Table)]
    output: Form,
    /// Spend without asking
    #[arg(short, long, global = true)]
    yes: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Order, accept the best bid, and run a manifest
    Deploy(command::deploy::Args),
    /// Show a lease on the chain and at its provider
    Status(command::status::Args),
    /// Print the logs of a service
    Logs(command::logs::Args),
    /// Show what a lease has used, and what of it is paid
    Usage(command::usage::Args),
    /// Reach a service of a lease through a local address
    Forward(command::forward::Args),
    /// Check what the provider wants to be paid, and sign it
    Countersign(command::countersign::Args),
    /// Watch all your leases: sign what is right, refuse what is not, follow claims and disputes
    Agent(command::agent::Args),
    /// End a lease, settle it, and get the rest back
    Close(command::close::Args),
    /// Contest a claim that the provider filed on chain
    Dispute(command::dispute::Args),
    /// List your leases
    List(command::list::Args),
    /// Keys and money
    #[command(subcommand)]
    Wallet(command::wallet::Command),
    /// Offer a cluster to the market
    #[command(subcommand)]
    Provider(command::provider::Command),
    /// Attest what providers are, and see who attested what
    #[command(subcommand)]
    Auditor(command::auditor::Command),
    /// Reward programmes: compute and check what providers earn, post it, claim it
    Rewards(command::rewards::Args),
    /// Work on manifests without spending anything
    #[command(subcommand)]
    Manifest(command::manifest::Command),
}

impl Command {
    /// Whether its result has lines that can be written as CSV.
    fn has_lines(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::Provider(command) => command.has_lines(),
            _ => false,
        }
    }
}

impl Args {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Args { deployment, rpc, key_file, home, output, yes, command } = self;
        // Before anything is spent whose result could then not be shown.
        let (form, output) = match command.has_lines() {
            true => (output, output.without_lines().unwrap_or(Output::Table)),
            false => (output, output.without_lines()?),
        };
        let confirmation = if yes { Confirmation::Given } else { Confirmation::Ask };
        let context =
            Context { deployment, rpc, key_file, home: Home::new(home)?, form, output, confirmation };
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
            match command {
                Command::Deploy(args) => command::deploy::run(&context, args).await,
                Command::Status(args) => command::status::run(&context, args).await,
                Command::Logs(args) => command::logs::run(&context, args).await,
                Command::Usage(args) => command::usage::run(&context, args).await,
                Command::Forward(args) => command::forward::run(&context, args).await,
                Command::Countersign(args) => command::countersign::run(&context, args).await,
                Command::Agent(args) => command::agent::run(&context, args).await,
                Command::Close(args) => command::close::run(&context, args).await,
                Command::Dispute(args) => command::dispute::run(&context, args).await,
                Command::List(args) => command::list::run(&context, args).await,
                Command::Wallet(command) => command::wallet::run(&context, command).await,
                Command::Provider(command) => command::provider::run(&context, command).await,
                Command::Auditor(command) => command::auditor::run(&context, command).await,
                Command::Rewards(args) => command::rewards::run(&context, args).await,
                Command::Manifest(command) => command::manifest::run(&context, command),
            }
        })
    }
}
