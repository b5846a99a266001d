//! The shipped agent, ended by SIGKILL around the broadcast of each of its transactions.
//!
//! One lease is bid for, confirmed, settled and closed, by `provider-agent run` on a real API server with the chart's rights
//! and on a real chain. Each process dies over its transaction, and the next one finds what it wrote down. However often that
//! happens, the chain holds one transaction for each thing that was meant.
//!
//! Reading order: [`life`] (one lease's life), [`market`] (the chain, the tenant, and what is on chain in the end), [`process`]
//! (the agent and its journal), [`node`] (room to sell). On the same [`stage`] tenants misbehave, each with a lease that is
//! [`running`]: those that do not sign for what they use ([`unsigned`]), that dispute what they signed ([`disputed`]), that refuse
//! and refuse ([`flooded`]); and one whose own client refuses for a reason ([`refused`]).

mod disputed;
mod flooded;
mod gateway;
mod life;
mod market;
mod node;
mod process;
mod refused;
mod running;
mod stage;
mod unsigned;

use anyhow::{Context, Result};

use self::{
    life::{Death, Life},
    running::on_a_cluster,
};
use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn an_agent_killed_around_any_broadcast_sends_everything_exactly_once() -> Result<()> {
    on_a_cluster("agent", lives).await
}

async fn lives(cluster: &Cluster) -> Result<()> {
    for death in Death::ALL {
        let life = Life::begin(cluster, death).await?;
        life.live().await.with_context(|| format!("an agent that dies {death:?}"))?;
    }
    Ok(())
}
