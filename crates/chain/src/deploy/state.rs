//! What of a deployment is on the chain already. Only reads.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::sol_types::SolCall;
use serde_json::{Map, Value, json};

use super::DeployError;
use super::blueprint::{Blueprint, Contract};
use super::contract::{ADMIN_ROLE, ContractName, GUARDIAN_ROLE, IAccessManaged, IAccessManager as a};
use super::factory::FACTORY;
use super::probe::Opcode;
use crate::abi::{ILeaseMarket as m, IProviderRegistry as r, IToken};
use crate::client::read;
use crate::rpc::{At, CallRequest, Rpc};

/// The chain, as far as a deployment depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainState {
    /// Its id.
    pub chain_id: u64,
    /// The hash of the code at the proxy's address, if there is any.
    pub factory: Option<B256>,
    /// What the contracts need and the chain lacks.
    pub missing_opcodes: Vec<Opcode>,
    /// Every contract to deploy.
    pub contracts: BTreeMap<ContractName, Code>,
    /// What the tokens answer.
    pub tokens: BTreeMap<Address, TokenState>,
    /// The registry's market, once it is set.
    pub market_of_registry: Option<Address>,
    /// The market's settings, once it is there.
    pub market: Option<MarketState>,
    /// Who may do what, once the access manager is there.
    pub roles: Option<Roles>,
}

/// The code at an address, and the code that belongs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The hash of what the contract's constructor makes at this address on this chain, immutable values included.
    pub expected: B256,
    /// The hash of what is there.
    pub found: Option<B256>,
}

impl Code {
    /// Whether the right code is there.
    pub fn is_there(&self) -> bool {
        self.found == Some(self.expected)
    }
}

/// What a token answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenState {
    /// Its symbol.
    pub symbol: String,
    /// Its decimals.
    pub decimals: u8,
}

/// The market's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketState {
    /// Who decides what is allowed.
    pub authority: Address,
    /// The fee of new leases.
    pub fee_bps: u16,
    /// Who receives it.
    pub treasury: Address,
    /// The tokens it takes.
    pub tokens: Vec<Address>,
    /// Whether intake is paused.
    pub intake_paused: bool,
}

/// Whether an account has a role, and the delay of what it does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether it has the role now.
    pub has_role: bool,
    /// Seconds between announcing and doing.
    pub delay: u32,
}

/// Who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// The deployer as an admin.
    pub deployer: Member,
    /// The admin as such.
    pub admin: Member,
    /// The guardian as such.
    pub guardian: Member,
    /// The role that may pause intake.
    pub pause_role: u64,
    /// The role that may allow tokens, set the fee, and recover surplus; all the same, or nothing.
    pub other_role: Option<u64>,
    /// Who appoints guardians, and who may cancel what they announce.
    pub guardian_governed_by: (u64, u64),
    /// Whether the market is closed to everybody's administration.
    pub market_closed: bool,
}

impl ChainState {
    /// Reads everything that the plan depends on.
    pub async fn read(rpc: &Rpc, blueprint: &Blueprint) -> Result<Self, DeployError> {
        let params = &blueprint.params;
        let chain_id = rpc.chain_id().await?;
        let needed = Opcode::needed(&blueprint.evm_version, params.guard);
        let missing_opcodes = Opcode::missing(rpc, &needed).await?;
        let factory = code_hash(&rpc.code(FACTORY).await?);
        let mut tokens = BTreeMap::new();
        for token in &params.tokens {
            tokens.insert(token.address, TokenState::read(rpc, token.address).await?);
        }
        // A chain that cannot run the contracts cannot say what they would be; the plan refuses it.
        let contracts = match missing_opcodes.as_slice() {
            [] => codes(rpc, blueprint).await?,
            _ => BTreeMap::new(),
        };
        let is_there = |name| contracts.get(&name).is_some_and(Code::is_there);
        let mut state = Self {
            chain_id,
            factory,
            missing_opcodes,
            contracts: BTreeMap::new(),
            tokens,
            market_of_registry: None,
            market: None,
            roles: None,
        };
        let registry = blueprint.address(ContractName::ProviderRegistry);
        if is_there(ContractName::ProviderRegistry) {
            let market = read(rpc, registry, "market", r::marketCall {}, At::Latest).await?;
            state.market_of_registry = (market != Address::ZERO).then_some(market);
        }
        let market = blueprint.address(ContractName::LeaseMarket);
        if is_there(ContractName::LeaseMarket) {
            state.market = Some(MarketState::read(rpc, market).await?);
        }
        if is_there(ContractName::AccessManager) {
            state.roles = Some(Roles::read(rpc, blueprint).await?);
        }
        state.contracts = contracts;
        Ok(state)
    }
}

impl TokenState {
    async fn read(rpc: &Rpc, token: Address) -> Result<Self, DeployError> {
        if rpc.code(token).await?.is_empty() {
            return Err(DeployError::NoToken(token));
        }
        let symbol = read(rpc, token, "symbol", IToken::symbolCall {}, At::Latest).await?;
        let decimals = read(rpc, token, "decimals", IToken::decimalsCall {}, At::Latest).await?;
        Ok(Self { symbol, decimals })
    }
}

impl MarketState {
    async fn read(rpc: &Rpc, market: Address) -> Result<Self, DeployError> {
        let at = At::Latest;
        let fee = read(rpc, market, "feeTerms", m::feeTermsCall {}, at).await?;
        Ok(Self {
            authority: read(rpc, market, "authority", IAccessManaged::authorityCall {}, at).await?,
            fee_bps: fee.feeBps,
            treasury: fee.treasury,
            tokens: read(rpc, market, "tokens", m::tokensCall {}, at).await?,
            intake_paused: read(rpc, market, "intakePaused", m::intakePausedCall {}, at).await?,
        })
    }
}

impl Roles {
    async fn read(rpc: &Rpc, blueprint: &Blueprint) -> Result<Self, DeployError> {
        let manager = blueprint.address(ContractName::AccessManager);
        let target = blueprint.address(ContractName::LeaseMarket);
        let params = &blueprint.params;
        let member = async |role, account| -> Result<Member, DeployError> {
            let call = a::hasRoleCall { roleId: role, account };
            let answer = read(rpc, manager, "hasRole", call, At::Latest).await?;
            Ok(Member { has_role: answer.isMember, delay: answer.executionDelay })
        };
        let role_of = async |selector: [u8; 4]| {
            let call = a::getTargetFunctionRoleCall { target, selector: selector.into() };
            read(rpc, manager, "getTargetFunctionRole", call, At::Latest).await
        };
        let mut other_role = Some(ADMIN_ROLE);
        let selectors =
            [m::allowTokenCall::SELECTOR, m::setFeeCall::SELECTOR, m::recoverSurplusCall::SELECTOR];
        for selector in selectors {
            let role = role_of(selector).await?;
            other_role = other_role.filter(|other| *other == role);
        }
        let appoints = a::getRoleAdminCall { roleId: GUARDIAN_ROLE };
        let cancels = a::getRoleGuardianCall { roleId: GUARDIAN_ROLE };
        Ok(Self {
            deployer: member(ADMIN_ROLE, params.deployer).await?,
            admin: member(ADMIN_ROLE, params.administration.admin).await?,
            guardian: member(GUARDIAN_ROLE, params.administration.guardian).await?,
            pause_role: role_of(m::setIntakePausedCall::SELECTOR).await?,
            other_role,
            guardian_governed_by: (
                read(rpc, manager, "getRoleAdmin", appoints, At::Latest).await?,
                read(rpc, manager, "getRoleGuardian", cancels, At::Latest).await?,
            ),
            market_closed: {
                let call = a::isTargetClosedCall { target };
                read(rpc, manager, "isTargetClosed", call, At::Latest).await?
            },
        })
    }
}

/// The code of every contract, as it is and as it should be.
///
/// What should be there is what the constructor returns when it runs at that very address on that very chain, with the
/// earlier contracts in place; the node runs it without a transaction. So immutable values are compared exactly,
/// whatever they are.
async fn codes(rpc: &Rpc, blueprint: &Blueprint) -> Result<BTreeMap<ContractName, Code>, DeployError> {
    let (mut codes, mut in_place) = (BTreeMap::new(), Map::new());
    for contract in &blueprint.contracts {
        let runtime = constructed(rpc, contract, &in_place).await?;
        let found = code_hash(&rpc.code(contract.address).await?);
        let code = Code { expected: keccak256(&runtime), found };
        if !code.is_there() {
            in_place.insert(contract.address.to_string(), json!({ "code": runtime }));
        }
        codes.insert(contract.name, code);
    }
    Ok(codes)
}

async fn constructed(
    rpc: &Rpc,
    contract: &Contract,
    in_place: &Map<String, Value>,
) -> Result<Bytes, DeployError> {
    let mut overrides = in_place.clone();
    // A constructor runs with the nonce 1, and may make a contract of its own, which may be there already.
    overrides.insert(contract.address.to_string(), json!({ "code": contract.init_code, "nonce": "0x1" }));
    overrides.insert(contract.address.create(1).to_string(), json!({ "code": "0x", "nonce": "0x0" }));
    let call = CallRequest { from: Some(FACTORY), to: Some(contract.address), data: Bytes::new() };
    let answer = rpc.request("eth_call", json!([call, "latest", overrides])).await;
    answer.map_err(|source: crate::rpc::RpcError| match source.revert() {
        Some(reason) => DeployError::Constructor { name: contract.name, reason },
        None => DeployError::Simulate { name: contract.name, source },
    })
}

fn code_hash(code: &Bytes) -> Option<B256> {
    (!code.is_empty()).then(|| keccak256(code))
}
