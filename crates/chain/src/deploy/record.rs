//! The record of a deployment: the file that agent, command line and console read, with everything that is needed to
//! check the deployment again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DeployError;
use super::artifact::Artifacts;
use super::blueprint::{Action, Blueprint};
use super::contract::ContractName;
use super::factory::FACTORY;
use super::params::{Guard, Params, ReviewedParams, Token};
use super::runner::Sent;
use super::state::ChainState;
use crate::deployment::Deployment;

/// The content of a deployment file. [`Deployment`] is the part of it that running programs need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// The `LeaseMarket`.
    pub market: Address,
    /// The `ProviderRegistry`.
    pub registry: Address,
    /// The token that leases and bonds are paid in.
    pub token: Address,
    /// Decimals of that token.
    pub token_decimals: u8,
    /// The block of the first deployed contract; no log of the market is older.
    pub deployed_block: u64,
    /// The `RewardsDistributor`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Address>,
    /// How it was deployed. Files written by hand have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
}

/// How a market was deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Details {
    /// The access manager, which the admin and the guardian speak to.
    pub access_manager: Address,
    /// The proxy that made the contracts.
    pub factory: Address,
    /// The salt that it was given.
    pub salt: B256,
    /// The token of bonds.
    pub bond_token: Address,
    /// The least bond in base units, as a decimal number: it may be more than JSON's numbers hold exactly.
    pub min_bond: String,
    /// Seconds that a bond waits before it can be withdrawn.
    pub unbond_delay: u64,
    /// The windows in seconds.
    pub windows: WindowSeconds,
    /// Who receives fees.
    pub treasury: Address,
    /// The fee of new leases at the deployment.
    pub fee_bps: u16,
    /// The tokens that were allowed at the deployment.
    pub tokens: Vec<Token>,
    /// How the contracts keep from being re-entered.
    pub guard: Guard,
    /// The admin.
    pub admin: Address,
    /// Seconds between what the admin announces and what it does.
    pub admin_delay: u64,
    /// The guardian.
    pub guardian: Address,
    /// What compiled the contracts.
    pub compiler: Compiler,
    /// The contracts.
    pub contracts: Vec<RecordedContract>,
    /// Every step with its transaction. Nothing where the transaction was not found again.
    pub transactions: Vec<RecordedTransaction>,
    /// The parameters, as the file had them.
    pub params: Params,
    /// The hash of the parameters file.
    pub params_hash: B256,
}

/// The windows of claims and disputes in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSeconds {
    /// After a lease's end, for claims.
    pub claim: u64,
    /// After a claim's filing, for a dispute.
    pub dispute: u64,
    /// After a dispute, for the arbiter.
    pub arbiter: u64,
}

/// A compiler with its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiler {
    /// The version, with its commit.
    pub version: String,
    /// The settings, without remappings.
    pub settings: Value,
}

/// A contract as it was deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedContract {
    /// Which.
    pub name: ContractName,
    /// Where.
    pub address: Address,
    /// The hash of its code on the chain.
    pub code_hash: B256,
    /// The hash of the code that created it, without arguments.
    pub creation_code_hash: B256,
    /// The arguments of its constructor, encoded.
    pub constructor_arguments: Bytes,
}

/// A step with its transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedTransaction {
    /// What it did.
    pub step: String,
    /// The transaction.
    pub hash: Option<B256>,
    /// Its block.
    pub block: Option<u64>,
}

impl Record {
    /// The record of a finished deployment.
    pub fn new(
        reviewed: &ReviewedParams,
        artifacts: &Artifacts,
        blueprint: &Blueprint,
        state: &ChainState,
        first_block: u64,
        sent: &BTreeMap<Action, Sent>,
    ) -> Result<Self, DeployError> {
        let params = &reviewed.params;
        let Deployment { chain_id, market, registry, token, token_decimals, deployed_block, rewards } =
            blueprint.deployment(first_block);
        let mut contracts = Vec::new();
        let mut compiler: Option<Compiler> = None;
        for contract in &blueprint.contracts {
            let name = contract.name;
            let artifact = artifacts.get(name).ok_or(DeployError::NoArtifact(name))?;
            let mut settings = artifact.settings.clone();
            // The compiler names only those that the contract uses, so they differ where nothing else may.
            settings.as_object_mut().map(|settings| settings.remove("remappings"));
            let its = Compiler { version: artifact.compiler.clone(), settings };
            if *compiler.get_or_insert_with(|| its.clone()) != its {
                return Err(DeployError::MixedCompilers(name));
            }
            let code = state.contracts.get(&name).and_then(|code| code.found);
            contracts.push(RecordedContract {
                name,
                address: contract.address,
                code_hash: code.ok_or(DeployError::NoContract(name))?,
                creation_code_hash: keccak256(&artifact.creation_code),
                constructor_arguments: contract.arguments.encoded.clone(),
            });
        }
        let transaction = |action: Action| {
            let sent = sent.get(&action);
            RecordedTransaction {
                step: action.to_string(),
                hash: sent.map(|sent| sent.hash),
                block: sent.map(|sent| sent.block_number),
            }
        };
        let windows = params.windows;
        let details = Details {
            access_manager: blueprint.address(ContractName::AccessManager),
            factory: FACTORY,
            salt: params.salt,
            bond_token: params.bond_token,
            min_bond: params.min_bond_units().map(|units| units.to_string()).unwrap_or_default(),
            unbond_delay: params.unbond_delay.0,
            windows: WindowSeconds {
                claim: windows.claim.0,
                dispute: windows.dispute.0,
                arbiter: windows.arbiter.0,
            },
            treasury: params.treasury,
            fee_bps: params.fee_bps,
            tokens: params.tokens.clone(),
            guard: params.guard,
            admin: params.administration.admin,
            admin_delay: params.administration.admin_delay.0,
            guardian: params.administration.guardian,
            compiler: compiler.ok_or(DeployError::NoDetails)?,
            contracts,
            transactions: blueprint.actions().into_iter().map(transaction).collect(),
            params: params.clone(),
            params_hash: reviewed.hash,
        };
        let details = Some(Box::new(details));
        Ok(Self { chain_id, market, registry, token, token_decimals, deployed_block, rewards, details })
    }

    /// Reads a record; nothing if there is no such file.
    pub fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path: path.to_owned(), source }),
        };
        let parsed = serde_json::from_slice(&text);
        parsed.map(Some).map_err(|source| RecordError::Parse { path: path.to_owned(), source })
    }

    /// Writes the record: a reader finds the old file or the new one, never a part. A record of another market is not
    /// overwritten; transactions that only the old one knows are kept.
    pub fn write(mut self, path: &Path) -> Result<(), RecordError> {
        if let Some(old) = Self::read(path)? {
            if (old.chain_id, old.market) != (self.chain_id, self.market) {
                return Err(RecordError::OfAnother { path: path.to_owned(), market: old.market });
            }
            self.keep_transactions(&old);
        }
        let failed = |source| RecordError::Write { path: path.to_owned(), source };
        let mut text = serde_json::to_vec_pretty(&self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let new = path.with_extension(format!("json.new-{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&new, path)?;
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(failed)
    }

    fn keep_transactions(&mut self, old: &Self) {
        let (Some(details), Some(old)) = (&mut self.details, &old.details) else { return };
        for transaction in details.transactions.iter_mut().filter(|transaction| transaction.hash.is_none()) {
            if let Some(known) = old.transactions.iter().find(|known| known.step == transaction.step) {
                *transaction = known.clone();
            }
        }
    }
}

impl From<Record> for Deployment {
    fn from(record: Record) -> Self {
        let Record { chain_id, market, registry, token, token_decimals, deployed_block, rewards, details: _ } =
            record;
        Self { chain_id, market, registry, token, token_decimals, deployed_block, rewards }
    }
}

/// A record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file could not be read.
    #[error("failed to read the record {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is no record.
    #[error("{path} is not a record of a deployment")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The file could not be written.
    #[error("failed to write the record {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file records another deployment.
    #[error("{path} records the market {market}; name another file with --record")]
    OfAnother {
        /// The file.
        path: PathBuf,
        /// The market in it.
        market: Address,
    },
}
