//! `leasehold rewards`: reward programmes, from the chain alone.
//!
//! Whoever runs these commands trusts nobody: entitlements are computed from events, and a posted root is compared
//! with the computed one leaf by leaf.

mod compute;
mod create;
mod take_part;
mod terms_file;
mod verify;

use alloy_primitives::{Address, B256, U256};
use anyhow::Context as _;
use chain::{HotKey, RewardsClient, RewardsError};
use market::Amount;
use rewards::{Epoch, ProgrammeId};
use serde::Serialize;

use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::output::fields;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The distributor's address [default: the deployment's]
    #[arg(long, global = true, value_name = "ADDRESS", env = "LEASEHOLD_REWARDS")]
    rewards: Option<Address>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Compute what every provider is entitled to, from the chain's events alone
    Compute(compute::Args),
    /// Check posted roots, and refute wrong ones
    Verify(verify::Args),
    /// Post the computed root of an epoch, with the poster's bond
    Post(compute::PostArgs),
    /// Take part in a programme as a provider, with its owner key
    Enrol(take_part::Programme),
    /// Note a provider's counter, so that no root of this epoch can count less
    Checkpoint(take_part::CheckpointArgs),
    /// Take what the newest final root entitles the key's account to
    Claim(take_part::ClaimArgs),
    /// Create a programme from a file of terms
    Create(create::Args),
    /// Put money into a programme
    Fund(create::FundArgs),
}

/// The result of a command that sends transactions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    programme: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
    /// Base units of the programme's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<String>,
    transactions: Vec<B256>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { rewards, command } = args;
    let client = connect(context, rewards).await?;
    match command {
        Command::Compute(args) => compute::run(context, &client, args).await,
        Command::Verify(args) => verify::run(context, &client, args).await,
        Command::Post(args) => compute::post(context, &client, args).await,
        Command::Enrol(args) => take_part::enrol(context, &client, args).await,
        Command::Checkpoint(args) => take_part::checkpoint(context, &client, args).await,
        Command::Claim(args) => take_part::claim(context, &client, args).await,
        Command::Create(args) => create::run(context, &client, args).await,
        Command::Fund(args) => create::fund(context, &client, args).await,
    }
}

async fn connect(context: &Context, rewards: Option<Address>) -> anyhow::Result<RewardsClient> {
    let missing = || {
        Stop::new(Kind::Usage, "no distributor of rewards is chosen")
            .advise("give --rewards ADDRESS, or a deployment that has one")
    };
    let distributor = rewards.or(context.deployment()?.rewards).ok_or_else(missing)?;
    let chain = context.current_chain().await?;
    let client = RewardsClient::connect(chain, distributor).await;
    client.with_context(|| format!("failed to use the distributor {distributor}"))
}

/// A programme's number, as people give it.
fn programme_id(number: u64) -> ProgrammeId {
    ProgrammeId(U256::from(number))
}

/// Reads a programme, and says what is wrong in words of the command line.
async fn past(client: &RewardsClient, programme: u64) -> anyhow::Result<chain::rewards::Past> {
    client.past(programme_id(programme)).await.map_err(|error| match error {
        RewardsError::NoProgramme(_) => Stop::new(Kind::NotFound, error.to_string())
            .advise("check the number, and that --rewards and --rpc name the right chain")
            .into(),
        other => anyhow::Error::new(other).context(format!("failed to read programme {programme}")),
    })
}

/// The epoch asked about, or the newest that can be posted and has no final root.
fn epoch_of(past: &chain::rewards::Past, asked: Option<u32>) -> anyhow::Result<Epoch> {
    let next = past.books.next_epoch;
    let newest = past.terms.last_postable(past.head.timestamp).filter(|epoch| *epoch >= next);
    let epoch = asked.map(Epoch).or(newest).unwrap_or(next);
    if epoch.0 >= past.terms.epochs {
        let text = format!("the programme has epochs 0 to {}", past.terms.epochs.saturating_sub(1));
        return Err(Stop::new(Kind::NotFound, text).into());
    }
    if epoch < next {
        let text = format!("a root that counts epoch {epoch} is final");
        return Err(Stop::new(Kind::NotFound, text)
            .advise("`leasehold rewards verify --epoch` checks posted roots")
            .into());
    }
    let (end, now) = (past.terms.end_of(epoch), past.head.timestamp);
    if now < end {
        let end = super::provider::when(end.0);
        return Err(Stop::new(Kind::TimedOut, format!("epoch {epoch} ends at {end}")).into());
    }
    Ok(epoch)
}

/// The programme's token for people.
async fn money(client: &RewardsClient, token: Address) -> anyhow::Result<Money> {
    let (decimals, symbol) = client.token(token).await.context("failed to read the token's name")?;
    Ok(Money::of(decimals, &symbol))
}

/// Lets the distributor draw an amount, after it was made sure that the wallet holds it.
async fn approve(
    client: &RewardsClient,
    wallet: &Wallet,
    key: &HotKey,
    token: Address,
    amount: Amount,
) -> anyhow::Result<Vec<B256>> {
    let (held, allowed) = client.wallet(token, key.address()).await?;
    if held < amount {
        let money = money(client, token).await?;
        let (held, needed) = (money.show(held), money.show(amount));
        let text = format!("the wallet {} holds {held}, but {needed} are needed", key.address());
        return Err(Stop::new(Kind::InsufficientFunds, text).advise("send tokens to it").into());
    }
    if allowed >= amount {
        return Ok(Vec::new());
    }
    Ok(vec![wallet.send(client.calls().approve(token, amount)).await?.tx_hash])
}

fn print_sent(context: &Context, sent: &Sent, what: &str) -> anyhow::Result<()> {
    context.output.print(sent, |sent| {
        let last = sent.transactions.last().map(ToString::to_string).unwrap_or_default();
        fields([("programme", sent.programme.clone()), (what, last)])
    })
}
