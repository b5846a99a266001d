//! Holds a recorded deployment against the chain and against the sources.

use std::collections::BTreeSet;
use std::fmt;

use alloy::primitives::{Address, keccak256};

use super::blueprint::Blueprint;
use super::contract::{ADMIN_ROLE, ContractName, GUARDIAN_ROLE, IRewards};
use super::history;
use super::plan::plan;
use super::record::Record;
use super::state::ChainState;
use super::{Artifacts, DeployError};
use crate::abi::{ILeaseMarket as m, IProviderRegistry as r};
use crate::client::read;
use crate::rpc::{At, Rpc};

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// As it should be.
    pub expected: String,
    /// As it is.
    pub found: String,
}

impl Finding {
    /// Whether it is as it should be.
    pub fn agrees(&self) -> bool {
        self.expected == self.found
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn compare(&mut self, what: impl Into<String>, expected: impl fmt::Display, found: impl fmt::Display) {
        let (what, expected, found) = (what.into(), expected.to_string(), found.to_string());
        self.0.push(Finding { what, expected, found });
    }
}

/// Compares code with its immutable values, parameters and roles. Every finding is returned, agreeing or not.
pub async fn check(rpc: &Rpc, record: &Record, artifacts: &Artifacts) -> Result<Vec<Finding>, DeployError> {
    let details = record.details.as_ref().ok_or(DeployError::NoDetails)?;
    rpc.check_chain(record.chain_id).await?;
    let blueprint = Blueprint::new(&details.params, artifacts)?;
    let state = ChainState::read(rpc, &blueprint).await?;
    let mut findings = Findings(Vec::new());
    recorded(&mut findings, record, &blueprint);
    for contract in &blueprint.contracts {
        let Some(code) = state.contracts.get(&contract.name) else { continue };
        let found = code.found.map_or_else(|| "nothing".to_owned(), |hash| hash.to_string());
        findings.compare(format!("code of {}", contract.name), code.expected, found);
        let written = details.contracts.iter().find(|written| written.name == contract.name);
        let written = written.map_or_else(|| "nothing".to_owned(), |written| written.code_hash.to_string());
        findings.compare(format!("recorded code hash of {}", contract.name), code.expected, written);
    }
    // Further questions make sense only to the right contracts.
    if findings.0.iter().all(Finding::agrees) {
        numbers(&mut findings, rpc, &blueprint).await?;
        rights(&mut findings, rpc, record, &blueprint, &state).await?;
    }
    Ok(findings.0)
}

fn recorded(findings: &mut Findings, record: &Record, blueprint: &Blueprint) {
    let of_sources = blueprint.deployment(record.deployed_block);
    findings.compare("recorded market", of_sources.market, record.market);
    findings.compare("recorded registry", of_sources.registry, record.registry);
    findings.compare("recorded token", of_sources.token, record.token);
    findings.compare("recorded decimals", of_sources.token_decimals, record.token_decimals);
    let address = |address: Option<Address>| address.map_or_else(|| "none".to_owned(), |a| a.to_string());
    findings.compare("recorded rewards", address(of_sources.rewards), address(record.rewards));
    let Some(details) = &record.details else { return };
    let manager = blueprint.address(ContractName::AccessManager);
    findings.compare("recorded access manager", manager, details.access_manager);
    for contract in &blueprint.contracts {
        let written = details.contracts.iter().find(|written| written.name == contract.name);
        let written = written.map(|written| keccak256(&written.constructor_arguments).to_string());
        let what = format!("recorded constructor arguments of {}", contract.name);
        findings.compare(what, keccak256(&contract.arguments.encoded), written.unwrap_or_default());
    }
}

async fn numbers(findings: &mut Findings, rpc: &Rpc, blueprint: &Blueprint) -> Result<(), DeployError> {
    let (params, at) = (&blueprint.params, At::Latest);
    let registry = blueprint.address(ContractName::ProviderRegistry);
    let market = blueprint.address(ContractName::LeaseMarket);
    let bond_token = read(rpc, registry, "bondToken", r::bondTokenCall {}, at).await?;
    findings.compare("bond token", params.bond_token, bond_token);
    let min_bond = read(rpc, registry, "minBond", r::minBondCall {}, at).await?;
    findings.compare("least bond", params.min_bond_units().unwrap_or_default(), min_bond);
    let delay = read(rpc, registry, "unbondDelay", r::unbondDelayCall {}, at).await?;
    findings.compare("unbond delay", params.unbond_delay.0, delay);
    findings.compare(
        "the market's registry",
        registry,
        read(rpc, market, "registry", m::registryCall {}, at).await?,
    );
    let windows = read(rpc, market, "windows", m::windowsCall {}, at).await?;
    let wanted = params.windows;
    findings.compare("claim window", wanted.claim.0, windows.claim);
    findings.compare("dispute window", wanted.dispute.0, windows.dispute);
    findings.compare("arbiter window", wanted.arbiter.0, windows.arbiter);
    if let Some(rewards) = blueprint.contract(ContractName::RewardsDistributor) {
        let found = read(rpc, rewards.address, "market", IRewards::marketCall {}, at).await?;
        findings.compare("the distributor's market", market, found);
    }
    Ok(())
}

/// Settings that an admin may change later, and who that is.
async fn rights(
    findings: &mut Findings,
    rpc: &Rpc,
    record: &Record,
    blueprint: &Blueprint,
    state: &ChainState,
) -> Result<(), DeployError> {
    let params = &blueprint.params;
    if let Some(market) = &state.market {
        findings.compare("fee", params.fee_bps, market.fee_bps);
        findings.compare("treasury", params.treasury, market.treasury);
        let addresses: BTreeSet<Address> = params.tokens.iter().map(|token| token.address).collect();
        findings.compare("tokens", list(&addresses), list(&market.tokens.iter().copied().collect()));
        findings.compare("authority", blueprint.address(ContractName::AccessManager), market.authority);
    }
    let planned = match plan(blueprint, state) {
        Ok(steps) => {
            let left: Vec<_> =
                steps.iter().filter(|step| !step.done).map(|step| step.action.to_string()).collect();
            left.join(", ")
        }
        Err(error) => error.to_string(),
    };
    findings.compare("left to do", "", planned);
    let administration = &params.administration;
    let wanted =
        BTreeSet::from([(ADMIN_ROLE, administration.admin), (GUARDIAN_ROLE, administration.guardian)]);
    let found = history::members(rpc, blueprint, record.deployed_block).await?;
    let words = |members: &BTreeSet<(u64, Address)>| -> Vec<String> {
        members.iter().map(|(role, account)| format!("{account} has role {role}")).collect()
    };
    findings.compare("roles", words(&wanted).join(", "), words(&found).join(", "));
    if let Some(roles) = state.roles {
        findings.compare("the admin's delay", blueprint.admin_delay(), roles.admin.delay);
        findings.compare("the guardian's delay", 0, roles.guardian.delay);
    }
    Ok(())
}

fn list(addresses: &BTreeSet<Address>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
