//! The chain of one life: the node that agents speak to, the tenant, and what is on chain in the end.

use std::collections::BTreeMap;

use alloy::primitives::{Address, Bytes, U64};
use anyhow::{Context, Result, anyhow, bail, ensure};
use chain::{At, ChainClient, ChainEvent, Cursor, Followed, FollowerConfig, HotKey, LogFollower, Outcome};
use crd::convert::SettledStatement;
use market::{
    Amount, B256, Bid, Lease, LeaseId, OrderHash, SignedBid, Statement, Timestamp, Usage, Windows, amount,
};
use serde::Deserialize;
use serde_json::json;
use testkit::{Anvil, Fault, FaultyRpc, Gate, TestMarket};

use super::stage::METER_ROOT;

/// What the tenant has in its account.
pub(super) const DEPOSIT: Amount = Amount(10_000_000);
const SALT: B256 = B256::repeat_byte(1);
pub(super) const MANIFEST: &str = "
version: v1
name: guestbook
duration: 1h
tier: strict
services:
  web:
    image: registry.example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000
    resources: {cpu: 250m, memory: 64Mi}
";

/// A market with a provider, a tenant, and a node in front of it that can hold a request.
pub(super) struct Market {
    inner: TestMarket,
    gate: Gate,
    node: FaultyRpc,
}

/// Who pays for a lease, and the key that signs for it.
#[derive(Clone)]
pub(super) struct Tenant {
    pub(super) key: HotKey,
    pub(super) session: HotKey,
}

/// A transaction of the operator's in a block.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) nonce: u64,
    pub(super) call: &'static str,
    pub(super) success: bool,
    pub(super) hash: B256,
}

#[derive(Deserialize)]
struct FullBlock {
    transactions: Vec<WireTransaction>,
}

#[derive(Deserialize)]
struct WireTransaction {
    hash: B256,
    from: Address,
    nonce: U64,
    input: Bytes,
}

fn manifest() -> Result<manifest::ValidManifest> {
    let document = manifest::parse(MANIFEST, "guestbook.yaml")?;
    manifest::validate(&document).map_err(|problems| anyhow!("the manifest has problems: {problems:?}"))
}

/// What the order says of the manifest.
pub(super) fn manifest_hash() -> Result<B256> {
    Ok(manifest::manifest_hash(&SALT, &manifest()?.canonical_json()))
}

impl Market {
    pub(super) async fn start() -> Result<Self> {
        let inner = TestMarket::start().await?;
        inner.register_provider().await?;
        inner.fund_tenant(DEPOSIT).await?;
        let gate = Gate::default();
        let node = FaultyRpc::start_behind(inner.anvil.url(), gate.clone()).await?;
        Ok(Self { inner, gate, node })
    }

    pub(super) fn client(&self) -> &ChainClient {
        &self.inner.client
    }

    pub(super) fn anvil(&self) -> &Anvil {
        &self.inner.anvil
    }

    /// From now on nothing that an agent asks of its node is done, until it is told otherwise.
    pub(super) fn set_node(&self, fault: Fault) {
        self.node.set(fault);
    }

    /// What every request of an agent passes.
    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The key that agents send with.
    pub(super) fn operator(&self) -> &HotKey {
        &self.inner.operator
    }

    /// The chain's part of an agent's configuration.
    pub(super) fn configuration(&self) -> String {
        let deployment = self.inner.deployment();
        format!(
            "[chain]\nrpc_url = \"{}\"\npoll_interval = \"1s\"\nmax_head_age = \"30d\"\n\
             deployment = {{ chain_id = {}, market = \"{}\", registry = \"{}\", token = \"{}\", token_decimals = 6, deployed_block = {} }}\n\
             [provider]\nowner = \"{}\"\n",
            self.node.url(),
            deployment.chain_id,
            deployment.market,
            deployment.registry,
            deployment.token,
            deployment.deployed_block,
            self.inner.provider.address(),
        )
    }

    pub(super) fn provider(&self) -> &HotKey {
        &self.inner.provider
    }

    /// The owner says where the gateway is.
    pub(super) async fn announce(&self, uri: &str) -> Result<()> {
        let update = self.client().calls().update_provider(uri, B256::repeat_byte(9));
        self.inner.run(&self.inner.provider, [update]).await.map(drop)
    }

    /// The tenant of all stories that have but one.
    pub(super) fn tenant(&self) -> Tenant {
        Tenant { key: self.inner.tenant.clone(), session: self.inner.session.clone() }
    }

    /// Another tenant, with as much in its account.
    pub(super) async fn another_tenant(&self) -> Result<Tenant> {
        let tenant = Tenant { key: HotKey::random(), session: HotKey::random() };
        let (calls, address) = (self.client().calls(), tenant.key.address());
        self.anvil().fund(address).await?;
        self.inner.run(&self.inner.admin, [calls.mint(address, DEPOSIT)]).await?;
        let deposit = [calls.approve_market(DEPOSIT), calls.deposit(address, DEPOSIT)];
        self.inner.run(&tenant.key, deposit).await?;
        Ok(tenant)
    }

    pub(super) async fn post_order(&self) -> Result<OrderHash> {
        self.post_order_of(&self.tenant()).await
    }

    pub(super) async fn post_order_of(&self, tenant: &Tenant) -> Result<OrderHash> {
        let (mut order, _) = self.inner.order(1).await?;
        order.tenant = tenant.key.address();
        let encoded = chain::convert::encode_requirements(&manifest()?.requirements())?;
        order.requirements_hash = chain::convert::requirements_hash(&encoded);
        order.manifest_hash = manifest_hash()?;
        let post = self.client().calls().post_order(&order, encoded)?;
        self.inner.run(&tenant.key, [post]).await?;
        Ok(self.client().eip712().order_digest(&order)?)
    }

    pub(super) async fn bids(&self, order: OrderHash) -> Result<Vec<(LeaseId, SignedBid)>> {
        Ok(self.client().bids_for(order).await?)
    }

    /// The tenant locks as little as it may, which does not last to the end.
    pub(super) async fn open(&self, signed: &SignedBid) -> Result<()> {
        self.open_with(&self.tenant(), signed, signed.bid.min_deposit).await
    }

    /// A tenant locks so much.
    pub(super) async fn open_with(&self, tenant: &Tenant, signed: &SignedBid, amount: Amount) -> Result<()> {
        let open = self.client().calls().open_lease(signed, tenant.session.address(), amount)?;
        self.inner.run(&tenant.key, [open]).await.map(drop)
    }

    /// A tenant contests all of a claim but so much.
    pub(super) async fn dispute(&self, tenant: &Tenant, bid: &Bid, conceded: Amount) -> Result<()> {
        self.inner.run(&tenant.key, [self.client().calls().dispute(bid, conceded)?]).await.map(drop)
    }

    /// The name under which the contract refuses such a dispute.
    pub(super) async fn refusal_of(&self, tenant: &Tenant, bid: &Bid, conceded: Amount) -> Result<String> {
        match self.inner.sender(&tenant.key).send(self.client().calls().dispute(bid, conceded)?).await {
            Outcome::Reverted(reason) => Ok(reason.name().to_owned()),
            other => bail!("a dispute with {conceded} conceded is not refused: {other:?}"),
        }
    }

    /// The tenant signs for usage up to a moment.
    pub(super) async fn sign(
        &self,
        id: LeaseId,
        bid: &Bid,
        usage: Usage,
        as_of: Timestamp,
    ) -> Result<SettledStatement> {
        let lease = self.lease(id).await?;
        let statement = Statement {
            lease_id: id,
            amount_cum: amount(&bid.prices, &bid.limits, &usage, lease.elapsed(as_of)),
            as_of,
            usage_hash: usage::usage_hash(&usage, as_of, METER_ROOT),
            last: as_of == lease.end_at,
        };
        ensure!(!statement.amount_cum.is_zero(), "the tenant has to pay something");
        let signature = self.inner.session.sign_statement(&self.client().eip712(), &statement)?;
        Ok(SettledStatement { statement, usage, meter_root: METER_ROOT, signature })
    }

    /// The tenant has enough.
    pub(super) async fn close(&self, id: LeaseId) -> Result<()> {
        self.close_as(&self.tenant(), id).await
    }

    pub(super) async fn close_as(&self, tenant: &Tenant, id: LeaseId) -> Result<()> {
        self.inner.run(&tenant.key, [self.client().calls().close_lease(id)]).await.map(drop)
    }

    pub(super) async fn windows(&self) -> Result<Windows> {
        Ok(self.client().windows(At::Latest).await?)
    }

    /// The chain's time.
    pub(super) async fn now(&self) -> Result<Timestamp> {
        self.inner.now().await
    }

    pub(super) async fn lease(&self, id: LeaseId) -> Result<Lease> {
        Ok(self.client().lease(id, At::Latest).await?)
    }

    /// The tenant has enough after two minutes, and signs for them.
    pub(super) async fn close_and_sign(&self, id: LeaseId, bid: &Bid) -> Result<SettledStatement> {
        self.anvil().pass(120).await?;
        self.close(id).await?;
        let end = self.lease(id).await?.end_at;
        self.sign(id, bid, Usage([100, 25_000, 100 * (64 << 20), 0, 0, 0, 0, 0]), end).await
    }

    /// What provider and tenant may withdraw.
    pub(super) async fn available(&self) -> Result<(Amount, Amount)> {
        Ok((self.account(&self.inner.provider).await?, self.account(&self.inner.tenant).await?))
    }

    /// What somebody may withdraw.
    pub(super) async fn account(&self, key: &HotKey) -> Result<Amount> {
        Ok(self.client().available(key.address(), At::Latest).await?)
    }

    /// The provider's bond, and how much of it leases lock.
    pub(super) async fn bond(&self) -> Result<(Amount, Amount)> {
        let provider = self.client().provider_of(self.inner.provider.address(), At::Latest).await?;
        Ok((provider.bond, provider.locked))
    }

    /// The operator's next nonce by what is mined, and by what the node knows.
    pub(super) async fn nonces(&self) -> Result<(u64, u64)> {
        let (rpc, account) = (self.client().rpc(), self.operator().address());
        Ok((rpc.mined_nonce(account).await?, rpc.pending_nonce(account).await?))
    }

    /// Every claim on a lease: how much in all, and for which usage.
    pub(super) async fn claims(&self, lease: LeaseId) -> Result<Vec<(Amount, Usage)>> {
        let config = FollowerConfig { stall_after: None, ..FollowerConfig::default() };
        let cursor = Cursor::start(self.inner.deployment().deployed_block);
        let rpc = self.client().rpc().clone();
        let mut follower = LogFollower::new(rpc, *self.inner.deployment(), config, cursor);
        let mut claims = Vec::new();
        loop {
            let Followed::Progress { events, upto, head } = follower.next().await? else {
                bail!("the chain was rewritten")
            };
            claims.extend(events.into_iter().filter_map(|found| match found.event {
                ChainEvent::ClaimFiled { lease_id, cum, usage, .. } if lease_id == lease => {
                    Some((cum, usage))
                }
                _ => None,
            }));
            if upto.number == head.number {
                return Ok(claims);
            }
        }
    }

    /// Everything that the operator has in blocks, in the order of the chain. The lease's own calls have names.
    pub(super) async fn transactions_of_the_operator(
        &self,
        signed: &SignedBid,
        settled: &SettledStatement,
    ) -> Result<Vec<Sent>> {
        let (rpc, calls) = (self.client().rpc(), self.client().calls());
        let known = [
            calls.post_bid(signed)?,
            calls.confirm(&[settled.statement.lease_id]),
            calls.settle(&[(settled.statement, settled.signature)])?,
            calls.finalize(&[signed.bid])?,
        ];
        let names: BTreeMap<&[u8], &'static str> =
            known.iter().map(|call| (call.data.as_ref(), call.name)).collect();
        let mut sent = Vec::new();
        for number in 0..=rpc.head().await?.number {
            let block: FullBlock =
                rpc.request("eth_getBlockByNumber", json!([U64::from(number), true])).await?;
            for found in block.transactions.into_iter().filter(|sent| sent.from == self.operator().address())
            {
                let receipt = rpc.receipt(found.hash).await?.context("a transaction without a receipt")?;
                sent.push(Sent {
                    nonce: found.nonce.to(),
                    call: names.get(found.input.as_ref()).copied().unwrap_or("something else"),
                    success: receipt.status.to::<u64>() == 1,
                    hash: found.hash,
                });
            }
        }
        Ok(sent)
    }
}
