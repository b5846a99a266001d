//! `leasehold close`: stop the clock on chain first, then settle with the provider, then get the rest back.
//!
//! Nothing here depends on the provider's goodwill: if it is silent, the contract's windows return the money, and running
//! the command again after them finishes the job.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy_primitives::B256;
use chain::rpc::At;
use chain::{ChainClient, LeaseOpened};
use market::{Amount, Lease, LeaseId, LeaseState, Timestamp};
use serde::Serialize;

use super::provider::when;
use crate::claim::{Write, closable_from, splittable_from};
use crate::context::{Context, Wallet, find_lease};
use crate::countersign::{Countersigner, Look, Terms};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::output::fields;
use crate::own_view::Seen;
use crate::poll;
use crate::progress::Progress;

/// How often chain and provider are asked.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a settlement may take that needs nothing more from this side.
const SETTLEMENT_ON_ITS_WAY: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
    /// Seconds to wait for the provider's last statement and for the settlement
    #[arg(long, default_value_t = 180)]
    wait: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Closing {
    lease_id: B256,
    state: &'static str,
    end_at: u64,
    /// Paid over the whole lease, base units.
    paid: String,
    /// Returned to the account, base units; none while the lease is not closed.
    refund: Option<String>,
    /// What happens next, if it is not over.
    notice: Option<String>,
    transactions: BTreeMap<&'static str, B256>,
    timings: BTreeMap<&'static str, f64>,
}

struct Close<'a> {
    context: &'a Context,
    chain: ChainClient,
    money: Money,
    id: LeaseId,
    opened: LeaseOpened,
    wallet: Wallet,
    wait: Duration,
    progress: Progress,
    transactions: BTreeMap<&'static str, B256>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease: id, wait } = args;
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let opened = find_lease(&chain, id).await?;
    let key = context.tenant_key(&opened)?;
    let before = chain.lease(id, At::Latest).await?;
    let held = before.balance.saturating_add(before.paid);
    let wallet = Wallet::new(&chain, key);
    let mut close = Close {
        context,
        chain,
        money,
        id,
        opened,
        wallet,
        wait: Duration::from_secs(wait),
        progress: Progress::new(),
        transactions: BTreeMap::new(),
    };
    let notice = close.advance(&before).await?;
    close.report(held, before.state, notice).await
}

impl Close<'_> {
    /// Goes as far as possible. Returns what the user must know if it is not over.
    async fn advance(&mut self, lease: &Lease) -> anyhow::Result<Option<String>> {
        match lease.state {
            LeaseState::Closed => Ok(None),
            LeaseState::None => Err(Stop::new(Kind::NotFound, "the lease was never opened").into()),
            LeaseState::Disputed => self.leave_disputed(lease).await,
            LeaseState::Open => self.leave_unstarted(lease).await,
            LeaseState::Active => {
                self.context.confirm(&format!("End lease {} now?", self.id))?;
                self.end(lease).await?;
                self.settle().await
            }
        }
    }

    /// A lease that never started ends by the provider's refusal or by its lateness.
    async fn leave_unstarted(&mut self, lease: &Lease) -> anyhow::Result<Option<String>> {
        let now = self.chain.block(At::Latest).await?.timestamp;
        if now <= lease.end_at {
            return Ok(Some(format!(
                "the provider has not started the lease, so nothing is billed. It may start it, or give it back with a \
                 full refund, until {}. Run this again after that moment for a full refund and its penalty of {}",
                when(lease.end_at.0),
                self.money.show(self.opened.bid.no_show_penalty)
            )));
        }
        let mined = self.wallet.send(self.chain.calls().abort(&self.opened.bid)?).await?;
        self.transactions.insert("abort", mined.tx_hash);
        self.progress.done("aborted", &format!("left the lease that never started: {}", mined.tx_hash));
        Ok(None)
    }

    /// A disputed lease ends by its arbiter's ruling, or after the arbiter's window by the split that the bid agreed on.
    async fn leave_disputed(&mut self, lease: &Lease) -> anyhow::Result<Option<String>> {
        let windows = self.chain.windows(At::Latest).await?;
        let now = self.chain.block(At::Latest).await?.timestamp;
        let from = splittable_from(lease, windows.arbiter);
        let (arbiter, split) = (self.opened.bid.arbiter, self.opened.bid.split_bps.get());
        if now < from {
            let who = if arbiter.is_zero() { "nobody".to_owned() } else { arbiter.to_string() };
            return Ok(Some(format!(
                "the lease is disputed and nothing more is billed. {who} may rule on it. Run this again after {} to close \
                 it without a ruling: the provider then gets {}.{:02} % of what is contested and you get the rest",
                when(from.0),
                split / 100,
                split % 100
            )));
        }
        let split = Write::Resolve.call(&self.chain.calls(), &self.opened.bid)?;
        let mined = self.wallet.send(split).await?;
        self.transactions.insert("resolve", mined.tx_hash);
        self.progress.done("resolved", &format!("closed without a ruling: {}", mined.tx_hash));
        Ok(None)
    }

    /// Stops the clock.
    async fn end(&mut self, lease: &Lease) -> anyhow::Result<()> {
        let now = self.chain.block(At::Latest).await?.timestamp;
        if now >= lease.end_at {
            self.progress.note(&format!("the lease ended at {}", when(lease.end_at.0)));
            return Ok(());
        }
        self.progress.waiting("stopping the clock");
        let mined = self.wallet.send(self.chain.calls().close_lease(self.id)).await?;
        self.transactions.insert("closeLease", mined.tx_hash);
        self.progress.done("clockStopped", &format!("stopped the clock: {}", mined.tx_hash));
        Ok(())
    }

    /// Signs the provider's last statement and waits until the chain has closed the lease.
    async fn settle(&mut self) -> anyhow::Result<Option<String>> {
        let end_at = self.chain.lease(self.id, At::Latest).await?.end_at;
        let notice = self.countersign(end_at).await?;
        // Without a fresh signature only a settlement that is already on its way can come.
        let limit = if notice.is_some() { self.wait.min(SETTLEMENT_ON_ITS_WAY) } else { self.wait };
        self.progress.waiting("waiting for the settlement");
        let closed = poll::until(limit, INTERVAL, async || {
            let lease = poll::tolerate(self.chain.lease(self.id, At::Latest).await)?;
            Ok(lease.filter(|lease| lease.state == LeaseState::Closed).map(drop))
        });
        match closed.await? {
            Some(()) => {
                self.progress.done("settled", "settled and refunded");
                Ok(None)
            }
            None => self.finish(notice).await,
        }
    }

    /// Waits for the last statement and signs it. Returns a notice if there will be none.
    async fn countersign(&mut self, end_at: Timestamp) -> anyhow::Result<Option<String>> {
        let Some(record) = self.context.home.find_lease(self.id)? else {
            return Ok(Some(
                "this machine does not have the lease's session key, so no statement was signed".to_owned(),
            ));
        };
        let gateway = match self.context.gateway(self.id).await {
            Ok(gateway) => gateway,
            Err(error) => return Ok(Some(format!("the provider could not be asked: {error:#}"))),
        };
        self.progress.waiting("waiting for the provider's last statement");
        let key = record.session_key()?;
        let seen = match Seen::load(&self.context.home, self.id) {
            Ok(seen) => seen,
            Err(error) => return Ok(Some(format!("what was seen of the lease cannot be read: {error:#}"))),
        };
        let signer = Countersigner {
            home: &self.context.home,
            chain: &self.chain,
            gateway: &gateway,
            key: &key,
            lease: self.id,
            bid: &self.opened.bid,
            terms: Terms::default(),
            observed: Some(seen.observed()),
        };
        let mut last_failure = None;
        let look = poll::until(self.wait, INTERVAL, async || {
            let lease = poll::tolerate(self.chain.lease(self.id, At::Latest).await)?;
            if lease.is_some_and(|lease| is_settled(&lease, end_at)) {
                return Ok(Some(Look::Nothing));
            }
            match gateway.proposal(self.id).await {
                Ok(proposal) if proposal.last && proposal.as_of == end_at.0 => {
                    signer.decide(&proposal).await.map(Some)
                }
                Ok(_) => Ok(None),
                Err(error) if error.is_transient() => {
                    last_failure = Some(format!("{:#}", anyhow::Error::new(error)));
                    Ok(None)
                }
                Err(error) => Err(error.into()),
            }
        });
        match look.await {
            Ok(Some(Look::Refused(refusal))) => {
                Ok(Some(format!("{refusal}; the most that would be signed is {}", refusal.largest_accepted)))
            }
            Ok(Some(Look::Signed(statement))) => {
                let amount = self.money.show(statement.amount_cum);
                self.progress
                    .done("countersigned", &format!("checked and signed the last statement: {amount}"));
                Ok(None)
            }
            Ok(Some(Look::Unchanged | Look::Nothing)) => Ok(None),
            Ok(None) => {
                let why = last_failure.unwrap_or_else(|| "it proposed none".to_owned());
                Ok(Some(format!("the provider gave no last statement in time ({why})")))
            }
            Err(error) => Ok(Some(format!("the last statement was not exchanged: {error:#}"))),
        }
    }

    /// Closes the lease itself if the contract allows it already; otherwise says when it will.
    async fn finish(&mut self, notice: Option<String>) -> anyhow::Result<Option<String>> {
        let lease = self.chain.lease(self.id, At::Latest).await?;
        if lease.state != LeaseState::Active {
            return Ok(None);
        }
        let windows = self.chain.windows(At::Latest).await?;
        let now = self.chain.block(At::Latest).await?.timestamp;
        let from = closable_from(&lease, windows.claim, windows.dispute);
        if now < from {
            let why = notice.map(|notice| format!("{notice}. ")).unwrap_or_default();
            return Ok(Some(format!(
                "{why}The clock has stopped and nothing more is billed. The provider may still claim, within the bid's \
                 limits, what was used; `leasehold dispute` contests a claim for {} s after it is filed. Run this again after {} to \
                 get the rest back, whatever the provider does",
                windows.dispute,
                when(from.0)
            )));
        }
        self.progress.waiting("closing the lease");
        let finalize = Write::Finalize.call(&self.chain.calls(), &self.opened.bid)?;
        let mined = self.wallet.send(finalize).await?;
        self.transactions.insert("finalize", mined.tx_hash);
        self.progress.done("finalized", &format!("closed the lease: {}", mined.tx_hash));
        Ok(None)
    }

    async fn report(self, held: Amount, before: LeaseState, notice: Option<String>) -> anyhow::Result<()> {
        let Close { context, chain, money, id, progress, transactions, .. } = self;
        let lease = chain.lease(id, At::Latest).await?;
        let now = chain.block(At::Latest).await?.timestamp;
        let is_closed = lease.state == LeaseState::Closed;
        // A lease that was closed before held nothing any more, so its refund is not known from its state.
        let refund = (is_closed && before != LeaseState::Closed).then(|| held.saturating_sub(lease.paid));
        if is_closed {
            context.home.forget_manifest(id)?;
        }
        let closing = Closing {
            lease_id: id.0,
            state: super::list::state_name(&lease, now),
            end_at: lease.end_at.0,
            paid: lease.paid.to_string(),
            refund: refund.map(|refund| refund.to_string()),
            notice,
            transactions,
            timings: progress.timings(),
        };
        drop(progress);
        context.output.print(&closing, |closing| {
            let mut text = fields([
                ("lease", id.to_string()),
                ("state", closing.state.to_owned()),
                ("paid", money.show(lease.paid)),
                ("refund", refund.map_or("-".to_owned(), |refund| money.show(refund))),
            ]);
            if let Some(notice) = &closing.notice {
                text.push_str(&format!("\n{notice}.\n"));
            }
            text
        })
    }
}

/// Whether nothing is left to settle.
fn is_settled(lease: &Lease, end_at: Timestamp) -> bool {
    lease.state == LeaseState::Closed || lease.last_as_of >= end_at
}
