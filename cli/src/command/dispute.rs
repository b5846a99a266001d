//! `leasehold dispute`: contest a claim before it pays.
//!
//! What is conceded is paid at once. The rest waits for the arbiter that the bid named, or else is split as the bid agreed;
//! a stake of 5 % of it comes back unless the provider gets all.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use chain::{ChainEvent, LoggedEvent, rpc::At};
use market::{Amount, BasisPoints, Lease, LeaseId, LeaseState, PendingClaim, Timestamp};
use serde::Serialize;

use super::provider::when;
use crate::context::{Context, Wallet, find_lease};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::output::fields;
use crate::progress::Progress;

/// The stake that the contract asks for, in ten-thousandths of what is contested.
const STAKE_BPS: u16 = 500;

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

/// What a dispute comes to, before it is sent.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    conceded: Amount,
    contested: Amount,
    stake: Amount,
    /// The part of the stake that the lease's uncontested money does not cover.
    from_account: Amount,
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
    let mined = wallet.send(chain.calls().dispute(&opened.bid, plan.conceded)?).await?;
    transactions.insert("dispute", mined.tx_hash);
    progress.done("disputed", &format!("disputed: {}", mined.tx_hash));
    drop(progress);
    let stake = mined.events.iter().find_map(staked).unwrap_or(plan.stake);
    let since = chain.lease(id, At::Latest).await?.disputed_at.unwrap_or(block.timestamp);
    let disputed = Disputed {
        lease_id: id.0,
        conceded: plan.conceded.to_string(),
        contested: plan.contested.to_string(),
        stake: stake.to_string(),
        split_from: since.saturating_add(windows.arbiter).0,
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

/// The claim that may be contested now.
fn contestable(lease: &Lease, now: Timestamp, window: u64) -> Result<PendingClaim, Stop> {
    match (lease.state, lease.pending) {
        (LeaseState::Active, Some(claim)) if now < claim.filed_at.saturating_add(window) => Ok(claim),
        (LeaseState::Active, Some(claim)) => {
            let until = when(claim.filed_at.saturating_add(window).0);
            Err(Stop::new(Kind::TimedOut, format!("the claim could be disputed until {until}")))
        }
        (LeaseState::Disputed, _) => Err(Stop::new(Kind::NotFound, "the lease is disputed already")),
        _ => Err(Stop::new(
            Kind::NotFound,
            "the provider has no claim on the lease, so there is nothing to dispute",
        )),
    }
}

fn plan(lease: &Lease, claim: &PendingClaim, conceded: Amount) -> Result<Plan, &'static str> {
    if conceded < lease.paid {
        return Err("what is paid already cannot be contested");
    }
    if conceded >= claim.cum {
        return Err("there is nothing to contest: the whole claim is conceded");
    }
    let contested = claim.cum.saturating_sub(conceded);
    let stake = BasisPoints::new(STAKE_BPS).map_or(contested, |share| share.of(contested));
    let uncontested = lease.paid.saturating_add(lease.balance).saturating_sub(claim.cum);
    Ok(Plan { conceded, contested, stake, from_account: stake.saturating_sub(uncontested) })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    const CLAIM: PendingClaim =
        PendingClaim { cum: Amount(900), at: Timestamp(300), filed_at: Timestamp(400) };

    fn lease() -> Lease {
        Lease {
            state: LeaseState::Active,
            tenant: Address::repeat_byte(1),
            provider: Address::repeat_byte(2),
            signer: Address::repeat_byte(3),
            token: Address::repeat_byte(4),
            started_at: Some(Timestamp(100)),
            end_at: Timestamp(500),
            last_as_of: Timestamp(200),
            rate_cap_e6: 1,
            fee_bps: BasisPoints::ZERO,
            balance: Amount(810),
            paid: Amount(100),
            pending: Some(CLAIM),
            disputed_at: None,
        }
    }

    #[test]
    fn a_stake_comes_first_from_what_nobody_contests() {
        let expected = Plan {
            conceded: Amount(100),
            contested: Amount(800),
            stake: Amount(40),
            from_account: Amount(30),
        };
        assert_eq!(plan(&lease(), &CLAIM, Amount(100)), Ok(expected));
        let rich = Lease { balance: Amount(2_000), ..lease() };
        assert_eq!(plan(&rich, &CLAIM, Amount(100)).map(|plan| plan.from_account), Ok(Amount::ZERO));
    }

    #[test]
    fn only_what_is_unpaid_and_claimed_can_be_contested() {
        assert_eq!(plan(&lease(), &CLAIM, Amount(99)), Err("what is paid already cannot be contested"));
        let whole = plan(&lease(), &CLAIM, Amount(900));
        assert_eq!(whole, Err("there is nothing to contest: the whole claim is conceded"));
        assert!(plan(&lease(), &CLAIM, Amount(899)).is_ok());
    }

    #[test]
    fn a_claim_can_be_contested_to_the_last_second_of_its_window() {
        let said =
            |lease: &Lease, now| contestable(lease, Timestamp(now), 50).map_err(|stop| stop.to_string());
        assert_eq!(said(&lease(), 449), Ok(CLAIM));
        let late = "the claim could be disputed until 1970-01-01T00:07:30Z".to_owned();
        assert_eq!(said(&lease(), 450), Err(late));
        let disputed = Lease { state: LeaseState::Disputed, ..lease() };
        assert_eq!(said(&disputed, 449), Err("the lease is disputed already".to_owned()));
        let none = "the provider has no claim on the lease, so there is nothing to dispute".to_owned();
        assert_eq!(said(&Lease { pending: None, ..lease() }, 449), Err(none));
    }
}
