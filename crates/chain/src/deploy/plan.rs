//! What is left to do. Pure: parameters and artifacts on one side, the chain's state on the other.

use alloy::primitives::{Address, B256};

use super::blueprint::{Action, Blueprint};
use super::contract::{ADMIN_ROLE, ContractName, GUARDIAN_ROLE};
use super::factory::{FACTORY, FACTORY_CODE_HASH, FACTORY_COST, FACTORY_SIGNER, FACTORY_TRANSACTION};
use super::params::Guard;
use super::probe::Opcode;
use super::state::{ChainState, Roles};
use crate::calls::Call;

/// One step of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// Its transaction.
    pub call: Call,
    /// Whether the chain shows it as done.
    pub done: bool,
}

/// Why the deployment cannot go on, whoever sends what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The node is of another chain.
    #[error("the parameters are for chain {expected}, and the node follows chain {found}")]
    WrongChain {
        /// The parameters' chain.
        expected: u64,
        /// The node's.
        found: u64,
    },
    /// The chain has no deterministic deployment proxy.
    #[error(
        "this chain has no deterministic deployment proxy at {FACTORY}: send {FACTORY_COST} wei of the chain's coin to \
         {FACTORY_SIGNER}, then run again with --install-factory, which sends the presigned transaction \
         {FACTORY_TRANSACTION}. A node that takes only transactions bound to its chain refuses that; then ask the \
         chain's operators to install the proxy"
    )]
    NoFactory,
    /// The proxy's address holds something else.
    #[error("the code at {FACTORY} is not the deterministic deployment proxy's")]
    ForeignFactory,
    /// The chain cannot run the code.
    #[error("this chain lacks {}{}", list(.missing), advice(*.guard))]
    Opcodes {
        /// What it lacks.
        missing: Vec<Opcode>,
        /// The guard that was chosen.
        guard: Guard,
    },
    /// An address holds other code than it should.
    #[error("the code at {address} has the hash {found}, but {name} would have {expected}")]
    ForeignCode {
        /// The contract that belongs there.
        name: ContractName,
        /// Where.
        address: Address,
        /// The hash of its code.
        expected: B256,
        /// The hash of what is there.
        found: B256,
    },
    /// A token is not what the parameters say.
    #[error("tokens: {address} is {found}, and the parameters say {expected}")]
    Token {
        /// Which.
        address: Address,
        /// What the parameters say.
        expected: String,
        /// What the token says.
        found: String,
    },
    /// The registry belongs to another market.
    #[error("the registry belongs to the market {0}")]
    ForeignMarket(Address),
    /// The market takes a token that the parameters do not name.
    #[error("the market takes the token {0}, which the parameters do not name")]
    ForeignToken(Address),
    /// The market has another authority.
    #[error("the market's authority is {0}")]
    ForeignAuthority(Address),
    /// The roles are not as this deployment makes them.
    #[error("the access manager's roles are not as a deployment leaves them: {0}")]
    ForeignRoles(String),
    /// The deployer has no power any more, and something is missing that only an admin can do.
    #[error(
        "the deployer has handed administration over, and this is still to be done: {0}; the admin can do it after its \
         delay"
    )]
    HandedOver(String),
}

fn list(missing: &[Opcode]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn advice(guard: Guard) -> &'static str {
    match guard {
        Guard::Transient => "; set `guard: storage`, which compiles the contracts for chains without it",
        Guard::Storage => "",
    }
}

/// Every step in order, with what is done already; or why the deployment cannot go on.
pub fn plan(blueprint: &Blueprint, state: &ChainState) -> Result<Vec<Step>, PlanError> {
    check_chain(blueprint, state)?;
    check_contracts(blueprint, state)?;
    let steps: Vec<Step> = blueprint
        .actions()
        .into_iter()
        .map(|action| Step { action, call: blueprint.call(action), done: is_done(blueprint, state, action) })
        .collect();
    let powerless = state.roles.is_some_and(|roles| !(roles.deployer.has_role && roles.deployer.delay == 0));
    let stuck: Vec<String> = steps
        .iter()
        .filter(|step| powerless && !step.done && step.action.needs_admin())
        .map(|step| step.action.to_string())
        .collect();
    if stuck.is_empty() { Ok(steps) } else { Err(PlanError::HandedOver(stuck.join(", "))) }
}

fn check_chain(blueprint: &Blueprint, state: &ChainState) -> Result<(), PlanError> {
    let params = &blueprint.params;
    if state.chain_id != params.chain_id {
        return Err(PlanError::WrongChain { expected: params.chain_id, found: state.chain_id });
    }
    match state.factory {
        Some(FACTORY_CODE_HASH) => {}
        Some(_) => return Err(PlanError::ForeignFactory),
        None => return Err(PlanError::NoFactory),
    }
    if !state.missing_opcodes.is_empty() {
        return Err(PlanError::Opcodes { missing: state.missing_opcodes.clone(), guard: params.guard });
    }
    for token in &params.tokens {
        let expected = (token.symbol.as_str(), token.decimals);
        let found = state.tokens.get(&token.address).map(|found| (found.symbol.as_str(), found.decimals));
        if found != Some(expected) {
            let words = |(symbol, decimals): (&str, u8)| format!("{symbol:?} with {decimals} decimals");
            return Err(PlanError::Token {
                address: token.address,
                expected: words(expected),
                found: found.map_or_else(|| "no token".to_owned(), words),
            });
        }
    }
    Ok(())
}

fn check_contracts(blueprint: &Blueprint, state: &ChainState) -> Result<(), PlanError> {
    for contract in &blueprint.contracts {
        let Some(code) = state.contracts.get(&contract.name) else { continue };
        if let Some(found) = code.found
            && found != code.expected
        {
            let (name, address, expected) = (contract.name, contract.address, code.expected);
            return Err(PlanError::ForeignCode { name, address, expected, found });
        }
    }
    let market = blueprint.address(ContractName::LeaseMarket);
    if let Some(other) = state.market_of_registry
        && other != market
    {
        return Err(PlanError::ForeignMarket(other));
    }
    if let Some(found) = &state.market {
        if found.authority != blueprint.address(ContractName::AccessManager) {
            return Err(PlanError::ForeignAuthority(found.authority));
        }
        let named = |token: &Address| blueprint.params.tokens.iter().any(|wanted| wanted.address == *token);
        if let Some(token) = found.tokens.iter().find(|token| !named(token)) {
            return Err(PlanError::ForeignToken(*token));
        }
    }
    match state.roles.as_ref().and_then(foreign_roles) {
        Some(what) => Err(PlanError::ForeignRoles(what)),
        None => Ok(()),
    }
}

fn foreign_roles(roles: &Roles) -> Option<String> {
    if ![ADMIN_ROLE, GUARDIAN_ROLE].contains(&roles.pause_role) {
        return Some(format!("setIntakePaused needs role {}", roles.pause_role));
    }
    if roles.other_role != Some(ADMIN_ROLE) {
        return Some("a function besides setIntakePaused needs another role than the admin's".to_owned());
    }
    if roles.guardian_governed_by != (ADMIN_ROLE, ADMIN_ROLE) {
        return Some("another role than the admin's governs the guardian's".to_owned());
    }
    roles.market_closed.then(|| "the market is closed to administration".to_owned())
}

/// Whether the chain shows an action as done.
fn is_done(blueprint: &Blueprint, state: &ChainState, action: Action) -> bool {
    let params = &blueprint.params;
    let delay = blueprint.admin_delay();
    let market = state.market.as_ref();
    let roles = state.roles.as_ref();
    match action {
        Action::Create(name) => state.contracts.get(&name).is_some_and(|code| code.is_there()),
        Action::SetMarket => state.market_of_registry.is_some(),
        Action::AllowToken(token) => market.is_some_and(|market| market.tokens.contains(&token)),
        Action::SetFee => market
            .is_some_and(|market| (market.fee_bps, market.treasury) == (params.fee_bps, params.treasury)),
        Action::RestrictPause => roles.is_some_and(|roles| roles.pause_role == GUARDIAN_ROLE),
        Action::AppointGuardian => {
            roles.is_some_and(|roles| roles.guardian.has_role && roles.guardian.delay == 0)
        }
        Action::AppointAdmin => roles.is_some_and(|roles| roles.admin.has_role && roles.admin.delay == delay),
        Action::Renounce => roles.is_some_and(|roles| roles.admin.has_role && !roles.deployer.has_role),
    }
}
