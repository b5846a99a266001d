//! `leasehold rewards create` and `fund`: what sponsors do.

use std::path::PathBuf;

use anyhow::Context as _;
use chain::RewardsClient;
use chain::rpc::At;

use super::{Sent, approve, money, past, print_sent, programme_id, terms_file};
use crate::context::{Context, Wallet};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File with the terms
    #[arg(long, value_name = "FILE")]
    terms: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct FundArgs {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// Tokens, such as 12.5
    #[arg(long, value_name = "AMOUNT")]
    amount: String,
}

pub(super) async fn run(context: &Context, client: &RewardsClient, args: Args) -> anyhow::Result<()> {
    let Args { terms } = args;
    let file = terms_file::read(&terms)?;
    let token = file.token.unwrap_or(client.chain().deployment().token);
    let money = money(client, token).await?;
    let now = client.chain().block(At::Latest).await?.timestamp;
    let terms =
        file.resolve(token, money.decimals, now).map_err(|problem| terms_file::refuse(&terms, problem))?;
    let call = client.calls().create(&terms)?;
    context.confirm("Create the programme? Its terms never change.")?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the programme");
    let mined = Wallet::new(client.chain(), context.key()?).send(call).await?;
    let programme = client.created_in(&mined).await?.context("the transaction created no programme")?;
    progress.done("created", &format!("created programme {}: {}", programme.0, mined.tx_hash));
    let transactions = vec![mined.tx_hash];
    let sent =
        Sent { programme: programme.0.to_string(), epoch: None, root: None, amount: None, transactions };
    drop(progress);
    print_sent(context, &sent, "created")
}

pub(super) async fn fund(context: &Context, client: &RewardsClient, args: FundArgs) -> anyhow::Result<()> {
    let FundArgs { programme, amount } = args;
    let key = context.key()?;
    let terms = past(client, programme).await?.terms;
    let money = money(client, terms.token).await?;
    let amount = money.parse(&amount)?;
    context.confirm(&format!("Put {} into programme {programme}, for ever?", money.show(amount)))?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the transfer");
    let wallet = Wallet::new(client.chain(), key.clone());
    let mut transactions = approve(client, &wallet, &key, terms.token, amount).await?;
    let mined = wallet.send(client.calls().fund(programme_id(programme), amount)).await?;
    progress.done("funded", &format!("funded with {}: {}", money.show(amount), mined.tx_hash));
    transactions.push(mined.tx_hash);
    let amount = Some(amount.to_string());
    let sent = Sent { programme: programme.to_string(), epoch: None, root: None, amount, transactions };
    drop(progress);
    print_sent(context, &sent, "funded")
}
