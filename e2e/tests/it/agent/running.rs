//! Leases that run, with their agent: where the stories about tenants begin.

use ::market::{Amount, Bid, Lease, LeaseId, LeaseState, Timestamp, Usage, amount};
use anyhow::{Context, Result, ensure};
use crd::{
    ComputeLease, DesiredState, Suspension, SuspensionReason, compute_lease::spec::SettlementStatement,
    convert::SettledStatement,
};
use serde_json::json;
use testkit::test_market::BOND;

use super::{
    gateway::Gateway,
    market::{DEPOSIT, Market, Tenant},
    node::ReadyNode,
    process::{Agent, Starter},
    stage::{Stage, eventually},
};
use crate::cluster::{Cluster, wait};

/// Seconds that a tenant has for its first signature.
pub(super) const FIRST: u64 = 600;
/// Seconds for which a lease stays suspended.
pub(super) const RECLAIM_AFTER: u64 = 900;
/// Seconds of notice.
pub(super) const NOTICE: u64 = 300;
/// Seconds after an end before the agent claims.
pub(super) const COUNTERSIGN: u64 = 60;
/// The terms and what follows them in an agent's configuration.
pub(super) const SETTINGS: &str = "notice_period = \"5m\"\n\
    [settlement]\ncountersign_timeout = \"1m\"\n\
    [settlement.gate]\nfirst = \"10m\"\nreclaim_after = \"15m\"\n";

/// Runs a story on a cluster that has the agent's rights and a node with room.
pub(super) async fn on_a_cluster(test: &str, run: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    let cluster = Cluster::connect(test).await?;
    cluster
        .clean_up_after(async |cluster| {
            cluster.grant_rights().await?;
            let node = ReadyNode::start(cluster).await?;
            let ran = run(cluster).await;
            ran.and(node.remove(cluster).await)
        })
        .await
}

pub(super) fn moment(seconds: i64) -> Result<Timestamp> {
    Ok(Timestamp(u64::try_from(seconds)?))
}

/// A lease that runs.
pub(super) struct Leased<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) tenant: Tenant,
    pub(super) id: LeaseId,
    pub(super) bid: Bid,
    pub(super) started_at: Timestamp,
}

impl<'a> Leased<'a> {
    /// Lets a tenant order it and accept the agent's bid with all its money.
    pub(super) async fn begin(
        cluster: &'a Cluster,
        market: &Market,
        agent: &Agent,
        tenant: Tenant,
    ) -> Result<Self> {
        let order = market.post_order_of(&tenant).await?;
        eventually("a bid", agent, async || Ok(market.bids(order).await?.len() == 1)).await?;
        let (id, signed) = market.bids(order).await?.remove(0);
        market.open_with(&tenant, &signed, DEPOSIT).await?;
        let stage = Stage::new(cluster, id);
        let exists = |object: Option<&ComputeLease>| object.is_some();
        wait(&cluster.own(), stage.name.as_str(), exists).await.with_context(|| agent.log())?;
        stage.report_ready().await?;
        let is_running = async || Ok(market.lease(id).await?.state == LeaseState::Active);
        eventually("the start", agent, is_running).await?;
        Self::found(stage, market, agent, tenant, id).await
    }

    /// One that the chain has and that has started, when its object says so too.
    pub(super) async fn found(
        stage: Stage<'a>,
        market: &Market,
        agent: &Agent,
        tenant: Tenant,
        id: LeaseId,
    ) -> Result<Self> {
        let has_term = async || Ok(stage.object().await?.spec.term.is_some());
        eventually("the term", agent, has_term).await?;
        let started_at = market.lease(id).await?.started_at.context("it has started")?;
        let opened = market.client().lease_opened(id).await?.context("it was opened")?;
        Ok(Self { stage, tenant, id, bid: opened.bid, started_at })
    }

    /// What it used from its start to a moment: a little less than it may, so that the price of the usage binds and not the
    /// highest rate, which is rounded down from each payment to the next.
    pub(super) fn used(&self, until: Timestamp) -> Usage {
        let seconds = u128::from(until.seconds_since(self.started_at));
        Usage([seconds, 240 * seconds, seconds * (64 << 20), 0, 0, 0, 0, 0])
    }

    /// What that costs by the end of the lease.
    pub(super) fn owed(&self, used: &Usage, lease: &Lease) -> Amount {
        amount(&self.bid.prices, &self.bid.limits, used, lease.elapsed(lease.end_at))
    }

    /// Puts a statement where the gateway puts it.
    pub(super) async fn store(&self, signed: &SettledStatement) -> Result<()> {
        let statement = SettlementStatement::try_from(signed)?;
        self.stage.patch(json!({"spec": {"settlement": {"statement": statement}}})).await?;
        Ok(())
    }
}

/// A lease that runs, with its chain and its agent.
pub(super) struct Running<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) market: Market,
    pub(super) starter: Starter,
    pub(super) agent: Agent,
    pub(super) leased: Leased<'a>,
}

impl<'a> Running<'a> {
    /// Begins it; `life` names the agent's folder.
    pub(super) async fn begin(cluster: &'a Cluster, life: &str) -> Result<Self> {
        let market = Market::start().await?;
        let mut starter = Starter::new(cluster, &market, life, SETTINGS).await?;
        let agent = starter.start()?;
        let leased = Leased::begin(cluster, &market, &agent, market.tenant()).await?;
        Ok(Self { cluster, market, starter, agent, leased })
    }

    /// Uses everything it may and signs nothing, until the agent suspends it.
    pub(super) async fn run_into_suspension(&mut self) -> Result<Suspension> {
        let stage = &self.leased.stage;
        self.market.anvil().pass(FIRST / 2 - 60).await?;
        let now = self.market.now().await?;
        stage.report_usage(&self.leased.used(now), now).await?;
        self.market.anvil().pass(60).await?;
        self.eventually("the announcement", async |_| stage.is_told("SuspensionAnnounced").await).await?;
        // It is told before the object says so.
        self.eventually("the announcement in the object", async |_| {
            Ok(stage.object().await?.spec.suspension.is_some())
        })
        .await?;
        let announced = stage.object().await?.spec;
        ensure!(announced.desired == DesiredState::Running, "it was suspended unannounced");

        self.market.anvil().pass(FIRST / 2).await?;
        self.until(DesiredState::Paused).await?;
        let suspension = stage.object().await?.spec.suspension.context("nothing says why it is paused")?;
        let since = moment(suspension.since.context("nothing says since when it is paused")?)?;
        let now = self.market.now().await?;
        ensure!(
            suspension.reason == SuspensionReason::NeverSigned
                && since >= self.leased.started_at.saturating_add(FIRST)
                && since <= now
                && announced.suspension.is_some_and(|told| told.announced_at == suspension.announced_at),
            "{suspension:?} at {now}, after a start at {} and {:?}",
            self.leased.started_at,
            announced.suspension,
        );
        Ok(suspension)
    }

    /// Lets the tenant close it, and says what was used by then. Returns its end, and what is owed.
    pub(super) async fn run_to_its_end(&self) -> Result<(Timestamp, Amount)> {
        self.market.close(self.leased.id).await?;
        self.until(DesiredState::Ended).await?;
        let lease = self.lease().await?;
        let used = self.leased.used(lease.end_at);
        self.leased.stage.report_final(&used, lease.end_at).await?;
        Ok((lease.end_at, self.leased.owed(&used, &lease)))
    }

    /// Lets the time pass in which the tenant could have signed, and sees the agent claim exactly this.
    pub(super) async fn sees_claimed(&self, owed: Amount) -> Result<()> {
        self.market.anvil().pass(COUNTERSIGN + 1).await?;
        self.eventually("a claim", async |lease| Ok(lease.pending.is_some())).await?;
        let lease = self.lease().await?;
        let pending = lease.pending.context("a claim")?;
        ensure!((pending.cum, pending.at) == (owed, lease.end_at), "{pending:?} is claimed, not {owed}");
        Ok(())
    }

    pub(super) async fn lease(&self) -> Result<Lease> {
        self.market.lease(self.leased.id).await
    }

    /// The agent's gateway, as tenants meet it.
    pub(super) fn gateway(&self) -> Result<Gateway> {
        Gateway::new(&self.starter, &self.market)
    }

    pub(super) async fn eventually(
        &self,
        what: &str,
        is_so: impl AsyncFn(Lease) -> Result<bool>,
    ) -> Result<()> {
        eventually(what, &self.agent, async || is_so(self.lease().await?).await).await
    }

    pub(super) async fn until(&self, desired: DesiredState) -> Result<()> {
        let what = format!("the object to say {desired:?}");
        self.eventually(&what, async |_| Ok(self.leased.stage.object().await?.spec.desired == desired)).await
    }

    pub(super) async fn restart(&mut self) -> Result<()> {
        self.agent.kill().await?;
        self.agent = self.starter.start()?;
        Ok(())
    }

    /// Waits for the close, and sees the tenant pay what is owed and no more.
    pub(super) async fn ends_with(self, owed: Amount) -> Result<()> {
        self.leaves(owed, DEPOSIT.saturating_sub(owed)).await
    }

    /// Waits for the close, and sees what each may withdraw then. The bond is whole and free again.
    pub(super) async fn leaves(mut self, provider: Amount, tenant: Amount) -> Result<()> {
        self.eventually("the close", async |lease| Ok(lease.state == LeaseState::Closed)).await?;
        let accounts = self.market.available().await?;
        ensure!(accounts == (provider, tenant), "{accounts:?} are there, not {provider} and {tenant}");
        let bond = self.market.bond().await?;
        ensure!(bond == (BOND, Amount::ZERO), "{bond:?} is the bond, and what of it is locked");
        let is_gone = |object: Option<&ComputeLease>| object.is_none();
        let objects = self.cluster.own::<ComputeLease>();
        wait(&objects, self.leased.stage.name.as_str(), is_gone).await.with_context(|| self.agent.log())?;
        self.agent.kill().await
    }
}
