//! The Solidity side: the market with a door for leases, and an evaluator, on a chain of their own.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U64, U256, aliases::U40};
use alloy::sol_types::{SolCall, SolValue};
use anyhow::{Context, Result, ensure};
use chain::Rpc;
use chain::abi::ILeaseMarket as abi;
use market::MAX_UINT96;
use serde_json::{Value, json};
use testkit::Anvil;
use testkit::anvil::Mining;

use super::case::{CLAIM_WINDOW, Case, NOW};
use super::outcome::{Life, Outcome, Rate};

alloy::sol! {
    struct EvaluatedCase {
        uint128[8] price;
        uint64[8] limit;
        uint128[8] usage;
        uint40 startedAt;
        uint40 lastAsOf;
        uint40 endAt;
        uint128 paid;
        uint128 balance;
        uint128 cum;
        uint128 contested;
        uint16 feeBps;
        uint16 splitBps;
    }

    struct EvaluatedOutcome {
        uint256 rateCapE6;
        bool refused;
        uint256 amount;
        uint256 cap;
        uint256 claimCum;
        uint256 paidOut;
        uint256 fee;
        uint256 net;
        uint256 share;
        uint256 fundedUntil;
    }

    function evaluate(EvaluatedCase[] calldata cases) external returns (EvaluatedOutcome[] memory outcomes);
}

/// More than any batch here takes.
const GAS: u64 = 1 << 40;

/// A chain with the evaluator on it.
pub(super) struct Solidity {
    _anvil: Anvil,
    rpc: Rpc,
    sender: Address,
    evaluator: Address,
    pub(super) market: Address,
}

impl Solidity {
    pub(super) async fn start() -> Result<Self> {
        let out = tokio::task::spawn_blocking(artifacts).await??;
        let anvil = Anvil::start(Mining::Manual)?;
        let rpc = anvil.rpc().clone();
        let sender = Address::repeat_byte(0x5e);
        anvil.fund(sender).await?;
        let _: Value = rpc.request("anvil_impersonateAccount", json!([sender])).await?;
        let _: Value = rpc.request("evm_setBlockGasLimit", json!([U64::from(GAS)])).await?;
        let nowhere = Address::ZERO;
        let mut this = Self { _anvil: anvil, rpc, sender, evaluator: nowhere, market: nowhere };
        let surroundings = this.create(&out, "Surroundings", Vec::new()).await?;
        let window = U40::from(CLAIM_WINDOW + 1);
        let arguments = (surroundings, surroundings, sender, window).abi_encode_params();
        this.market = this.create(&out, "SeededMarket", arguments).await?;
        this.evaluator =
            this.create(&out, "Evaluator", (this.market, surroundings).abi_encode_params()).await?;
        let _: Value = this.rpc.request("evm_setNextBlockTimestamp", json!([U64::from(NOW)])).await?;
        let _: Value = this.rpc.request("evm_mine", json!([])).await?;
        ensure!(
            this.rpc.head().await?.timestamp.0 == NOW,
            "the chain's clock does not stand where it was set"
        );
        Ok(this)
    }

    /// What the market's library and its paths compute.
    pub(super) async fn outcomes(&self, cases: &[Case]) -> Result<Vec<Outcome>> {
        let call = evaluateCall { cases: cases.iter().map(encode).collect() };
        let answer = self.call(self.evaluator, call.abi_encode()).await?;
        let outcomes = evaluateCall::abi_decode_returns(&answer)?;
        ensure!(outcomes.len() == cases.len(), "{} answers to {} cases", outcomes.len(), cases.len());
        outcomes.iter().zip(cases).map(|(outcome, case)| decode(outcome, case)).collect()
    }

    /// The market's own digests of structs as they are.
    pub(super) async fn digest(&self, call: Vec<u8>) -> Result<B256> {
        Ok(B256::try_from(&self.call(self.market, call).await?[..])?)
    }

    async fn call(&self, to: Address, data: Vec<u8>) -> Result<Bytes> {
        let call = json!({ "to": to, "input": Bytes::from(data), "gas": U64::from(GAS) });
        Ok(self.rpc.request("eth_call", json!([call, "latest"])).await?)
    }

    async fn create(&self, out: &Path, name: &str, arguments: Vec<u8>) -> Result<Address> {
        let path = out.join(format!("{name}.sol/{name}.json"));
        let artifact: Value =
            serde_json::from_slice(&std::fs::read(&path).with_context(|| path.display().to_string())?)?;
        let mut code: Vec<u8> =
            artifact["bytecode"]["object"].as_str().context("no code")?.parse::<Bytes>()?.into();
        code.extend(arguments);
        let create = json!({ "from": self.sender, "input": Bytes::from(code), "gas": U64::from(16_000_000) });
        let hash: B256 = self.rpc.request("eth_sendTransaction", json!([create])).await?;
        let _: Value = self.rpc.request("evm_mine", json!([])).await?;
        let receipt: Value = self.rpc.request("eth_getTransactionReceipt", json!([hash])).await?;
        ensure!(receipt["status"] == "0x1", "{name} was not created: {receipt}");
        Ok(serde_json::from_value(receipt["contractAddress"].clone())?)
    }
}

/// The evaluator's artifacts, apart from those that forge's tests use. One of several processes builds.
fn artifacts() -> Result<PathBuf> {
    let lock = std::fs::File::create(std::env::temp_dir().join("leasehold-forge-differential.lock"))?;
    lock.lock()?;
    let apart = ["--out", "cache/differential/out", "--cache-path", "cache/differential"];
    testkit::contracts::build(&[&["test/differential/Evaluator.sol"], &apart[..]].concat())?;
    Ok(testkit::contracts::folder().join("cache/differential/out"))
}

fn encode(case: &Case) -> EvaluatedCase {
    EvaluatedCase {
        price: case.price,
        limit: case.limit,
        usage: case.usage,
        startedAt: U40::from(case.started_at),
        lastAsOf: U40::from(case.last_as_of),
        endAt: U40::from(case.end_at),
        paid: case.paid,
        balance: case.balance,
        cum: case.cum,
        contested: case.contested,
        feeBps: case.fee_bps,
        splitBps: case.split_bps,
    }
}

fn decode(outcome: &EvaluatedOutcome, case: &Case) -> Result<Outcome> {
    let rate = match u128::try_from(outcome.rateCapE6) {
        Ok(0) if outcome.refused => Rate::Zero,
        Ok(rate) if !outcome.refused => Rate::Cap(rate),
        rate if outcome.refused && rate.is_ok_and(|rate| rate <= MAX_UINT96) => {
            anyhow::bail!("the market refuses a rate that fits: {case:?}")
        }
        _ if outcome.refused => Rate::TooLarge,
        _ => anyhow::bail!("the market accepts a rate that does not fit: {case:?}"),
    };
    let life = if outcome.refused { None } else { Some(decode_life(outcome, case)?) };
    Ok(Outcome { rate, amount: outcome.amount, life })
}

fn decode_life(outcome: &EvaluatedOutcome, case: &Case) -> Result<Life> {
    let number =
        |value: U256| u128::try_from(value).with_context(|| format!("{value} is no amount: {case:?}"));
    let claim_cum = number(outcome.claimCum)?;
    Ok(Life {
        cap_cum: u128::try_from(outcome.cap + U256::from(case.paid)).ok(),
        claim_cum: (claim_cum > case.paid).then_some(claim_cum),
        paid_out: number(outcome.paidOut)?,
        fee: number(outcome.fee)?,
        net: number(outcome.net)?,
        share: number(outcome.share)?,
        funded_until: u64::try_from(outcome.fundedUntil)?,
    })
}

/// The call that asks the market for a digest.
pub(super) trait Digested {
    fn call(&self) -> Vec<u8>;
}

impl Digested for abi::Bid {
    fn call(&self) -> Vec<u8> {
        abi::leaseIdOfCall { bid: self.clone() }.abi_encode()
    }
}

impl Digested for abi::Order {
    fn call(&self) -> Vec<u8> {
        abi::orderHashOfCall { order: self.clone() }.abi_encode()
    }
}

impl Digested for abi::Statement {
    fn call(&self) -> Vec<u8> {
        abi::statementDigestCall { statement: self.clone() }.abi_encode()
    }
}
