//! `leasehold rewards verify`: is what was posted right?

use alloy_primitives::{Address, B256};
use anyhow::Context as _;
use chain::RewardsClient;
use chain::rewards::{Past, PostedRoot, RootState};
use rewards::{Difference, Fault, Leaf, proof};
use serde::Serialize;

use super::past;
use crate::command::provider::when;
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The programme's number
    #[arg(long, value_name = "ID")]
    programme: u64,
    /// Roots of this epoch [default: those that can still be refuted, or else the newest final one]
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u32>,
    /// Void wrong roots with the key, and be credited their bonds
    #[arg(long)]
    refute: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    number: u32,
    epoch: u32,
    poster: Address,
    root: B256,
    state: &'static str,
    /// Until when it can be refuted.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    right: bool,
    differences: Vec<Wrong>,
    /// The transaction that voided it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refuted: Option<B256>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrong {
    index: u32,
    account: Address,
    ground: &'static str,
    posted: String,
    /// What is right; of a measure, the least that is.
    right: Option<String>,
}

pub(super) async fn run(context: &Context, client: &RewardsClient, args: Args) -> anyhow::Result<()> {
    let Args { programme, epoch, refute } = args;
    let past = past(client, programme).await?;
    let mut verdicts = Vec::new();
    for (root, state) in chosen(client, &past, epoch).await? {
        let differences = client.verify(&past, root).await?;
        let mut verdict = verdict(root, state, &differences);
        if let (true, RootState::Pending(_), Some(first)) = (refute, state, differences.first()) {
            verdict.refuted = Some(self::refute(context, client, &past, root, first).await?);
        }
        verdicts.push(verdict);
    }
    context.output.print(&verdicts, |verdicts| verdicts.iter().map(show).collect())?;
    let standing = verdicts.iter().filter(|verdict| !verdict.right && verdict.refuted.is_none());
    let wrong: Vec<_> = standing.map(|verdict| verdict.number.to_string()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    anyhow::bail!("wrong: root {}", wrong.join(", "))
}

/// The roots that are asked about, with what has become of them.
async fn chosen<'a>(
    client: &RewardsClient,
    past: &'a Past,
    epoch: Option<u32>,
) -> anyhow::Result<Vec<(&'a PostedRoot, RootState)>> {
    let mut roots = Vec::new();
    for root in &past.roots {
        if epoch.is_none_or(|epoch| root.epoch.0 == epoch) {
            roots.push((root, client.state(past, root.number).await?));
        }
    }
    if epoch.is_none() {
        let has_pending = roots.iter().any(|(_, state)| matches!(state, RootState::Pending(_)));
        roots.retain(|(root, state)| match state {
            RootState::Pending(_) => true,
            _ => !has_pending && root.number == past.books.final_number,
        });
    }
    if roots.is_empty() {
        return Err(Stop::new(Kind::NotFound, "no such root was posted").into());
    }
    Ok(roots)
}

async fn refute(
    context: &Context,
    client: &RewardsClient,
    past: &Past,
    root: &PostedRoot,
    difference: &Difference,
) -> anyhow::Result<B256> {
    let index = difference.index;
    let with_proof = |leaves: &[Leaf]| {
        let leaf = leaves.get(usize::try_from(index).ok()?)?;
        Some((*leaf, proof(past.programme, leaves, index)?))
    };
    let (leaf, leaf_proof) = with_proof(&root.leaves).context("the leaf is not in its own root")?;
    // A provider that the root before does not name has no leaf there.
    let (before, before_proof) = with_proof(past.leaves_of(root.base)?).unwrap_or_default();
    let call =
        client.calls().refute(past.programme, root.number, (&leaf, leaf_proof), (&before, before_proof));
    context.confirm(&format!("Refute root {}?", root.number))?;
    let mut progress = Progress::new();
    progress.waiting("waiting for the refutation");
    let mined = Wallet::new(client.chain(), context.key()?).send(call).await?;
    progress.done("refuted", &format!("refuted root {}: {}", root.number, mined.tx_hash));
    Ok(mined.tx_hash)
}

fn verdict(root: &PostedRoot, state: RootState, differences: &[Difference]) -> Verdict {
    let (state, until) = match state {
        RootState::Pending(until) => ("pending", Some(until.0)),
        RootState::Refuted => ("refuted", None),
        RootState::Final => ("final", None),
        RootState::Superseded => ("superseded", None),
    };
    Verdict {
        number: root.number,
        epoch: root.epoch.0,
        poster: root.poster,
        root: root.hash,
        state,
        until,
        right: differences.is_empty(),
        differences: differences.iter().map(wrong).collect(),
        refuted: None,
    }
}

fn wrong(difference: &Difference) -> Wrong {
    let (posted, right) = match difference.fault {
        Fault::Measure { posted, least } => (posted.0.to_string(), Some(least.0.to_string())),
        Fault::Raw { posted, right } | Fault::Cumulative { posted, right } => {
            (posted.to_string(), right.map(|right| right.to_string()))
        }
    };
    let Difference { index, account, fault } = *difference;
    Wrong { index, account, ground: fault.ground().name(), posted, right }
}

fn show(verdict: &Verdict) -> String {
    let until = verdict.until.map(|until| format!(", can be refuted until {}", when(until)));
    let word = if verdict.right { "right" } else { "wrong" };
    let mut text = format!(
        "root {} of epoch {}: {word} ({}{})\n",
        verdict.number,
        verdict.epoch,
        verdict.state,
        until.unwrap_or_default()
    );
    for Wrong { index, account, ground, posted, right } in &verdict.differences {
        let right = right.as_deref().unwrap_or("nothing that fits");
        let least = if *ground == "measure" { "at least " } else { "" };
        text += &format!("  leaf {index} of {account}: {ground} is {posted}, right is {least}{right}\n");
    }
    if let Some(transaction) = verdict.refuted {
        text += &format!("  refuted: {transaction}\n");
    }
    text
}
