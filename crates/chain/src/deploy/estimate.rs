//! What a deployment will cost, as far as the node can tell before anything is there.

use std::collections::BTreeMap;

use alloy::primitives::{B256, U64, U256, keccak256};
use serde_json::json;

use super::DeployError;
use super::blueprint::{Action, Blueprint};
use super::plan::Step;
use crate::rpc::{CallRequest, Rpc};

/// More than any call after the contracts takes: none writes more than four new words.
const CALL_GAS: u64 = 150_000;

/// What is left to pay for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Gas of each step that is not done.
    pub gas: BTreeMap<Action, Gas>,
    /// What a unit costs now.
    pub price: u128,
    /// What the deployer holds of the chain's coin.
    pub balance: U256,
}

/// Gas of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gas {
    /// The number.
    pub gas: u64,
    /// Whether the node could not tell, because the step needs earlier ones, so that this is an upper bound.
    pub assumed: bool,
}

/// Asks the node for the gas of every step that is not done.
pub async fn estimate(rpc: &Rpc, blueprint: &Blueprint, steps: &[Step]) -> Result<Estimate, DeployError> {
    let deployer = blueprint.params.deployer;
    let mut gas = BTreeMap::new();
    let is_creation = |step: &Step| matches!(step.action, Action::Create(_));
    let all_there = steps.iter().all(|step| step.done || !is_creation(step));
    for step in steps.iter().filter(|step| !step.done) {
        // A call to a contract that is not there yet would be estimated as if it did nothing.
        if !all_there && !is_creation(step) {
            gas.insert(step.action, Gas { gas: bound(step), assumed: true });
            continue;
        }
        let request = CallRequest::by(deployer, step.call.to, step.call.data.clone());
        let answer: Result<U64, _> = rpc.request("eth_estimateGas", json!([request])).await;
        let told = match answer {
            Ok(gas) => Gas { gas: gas.to(), assumed: false },
            Err(error) if error.is_refused() => Gas { gas: bound(step), assumed: true },
            Err(error) => return Err(error.into()),
        };
        gas.insert(step.action, told);
    }
    let price = rpc.head().await?.base_fee.unwrap_or(0).saturating_add(rpc.suggested_tip().await?);
    Ok(Estimate { gas, price, balance: rpc.native_balance(deployer).await? })
}

/// An upper bound: a creation pays for its data, for keeping the code, and for what its constructor stores.
fn bound(step: &Step) -> u64 {
    match step.action {
        Action::Create(_) => {
            let bytes = u64::try_from(step.call.data.len()).unwrap_or(u64::MAX);
            bytes.saturating_mul(16 + 200 + 1).saturating_add(500_000)
        }
        _ => CALL_GAS,
    }
}

/// The hash that a plan shows of a transaction's data.
pub fn digest(data: &[u8]) -> B256 {
    keccak256(data)
}
