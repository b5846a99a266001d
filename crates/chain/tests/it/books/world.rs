//! Accounts in every role on a chain whose clock the test sets.

use alloy::primitives::{Address, B256, TxKind, U64};
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::abi::{ILeaseMarket as m, IToken};
use chain::{At, Call, ChainClient, HotKey};
use market::{Amount, Bid, Lease, LeaseId, Timestamp};
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use testkit::TestMarket;
use testkit::contracts;

/// Gas of every transaction; one that is refused is mined and changes nothing.
const GAS: u64 = 3_000_000;
/// What everybody has in its wallet of each token.
const WALLET: u128 = 1_000_000_000_000;

/// A lease that was opened.
pub(super) struct Deal {
    pub(super) id: LeaseId,
    pub(super) bid: Bid,
    pub(super) provider: usize,
    pub(super) tenant: usize,
    /// What its tenant conceded, once it is disputed.
    pub(super) conceded: Amount,
}

/// A market with people.
pub(super) struct World {
    market: TestMarket,
    /// The first three provide; all of them rent.
    pub(super) people: Vec<HotKey>,
    pub(super) arbiter: HotKey,
    pub(super) session: HotKey,
    pub(super) tokens: [Address; 2],
    pub(super) deals: Vec<Deal>,
    rng: TestRng,
    /// Time of the newest block.
    pub(super) clock: Timestamp,
    unmined: bool,
}

pub(super) const PROVIDERS: usize = 3;

impl World {
    pub(super) async fn start(seed: u8) -> Result<Self> {
        let market = TestMarket::start().await?;
        let second = second_token(&market).await?;
        let people: Vec<HotKey> = (0..5).map(|_| HotKey::random()).collect();
        let tokens = [market.deployment().token, second];
        let clock = market.now().await?;
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        let (arbiter, session) = (HotKey::random(), HotKey::random());
        let mut world =
            Self { market, people, arbiter, session, tokens, deals: Vec::new(), rng, clock, unmined: false };
        world.prepare().await?;
        Ok(world)
    }

    async fn prepare(&mut self) -> Result<()> {
        let () = self.ask("anvil_autoImpersonateAccount", json!([true])).await?;
        self.market.anvil.pause_mining().await?;
        let admin = self.market.admin.address();
        let allow = m::allowTokenCall { token: self.tokens[1] }.abi_encode();
        self.send(admin, self.to_market("allowToken", allow)).await?;
        let (market, registry) = (self.market.deployment().market, self.market.deployment().registry);
        let everybody: Vec<Address> = self.accounts();
        for account in everybody {
            self.market.anvil.fund(account).await?;
            for token in self.tokens {
                let amount = WALLET.try_into()?;
                let mint = IToken::mintCall { to: account, amount }.abi_encode();
                self.send(account, call(token, mint)).await?;
                for spender in [market, registry] {
                    let approve = IToken::approveCall { spender, amount }.abi_encode();
                    self.send(account, call(token, approve)).await?;
                }
            }
        }
        self.settle_block().await?;
        for provider in 0..PROVIDERS {
            let calls = self.client().calls();
            let (owner, expiry) = (self.people[provider].address(), self.clock.saturating_add(10_000_000));
            let bond = Amount(100_000_000 + u128::from(self.below(50_000_000)));
            let register = calls.register(owner, expiry, bond, "https://x", B256::ZERO)?;
            self.send(owner, register).await?;
        }
        self.settle_block().await
    }

    pub(super) fn client(&self) -> &ChainClient {
        &self.market.client
    }

    /// Whoever can hold anything: people, the arbiter, and the administrator, who is the first treasury.
    pub(super) fn accounts(&self) -> Vec<Address> {
        let others = [self.arbiter.address(), self.market.admin.address()];
        self.people.iter().map(HotKey::address).chain(others).collect()
    }

    pub(super) fn admin(&self) -> Address {
        self.market.admin.address()
    }

    /// A number below `bound`, or 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.rng.next_u64() % bound }
    }

    /// An amount from nothing to all of `most`.
    pub(super) fn part(&mut self, most: Amount) -> Amount {
        match self.below(8) {
            0 => most,
            _ => Amount(u128::from(self.rng.next_u64()) % most.0.saturating_add(1)),
        }
    }

    /// One of those that fit.
    pub(super) fn pick<T: Copy>(&mut self, fitting: &[T]) -> Option<T> {
        let index = self.below(fitting.len().try_into().ok()?);
        fitting.get(usize::try_from(index).ok()?).copied()
    }

    /// Every deal's lease as it is now.
    pub(super) async fn leases(&self) -> Result<Vec<Lease>> {
        let ids: Vec<LeaseId> = self.deals.iter().map(|deal| deal.id).collect();
        Ok(self.client().get_leases(&ids, At::Latest).await?)
    }

    pub(super) fn to_market(&self, name: &'static str, data: Vec<u8>) -> Call {
        Call { name, ..call(self.market.deployment().market, data) }
    }

    /// The time that the next block will have.
    pub(super) fn next_time(&self) -> Timestamp {
        self.clock.saturating_add(1)
    }

    /// Lets time pass before the next block.
    pub(super) async fn pass(&mut self, seconds: u64) -> Result<()> {
        self.settle_block().await?;
        self.clock = self.clock.saturating_add(seconds);
        Ok(())
    }

    /// Sends a call; sometimes others share its block.
    pub(super) async fn act(&mut self, from: Address, call: Call) -> Result<()> {
        self.send(from, call).await?;
        if self.below(4) > 0 { self.settle_block().await } else { Ok(()) }
    }

    async fn send(&mut self, from: Address, call: Call) -> Result<()> {
        let to = call.to.to().context("a contract")?;
        let transaction = json!({ "from": from, "to": to, "gas": U64::from(GAS), "data": call.data });
        let _hash: B256 = self.ask("eth_sendTransaction", json!([transaction])).await?;
        self.unmined = true;
        Ok(())
    }

    /// Makes the block of everything that was sent.
    pub(super) async fn settle_block(&mut self) -> Result<()> {
        if std::mem::take(&mut self.unmined) {
            self.clock = self.next_time();
            let _set: Value = self.ask("evm_setNextBlockTimestamp", json!([self.clock.0])).await?;
            self.market.anvil.mine(1).await?;
        }
        Ok(())
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T> {
        Ok(self.client().rpc().request(method, params).await?)
    }
}

fn call(to: Address, data: Vec<u8>) -> Call {
    Call { name: "call", to: TxKind::Call(to), data: data.into() }
}

/// The same contract again, as another token.
async fn second_token(market: &TestMarket) -> Result<Address> {
    let artifact = contracts::artifacts()?.join("TestUSD.sol/TestUSD.json");
    let artifact: Value = serde_json::from_slice(&std::fs::read(artifact)?)?;
    let code = artifact["bytecode"]["object"].as_str().context("no bytecode")?;
    let create = Call { name: "create", to: TxKind::Create, data: code.parse()? };
    let created = market.run(&market.admin, [create]).await?;
    let receipt = market.client.rpc().receipt(created[0].tx_hash).await?.context("no receipt")?;
    receipt.contract_address.context("no contract")
}
