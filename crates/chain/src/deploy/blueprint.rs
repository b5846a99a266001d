//! What is to be deployed: every contract with its address, and every call after them. Follows from parameters and
//! artifacts alone.

use std::fmt;

use alloy::primitives::{Address, Bytes, TxKind};
use alloy::sol_types::SolCall;

use super::DeployError;
use super::artifact::Artifacts;
use super::bounds;
use super::contract::{ADMIN_ROLE, Arguments, ContractName, GUARDIAN_ROLE, IAccessManager as a};
use super::factory::{self, FACTORY};
use super::params::{Params, ParamsError};
use crate::abi::{ILeaseMarket as m, IProviderRegistry as r};
use crate::calls::Call;
use crate::deployment::Deployment;

/// One contract with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Which.
    pub name: ContractName,
    /// Where, on any chain.
    pub address: Address,
    /// The arguments of its constructor.
    pub arguments: Arguments,
    /// The code that creates it, arguments included.
    pub init_code: Bytes,
}

/// One thing that a deployment does. Each is recognised on the chain when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A contract is made.
    Create(ContractName),
    /// The registry learns its market, for ever.
    SetMarket,
    /// The market takes a token.
    AllowToken(Address),
    /// The market's fee and treasury are set.
    SetFee,
    /// Pausing intake becomes the guardian's right.
    RestrictPause,
    /// The guardian gets its role.
    AppointGuardian,
    /// The admin gets its role, with the delay.
    AppointAdmin,
    /// The deployer gives its power up.
    Renounce,
}

impl Action {
    /// The function's name, for logs and error messages.
    pub const fn function(self) -> &'static str {
        match self {
            Self::Create(name) => name.as_str(),
            Self::SetMarket => "setMarket",
            Self::AllowToken(_) => "allowToken",
            Self::SetFee => "setFee",
            Self::RestrictPause => "setTargetFunctionRole",
            Self::AppointGuardian | Self::AppointAdmin => "grantRole",
            Self::Renounce => "renounceRole",
        }
    }

    /// Whether only an account with the admin's role can do it.
    pub const fn needs_admin(self) -> bool {
        !matches!(self, Self::Create(_) | Self::SetMarket)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(name) => write!(f, "create {name}"),
            Self::SetMarket => f.write_str("tell the registry its market"),
            Self::AllowToken(token) => write!(f, "allow the token {token}"),
            Self::SetFee => f.write_str("set the fee"),
            Self::RestrictPause => f.write_str("make pausing intake the guardian's right"),
            Self::AppointGuardian => f.write_str("appoint the guardian"),
            Self::AppointAdmin => f.write_str("appoint the admin, with the delay"),
            Self::Renounce => f.write_str("renounce the deployer's power"),
        }
    }
}

/// Everything that a deployment makes and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blueprint {
    /// The parameters.
    pub params: Params,
    /// The contracts, in the order in which they are made.
    pub contracts: Vec<Contract>,
    /// The virtual machine that the code was compiled for.
    pub evm_version: String,
}

impl Blueprint {
    /// The contracts of `params`, out of their artifacts.
    pub fn new(params: &Params, artifacts: &Artifacts) -> Result<Self, DeployError> {
        match bounds::problems(params) {
            problems if problems.is_empty() => {}
            problems => return Err(ParamsError::OutOfBounds(problems).into()),
        }
        let mut contracts: Vec<Contract> = Vec::new();
        for name in ContractName::wanted(params) {
            let artifact = artifacts.get(name).ok_or(DeployError::NoArtifact(name))?;
            let known = |wanted| place(&contracts, wanted);
            let arguments = name.arguments(params, known)?;
            let init_code: Bytes = [artifact.creation_code.as_ref(), &arguments.encoded].concat().into();
            let address = factory::address_of(params.salt, &init_code);
            contracts.push(Contract { name, address, arguments, init_code });
        }
        let market = artifacts.get(ContractName::LeaseMarket);
        let evm_version = market.map(|market| market.evm_version().to_owned()).unwrap_or_default();
        Ok(Self { params: params.clone(), contracts, evm_version })
    }

    /// Where a contract is; the zero address if the parameters do not ask for it.
    pub fn address(&self, name: ContractName) -> Address {
        place(&self.contracts, name)
    }

    /// The contract that is made at an address of ours.
    pub fn contract(&self, name: ContractName) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.name == name)
    }

    /// What agent and command line need to know.
    pub fn deployment(&self, deployed_block: u64) -> Deployment {
        let token = self.params.bond_token_entry();
        Deployment {
            chain_id: self.params.chain_id,
            market: self.address(ContractName::LeaseMarket),
            registry: self.address(ContractName::ProviderRegistry),
            token: self.params.bond_token,
            token_decimals: token.map_or(0, |token| token.decimals),
            deployed_block,
            rewards: self.contract(ContractName::RewardsDistributor).map(|contract| contract.address),
        }
    }

    /// Everything to do, in order. The deployer's power is given up last.
    pub fn actions(&self) -> Vec<Action> {
        let params = &self.params;
        let mut actions: Vec<Action> =
            self.contracts.iter().map(|contract| Action::Create(contract.name)).collect();
        actions.push(Action::SetMarket);
        actions.extend(params.tokens.iter().map(|token| Action::AllowToken(token.address)));
        if params.fee_bps != 0 {
            actions.push(Action::SetFee);
        }
        actions.extend([Action::RestrictPause, Action::AppointGuardian, Action::AppointAdmin]);
        if params.administration.admin != params.deployer {
            actions.push(Action::Renounce);
        }
        actions
    }

    /// The transaction of an action.
    pub fn call(&self, action: Action) -> Call {
        let [manager, registry, market] =
            [ContractName::AccessManager, ContractName::ProviderRegistry, ContractName::LeaseMarket]
                .map(|name| self.address(name));
        let params = &self.params;
        let administration = &params.administration;
        let (to, data) = match action {
            Action::Create(name) => {
                let init_code =
                    self.contract(name).map(|contract| contract.init_code.clone()).unwrap_or_default();
                (FACTORY, factory::creation(params.salt, &init_code))
            }
            Action::SetMarket => (registry, encoded(r::setMarketCall { market })),
            Action::AllowToken(token) => (market, encoded(m::allowTokenCall { token })),
            Action::SetFee => {
                (market, encoded(m::setFeeCall { feeBps: params.fee_bps, treasury: params.treasury }))
            }
            Action::RestrictPause => {
                let selectors = vec![m::setIntakePausedCall::SELECTOR.into()];
                let call = a::setTargetFunctionRoleCall { target: market, selectors, roleId: GUARDIAN_ROLE };
                (manager, encoded(call))
            }
            Action::AppointGuardian => (manager, grant(GUARDIAN_ROLE, administration.guardian, 0)),
            Action::AppointAdmin => (manager, grant(ADMIN_ROLE, administration.admin, self.admin_delay())),
            Action::Renounce => {
                let call = a::renounceRoleCall { roleId: ADMIN_ROLE, callerConfirmation: params.deployer };
                (manager, encoded(call))
            }
        };
        Call { name: action.function(), to: TxKind::Call(to), data }
    }

    /// The admin's delay in seconds. The bounds hold that it fits.
    pub fn admin_delay(&self) -> u32 {
        u32::try_from(self.params.administration.admin_delay.0).unwrap_or(u32::MAX)
    }

    /// What an action's transaction says, for people.
    pub fn words(&self, action: Action) -> Vec<(&'static str, String)> {
        let administration = &self.params.administration;
        match action {
            Action::Create(name) => {
                self.contract(name).map(|contract| contract.arguments.words.clone()).unwrap_or_default()
            }
            Action::SetMarket => vec![("market", self.address(ContractName::LeaseMarket).to_string())],
            Action::AllowToken(address) => {
                let token = self.params.tokens.iter().find(|token| token.address == address);
                let name = token.map(|token| format!("{} ({} decimals)", token.symbol, token.decimals));
                vec![("token", name.unwrap_or_default())]
            }
            Action::SetFee => vec![
                ("feeBps", self.params.fee_bps.to_string()),
                ("treasury", self.params.treasury.to_string()),
            ],
            Action::RestrictPause => {
                vec![("function", "setIntakePaused(bool)".to_owned()), ("role", GUARDIAN_ROLE.to_string())]
            }
            Action::AppointGuardian => {
                vec![("role", GUARDIAN_ROLE.to_string()), ("account", administration.guardian.to_string())]
            }
            Action::AppointAdmin => vec![
                ("role", ADMIN_ROLE.to_string()),
                ("account", administration.admin.to_string()),
                ("delay", format!("{} ({})", self.admin_delay(), administration.admin_delay)),
            ],
            Action::Renounce => {
                vec![("role", ADMIN_ROLE.to_string()), ("account", self.params.deployer.to_string())]
            }
        }
    }
}

fn place(contracts: &[Contract], name: ContractName) -> Address {
    contracts.iter().find(|contract| contract.name == name).map_or(Address::ZERO, |contract| contract.address)
}

fn encoded(call: impl SolCall) -> Bytes {
    call.abi_encode().into()
}

fn grant(role: u64, account: Address, delay: u32) -> Bytes {
    encoded(a::grantRoleCall { roleId: role, account, executionDelay: delay })
}
