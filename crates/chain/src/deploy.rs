//! Deploys a market from Foundry's artifacts, for tests and the demo.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes, TxKind};
use alloy::sol_types::SolValue;
use serde::Deserialize;

use crate::abi::{ILeaseMarket as m, IProviderRegistry as r};
use crate::calls::{Call, encode};
use crate::convert::{ConvertError, to_u40};
use crate::deployment::Deployment;
use crate::rpc::{Rpc, RpcError};
use crate::sender::{Mined, SendError, SenderConfig, TxSender};
use crate::signer::HotKey;
use market::{Amount, Timestamp, Windows};

/// The numbers that a market is deployed with, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketTerms {
    /// The least bond of a provider.
    pub min_bond: Amount,
    /// Seconds that a bond waits before it can be withdrawn.
    pub unbond_delay: u64,
    /// The windows of claims and disputes.
    pub windows: Windows,
    /// Who receives fees.
    pub treasury: Address,
}

impl MarketTerms {
    /// Terms for a development chain: windows of minutes instead of days.
    pub const fn development(treasury: Address) -> Self {
        Self {
            min_bond: Amount(100_000_000),
            unbond_delay: 600,
            windows: Windows { claim: 300, dispute: 300, arbiter: 900 },
            treasury,
        }
    }
}

/// A market could not be deployed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// An artifact could not be read.
    #[error("failed to read the artifact {path}; run forge build first")]
    Artifact {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// An artifact is not one.
    #[error("the artifact {path} cannot be parsed")]
    Parse {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A transaction did not succeed.
    #[error("failed to deploy")]
    Send(#[from] SendError),
    /// A number does not fit the chain.
    #[error("the terms do not fit the chain")]
    Convert(#[from] ConvertError),
    /// The transaction made no contract.
    #[error("the creation of {0} left no contract")]
    NoContract(&'static str),
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: Bytecode,
}

#[derive(Deserialize)]
struct Bytecode {
    object: Bytes,
}

/// Deploys test token, access manager, registry and market from `artifacts` (Foundry's `out`), wires them and allows
/// the token. `key` pays, and administers the result.
pub async fn deploy(
    rpc: Rpc,
    key: HotKey,
    artifacts: &Path,
    terms: MarketTerms,
) -> Result<Deployment, DeployError> {
    let admin = key.address();
    let chain_id = rpc.chain_id().await?;
    let nowhere = Address::ZERO;
    let (market, registry, token) = (nowhere, nowhere, nowhere);
    let draft = Deployment { chain_id, market, registry, token, token_decimals: 6, deployed_block: 0 };
    let config =
        SenderConfig { poll_interval: std::time::Duration::from_millis(200), ..SenderConfig::default() };
    let sender = TxSender::spawn(rpc, draft, key, config);

    let (token, _) = create(&sender, artifacts, "TestUSD", Vec::new()).await?;
    let (manager, _) = create(&sender, artifacts, "AccessManager", (admin,).abi_encode_params()).await?;
    let delay = to_u40(Timestamp(terms.unbond_delay))?;
    let arguments = (token, terms.min_bond.0, delay, admin).abi_encode_params();
    let (registry, first) = create(&sender, artifacts, "ProviderRegistry", arguments).await?;
    let [claim, dispute, arbiter] = window_words(&terms.windows)?;
    let arguments = (registry, manager, terms.treasury, claim, dispute, arbiter).abi_encode_params();
    let (market, _) = create(&sender, artifacts, "LeaseMarket", arguments).await?;

    sender.execute(encode("setMarket", registry, r::setMarketCall { market })).await?;
    sender.execute(encode("allowToken", market, m::allowTokenCall { token })).await?;
    Ok(Deployment { market, registry, token, deployed_block: first.block_number, ..draft })
}

fn window_words(windows: &Windows) -> Result<[alloy::primitives::aliases::U40; 3], ConvertError> {
    let word = |seconds| to_u40(Timestamp(seconds));
    Ok([word(windows.claim)?, word(windows.dispute)?, word(windows.arbiter)?])
}

async fn create(
    sender: &TxSender,
    artifacts: &Path,
    name: &'static str,
    arguments: Vec<u8>,
) -> Result<(Address, Mined), DeployError> {
    let mut code = bytecode(artifacts, name)?.to_vec();
    code.extend(arguments);
    let mined = sender.execute(Call { name, to: TxKind::Create, data: code.into() }).await?;
    match mined.contract {
        Some(address) => Ok((address, mined)),
        None => Err(DeployError::NoContract(name)),
    }
}

/// Foundry names the compiler profile where a contract was compiled under several; ours is `default`.
fn artifact(artifacts: &Path, name: &str) -> PathBuf {
    let folder = artifacts.join(format!("{name}.sol"));
    let of_profile = folder.join(format!("{name}.default.json"));
    if of_profile.is_file() { of_profile } else { folder.join(format!("{name}.json")) }
}

fn bytecode(artifacts: &Path, name: &str) -> Result<Bytes, DeployError> {
    let path = artifact(artifacts, name);
    let text = std::fs::read_to_string(&path)
        .map_err(|source| DeployError::Artifact { path: path.clone(), source })?;
    let artifact: Artifact =
        serde_json::from_str(&text).map_err(|source| DeployError::Parse { path, source })?;
    Ok(artifact.bytecode.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_artifact_of_our_own_profile_counts_where_there_are_several() {
        let out = std::env::temp_dir().join(format!("leasehold-artifacts-{}", std::process::id()));
        let folder = out.join("Token.sol");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(artifact(&out, "Token"), folder.join("Token.json"));
        std::fs::write(folder.join("Token.default.json"), "{}").unwrap();
        assert_eq!(artifact(&out, "Token"), folder.join("Token.default.json"));
        std::fs::remove_dir_all(out).unwrap();
    }
}
