//! Tenants that sign for what they use and dispute it nevertheless: what is signed is paid, whatever comes after it.

use ::market::{Amount, BasisPoints, Lease, LeaseState};
use anyhow::{Result, ensure};
use testkit::Fault;

use super::{
    market::DEPOSIT,
    running::{Running, on_a_cluster},
};

/// The stake that the contract takes, in ten-thousandths of what is contested.
const STAKE: u16 = 500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_tenant_that_signs_and_disputes_the_rest_has_paid_what_it_signed_and_half_of_the_rest() -> Result<()>
{
    on_a_cluster("signed", async |cluster| {
        let running = Running::begin(cluster, "signed").await?;
        let (id, bid, tenant) = (running.leased.id, running.leased.bid, running.leased.tenant.clone());
        running.market.anvil().pass(240).await?;
        let now = running.market.now().await?;
        running.leased.stage.report_usage(&running.leased.used(now), now).await?;
        let signed = running.gateway()?.countersign(&running.agent, &tenant, id, now).await?.amount_cum;
        ensure!(running.lease().await?.paid.is_zero(), "a lease that runs well is not settled this often");

        running.market.anvil().pass(240).await?;
        let (_, owed) = running.run_to_its_end().await?;
        running.sees_claimed(owed).await?;
        // What is signed was settled first, so it is no part of what can be contested.
        ensure!(running.lease().await?.paid == signed, "{signed} was signed");
        let refusal = running.market.refusal_of(&tenant, &bid, Amount(signed.0 - 1)).await?;
        ensure!(refusal == "LeaseMarket_StaleStatement", "to take it back is refused as {refusal}");

        running.market.dispute(&tenant, &bid, signed).await?;
        let contested = owed.saturating_sub(signed);
        is_disputed(&running, signed, contested).await?;
        // The agent has nothing to add, and asks for the agreed share as soon as the arbiter's time is over.
        running.market.anvil().pass(running.market.windows().await?.arbiter).await?;
        let earned = signed.saturating_add(bid.split_bps.of(contested));
        ensure!(earned > signed && earned < owed, "half of {contested} is nothing");
        running.ends_with(earned).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn a_dispute_that_overtakes_its_own_signature_costs_the_tenant_its_stake() -> Result<()> {
    on_a_cluster("overtaken", async |cluster| {
        let running = Running::begin(cluster, "overtaken").await?;
        let (id, bid, tenant) = (running.leased.id, running.leased.bid, running.leased.tenant.clone());
        running.market.anvil().pass(480).await?;
        let (end, owed) = running.run_to_its_end().await?;
        running.sees_claimed(owed).await?;

        // The agent has the signature for all of it and no node to send it to, and then the dispute is there before it.
        running.market.set_node(Fault::DropRequests);
        let signed = running.market.sign(id, &bid, running.leased.used(end), end).await?;
        running.leased.store(&signed).await?;
        running.market.dispute(&tenant, &bid, Amount::ZERO).await?;
        is_disputed(&running, Amount::ZERO, owed).await?;
        running.market.set_node(Fault::None);

        running.eventually("the admission", async |lease| Ok(lease.paid == owed)).await?;
        let Lease { state, disputed_at, .. } = running.lease().await?;
        let deadline =
            disputed_at.unwrap_or_default().saturating_add(running.market.windows().await?.arbiter);
        let answered = running.market.now().await?;
        ensure!(state == LeaseState::Disputed && answered < deadline, "{state:?} at {answered}, {deadline}");

        // Nothing is left to be divided, so the stake is the provider's.
        running.market.anvil().pass(running.market.windows().await?.arbiter).await?;
        let earned = owed.saturating_add(stake_on(owed));
        running.leaves(earned, DEPOSIT.saturating_sub(earned)).await
    })
    .await
}

fn stake_on(contested: Amount) -> Amount {
    BasisPoints::new(STAKE).map_or(Amount::ZERO, |share| share.of(contested))
}

/// The dispute is there, so much is paid, and the stake is taken from the money that nobody contests.
async fn is_disputed(running: &Running<'_>, paid: Amount, contested: Amount) -> Result<()> {
    let lease = running.lease().await?;
    let stake = stake_on(contested);
    ensure!(!stake.is_zero(), "a stake on {contested} is nothing");
    let left = DEPOSIT.saturating_sub(paid).saturating_sub(stake);
    ensure!(
        (lease.state, lease.paid, lease.balance) == (LeaseState::Disputed, paid, left),
        "{lease:?} after {contested} were contested"
    );
    let accounts = running.market.available().await?;
    ensure!(accounts == (paid, Amount::ZERO), "{accounts:?} are in the accounts");
    Ok(())
}
