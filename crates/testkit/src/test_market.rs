//! A market on a chain of its own, with a provider and a tenant who have money.

use std::time::Duration;

use alloy::primitives::{Address, B256, keccak256};
use anyhow::{Context, Result};
use chain::convert::{encode_requirements, requirements_hash};
use chain::deploy::{MarketTerms, deploy};
use chain::{At, Call, ChainClient, Deployment, HotKey, Mined, Rpc, SenderConfig, TxSender};
use market::{
    Amount, Attribute, BasisPoints, Bid, Limits, Order, OrderHash, Price, Prices, Requirements,
    ServiceRequirements, Tier, Timestamp,
};

use crate::anvil::{Anvil, Mining};
use crate::contracts;

/// What each of provider and tenant has in its wallet at the start: a million whole tokens.
pub const WALLET: Amount = Amount(1_000_000_000_000);
/// The bond that [`TestMarket::register_provider`] posts.
pub const BOND: Amount = Amount(1_000_000_000);

/// A deployed market with funded keys.
#[derive(Debug)]
pub struct TestMarket {
    /// The chain.
    pub anvil: Anvil,
    /// Reads the market.
    pub client: ChainClient,
    /// Deployed and administers it.
    pub admin: HotKey,
    /// The provider's cold key.
    pub provider: HotKey,
    /// The provider's hot key.
    pub operator: HotKey,
    /// The tenant's key.
    pub tenant: HotKey,
    /// The tenant's session key, which needs no gas.
    pub session: HotKey,
}

impl TestMarket {
    /// Starts a chain that makes a block for each transaction, deploys, and fills wallets.
    pub async fn start() -> Result<Self> {
        Self::start_with(Mining::OnDemand).await
    }

    /// Starts a chain with blocks as asked for, deploys, and fills wallets.
    pub async fn start_with(mining: Mining) -> Result<Self> {
        let artifacts = tokio::task::spawn_blocking(contracts::artifacts).await??;
        let anvil = Anvil::start(mining)?;
        let admin = HotKey::random();
        anvil.fund(admin.address()).await?;
        let terms = MarketTerms::development(admin.address());
        let deployment = deploy(anvil.rpc().clone(), admin.clone(), &artifacts, terms).await?;
        Self::on(anvil, admin, deployment).await
    }

    /// Uses a market that is deployed already, whose token anybody can mint, and fills wallets.
    pub async fn on(anvil: Anvil, admin: HotKey, deployment: Deployment) -> Result<Self> {
        let [provider, operator, tenant, session] = std::array::from_fn(|_| HotKey::random());
        for key in [&provider, &operator, &tenant] {
            anvil.fund(key.address()).await?;
        }
        let client = ChainClient::connect(anvil.url().parse()?, deployment).await?;
        let market = Self { anvil, client, admin, provider, operator, tenant, session };
        let calls = market.client.calls();
        let mint = [&market.provider, &market.tenant].map(|key| calls.mint(key.address(), WALLET));
        market.run(&market.admin, mint).await?;
        Ok(market)
    }

    /// Where the contracts are.
    pub fn deployment(&self) -> &Deployment {
        self.client.deployment()
    }

    /// A sender that looks often.
    pub fn sender(&self, key: &HotKey) -> TxSender {
        self.sender_through(self.client.rpc().clone(), key, quick())
    }

    /// A sender with its own connection and settings.
    pub fn sender_through(&self, rpc: Rpc, key: &HotKey, config: SenderConfig) -> TxSender {
        TxSender::spawn(rpc, *self.deployment(), key.clone(), config)
    }

    /// Sends calls one after the other with a key; all must succeed.
    pub async fn run(&self, key: &HotKey, calls: impl IntoIterator<Item = Call>) -> Result<Vec<Mined>> {
        let sender = self.sender(key);
        let mut mined = Vec::new();
        for call in calls {
            let name = call.name;
            mined.push(sender.execute(call).await.with_context(|| name.to_owned())?);
        }
        Ok(mined)
    }

    /// Registers the provider with [`BOND`] and its operator.
    pub async fn register_provider(&self) -> Result<()> {
        let calls = self.client.calls();
        let expiry = self.now().await?.saturating_add(86_400 * 365);
        let uri = "https://127.0.0.1:8443#pin-sha256=test";
        let register = calls.register(self.operator.address(), expiry, BOND, uri, B256::repeat_byte(9))?;
        self.run(&self.provider, [calls.approve_registry(BOND), register]).await?;
        Ok(())
    }

    /// Moves tokens from the tenant's wallet into its account.
    pub async fn fund_tenant(&self, amount: Amount) -> Result<()> {
        let calls = self.client.calls();
        let deposit = calls.deposit(self.tenant.address(), amount);
        self.run(&self.tenant, [calls.approve_market(amount), deposit]).await?;
        Ok(())
    }

    /// The chain's time.
    pub async fn now(&self) -> Result<Timestamp> {
        Ok(self.client.block(At::Latest).await?.timestamp)
    }

    /// An order of the tenant, with its encoded requirements.
    pub async fn order(&self, nonce: u64) -> Result<(Order, Vec<u8>)> {
        let requirements = encode_requirements(&requirements())?;
        let order = Order {
            tenant: self.tenant.address(),
            token: self.deployment().token,
            requirements_hash: requirements_hash(&requirements),
            manifest_hash: keccak256(b"manifest"),
            max_rate_e6: 1_000_000_000,
            deposit: Amount(10_000_000),
            deadline: self.now().await?.saturating_add(3600),
            nonce,
        };
        Ok((order, requirements))
    }

    /// A bid of the provider for an order, at the worked example's prices.
    pub async fn bid(&self, order_hash: OrderHash, salt: u64) -> Result<Bid> {
        Ok(Bid {
            provider: self.provider.address(),
            tenant: self.tenant.address(),
            token: self.deployment().token,
            order_hash,
            bid_epoch: self.client.provider_of(self.provider.address(), At::Latest).await?.bid_epoch,
            salt,
            valid_until: self.now().await?.saturating_add(300),
            start_window: 600,
            max_duration: 7200,
            notice_period: 600,
            max_slash: Amount(5_000_000),
            no_show_penalty: Amount(1_000_000),
            min_deposit: Amount(1_000_000),
            split_bps: BasisPoints::new(5000)?,
            arbiter: Address::ZERO,
            prices: prices(),
            limits: limits(),
        })
    }
}

/// Sender settings for a chain that answers at once.
pub fn quick() -> SenderConfig {
    let finality_interval = Duration::from_millis(100);
    SenderConfig { poll_interval: Duration::from_millis(20), finality_interval, ..SenderConfig::default() }
}

/// The worked example's prices.
pub fn prices() -> Prices {
    let prices = [
        555_555_555_555_555_555,
        2_777_777_777_777_777,
        1_293_503_575,
        25_870_071,
        138_888_888_888_888_888,
        10_000_000_000_000,
        0,
        0,
    ];
    Prices(prices.map(Price))
}

/// The worked example's limits.
pub fn limits() -> Limits {
    Limits([1, 8000, 34_359_738_368, 107_374_182_400, 1000, 12_500_000, 0, 0])
}

/// Requirements of one small service.
pub fn requirements() -> Requirements {
    Requirements {
        tier: Tier::Strict,
        duration: 3600,
        egress_bytes_per_second: 1_000_000,
        leased_ips: 0,
        services: vec![ServiceRequirements {
            replicas: 1,
            cpu_milli: 250,
            memory_bytes: 128 << 20,
            gpu_milli: 0,
            gpu_model: String::new(),
            volume_bytes: vec![1 << 30],
        }],
        attributes: vec![Attribute { key: "region".to_owned(), value: "eu".to_owned() }],
    }
}
