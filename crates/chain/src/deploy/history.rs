//! Which transactions made a deployment, found again on the chain, and who was given a role since.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes, U64, U256};
use alloy::sol_types::SolEvent;
use serde::Deserialize;
use serde_json::json;

use super::DeployError;
use super::blueprint::{Action, Blueprint};
use super::contract::{ADMIN_ROLE, ContractName, IAccessManager as a};
use super::runner::Sent;
use crate::rpc::{LogRange, Rpc};

/// The number of blocks that are read whole to find the transactions of an earlier run.
const SCANNED_BLOCKS: u64 = 5000;

/// The block in which the access manager, the first contract, was made. Searched from the newest block down to `from`.
pub async fn first_block(rpc: &Rpc, blueprint: &Blueprint, from: u64) -> Result<u64, DeployError> {
    let manager = blueprint.address(ContractName::AccessManager);
    let topics = [
        Some(a::RoleGranted::SIGNATURE_HASH),
        Some(U256::from(ADMIN_ROLE).into()),
        Some(blueprint.params.deployer.into_word()),
    ];
    let (mut upper, mut span) = (rpc.head().await?.number, 5000u64);
    loop {
        let lower = upper.saturating_sub(span - 1).max(from);
        match rpc.logs(&[manager], &topics, &LogRange::Heights(lower, upper)).await {
            Ok(logs) => {
                if let Some(number) = logs.first().and_then(|log| log.block_number) {
                    return Ok(number);
                }
                if lower <= from {
                    return Err(DeployError::NoFirstBlock { manager, from });
                }
                upper = lower - 1;
                span = span.saturating_mul(2);
            }
            Err(error) if error.is_refused() && span > 1 => span /= 2,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The transaction of each action: `known` ones of this run, others by reading blocks from the first on.
///
/// An action whose transaction lies further away than the blocks that are read has none here.
pub async fn transactions(
    rpc: &Rpc,
    blueprint: &Blueprint,
    first: u64,
    known: &BTreeMap<Action, Sent>,
) -> Result<BTreeMap<Action, Sent>, DeployError> {
    let mut found = known.clone();
    let actions = blueprint.actions();
    let head = rpc.head().await?.number;
    for number in first..=head.min(first.saturating_add(SCANNED_BLOCKS)) {
        let missing: Vec<Action> =
            actions.iter().copied().filter(|action| !found.contains_key(action)).collect();
        if missing.is_empty() {
            break;
        }
        let block: WholeBlock = rpc.request("eth_getBlockByNumber", json!([U64::from(number), true])).await?;
        for transaction in block.transactions {
            let is_its = |action: &Action| {
                let call = blueprint.call(*action);
                call.to.to() == transaction.to.as_ref() && call.data == transaction.input
            };
            if let Some(action) = missing.iter().copied().find(is_its)
                && succeeded(rpc, transaction.hash).await?
            {
                found.insert(action, Sent { hash: transaction.hash, block_number: number });
            }
        }
    }
    Ok(found)
}

async fn succeeded(rpc: &Rpc, transaction: B256) -> Result<bool, DeployError> {
    Ok(rpc.receipt(transaction).await?.is_some_and(|receipt| receipt.status.to::<u64>() == 1))
}

#[derive(Deserialize)]
struct WholeBlock {
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    hash: B256,
    to: Option<Address>,
    input: Bytes,
}

/// Everybody who has a role of the access manager, by the events since its making.
pub(super) async fn members(
    rpc: &Rpc,
    blueprint: &Blueprint,
    first: u64,
) -> Result<BTreeSet<(u64, Address)>, DeployError> {
    let manager = blueprint.address(ContractName::AccessManager);
    let head = rpc.head().await?.number;
    let mut changes = Vec::new();
    for topic in [a::RoleGranted::SIGNATURE_HASH, a::RoleRevoked::SIGNATURE_HASH] {
        changes.extend(rpc.all_logs(&[manager], &[Some(topic)], first, head).await?);
    }
    changes.sort_by_key(|log| (log.block_number, log.log_index));
    let mut members = BTreeSet::new();
    for log in changes {
        if let Ok(granted) = a::RoleGranted::decode_log(&log.inner) {
            members.insert((granted.roleId, granted.account));
        } else if let Ok(revoked) = a::RoleRevoked::decode_log(&log.inner) {
            members.remove(&(revoked.roleId, revoked.account));
        } else {
            return Err(DeployError::StrangeEvent(manager));
        }
    }
    Ok(members)
}
