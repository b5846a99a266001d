//! One lease's life, with a death over each transaction.

use ::market::{Amount, B256, LeaseId, LeaseState, SignedBid};
use anyhow::{Context, Result, ensure};
use crd::{ComputeLease, LeaseName, compute_lease::spec::SettlementStatement, convert::SettledStatement};
use serde_json::json;
use testkit::Moment;

use super::{
    market::{DEPOSIT, Market},
    process::Starter,
    stage::{PATIENCE, Stage, eventually},
};
use crate::cluster::{Cluster, wait};

/// Blocks after which anvil calls a block final.
const FINAL: u64 = 5;

/// When an agent dies, and what becomes of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// It is written down, and no node has heard of it.
    BeforeBroadcast,
    /// It is in a block, and the agent has not heard of it.
    AfterBroadcast,
    /// The node has taken it, and loses all that waits for a block.
    AfterBroadcastToANodeThatForgets,
    /// The agent has read its receipt.
    AfterReceipt,
}

impl Death {
    pub(super) const ALL: [Self; 4] = [
        Self::BeforeBroadcast,
        Self::AfterBroadcast,
        Self::AfterBroadcastToANodeThatForgets,
        Self::AfterReceipt,
    ];

    fn place(self) -> (&'static str, Moment) {
        match self {
            Self::BeforeBroadcast => ("eth_sendRawTransaction", Moment::Before),
            Self::AfterBroadcast | Self::AfterBroadcastToANodeThatForgets => {
                ("eth_sendRawTransaction", Moment::After)
            }
            Self::AfterReceipt => ("eth_getTransactionReceipt", Moment::After),
        }
    }

    /// Which broadcast of a process is that of a second transaction, after one that an earlier process left; none where it
    /// cannot be told which it is.
    fn second_broadcast(self) -> Option<usize> {
        match self {
            Self::BeforeBroadcast => Some(2),
            Self::AfterBroadcast => Some(1),
            Self::AfterBroadcastToANodeThatForgets | Self::AfterReceipt => None,
        }
    }
}

/// A lease, the chain that it is on, and the agents that look after it one after the other.
pub(super) struct Life<'a> {
    cluster: &'a Cluster,
    market: Market,
    starter: Starter,
    death: Death,
    /// What each dead agent had written down, in the order of nonces.
    written: Vec<B256>,
}

impl<'a> Life<'a> {
    /// Makes a chain of its own.
    pub(super) async fn begin(cluster: &'a Cluster, death: Death) -> Result<Self> {
        let market = Market::start().await?;
        let starter = Starter::new(cluster, &market, &format!("{death:?}"), "").await?;
        Ok(Self { cluster, market, starter, death, written: Vec::new() })
    }

    pub(super) async fn live(mut self) -> Result<()> {
        let order = self.market.post_order().await?;
        self.die("postBid", 1).await?;
        self.go_on("a bid", async |market| Ok(market.bids(order).await?.len() == 1)).await?;
        let (id, signed) = self.market.bids(order).await?.remove(0);
        let name = LeaseName::of(id);

        self.market.open(&signed).await?;
        // Somebody has to make the object before it can be ready.
        let mut agent = self.starter.start()?;
        let exists = |object: Option<&ComputeLease>| object.is_some();
        wait(&self.cluster.own(), name.as_str(), exists).await.with_context(|| agent.log())?;
        agent.kill().await?;
        Stage::new(self.cluster, id).report_ready().await?;
        self.die("confirm", 1).await?;
        let stage = Stage::new(self.cluster, id);
        self.go_on("the start, and the warning that its money is short", async |market| {
            Ok(market.lease(id).await?.state == LeaseState::Active && stage.is_told("FundsRunOut").await?)
        })
        .await?;

        let settled = self.market.close_and_sign(id, &signed.bid).await?;
        let statement = SettlementStatement::try_from(&settled)?;
        Stage::new(self.cluster, id).patch(json!({"spec": {"settlement": {"statement": statement}}})).await?;
        self.die("settle", 1).await?;
        // The process that finds this settled has the lease to close in the same breath.
        if let Some(number) = self.death.second_broadcast() {
            self.die("finalize", number).await?;
        }
        self.end(&name, id).await?;

        let paid = settled.statement.amount_cum;
        let (provider, tenant) = self.market.available().await?;
        ensure!(
            provider == paid && tenant == Amount(DEPOSIT.0 - paid.0),
            "{paid} was owed: {provider}, {tenant}"
        );
        self.check_the_chain(&signed, &settled).await
    }

    /// Starts an agent that has this to send, as its broadcast of that number, and kills it there.
    async fn die(&mut self, call: &str, number: usize) -> Result<()> {
        let nonce = u64::try_from(self.written.len())?;
        let forgets = self.death == Death::AfterBroadcastToANodeThatForgets;
        if forgets {
            self.market.anvil().pause_mining().await?;
        }
        let (method, moment) = self.death.place();
        self.market.gate().arm_at(method, number, moment);
        let mut agent = self.starter.start()?;
        let reached = tokio::time::timeout(PATIENCE, self.market.gate().reached()).await;
        reached.with_context(|| format!("no {call} came: {}", agent.log()))?;
        agent.kill().await?;
        self.market.gate().disarm();

        let entry = self.starter.journal().await?.remove(&nonce);
        let entry =
            entry.with_context(|| format!("{call} is not written down as {nonce}: {}", agent.log()))?;
        ensure!(entry.call == call, "{entry:?} is written down, not {call}");
        self.written.push(*entry.hashes.last().context("no hash is written down")?);
        let expected = match self.death {
            Death::BeforeBroadcast => (nonce, nonce),
            Death::AfterBroadcast | Death::AfterReceipt => (nonce + 1, nonce + 1),
            Death::AfterBroadcastToANodeThatForgets => (nonce, nonce + 1),
        };
        let nonces = self.market.nonces().await?;
        ensure!(nonces == expected, "mined and pending are {nonces:?}, not {expected:?}: {}", agent.log());
        if forgets {
            self.market.anvil().drop_pending().await?;
            self.market.anvil().resume_mining().await?;
        }
        Ok(())
    }

    /// Starts an agent and lets it go on until all is done and final, and its journal empty; then kills it, too.
    async fn go_on(&mut self, what: &str, done: impl AsyncFn(&Market) -> Result<bool>) -> Result<()> {
        let mut agent = self.starter.start()?;
        let (market, starter) = (&self.market, &self.starter);
        eventually(what, &agent, async || done(market).await).await?;
        market.anvil().mine(FINAL).await?;
        eventually("an empty journal", &agent, async || Ok(starter.journal().await?.is_empty())).await?;
        agent.kill().await
    }

    /// Lets an agent close the lease and remove its object.
    async fn end(&mut self, name: &LeaseName, id: LeaseId) -> Result<()> {
        self.go_on("the end", async |market| Ok(market.lease(id).await?.state == LeaseState::Closed)).await?;
        let mut agent = self.starter.start()?;
        let is_gone = |object: Option<&ComputeLease>| object.is_none();
        wait(&self.cluster.own(), name.as_str(), is_gone).await.with_context(|| agent.log())?;
        agent.kill().await
    }

    /// Everything that was meant is on chain, once, and nothing else of the operator; what was written down is what got in.
    async fn check_the_chain(&self, signed: &SignedBid, settled: &SettledStatement) -> Result<()> {
        let sent = self.market.transactions_of_the_operator(signed, settled).await?;
        let calls: Vec<_> = sent.iter().map(|sent| (sent.nonce, sent.call, sent.success)).collect();
        let meant = ["postBid", "confirm", "settle", "finalize"];
        let meant: Vec<_> = (0..).zip(meant).map(|(nonce, call)| (nonce, call, true)).collect();
        ensure!(calls == meant, "on chain is {calls:?}");
        let hashes: Vec<_> = sent.iter().map(|sent| sent.hash).take(self.written.len()).collect();
        ensure!(hashes == self.written, "{:?} was written down, {hashes:?} is on chain", self.written);
        Ok(())
    }
}
