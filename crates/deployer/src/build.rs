//! Compiles the contracts with the pinned forge and reads what it made.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chain::deploy::{Artifacts, ContractName, Params};
use serde_json::Value;

/// The sources of what a deployment makes.
const SOURCES: [&str; 3] =
    ["src/LeaseMarket.sol", "src/ProviderRegistry.sol", "src/deployment/Authority.sol"];

/// The contracts' folder, and the programs that compile them.
#[derive(Debug, clap::Args)]
pub(crate) struct Toolchain {
    /// The folder of the contracts.
    #[arg(long, env = "LEASEHOLD_CONTRACTS", default_value = "contracts", global = true)]
    pub(crate) contracts: PathBuf,
    /// Foundry's forge.
    #[arg(long, env = "LEASEHOLD_FORGE", default_value = "forge", global = true)]
    pub(crate) forge: PathBuf,
}

impl Toolchain {
    /// Compiles with the guard that the parameters choose.
    pub(crate) fn artifacts(&self, params: &Params) -> Result<Artifacts> {
        let profile = params.guard.profile();
        let mut build = vec!["build"];
        build.extend(SOURCES);
        if params.rewards {
            build.push("src/RewardsDistributor.sol");
        }
        self.forge(profile, &build)?;
        let config: Value = serde_json::from_str(&self.forge(profile, &["config", "--json"])?)
            .context("forge's configuration cannot be read")?;
        let out = config["out"].as_str().context("forge's configuration names no output folder")?;
        let out = self.contracts.join(out);
        Ok(Artifacts::read(&self.contracts, &out, ContractName::wanted(params))?)
    }

    /// The pinned compiler.
    pub(crate) fn solc(&self) -> Result<PathBuf> {
        let solc = self.contracts.join("tools/solc");
        solc.canonicalize().with_context(|| format!("there is no compiler {}", solc.display()))
    }

    /// Where records are unless said otherwise.
    pub(crate) fn record(&self, chain_id: u64) -> PathBuf {
        self.contracts.join(Path::new("deployments")).join(format!("{chain_id}.json"))
    }

    fn forge(&self, profile: &str, arguments: &[&str]) -> Result<String> {
        let mut forge = Command::new(&self.forge);
        forge.args(arguments).env("FOUNDRY_PROFILE", profile).current_dir(&self.contracts);
        let done = forge.output().with_context(|| format!("failed to start {}", self.forge.display()))?;
        let stderr = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "forge {} failed:\n{stderr}", arguments.join(" "));
        String::from_utf8(done.stdout).context("forge's output is not UTF-8")
    }
}
