//! Tenants that do not sign for what they use, or do so late: the shipped agent with the chart's rights on a real API server and a real chain,
//! whose clock the tests move.

use ::market::{Amount, Usage, cap_cum};
use anyhow::{Context, Result, ensure};
use crd::DesiredState;

use super::running::{NOTICE, RECLAIM_AFTER, Running, moment, on_a_cluster};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_tenant_that_never_signs_is_suspended_then_ended_with_notice_and_pays_by_a_claim() -> Result<()> {
    on_a_cluster("unsigned", async |cluster| {
        let mut running = Running::begin(cluster, "unsigned").await?;
        let suspension = running.run_into_suspension().await?;
        let since = moment(suspension.since.context("it is suspended")?)?;
        let used = running.leased.used(since);
        running.leased.stage.report_usage(&used, since).await?;

        let before = running.lease().await?;
        ensure!(before.end_at > since.saturating_add(RECLAIM_AFTER + NOTICE), "it would end by itself");
        running.market.anvil().pass(RECLAIM_AFTER).await?;
        running.eventually("an earlier end", async |lease| Ok(lease.end_at < before.end_at)).await?;
        let end = running.lease().await?.end_at;
        ensure!(end == running.market.now().await?.saturating_add(NOTICE), "{end} leaves another notice");
        ensure!(
            running.leased.stage.object().await?.spec.desired == DesiredState::Paused,
            "it is not over yet"
        );

        running.market.anvil().pass(NOTICE).await?;
        running.until(DesiredState::Ended).await?;
        running.leased.stage.report_final(&used, end).await?;
        let lease = running.lease().await?;
        let owed = running.leased.owed(&used, &lease);
        running.sees_claimed(owed).await?;
        // All that could have been lost is what the full rate is for the time until it was suspended, and a second for the block.
        let most = cap_cum(Amount(0), lease.rate_cap_e6, running.leased.started_at, since)?;
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
        let mut running = Running::begin(cluster, "late").await?;
        let suspension = running.run_into_suspension().await?;
        let since = moment(suspension.since.context("it is suspended")?)?;
        let used = running.leased.used(since);
        running.leased.stage.report_usage(&used, since).await?;

        // An agent that is begun again finds it suspended, and keeps it so.
        running.restart().await?;
        running.market.anvil().pass(RECLAIM_AFTER / 2).await?;
        let (id, bid) = (running.leased.id, running.leased.bid);
        let signed = running.market.sign(id, &bid, used, since).await?;
        running.leased.store(&signed).await?;
        running.until(DesiredState::Running).await?;
        let spec = running.leased.stage.object().await?.spec;
        ensure!(spec.suspension.is_none(), "{:?} is left over", spec.suspension);
        ensure!(spec.settlement.is_some(), "the signed statement is lost");

        // Nothing was billed while it rested: what it used until the end is added to what was signed.
        running.market.close(id).await?;
        running.until(DesiredState::Ended).await?;
        let end = running.lease().await?.end_at;
        let more = Usage(used.0.map(|used| used + used / 10));
        running.leased.stage.report_final(&more, end).await?;
        let last = running.market.sign(id, &bid, more, end).await?;
        running.leased.store(&last).await?;
        let owed = last.statement.amount_cum;
        ensure!(owed > signed.statement.amount_cum, "more was used");
        running.ends_with(owed).await
    })
    .await
}
