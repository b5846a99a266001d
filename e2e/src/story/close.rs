//! The end: the tenant closes, the last statement settles, the rest returns, and nothing is left in the cluster.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chain::At;
use crd::ComputeLease;
use crd::compute_lease::spec::SettlementStatement;
use kube::Api;
use market::{Address, Amount, LeaseState, Limits, Usage};

use crate::leasehold::Leasehold;
use crate::story::meter;
use crate::story::order::Opened;
use crate::world::World;
use crate::{chart, cluster};

/// How long the cluster may take to forget a lease.
const PATIENCE: Duration = Duration::from_secs(180);

/// A lease that the chain has closed.
#[derive(Debug)]
pub(super) struct Closed {
    /// When the tenant asked for it.
    pub(super) requested: Instant,
    /// What the last settled statement bills, each resource capped as its price is.
    pub(super) settled: Usage,
}

/// Runs `leasehold close` and checks that the chain says Closed with nothing left in the lease.
///
/// # Errors
/// When the command fails or the chain disagrees with it.
pub(super) async fn close(world: &World, opened: &Opened) -> Result<Closed> {
    let requested = Instant::now();
    let id = opened.lease_id.to_string();
    let arguments = ["close", id.as_str(), "--yes"];
    let (told, settled) = tokio::join!(world.tenant.run(&arguments), final_statement(world, opened));
    told?;
    let settled = settled.context("no final statement was kept in the ComputeLease")?;
    let lease = world.lease(opened.lease_id).await?;
    anyhow::ensure!(lease.state == LeaseState::Closed, "the chain's lease is {:?}, not Closed", lease.state);
    anyhow::ensure!(lease.balance == Amount(0), "{} base units are left in the closed lease", lease.balance);
    let agreed = &settled.amount_cum;
    anyhow::ensure!(
        lease.paid.to_string() == *agreed,
        "the chain paid {}, the statement says {agreed}",
        lease.paid
    );
    let usage = Usage::try_from(&settled.usage)?;
    let bid =
        world.chain.lease_opened(opened.lease_id).await?.context("the lease was not opened on chain")?.bid;
    let elapsed = lease.elapsed(lease.end_at);
    let cost = market::amount(&bid.prices, &bid.limits, &usage, elapsed);
    anyhow::ensure!(lease.paid == cost, "the chain paid {}, the metered usage costs {cost}", lease.paid);
    Ok(Closed { requested, settled: billed(&usage, &bid.limits, elapsed) })
}

/// Usage as far as it counts: within each resource's limit over the time that passed.
fn billed(usage: &Usage, limits: &Limits, elapsed: u64) -> Usage {
    let mut billed = *usage;
    for (amount, limit) in billed.0.iter_mut().zip(limits.0) {
        *amount = (*amount).min(u128::from(limit) * u128::from(elapsed));
    }
    billed
}

/// The last statement that the tenant signed, as the agent keeps it from the signature until the lease is over.
async fn final_statement(world: &World, opened: &Opened) -> Result<SettlementStatement> {
    cluster::until("the final statement", PATIENCE, || async {
        let lease = meter::compute_lease(world, opened).await?;
        Ok(lease.spec.settlement.map(|settlement| settlement.statement).filter(|statement| statement.last))
    })
    .await
}

/// Waits until the lease's namespace and its `ComputeLease` are gone; gives the time since the close was requested.
///
/// # Errors
/// When something of the lease stays.
pub(super) async fn await_namespace_gone(
    world: &mut World,
    opened: &Opened,
    requested: Instant,
) -> Result<u64> {
    cluster::until("the lease namespace's end", PATIENCE, || async {
        Ok(cluster::namespace_gone(&world.cluster, &opened.namespace).await?.then_some(()))
    })
    .await?;
    let milliseconds = u64::try_from(requested.elapsed().as_millis())?;
    let leases = Api::<ComputeLease>::namespaced(world.cluster.clone(), chart::NAMESPACE);
    cluster::until("the ComputeLease's end", PATIENCE, || async {
        Ok(leases.get_opt(&opened.namespace).await?.is_none().then_some(()))
    })
    .await?;
    world.lease_namespace = None;
    Ok(milliseconds)
}

/// Tenant and provider each take what the market owes them.
///
/// # Errors
/// When something is left in either account.
pub(super) async fn withdraw_everything(world: &World) -> Result<()> {
    for (user, address) in
        [(&world.tenant, world.keys.tenant.address), (&world.provider, world.keys.owner.address)]
    {
        withdraw(world, user, address).await?;
        let left = world.chain.available(address, At::Latest).await?;
        anyhow::ensure!(left == Amount(0), "{left} base units are left in the account of {address}");
    }
    Ok(())
}

async fn withdraw(world: &World, user: &Leasehold, address: Address) -> Result<()> {
    let amount = world.chain.available(address, At::Latest).await?;
    let amount = amount.to_decimal(world.chain.deployment().token_decimals);
    user.run(&["wallet", "withdraw", &amount, "--yes"]).await?;
    Ok(())
}
