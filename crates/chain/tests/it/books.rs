//! Books equal the chain from its first block: long random histories of many accounts in every role, on the real
//! contracts, with the books of each compared with the contracts' own numbers again and again.

mod moves;
mod world;

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use anyhow::{Context, Result, ensure};
use chain::At;
use chain::books::{Balances, Book, Books, Kind, MoneyEvent, PostError, differences, post};
use market::Amount;

use self::world::World;

/// Moves of one history.
const MOVES: usize = 260;
/// Moves between two looks at everybody's books; a prime, so that looks fall on all sorts of moves.
const LOOK_EVERY: usize = 37;

/// What was seen over a whole history.
#[derive(Default)]
struct Seen {
    /// Lines of each kind in everybody's books at the end.
    kinds: BTreeMap<Kind, usize>,
    noticed: Vec<Discriminant<MoneyEvent>>,
    money: Vec<Discriminant<MoneyEvent>>,
}

/// Plays one history. Different seeds give different ones.
async fn play(seed: u8, seen: &mut Seen) -> Result<()> {
    let mut world = World::start(seed).await?;
    for count in 1..=MOVES {
        world.make_a_move().await.with_context(|| format!("seed {seed}, move {count}"))?;
        if count % LOOK_EVERY == 0 || count == MOVES {
            world.settle_block().await?;
            for account in world.accounts() {
                let books = world.client().books(account, At::Latest, |_| {}).await?;
                check(&books).with_context(|| format!("seed {seed}, move {count}, {account}"))?;
                let last = if count == MOVES { books.lines.as_slice() } else { &[] };
                last.iter().for_each(|line| *seen.kinds.entry(line.kind).or_default() += 1);
            }
        }
    }
    for account in world.accounts() {
        leave_out(&world, account, seen).await?;
    }
    Ok(())
}

/// The contracts agree, and the lines explain each balance one after the other.
fn check(books: &Books) -> Result<()> {
    ensure!(books.differences.is_empty(), "{:?}", books.differences);
    let mut running: BTreeMap<Book, Amount> = BTreeMap::new();
    for line in &books.lines {
        let before = running.entry(line.book).or_default();
        let after = before.checked_add(line.amount_in).and_then(|sum| sum.checked_sub(line.amount_out));
        ensure!(after == Some(line.balance), "{line:?} after {before}");
        ensure!(
            line.amount_in.is_zero() != line.amount_out.is_zero(),
            "{line:?} moves nothing, or both ways"
        );
        *before = line.balance;
    }
    for (book, amount) in &books.chain.held {
        let explained = running.get(book).copied().unwrap_or_default();
        ensure!(explained == *amount, "{book:?}: the lines leave {explained}, the chain has {amount}");
    }
    Ok(())
}

/// Forgets each sort of event in turn and notes whether the comparison with the chain notices.
async fn leave_out(world: &World, account: alloy::primitives::Address, seen: &mut Seen) -> Result<()> {
    let client = world.client();
    let head = client.block(At::Latest).await?;
    let facts = client.money_facts(account, &head, &|_| {}).await?;
    let tokens = client.lease_tokens(&facts, &head).await?;
    let (_, chain) = client.balances(account, At::Block(head.hash)).await?;
    for sort in facts.iter().map(|fact| discriminant(&fact.event)).collect::<Vec<_>>() {
        if seen.noticed.contains(&sort) {
            continue;
        }
        if !seen.money.contains(&sort) {
            seen.money.push(sort);
        }
        let rest: Vec<_> = facts.iter().filter(|fact| discriminant(&fact.event) != sort).cloned().collect();
        let posted: Result<(_, Balances), PostError> = post(account, &rest, &tokens);
        if posted.is_err() || posted.is_ok_and(|(_, books)| !differences(&books, &chain).is_empty()) {
            seen.noticed.push(sort);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn books_of_everybody_equal_the_chain_through_long_random_histories() -> Result<()> {
    let mut seen = Seen::default();
    for seed in 1..=3 {
        play(seed, &mut seen).await?;
    }
    let missing: Vec<_> = Kind::ALL.iter().filter(|kind| !seen.kinds.contains_key(kind)).collect();
    assert!(missing.is_empty(), "no history had {missing:?} but {:?}", seen.kinds);
    // Fifteen sorts of events move money. Whichever a node keeps back, somebody's books are found wrong.
    assert_eq!((seen.money.len(), seen.noticed.len()), (15, 15));
    Ok(())
}
