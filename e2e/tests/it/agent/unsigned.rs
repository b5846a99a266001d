//! Tenants that do not sign for what they use, or do so late: the shipped agent with the chart's rights on a real API server and a real chain,
//! whose clock the tests move.

use ::market::{Amount, Lease, LeaseId, LeaseState, SignedBid, Timestamp, Usage, amount, cap_cum};
use anyhow::{Context, Result, ensure};
use crd::{
    DesiredState, Suspension, SuspensionReason, compute_lease::spec::SettlementStatement,
    convert::SettledStatement,
};
use serde_json::json;

use super::{
    market::{DEPOSIT, Market},
    node::ReadyNode,
    process::{Agent, Starter},
    stage::{Stage, eventually},
};
use crate::cluster::{Cluster, wait};

const FIRST: u64 = 600;
const RECLAIM_AFTER: u64 = 900;
const NOTICE: u64 = 300;
const SETTINGS: &str = "notice_period = \"5m\"\n\
    [settlement]\ncountersign_timeout = \"1m\"\n\
    [settlement.gate]\nfirst = \"10m\"\nreclaim_after = \"15m\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_tenant_that_never_signs_is_suspended_then_ended_with_notice_and_pays_by_a_claim() -> Result<()> {
    on_a_cluster("unsigned", async |cluster| {
        let mut running = Running::begin(cluster).await?;
        let suspension = running.run_into_suspension().await?;
        let since = moment(suspension.since.context("it is suspended")?)?;
        let used = running.used(since);
        running.stage.report_usage(&used, since).await?;

        let before = running.lease().await?;
        ensure!(before.end_at > since.saturating_add(RECLAIM_AFTER + NOTICE), "it would end by itself");
        running.market.anvil().pass(RECLAIM_AFTER).await?;
        running.eventually("an earlier end", async |lease| Ok(lease.end_at < before.end_at)).await?;
        let end = running.lease().await?.end_at;
        ensure!(end == running.market.now().await?.saturating_add(NOTICE), "{end} leaves another notice");
        ensure!(running.stage.object().await?.spec.desired == DesiredState::Paused, "it is not over yet");

        running.market.anvil().pass(NOTICE).await?;
        running.until(DesiredState::Ended).await?;
        running.stage.report_final(&used, end).await?;
        running.market.anvil().pass(61).await?;
        running.eventually("a claim", async |lease| Ok(lease.pending.is_some())).await?;
        let lease = running.lease().await?;
        let pending = lease.pending.context("a claim")?;
        let owed = running.owed(&used, &lease);
        ensure!((pending.cum, pending.at) == (owed, end), "{pending:?} is claimed, not {owed}");
        // All that could have been lost is what the full rate is for the time until it was suspended, and a second for the block.
        let most = cap_cum(Amount(0), lease.rate_cap_e6, running.started_at, since)?;
        ensure!(!owed.is_zero() && owed <= most, "{owed} is more than {most}");

        running.market.anvil().pass(running.market.windows().await?.dispute + 1).await?;
        running.ends_with(owed).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_tenant_that_signs_late_goes_on_where_it_was_and_each_is_paid_what_is_its() -> Result<()> {
    on_a_cluster("late", async |cluster| {
        let mut running = Running::begin(cluster).await?;
        let suspension = running.run_into_suspension().await?;
        let since = moment(suspension.since.context("it is suspended")?)?;
        let used = running.used(since);
        running.stage.report_usage(&used, since).await?;

        // An agent that is begun again finds it suspended, and keeps it so.
        running.restart().await?;
        running.market.anvil().pass(RECLAIM_AFTER / 2).await?;
        let bid = running.signed.bid;
        let signed = running.market.sign(running.id, &bid, used, since).await?;
        running.store(&signed).await?;
        running.until(DesiredState::Running).await?;
        let spec = running.stage.object().await?.spec;
        ensure!(spec.suspension.is_none(), "{:?} is left over", spec.suspension);
        ensure!(spec.settlement.is_some(), "the signed statement is lost");

        // Nothing was billed while it rested: what it used until the end is added to what was signed.
        running.market.close(running.id).await?;
        running.until(DesiredState::Ended).await?;
        let end = running.lease().await?.end_at;
        let more = Usage(used.0.map(|used| used + used / 10));
        running.stage.report_final(&more, end).await?;
        let last = running.market.sign(running.id, &bid, more, end).await?;
        running.store(&last).await?;
        let owed = last.statement.amount_cum;
        ensure!(owed > signed.statement.amount_cum, "more was used");
        running.ends_with(owed).await
    })
    .await
}

async fn on_a_cluster(test: &str, run: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
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

fn moment(seconds: i64) -> Result<Timestamp> {
    Ok(Timestamp(u64::try_from(seconds)?))
}

/// A lease that runs, with its agent.
struct Running<'a> {
    cluster: &'a Cluster,
    stage: Stage<'a>,
    market: Market,
    starter: Starter,
    agent: Agent,
    id: LeaseId,
    signed: SignedBid,
    started_at: Timestamp,
}

impl<'a> Running<'a> {
    async fn begin(cluster: &'a Cluster) -> Result<Self> {
        let market = Market::start().await?;
        let mut starter = Starter::new(cluster, &market, "unsigned", SETTINGS).await?;
        let agent = starter.start()?;
        let order = market.post_order().await?;
        eventually("a bid", &agent, async || Ok(market.bids(order).await?.len() == 1)).await?;
        let (id, signed) = market.bids(order).await?.remove(0);
        market.open_with(&signed, DEPOSIT).await?;
        let stage = Stage::new(cluster, id);
        wait(
            &cluster.own::<crd::ComputeLease>(),
            stage.name.as_str(),
            |object: Option<&crd::ComputeLease>| object.is_some(),
        )
        .await
        .with_context(|| agent.log())?;
        stage.report_ready().await?;
        let is_running = async || Ok(market.lease(id).await?.state == LeaseState::Active);
        eventually("the start", &agent, is_running).await?;
        let started_at = market.lease(id).await?.started_at.context("it has started")?;
        Ok(Self { cluster, stage, market, starter, agent, id, signed, started_at })
    }

    /// Uses everything it may and signs nothing, until the agent suspends it.
    async fn run_into_suspension(&mut self) -> Result<Suspension> {
        self.market.anvil().pass(FIRST / 2 - 60).await?;
        let now = self.market.now().await?;
        self.stage.report_usage(&self.used(now), now).await?;
        self.market.anvil().pass(60).await?;
        self.eventually("the announcement", async |_| self.stage.is_told("SuspensionAnnounced").await)
            .await?;
        // It is told before the object says so.
        self.eventually("the announcement in the object", async |_| {
            Ok(self.stage.object().await?.spec.suspension.is_some())
        })
        .await?;
        let announced = self.stage.object().await?.spec;
        ensure!(announced.desired == DesiredState::Running, "it was suspended unannounced");

        self.market.anvil().pass(FIRST / 2).await?;
        self.until(DesiredState::Paused).await?;
        let suspension =
            self.stage.object().await?.spec.suspension.context("nothing says why it is paused")?;
        let since = moment(suspension.since.context("nothing says since when it is paused")?)?;
        let now = self.market.now().await?;
        ensure!(
            suspension.reason == SuspensionReason::NeverSigned
                && since >= self.started_at.saturating_add(FIRST)
                && since <= now
                && announced.suspension.is_some_and(|told| told.announced_at == suspension.announced_at),
            "{suspension:?} at {now}, after a start at {} and {:?}",
            self.started_at,
            announced.suspension,
        );
        Ok(suspension)
    }

    /// What it used from its start to a moment.
    fn used(&self, until: Timestamp) -> Usage {
        let seconds = u128::from(until.seconds_since(self.started_at));
        Usage([seconds, 250 * seconds, seconds * (64 << 20), 0, 0, 0, 0, 0])
    }

    fn owed(&self, used: &Usage, lease: &Lease) -> Amount {
        amount(&self.signed.bid.prices, &self.signed.bid.limits, used, lease.elapsed(lease.end_at))
    }

    async fn lease(&self) -> Result<Lease> {
        self.market.lease(self.id).await
    }

    async fn eventually(&self, what: &str, is_so: impl AsyncFn(Lease) -> Result<bool>) -> Result<()> {
        eventually(what, &self.agent, async || is_so(self.lease().await?).await).await
    }

    async fn until(&self, desired: DesiredState) -> Result<()> {
        let what = format!("the object to say {desired:?}");
        self.eventually(&what, async |_| Ok(self.stage.object().await?.spec.desired == desired)).await
    }

    async fn restart(&mut self) -> Result<()> {
        self.agent.kill().await?;
        self.agent = self.starter.start()?;
        Ok(())
    }

    /// Puts a statement where the gateway puts it.
    async fn store(&self, signed: &SettledStatement) -> Result<()> {
        let statement = SettlementStatement::try_from(signed)?;
        self.stage.patch(json!({"spec": {"settlement": {"statement": statement}}})).await?;
        Ok(())
    }

    /// Waits for the close, and sees what each may withdraw.
    async fn ends_with(mut self, owed: Amount) -> Result<()> {
        self.eventually("the close", async |lease| Ok(lease.state == LeaseState::Closed)).await?;
        let (provider, tenant) = self.market.available().await?;
        ensure!(
            provider == owed && tenant == Amount(DEPOSIT.0 - owed.0),
            "{owed} was owed: {provider}, {tenant}"
        );
        let is_gone = |object: Option<&crd::ComputeLease>| object.is_none();
        let objects = self.cluster.own::<crd::ComputeLease>();
        wait(&objects, self.stage.name.as_str(), is_gone).await.with_context(|| self.agent.log())?;
        self.agent.kill().await
    }
}
