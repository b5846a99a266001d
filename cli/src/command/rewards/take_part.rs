//! `leasehold rewards enrol`, `checkpoint` and `claim`: what providers do.

use alloy_primitives::Address;
use chain::RewardsClient;
use chain::rpc::At;
use rewards::proof;

use super::{Sent, money, past, print_sent, programme_id};
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Programme {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CheckpointArgs {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// The provider [default: the key's account]
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Address>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ClaimArgs {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// Where to [default: the key's own address]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<Address>,
}

pub(super) async fn enrol(context: &Context, client: &RewardsClient, args: Programme) -> anyhow::Result<()> {
    let Programme { programme } = args;
    let call = client.calls().enrol(programme_id(programme));
    send(context, client, programme, call, "enrolled").await
}

pub(super) async fn checkpoint(
    context: &Context,
    client: &RewardsClient,
    args: CheckpointArgs,
) -> anyhow::Result<()> {
    let CheckpointArgs { programme, provider } = args;
    let provider = match provider {
        Some(provider) => provider,
        None => context.key()?.address(),
    };
    let call = client.calls().checkpoint(programme_id(programme), provider);
    send(context, client, programme, call, "noted").await
}

async fn send(
    context: &Context,
    client: &RewardsClient,
    programme: u64,
    call: chain::Call,
    what: &'static str,
) -> anyhow::Result<()> {
    let mut progress = Progress::new();
    progress.waiting("waiting for the transaction");
    let mined = Wallet::new(client.chain(), context.key()?).send(call).await?;
    progress.done(what, &format!("{what}: {}", mined.tx_hash));
    let transactions = vec![mined.tx_hash];
    let sent = Sent { programme: programme.to_string(), epoch: None, root: None, amount: None, transactions };
    drop(progress);
    print_sent(context, &sent, what)
}

pub(super) async fn claim(context: &Context, client: &RewardsClient, args: ClaimArgs) -> anyhow::Result<()> {
    let ClaimArgs { programme, to } = args;
    let key = context.key()?;
    let account = key.address();
    let past = past(client, programme).await?;
    let nothing = |text: String| Stop::new(Kind::NotFound, text);
    let leaves = past.leaves_of(past.books.final_number)?;
    let Some(leaf) = leaves.iter().find(|leaf| leaf.account == account) else {
        return Err(nothing(format!("no final root of programme {programme} names {account}")).into());
    };
    let proof = proof(past.programme, leaves, leaf.index).unwrap_or_default();
    let amount = client.claimable(past.programme, leaf, proof.clone(), At::Latest).await?;
    if amount.is_zero() {
        return Err(nothing(format!("{account} has had all that it can have now")).into());
    }
    let shown = money(client, past.terms.token).await?.show(amount);
    let to = to.unwrap_or(account);
    context.confirm(&format!("Claim {shown} to {to}?"))?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the transfer");
    let call = client.calls().claim(past.programme, leaf, proof, to);
    let mined = Wallet::new(client.chain(), key).send(call).await?;
    progress.done("claimed", &format!("claimed {shown}: {}", mined.tx_hash));
    let sent = Sent {
        programme: programme.to_string(),
        epoch: None,
        root: Some(past.root(past.books.final_number)?.hash),
        amount: Some(amount.to_string()),
        transactions: vec![mined.tx_hash],
    };
    drop(progress);
    print_sent(context, &sent, "claimed")
}
