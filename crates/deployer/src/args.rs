//! The command line: what to do, with which files, through which node.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use chain::deploy::{
    Blueprint, ChainState, Params, Progress, Record, ReviewedParams, Runner, bundle, check, estimate,
    first_block, install_factory, plan, transactions,
};
use chain::{HotKey, Rpc, SenderConfig};
use clap::{Parser, Subcommand};
use url::Url;

use crate::build::Toolchain;
use crate::print;

/// Deploys the market to an EVM chain, and checks what was deployed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask deploy", bin_name = "cargo xtask deploy")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    toolchain: Toolchain,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every step with address, arguments, hash of its data, gas and cost, and what is done. Sends nothing.
    Plan {
        #[command(flatten)]
        target: Target,
    },
    /// Do every step that is not done, verify the end, write the record. May be ended and run again at any point.
    Run {
        #[command(flatten)]
        target: Target,
        /// File with the deployer's private key, in hexadecimal.
        #[arg(long)]
        key_file: PathBuf,
        /// Send the presigned transaction of the deterministic deployment proxy first, if the chain lacks the proxy.
        #[arg(long)]
        install_factory: bool,
        /// Where to write the record, instead of deployments/CHAIN_ID.json.
        #[arg(long)]
        record: Option<PathBuf>,
        /// The lowest block in which a finished deployment is looked for.
        #[arg(long, default_value_t = 0)]
        from_block: u64,
    },
    /// Compare a recorded deployment with the chain: code, parameters and roles.
    Check {
        /// The record.
        #[arg(long)]
        record: PathBuf,
        /// A node of the chain.
        #[arg(long, env = "LEASEHOLD_RPC")]
        rpc: Url,
    },
    /// Write what block explorers need to verify the sources, and compile it again to compare.
    Bundle {
        /// The record.
        #[arg(long)]
        record: PathBuf,
        /// The folder to write to.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The parameters file.
    #[arg(long)]
    params: PathBuf,
    /// A node of the chain.
    #[arg(long, env = "LEASEHOLD_RPC")]
    rpc: Url,
}

impl Target {
    fn open(&self) -> Result<(ReviewedParams, Rpc)> {
        let shown = self.params.display();
        let text =
            std::fs::read_to_string(&self.params).with_context(|| format!("failed to read {shown}"))?;
        let reviewed = Params::parse(&text).with_context(|| format!("{shown} cannot be used"))?;
        Ok((reviewed, Rpc::dial(self.rpc.clone())?))
    }
}

impl Args {
    /// Does what the command line says.
    pub(crate) async fn run(self) -> Result<()> {
        let Self { command, toolchain } = self;
        match command {
            Command::Plan { target } => show_plan(&toolchain, &target).await,
            Command::Run { target, key_file, install_factory: install, record, from_block } => {
                let (reviewed, rpc) = target.open()?;
                let key = HotKey::from_file(&key_file)?;
                rpc.check_chain(reviewed.params.chain_id).await?;
                if install
                    && let Some(hash) = install_factory(&rpc, SenderConfig::default().poll_interval).await?
                {
                    println!("installed the deterministic deployment proxy in {hash}");
                }
                let record = record.unwrap_or_else(|| toolchain.record(reviewed.params.chain_id));
                deploy(&toolchain, &reviewed, rpc, key, &record, from_block).await
            }
            Command::Check { record, rpc } => {
                let (recorded, params) = open_record(&record)?;
                let artifacts = toolchain.artifacts(&params)?;
                print::findings(&check(&Rpc::dial(rpc)?, &recorded, &artifacts).await?)
            }
            Command::Bundle { record, out } => {
                let (recorded, params) = open_record(&record)?;
                let artifacts = toolchain.artifacts(&params)?;
                let solc = toolchain.solc()?;
                print::bundled(&bundle(&recorded, &artifacts, &toolchain.contracts, &solc, &out)?, &out);
                Ok(())
            }
        }
    }
}

fn open_record(path: &Path) -> Result<(Record, Params)> {
    let record = Record::read(path)?.with_context(|| format!("there is no record {}", path.display()))?;
    let Some(details) = &record.details else {
        bail!("{} was written by hand and does not say how the market was deployed", path.display());
    };
    let params = details.params.clone();
    Ok((record, params))
}

async fn show_plan(toolchain: &Toolchain, target: &Target) -> Result<()> {
    let (reviewed, rpc) = target.open()?;
    rpc.check_chain(reviewed.params.chain_id).await?;
    let artifacts = toolchain.artifacts(&reviewed.params)?;
    let blueprint = Blueprint::new(&reviewed.params, &artifacts)?;
    let state = ChainState::read(&rpc, &blueprint).await?;
    let steps = plan(&blueprint, &state)?;
    let estimates = estimate(&rpc, &blueprint, &steps).await?;
    print::plan(&reviewed, &blueprint, &steps, &estimates);
    Ok(())
}

async fn deploy(
    toolchain: &Toolchain,
    reviewed: &ReviewedParams,
    rpc: Rpc,
    key: HotKey,
    path: &Path,
    from_block: u64,
) -> Result<()> {
    let artifacts = toolchain.artifacts(&reviewed.params)?;
    let blueprint = Blueprint::new(&reviewed.params, &artifacts)?;
    let config = SenderConfig { confirmations: reviewed.params.confirmations, ..SenderConfig::default() };
    let mut runner = Runner::start(rpc.clone(), key, blueprint, config).await?;
    runner
        .finish(|progress| match progress {
            Progress::Did { step, sent: Some(sent) } => {
                println!("done: {} in {} (block {})", step.action, sent.hash, sent.block_number);
            }
            Progress::Did { step, sent: None } => println!("done by somebody else: {}", step.action),
            Progress::Complete => println!("nothing is left to do"),
        })
        .await?;
    let blueprint = runner.blueprint();
    let first = match Record::read(path)? {
        Some(old) if old.market == blueprint.deployment(0).market => old.deployed_block,
        _ => first_block(&rpc, blueprint, from_block).await?,
    };
    let sent = transactions(&rpc, blueprint, first, runner.sent()).await?;
    let state = ChainState::read(&rpc, blueprint).await?;
    let record = Record::new(reviewed, &artifacts, blueprint, &state, first, &sent)?;
    print::findings(&check(&rpc, &record, &artifacts).await?)?;
    record.write(path)?;
    println!("wrote {}", path.display());
    Ok(())
}
