//! The command line and the composition root.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use telemetry::LogFormat;

use crate::config::Config;
use crate::identity::{Certificate, Identity};
use crate::{key, runtime};

/// Bids on orders, opens leases, serves tenants and settles, for one provider.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent.
    Run {
        /// The configuration file (TOML).
        #[arg(long, env = "LEASEHOLD_AGENT_CONFIG")]
        config: PathBuf,
        /// Log filter, for example `info` or `warn,provider_agent=debug`.
        #[arg(long, env = "RUST_LOG", default_value = "info")]
        log: String,
        /// Log format: text or json.
        #[arg(long, env = "LEASEHOLD_LOG_FORMAT", default_value = "text")]
        log_format: LogFormat,
    },
    /// Print the operator address, the pin of the gateway's key and the uri for the registry.
    Identity {
        /// The configuration file; its key file and public URL are used.
        #[arg(
            long,
            env = "LEASEHOLD_AGENT_CONFIG",
            conflicts_with = "key_file",
            required_unless_present = "key_file"
        )]
        config: Option<PathBuf>,
        /// The operator key file, without a configuration.
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// The form of the answer.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Args {
    /// Does what the command line says.
    pub fn run(self) -> anyhow::Result<()> {
        let Self { command } = self;
        match command {
            Command::Run { config, log, log_format } => {
                telemetry::logging::init(log_format, &log)?;
                let config = Config::load(&config)?;
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .enable_all()
                    .build()
                    .context("failed to start the runtime")?;
                runtime.block_on(async {
                    let shutdown = telemetry::shutdown::on_signal().context("failed to wait for signals")?;
                    runtime::run(config, shutdown).await
                })
            }
            Command::Identity { config, key_file, output } => {
                let identity = identity(config.as_deref(), key_file.as_deref())?;
                match output {
                    Output::Text => print!("{identity}"),
                    Output::Json => println!("{}", serde_json::to_string_pretty(&identity)?),
                }
                Ok(())
            }
        }
    }
}

fn identity(config: Option<&Path>, key_file: Option<&Path>) -> anyhow::Result<Identity> {
    let identity = match (config.map(Config::load).transpose()?, key_file) {
        (_, Some(file)) => Identity::new(&key::load(file)?, None, Certificate::Derived)?,
        (Some(config), None) => {
            let certificate = match config.gateway.certificate_file {
                Some(_) => Certificate::Configured,
                None => Certificate::Derived,
            };
            let key = key::load(&config.provider.operator_key_file)?;
            Identity::new(&key, Some(&config.gateway.public_url), certificate)?
        }
        (None, None) => anyhow::bail!("give --config or --key-file"),
    };
    Ok(identity)
}
