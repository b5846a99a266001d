//! A writer that is killed at any moment leaves a ledger from which the next one goes on as if nothing had happened.

use std::{
    env,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use ledger::{Location, Store};
use testkit::postgres::{Identity, Server};
use usage::verify::{Evidence, verify};

use crate::{
    contract::contents,
    feed::{self, Account, TURNS, leases},
};

/// Tells a process that it is the writer, and where to write.
const WRITER: &str = "LEASEHOLD_TEST_LEDGER";
/// Steps of a whole story: each lease, and the commit.
const STEPS: u64 = TURNS * 4;
/// Writers that are killed, for each store.
const KILLS: u64 = 30;

#[tokio::test]
async fn a_killed_writer_of_a_file_loses_nothing_and_counts_nothing_twice() -> anyhow::Result<()> {
    if let Ok(location) = env::var(WRITER) {
        return write(&location).await;
    }
    let directory = tempfile::tempdir()?;
    let path = |name: &str| directory.path().join(name).display().to_string();
    let name = "crash::a_killed_writer_of_a_file_loses_nothing_and_counts_nothing_twice";
    kill_and_compare(name, &path("killed"), &path("undisturbed")).await
}

#[tokio::test]
async fn a_killed_writer_of_postgresql_loses_nothing_and_counts_nothing_twice() -> anyhow::Result<()> {
    if let Ok(location) = env::var(WRITER) {
        return write(&location).await;
    }
    let identity = Identity::new()?;
    let server = Server::start(&identity)?;
    let name = "crash::a_killed_writer_of_postgresql_loses_nothing_and_counts_nothing_twice";
    kill_and_compare(name, &server.database("killed")?, &server.database("undisturbed")?).await
}

/// The writer's process: the whole story again, a byte for each step.
async fn write(location: &str) -> anyhow::Result<()> {
    let store = ledger::open(&Location::parse(location, None, None)?).await?;
    let mut steps = std::io::stderr();
    let mut failed = None;
    feed::run(&*store, || {
        if let Err(error) = steps.write_all(b".") {
            failed = Some(error);
        }
    })
    .await?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

async fn kill_and_compare(test: &str, killed: &str, undisturbed: &str) -> anyhow::Result<()> {
    let (mut furthest, mut random) = (0, 0x9e37_79b9_7f4a_7c15u64);
    for round in 0..KILLS {
        // Each writer lives a little longer than the one before may have, so that the story goes on.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let steps = (round * STEPS / KILLS + (random >> 33) % (STEPS / 8)).min(STEPS - 1);
        let mut writer = Command::new(env::current_exe()?)
            .args(["--exact", test, "--nocapture"])
            .env(WRITER, killed)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut told = writer.stderr.take().context("the writer has no output")?;
        let mut byte = [0];
        for _ in 0..steps {
            told.read_exact(&mut byte).context("the writer ended by itself")?;
        }
        writer.kill()?;
        writer.wait()?;
        let store = ledger::open(&Location::parse(killed, None, None)?).await?;
        let kept = proved(&*store).await?;
        ensure!(kept >= furthest, "the ledger went back from {furthest} to {kept}");
        furthest = kept;
    }
    let store = ledger::open(&Location::parse(killed, None, None)?).await?;
    feed::run(&*store, || {}).await?;
    let whole = ledger::open(&Location::parse(undisturbed, None, None)?).await?;
    feed::run(&*whole, || {}).await?;
    ensure!(contents(&*store).await? == contents(&*whole).await?, "a killed writer changed the story");
    ensure!(furthest > TURNS / 2, "the writers were killed before they wrote: {furthest}");
    Ok(())
}

/// Checks that state, rollups and publications belong together; returns how many publications there are.
async fn proved(store: &dyn Store) -> anyhow::Result<u64> {
    let mut sequences = Vec::new();
    for kept in store.kept().await? {
        let account = Account::of(&kept)?;
        let rollups = store.rollups(kept.lease).await?;
        let cut = account.book.cut().context("a kept lease was never observed")?;
        let evidence = Evidence { lease: kept.lease, hours: rollups.hours, fives: rollups.fives, cut };
        let verified = verify(&evidence)?;
        ensure!(verified.totals == account.book.totals() && verified.root == account.book.meter_root());
        ensure!(store.published(kept.lease).await?.len() as u64 == account.sequence);
        sequences.push(account.sequence);
    }
    ensure!(sequences.is_empty() || sequences.len() == leases().len());
    ensure!(sequences.windows(2).all(|pair| pair[0] == pair[1]), "half a batch was written: {sequences:?}");
    Ok(sequences.first().copied().unwrap_or(0))
}
