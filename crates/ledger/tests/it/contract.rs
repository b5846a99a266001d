//! What a store promises, asked of both.

use alloy_primitives::B256;
use anyhow::{Context as _, ensure};
use ledger::{Batch, Entry, Error, Kept, Location, Published, Retention, Rewind, Rollups, Store};
use testkit::postgres::{Identity, Server};
use usage::rollup::Span;
use usage::verify::{Evidence, verify};

use crate::feed::{self, Account, START, TURNS, leases, second};

#[tokio::test]
async fn a_file_keeps_the_contract() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let mut number = 0;
    contract(|| {
        number += 1;
        Ok(Location::File(directory.path().join(format!("ledger-{number}"))))
    })
    .await?;
    let location = Location::File(directory.path().join("held"));
    let held = ledger::open(&location).await?;
    ensure!(matches!(ledger::open(&location).await, Err(Error::File(_))), "two held one file");
    drop(held);
    ledger::open(&location).await?;
    let path = directory.path().join("older");
    an_older_ledger_is_read_and_goes_on(&Location::File(path.clone()), async || {
        let database = redb::Database::open(path)?;
        let transaction = database.begin_write()?;
        transaction.open_table(redb::TableDefinition::<&str, u64>::new("meta"))?.insert("format", 1)?;
        Ok(transaction.commit()?)
    })
    .await
}

#[tokio::test]
async fn postgresql_keeps_the_contract() -> anyhow::Result<()> {
    let identity = Identity::new()?;
    let server = Server::start(&identity)?;
    let mut number = 0;
    contract(|| {
        number += 1;
        Ok(Location::parse(&server.database(&format!("ledger{number}"))?, None, None)?)
    })
    .await?;
    let location = Location::parse(&server.database("contended")?, None, None)?;
    let first = ledger::open(&location).await?;
    let batch = Batch { at: START, entries: Vec::new() };
    first.commit(&batch).await?;
    let second = ledger::open(&location).await?;
    ensure!(matches!(first.commit(&batch).await, Err(Error::Superseded)), "an old writer wrote");
    let dropped = first.drop_old(&Retention::default(), START).await;
    ensure!(matches!(dropped, Err(Error::Superseded)), "an old writer dropped");
    second.commit(&batch).await?;
    let url = server.database("older")?;
    an_older_ledger_is_read_and_goes_on(&Location::parse(&url, None, None)?, async || {
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
        let driven = tokio::spawn(connection);
        client.batch_execute("UPDATE meter.ledger SET format = 1").await?;
        drop(client);
        Ok(driven.await??)
    })
    .await
}

async fn contract(mut new: impl FnMut() -> anyhow::Result<Location>) -> anyhow::Result<()> {
    what_was_written_is_there_after_opening_again(&new()?).await?;
    a_reader_reads_while_the_writer_goes_on(&new()?).await?;
    the_same_story_again_changes_nothing(&new()?).await?;
    evidence_proves_every_publication(&new()?).await?;
    an_abandoned_history_goes_and_leaves_other_leases_alone(&new()?).await?;
    what_is_old_is_dropped_and_the_rest_still_proves(&new()?).await?;
    what_was_signed_is_kept_for_longer(&new()?).await
}

/// Everything that a store holds.
#[derive(Debug, PartialEq)]
pub(crate) struct Contents {
    kept: Vec<Kept>,
    leases: Vec<(Rollups, Vec<Published>)>,
}

pub(crate) async fn contents(store: &dyn Store) -> anyhow::Result<Contents> {
    let mut all = Vec::new();
    for lease in leases() {
        all.push((store.rollups(lease).await?, store.published(lease).await?));
    }
    Ok(Contents { kept: store.kept().await?, leases: all })
}

async fn told(location: &Location) -> anyhow::Result<Box<dyn Store>> {
    let store = ledger::open(location).await?;
    feed::run(&*store, || {}).await?;
    Ok(store)
}

async fn what_was_written_is_there_after_opening_again(location: &Location) -> anyhow::Result<()> {
    let store = ledger::open(location).await?;
    ensure!(store.kept().await?.is_empty());
    let mut expected = Contents { kept: Vec::new(), leases: Vec::new() };
    for lease in leases() {
        let (mut account, mut rollups, mut published) = (Account::new(), Rollups::default(), Vec::new());
        let mut state = Vec::new();
        for number in 0..TURNS {
            let entry = feed::turn(&mut account, lease, number)?;
            for closed in &entry.closed {
                match closed.rollup.span {
                    Span::Hour => rollups.hours.push(closed.clone().into()),
                    Span::FiveMinutes => rollups.fives.push(closed.rollup.clone()),
                }
            }
            published.extend(entry.published.clone());
            state.clone_from(&entry.state);
            store.commit(&Batch { at: second(number), entries: vec![entry] }).await?;
        }
        expected.kept.push(Kept { lease, state });
        expected.leases.push((rollups, published));
    }
    drop(store);
    let (lease, published) = (leases()[1], &expected.leases[1].1);
    let store = ledger::open(location).await?;
    ensure!(store.root(lease, 7).await? == Some(published[6].cut.root()));
    ensure!(store.root(lease, TURNS + 1).await?.is_none());
    drop(store);
    let found = contents(&*ledger::open(location).await?).await?;
    ensure!(found == expected, "what was read is not what was written");
    ensure!(found.leases[0].0.hours.len() == 2 && found.leases[0].0.fives.len() == 32);
    Ok(())
}

async fn a_reader_reads_while_the_writer_goes_on(location: &Location) -> anyhow::Result<()> {
    ensure!(ledger::read(location).await.is_err(), "a ledger was read that is none");
    let store = told(location).await?;
    let reader = ledger::read(location).await?;
    let [lease, ..] = leases();
    let before = reader.published(lease).await?;
    ensure!(before.len() as u64 == TURNS && reader.rollups(lease).await? == store.rollups(lease).await?);
    let published = vec![Published { sequence: TURNS + 1, ..before[0].clone() }];
    let state = b"more".to_vec();
    let entry = Entry { lease, state, rewind: None, closed: Vec::new(), published, signed: None };
    store.commit(&Batch { at: second(TURNS), entries: vec![entry] }).await?;
    let after = ledger::read(location).await?;
    ensure!(after.published(lease).await?.len() as u64 == TURNS + 1);
    ensure!(after.kept().await? == store.kept().await?);
    Ok(())
}

async fn the_same_story_again_changes_nothing(location: &Location) -> anyhow::Result<()> {
    let store = told(location).await?;
    let once = contents(&*store).await?;
    feed::run(&*store, || {}).await?;
    ensure!(contents(&*store).await? == once, "the second time changed something");
    Ok(())
}

async fn evidence_proves_every_publication(location: &Location) -> anyhow::Result<()> {
    let store = told(location).await?;
    for lease in leases() {
        let Rollups { hours, fives } = store.rollups(lease).await?;
        let published = store.published(lease).await?;
        ensure!(published.len() as u64 == TURNS);
        for Published { cut, .. } in published {
            let evidence = Evidence::gather(lease, &hours, &fives, cut);
            let verified = verify(&evidence)?;
            ensure!(verified.from_the_beginning && verified.root == evidence.cut.root());
        }
    }
    Ok(())
}

async fn an_abandoned_history_goes_and_leaves_other_leases_alone(location: &Location) -> anyhow::Result<()> {
    let store = told(location).await?;
    let before = contents(&*store).await?;
    let [lease, ..] = leases();
    let go_back = async |rewind| {
        let state = b"published".to_vec();
        let (closed, published) = (Vec::new(), Vec::new());
        let entry = Entry { lease, state, rewind: Some(rewind), closed, published, signed: None };
        store.commit(&Batch { at: START, entries: vec![entry] }).await
    };
    // Goes on from what is kept: no rollup is abandoned, only publications that nobody saw.
    go_back(Rewind { five: u64::MAX, hour: u64::MAX, sequence: 55 }).await?;
    let kept = contents(&*store).await?;
    ensure!(kept.leases[0] == (before.leases[0].0.clone(), before.leases[0].1[..55].to_vec()));
    go_back(Rewind { five: START + 3900, hour: START + 3600, sequence: 50 }).await?;
    let after = contents(&*store).await?;
    let ((rollups, published), others) = (&after.leases[0], &after.leases[1..]);
    ensure!(rollups.hours[..] == before.leases[0].0.hours[..1]);
    ensure!(rollups.fives[..] == before.leases[0].0.fives[..13]);
    ensure!(published[..] == before.leases[0].1[..50]);
    ensure!(after.kept[0].state == b"published" && *others == before.leases[1..]);
    ensure!(after.kept[1..] == before.kept[1..]);
    Ok(())
}

async fn what_is_old_is_dropped_and_the_rest_still_proves(location: &Location) -> anyhow::Result<()> {
    let store = told(location).await?;
    let before = contents(&*store).await?;
    // Half past the third hour, with an hour of five minutes and two of hours kept.
    let retention = Retention { fives: 3600, hours: 7200, unsigned: 600 };
    store.drop_old(&retention, START + 9000).await?;
    let after = contents(&*store).await?;
    ensure!(after.kept == before.kept);
    for (lease, ((before, all), (left, published))) in
        leases().into_iter().zip(before.leases.iter().zip(&after.leases))
    {
        // Whole hours only: the second hour began more than an hour ago, but has not ended so long ago.
        ensure!(left.hours[..] == before.hours[1..] && left.fives[..] == before.fives[12..]);
        ensure!(published[..] == all[all.len() - published.len()..] && published[0].at >= START + 8400);
        let cut = published[published.len() - 1].cut.clone();
        let evidence = Evidence { lease, hours: left.hours.clone(), fives: left.fives.clone(), cut };
        let verified = verify(&evidence)?;
        ensure!(!verified.from_the_beginning && verified.before == before.hours[1].rollup.before);
    }
    store.drop_old(&retention, START + 1_000_000).await?;
    let nothing = contents(&*store).await?;
    let empty = (Rollups::default(), Vec::new());
    ensure!(nothing == Contents { kept: Vec::new(), leases: vec![empty.clone(), empty.clone(), empty] });
    Ok(())
}

async fn what_was_signed_is_kept_for_longer(location: &Location) -> anyhow::Result<()> {
    let store = told(location).await?;
    let [lease, other, _] = leases();
    let published = store.published(lease).await?;
    let root: B256 = published[3].cut.root();
    let state = store.kept().await?[0].state.clone();
    let signed =
        Entry { lease, state, rewind: None, closed: Vec::new(), published: Vec::new(), signed: Some(root) };
    store.commit(&Batch { at: second(TURNS), entries: vec![signed] }).await?;
    // A batch that is written again does not forget it.
    feed::run(&*store, || {}).await?;
    let again = Entry {
        lease,
        state: store.kept().await?[0].state.clone(),
        rewind: None,
        closed: Vec::new(),
        published: vec![published[3].clone()],
        signed: None,
    };
    store.commit(&Batch { at: second(TURNS), entries: vec![again] }).await?;
    store.drop_old(&Retention { unsigned: 0, ..Retention::default() }, START + 100_000).await?;
    ensure!(store.published(lease).await? == published[3..4]);
    ensure!(store.published(other).await?.is_empty());
    Ok(())
}

/// Half of the story as a version told it that knew no lives, in a ledger of its format, and the rest by this one.
async fn an_older_ledger_is_read_and_goes_on(
    location: &Location,
    make_old: impl AsyncFnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let [lease, ..] = leases();
    let mut account = Account::new();
    let store = ledger::open(location).await?;
    for number in 0..TURNS / 2 {
        let entry = feed::turn(&mut account, lease, number)?;
        account = account.without_lives()?;
        store.commit(&Batch { at: second(number), entries: vec![entry] }).await?;
    }
    drop(store);
    make_old().await?;
    let reader = ledger::read(location).await?;
    let old = reader.rollups(lease).await?;
    ensure!(old.hours.len() == 1 && old.hours[0].lives.is_none(), "{old:?}");
    drop(reader);
    let store = ledger::open(location).await?;
    ensure!(store.rollups(lease).await? == old, "opening changed what an older version wrote");
    for number in TURNS / 2..TURNS {
        let entry = feed::turn(&mut account, lease, number)?;
        store.commit(&Batch { at: second(number), entries: vec![entry] }).await?;
    }
    let Rollups { hours, fives } = store.rollups(lease).await?;
    let cut = account.book.cut().context("the lease was never observed")?;
    let verified = verify(&Evidence::gather(lease, &hours, &fives, cut))?;
    ensure!(verified.from_the_beginning && verified.totals == account.book.totals());
    // The hour that the older version began is its own.
    ensure!(hours[1].lives.is_none() && verified.recomputed_since == Some(START + 7200), "{verified:?}");
    Ok(())
}
