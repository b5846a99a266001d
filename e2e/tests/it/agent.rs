//! The shipped agent, ended by SIGKILL around the broadcast of each of its transactions.
//!
//! One lease is bid for, confirmed, settled and closed, by `provider-agent run` on a real API server with the chart's rights
//! and on a real chain. Each process dies over its transaction, and the next one finds what it wrote down. However often that
//! happens, the chain holds one transaction for each thing that was meant.
//!
//! Reading order: [`life`] (one lease's life), [`market`] (the chain, the tenant, and what is on chain in the end), [`process`]
//! (the agent and its journal), [`node`] (room to sell). [`unsigned`] is another story on the same [`stage`]: tenants that do not
//! sign for what they use.

mod life;
mod market;
mod node;
mod process;
mod stage;
mod unsigned;

use anyhow::{Context, Result};

use self::{
    life::{Death, Life},
    node::ReadyNode,
};
use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: cargo xtask test runs it"]
async fn an_agent_killed_around_any_broadcast_sends_everything_exactly_once() -> Result<()> {
    let cluster = Cluster::connect("agent").await?;
    cluster
        .clean_up_after(async |cluster| {
            cluster.grant_rights().await?;
            let node = ReadyNode::start(cluster).await?;
            let lived = lives(cluster).await;
            lived.and(node.remove(cluster).await)
        })
        .await
}

async fn lives(cluster: &Cluster) -> Result<()> {
    for death in Death::ALL {
        let life = Life::begin(cluster, death).await?;
        life.live().await.with_context(|| format!("an agent that dies {death:?}"))?;
    }
    Ok(())
}
