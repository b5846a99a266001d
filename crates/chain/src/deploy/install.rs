//! Puts the deterministic deployment proxy on a chain that lacks it, by its presigned transaction.

use std::time::Duration;

use alloy::primitives::{B256, keccak256};
use tokio::time::{Instant, sleep};

use super::DeployError;
use super::factory::{FACTORY, FACTORY_CODE_HASH, FACTORY_COST, FACTORY_SIGNER, FACTORY_TRANSACTION};
use super::plan::PlanError;
use crate::rpc::Rpc;

/// How long the transaction may take to get into a block.
const PATIENCE: Duration = Duration::from_secs(600);

/// Sends the presigned transaction unless the proxy is there, and waits until it is.
pub async fn install_factory(rpc: &Rpc, poll: Duration) -> Result<Option<B256>, DeployError> {
    if is_installed(rpc).await? {
        return Ok(None);
    }
    let found = rpc.native_balance(FACTORY_SIGNER).await?;
    if found < FACTORY_COST {
        return Err(DeployError::FactoryFunds { missing: FACTORY_COST - found });
    }
    let sent = rpc.send_raw(&FACTORY_TRANSACTION).await;
    let hash = sent.map_err(DeployError::FactoryRefused)?;
    let begun = Instant::now();
    while !is_installed(rpc).await? {
        if begun.elapsed() > PATIENCE {
            return Err(DeployError::FactoryPending(hash));
        }
        sleep(poll).await;
    }
    Ok(Some(hash))
}

async fn is_installed(rpc: &Rpc) -> Result<bool, DeployError> {
    let code = rpc.code(FACTORY).await?;
    match keccak256(&code) {
        FACTORY_CODE_HASH => Ok(true),
        _ if code.is_empty() => Ok(false),
        _ => Err(PlanError::ForeignFactory.into()),
    }
}
