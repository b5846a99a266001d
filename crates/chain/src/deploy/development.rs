//! A market for tests and the demo: the same contracts by the same way, with terms of minutes and one key for all.

use std::path::Path;
use std::time::Duration;

use alloy::primitives::{Address, B256, TxKind};
use market::{Amount, Windows};

use super::artifact::{self, Artifacts};
use super::blueprint::Blueprint;
use super::contract::ContractName;
use super::error::DeployError;
use super::history;
use super::params::{Administration, Guard, Params, Token, TokenAmount, WindowParams};
use super::runner::Runner;
use super::span::Span;
use crate::calls::Call;
use crate::deployment::Deployment;
use crate::rpc::Rpc;
use crate::sender::{SenderConfig, TxSender};
use crate::signer::HotKey;

/// Symbol and decimals of the test token.
const TEST_TOKEN: (&str, u8) = ("tUSD", 6);

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

/// Deploys a test token and a market from `artifacts` (Foundry's `out`). `key` pays, and administers the result
/// without a delay.
pub async fn deploy(
    rpc: Rpc,
    key: HotKey,
    artifacts: &Path,
    terms: MarketTerms,
) -> Result<Deployment, DeployError> {
    let root = artifacts.parent().unwrap_or(Path::new("."));
    let chain_id = rpc.chain_id().await?;
    let config = SenderConfig { poll_interval: Duration::from_millis(200), ..SenderConfig::default() };
    let token = test_token(&rpc, &key, root, artifacts, config).await?;
    // Trees without the distributor of rewards can still be tested.
    let rewards = artifacts.join("RewardsDistributor.sol").is_dir();
    let params = params(chain_id, key.address(), token, rewards, &terms);
    let artifacts = Artifacts::read(root, artifacts, ContractName::wanted(&params))?;
    let mut runner = Runner::start(rpc.clone(), key, Blueprint::new(&params, &artifacts)?, config).await?;
    runner.finish(|_| {}).await?;
    let blueprint = runner.blueprint();
    let first = match runner.sent().values().map(|sent| sent.block_number).min() {
        Some(first) => first,
        None => history::first_block(&rpc, blueprint, 0).await?,
    };
    Ok(blueprint.deployment(first))
}

/// Deploys the token that anybody can mint.
pub async fn test_token(
    rpc: &Rpc,
    key: &HotKey,
    root: &Path,
    out: &Path,
    config: SenderConfig,
) -> Result<Address, DeployError> {
    let nowhere = Address::ZERO;
    let draft = Deployment {
        chain_id: rpc.chain_id().await?,
        market: nowhere,
        registry: nowhere,
        token: nowhere,
        token_decimals: TEST_TOKEN.1,
        deployed_block: 0,
        rewards: None,
    };
    let sender = TxSender::spawn(rpc.clone(), draft, key.clone(), config);
    let code = artifact::read(root, out, "TestUSD")?.creation_code;
    let call = Call { name: "TestUSD", to: TxKind::Create, data: code };
    sender.execute(call).await?.contract.ok_or(DeployError::NoTestToken)
}

fn params(chain_id: u64, owner: Address, token: Address, rewards: bool, terms: &MarketTerms) -> Params {
    let (symbol, decimals) = TEST_TOKEN;
    let MarketTerms { min_bond, unbond_delay, windows, treasury } = *terms;
    Params {
        chain_id,
        test_chain: true,
        salt: B256::ZERO,
        deployer: owner,
        bond_token: token,
        min_bond: TokenAmount::of_base_units(min_bond.0, decimals, symbol),
        unbond_delay: Span(unbond_delay),
        windows: WindowParams {
            claim: Span(windows.claim),
            dispute: Span(windows.dispute),
            arbiter: Span(windows.arbiter),
        },
        treasury,
        fee_bps: 0,
        tokens: vec![Token { address: token, symbol: symbol.to_owned(), decimals }],
        guard: Guard::Transient,
        administration: Administration { admin: owner, admin_delay: Span(0), guardian: owner },
        rewards,
        confirmations: 1,
    }
}
