//! `leasehold provider earnings`: every token in and out of an account, line by line, equal to the chain.

mod report;
mod show;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use alloy_primitives::Address;
use anyhow::Context as _;
use chain::books::{Books, Step};
use chain::{At, ChainClient};

use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::moment::{Moment, Period};
use crate::money::Money;
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The provider's owner address [default: the key's]
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Address>,
    /// Lines from then on: a date (UTC), a time, or Unix seconds; what was before is one opening line for each book
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Lines before then
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
    /// Only blocks that the chain will not give up any more
    #[arg(long)]
    finalized: bool,
}

/// Precision and name of every token.
type Tokens = BTreeMap<Address, Money>;

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { provider, from, to, finalized } = args;
    let period = Period { from, to };
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Stop::new(Kind::Usage, "--from is not before --to").into());
    }
    let account = match provider {
        Some(provider) => provider,
        None => context.key()?.address(),
    };
    let chain = context.chain().await?;
    let at = if finalized { At::Finalized } else { At::Latest };
    let books = read(&chain, account, at).await?;
    let tokens = tokens(context, &chain, &books).await?;
    let report = report::report(&books, period);
    context.form.print(&report, |report| show::text(report, &tokens), show::csv)?;
    // Shown all the same: the lines are what the difference is looked for in.
    match books.differences.as_slice() {
        [] => Ok(()),
        differences => {
            let list: Vec<_> = differences.iter().map(ToString::to_string).collect();
            anyhow::bail!(
                "the events do not explain what the contracts hold at block {} ({}); the node leaves logs out, ask \
                 another one",
                books.head.number,
                list.join("; ")
            )
        }
    }
}

async fn read(chain: &ChainClient, account: Address, at: At) -> anyhow::Result<Books> {
    let progress = Progress::new();
    let books = chain.books(account, at, |step| {
        progress.waiting(match step {
            Step::Logs { of, upto } => format!("reading logs of {of} up to block {upto}"),
            Step::Times { left } => format!("reading times of {left} blocks"),
            Step::Comparing => "comparing with the contracts".to_owned(),
        });
    });
    let books = books.await.context("failed to read the books")?;
    progress.note(&format!("{} lines up to block {}", books.lines.len(), books.head.number));
    Ok(books)
}

async fn tokens(context: &Context, chain: &ChainClient, books: &Books) -> anyhow::Result<Tokens> {
    let mut tokens = Tokens::new();
    for book in books.balances.held.keys().chain(books.chain.held.keys()) {
        if let Entry::Vacant(unknown) = tokens.entry(books.token_of(*book)) {
            let money = context.money_of(chain, *unknown.key()).await?;
            unknown.insert(money);
        }
    }
    Ok(tokens)
}
