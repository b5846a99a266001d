//! `leasehold rewards compute` and `post`: what every provider is entitled to.

use alloy_primitives::{Address, B256, Bytes};
use chain::RewardsClient;
use chain::rewards::Past;
use market::Amount;
use rewards::{Inputs, Root};
use serde::Serialize;

use super::{Sent, approve, epoch_of, money, past, print_sent};
use crate::command::provider::when;
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::money::Money;
use crate::output::{fields, table};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// The epoch [default: the newest that can be posted]
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u32>,
    /// Print the transaction that posts the root, too
    #[arg(long)]
    calldata: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PostArgs {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// The epoch [default: the newest that can be posted]
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Computed {
    programme: String,
    kind: &'static str,
    token: Address,
    epoch: u32,
    /// From when the root can be posted.
    postable_at: u64,
    /// The final root that it builds on, or 0.
    base: u32,
    /// The block that everything was read at.
    block_number: u64,
    block_hash: B256,
    allowance: String,
    raw_total: String,
    cumulative_total: String,
    root: B256,
    leaves: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<Transaction>,
}

/// One provider's leaf with what it follows from.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    index: u32,
    account: Address,
    previous_measure: String,
    measure: String,
    factor_bps: u32,
    /// Base units times 10^18 for each unit of measure.
    rate: String,
    raw: String,
    previous_cumulative: String,
    cumulative: String,
}

/// A transaction that is ready to be signed.
#[derive(Serialize)]
struct Transaction {
    to: Address,
    data: Bytes,
    /// What must be approved to the distributor before, base units.
    bond: String,
}

pub(super) async fn run(context: &Context, client: &RewardsClient, args: Args) -> anyhow::Result<()> {
    let Args { programme, epoch, calldata } = args;
    let past = past(client, programme).await?;
    let epoch = epoch_of(&past, epoch)?;
    let (inputs, root) = client.compute(&past, epoch).await?;
    let money = money(client, past.terms.token).await?;
    let post = calldata.then(|| {
        let call = client.calls().post(past.programme, epoch, past.books.final_number, &root.leaves);
        let bond = past.terms.poster_bond.to_string();
        Transaction { to: client.distributor(), data: call.data, bond }
    });
    let computed = Computed { post, ..computed(&past, &inputs, &root) };
    context.output.print(&computed, |it| show(it, &inputs, &root, &money))
}

pub(super) async fn post(context: &Context, client: &RewardsClient, args: PostArgs) -> anyhow::Result<()> {
    let PostArgs { programme, epoch } = args;
    let key = context.key()?;
    let past = past(client, programme).await?;
    let epoch = epoch_of(&past, epoch)?;
    let from = past.terms.postable_at(epoch);
    if past.head.timestamp < from {
        let text = format!("the root of epoch {epoch} can be posted from {} on", when(from.0));
        return Err(Stop::new(Kind::TimedOut, text).into());
    }
    let (_, root) = client.compute(&past, epoch).await?;
    if root.leaves.is_empty() {
        let text = format!("no provider had enrolled by the end of epoch {epoch}");
        return Err(Stop::new(Kind::NotFound, text).into());
    }
    let bond = past.terms.poster_bond;
    let shown = money(client, past.terms.token).await?.show(bond);
    context.confirm(&format!("Post root {} with a bond of {shown}?", root.hash))?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the root");
    let wallet = Wallet::new(client.chain(), key.clone());
    let mut transactions = approve(client, &wallet, &key, past.terms.token, bond).await?;
    let call = client.calls().post(past.programme, epoch, past.books.final_number, &root.leaves);
    let mined = wallet.send(call).await?;
    progress.done("posted", &format!("posted the root of epoch {epoch}: {}", mined.tx_hash));
    transactions.push(mined.tx_hash);
    let amount = Some(bond.to_string());
    let (programme, epoch) = (programme.to_string(), Some(epoch.0));
    let sent = Sent { programme, epoch, root: Some(root.hash), amount, transactions };
    drop(progress);
    print_sent(context, &sent, "posted")
}

fn computed(past: &Past, inputs: &Inputs, root: &Root) -> Computed {
    let lines = root.leaves.iter().zip(&inputs.standings).map(|(leaf, standing)| Line {
        index: leaf.index,
        account: leaf.account,
        previous_measure: standing.previous.measure.0.to_string(),
        measure: leaf.measure.0.to_string(),
        factor_bps: standing.factor.0,
        rate: inputs.terms.effective_rate(standing.factor).0.to_string(),
        raw: leaf.raw.to_string(),
        previous_cumulative: standing.previous.cumulative.to_string(),
        cumulative: leaf.cumulative.to_string(),
    });
    Computed {
        programme: inputs.programme.0.to_string(),
        kind: inputs.terms.kind.name(),
        token: inputs.terms.token,
        epoch: inputs.epoch.0,
        postable_at: inputs.terms.postable_at(inputs.epoch).0,
        base: past.books.final_number,
        block_number: past.head.number,
        block_hash: past.head.hash,
        allowance: inputs.allowance.to_string(),
        raw_total: root.raw_total.to_string(),
        cumulative_total: root.cumulative_total.to_string(),
        root: root.hash,
        leaves: lines.collect(),
        post: None,
    }
}

fn show(computed: &Computed, inputs: &Inputs, root: &Root, money: &Money) -> String {
    let head = fields([
        ("programme", format!("{} ({})", computed.programme, computed.kind)),
        ("epoch", format!("{}, postable from {}", computed.epoch, when(computed.postable_at))),
        (
            "builds on",
            if computed.base == 0 { "nothing".to_owned() } else { format!("root {}", computed.base) },
        ),
        ("as of block", computed.block_number.to_string()),
        ("allowance", money.show(inputs.allowance)),
        ("entitled", money.show(root.cumulative_total)),
        ("root", computed.root.to_string()),
    ]);
    let rows = root.leaves.iter().zip(&inputs.standings).map(|(leaf, standing)| {
        let earned = leaf.cumulative.saturating_sub(standing.previous.cumulative);
        [
            leaf.index.to_string(),
            leaf.account.to_string(),
            leaf.measure.0.saturating_sub(standing.previous.measure.0).to_string(),
            Amount(u128::from(standing.factor.0)).to_decimal(4),
            money.show(leaf.raw),
            money.show(earned),
            money.show(leaf.cumulative),
        ]
    });
    let lines = table(["INDEX", "PROVIDER", "NEW UNITS", "FACTOR", "RAW", "EARNED", "ENTITLED"], rows);
    let post = computed.post.as_ref().map(|post| {
        let bond = money.show(inputs.terms.poster_bond);
        format!("\napprove {bond} to {0}, then send to {0}\n{1}\n", post.to, post.data)
    });
    format!("{head}\n{lines}{}", post.unwrap_or_default())
}
