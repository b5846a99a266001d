//! `leasehold dispute`: contest a claim before it pays.
//!
//! What is conceded is paid at once. The rest waits for the arbiter that the bid named, or else is split as the bid agreed;
//! a stake of 5 % of it comes back unless the provider gets all.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use chain::{ChainEvent, LoggedEvent, rpc::At};
use market::{Amount, LeaseId};
use serde::Serialize;

use super::provider::when;
use crate::claim::{Write, contestable, plan, splittable_from};
use crate::context::{Context, Wallet, find_lease};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::output::fields;
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
    /// Tokens that you owe for the whole lease up to the claim [default: what you signed or paid already]
    #[arg(long, value_name = "AMOUNT")]
    concede: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Disputed {
    lease_id: B256,
    /// Paid by now over the whole lease, base units.
    conceded: String,
    /// What the provider claims beyond it, base units.
    contested: String,
    /// What was put down for it, base units.
    stake: String,
    /// From when anybody may close the lease without a ruling.
    split_from: u64,
    transactions: BTreeMap<&'static str, B256>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease: id, concede } = args;
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let opened = find_lease(&chain, id).await?;
    let key = context.tenant_key(&opened)?;
    let block = chain.block(At::Latest).await?;
    let lease = chain.lease(id, At::Block(block.hash)).await?;
    let windows = chain.windows(At::Latest).await?;
    let claim = contestable(&lease, block.timestamp, windows.dispute)?;
    let conceded = match concede {
        Some(amount) => parse(&money, &amount)?,
        None => {
            let signed = context.home.signed(id)?.map_or(Amount::ZERO, |it| Amount(it.proposal.amount_cum.0));
            signed.max(lease.paid)
        }
    };
    let plan = plan(&lease, &claim, conceded).map_err(|text| {
        Stop::new(Kind::Usage, text).advise(format!(
            "the claim is over {}, of which {} are paid",
            money.show(claim.cum),
            money.show(lease.paid)
        ))
    })?;
    context.confirm(&format!(
        "End lease {id}, pay {} of the claimed {}, and contest the rest with a stake of {}?",
        money.show(plan.conceded),
        money.show(claim.cum),
        money.show(plan.stake)
    ))?;
    let mut progress = Progress::new();
    let mut transactions = BTreeMap::new();
    let wallet = Wallet::new(&chain, key);
    if let Some((approved, deposited)) = wallet.fund_account(&chain, &money, plan.from_account).await? {
        transactions.extend(approved.map(|mined| ("approve", mined.tx_hash)));
        transactions.insert("deposit", deposited.tx_hash);
    }
    progress.waiting("disputing the claim");
    let mined =
        wallet.send(Write::Dispute { conceded: plan.conceded }.call(&chain.calls(), &opened.bid)?).await?;
    transactions.insert("dispute", mined.tx_hash);
    progress.done("disputed", &format!("disputed: {}", mined.tx_hash));
    drop(progress);
    let stake = mined.events.iter().find_map(staked).unwrap_or(plan.stake);
    let split_from = splittable_from(&chain.lease(id, At::Latest).await?, windows.arbiter);
    let disputed = Disputed {
        lease_id: id.0,
        conceded: plan.conceded.to_string(),
        contested: plan.contested.to_string(),
        stake: stake.to_string(),
        split_from: split_from.0,
        transactions,
    };
    context.output.print(&disputed, |disputed| {
        let text = fields([
            ("lease", id.to_string()),
            ("conceded", money.show(plan.conceded)),
            ("contested", money.show(plan.contested)),
            ("stake", money.show(stake)),
        ]);
        format!(
            "{text}\nThe lease is over and nothing more is billed. Without a ruling, `leasehold close {id}` closes it after {}.\n",
            when(disputed.split_from)
        )
    })
}

fn staked(logged: &LoggedEvent) -> Option<Amount> {
    match logged.event {
        ChainEvent::LeaseDisputed { deposit, .. } => Some(deposit),
        _ => None,
    }
}

/// Unlike other amounts, nothing is an amount that may be conceded.
fn parse(money: &Money, text: &str) -> anyhow::Result<Amount> {
    Ok(Amount::from_decimal(text, money.decimals)
        .map_err(|error| Stop::new(Kind::Usage, error.to_string()))?)
}
