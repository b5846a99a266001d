//! The meter with a ledger: killed, restored from an old copy, or without room to write.

use std::path::Path;

use ledger::{B256, Location, Reader, Retention};
use usage::verify::{Claimed, Evidence, Verified, verify};

use super::*;
use crate::meter::keeper::{Keeper, LedgerSettings};

/// Where a meter is killed in a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Killed {
    BeforeItKeeps,
    BeforeItPublishes,
    AfterItPublished,
}

fn keeper(path: &Path) -> Keeper {
    keeping(path, Retention::default())
}

fn keeping(path: &Path, retention: Retention) -> Keeper {
    Keeper::new(LedgerSettings { location: Location::File(path.to_owned()), retention })
}

/// Second, CPU seconds and sent bytes of a turn.
fn turn(number: u32) -> (i64, u64, u64) {
    let number = u64::from(number);
    (i64::try_from(40 + 110 * number).unwrap(), 11 + 60 * number, 400 + 90 * number * number)
}

impl Rig {
    /// The same with a term of several hours.
    async fn of_hours() -> Self {
        let mut rig = Self::new().await;
        rig.lease.spec.term = Some(Term { started_at: START + 10, ends_at: START + 20_000 });
        rig
    }

    async fn keep(&self, meter: &Meter, keeper: &mut Keeper, second: i64) {
        meter.keep(Some(keeper), at(second)).await.unwrap();
    }

    async fn whole_turn(&mut self, meter: &Meter, keeper: &mut Keeper, number: u32) {
        let (second, cpu, tx) = turn(number);
        self.turn(meter, second, cpu, tx).await;
        self.keep(meter, keeper, second).await;
        self.take_publications(meter, second);
    }

    fn id(&self) -> B256 {
        self.lease.spec.lease_id.parse().unwrap()
    }

    fn stands(&self) -> LeaseUsage {
        self.lease.status.as_ref().unwrap().usage.clone().unwrap()
    }

    /// What the ledger proves of what stands in the API.
    async fn proved(&self, store: &dyn Reader) -> (Verified, Evidence) {
        let (stands, lease) = (self.stands(), self.id());
        let rollups = store.rollups(lease).await.unwrap();
        let published = store.published(lease).await.unwrap();
        let sequence = u64::try_from(stands.sequence).unwrap();
        let cut = published.iter().find(|published| published.sequence == sequence).unwrap().cut.clone();
        let evidence = Evidence::gather(lease, &rollups.hours, &rollups.fives, cut);
        let verified = verify(&evidence).unwrap();
        let (usage, as_of) = (stands.allocated().unwrap(), stands.as_of().unwrap());
        let meter_root = stands.meter_root().unwrap();
        let usage_hash = usage::usage_hash(&usage, as_of, meter_root);
        assert_eq!(verified.proves(&Claimed { usage, as_of, meter_root, usage_hash }), Ok(()));
        (verified, evidence)
    }
}

#[tokio::test]
async fn a_meter_goes_on_from_its_ledger_wherever_it_was_killed() {
    const TURNS: u32 = 9;
    let files = tempfile::tempdir().unwrap();
    let mut rig = Rig::of_hours().await;
    let (meter, mut whole) = (rig.meter(), keeper(&files.path().join("undisturbed")));
    for number in 0..TURNS {
        rig.whole_turn(&meter, &mut whole, number).await;
    }
    let expected = rig.stands();
    // The very first reading only sets the point from which counters count.
    for killed_after in 1..TURNS - 1 {
        for killed in [Killed::BeforeItKeeps, Killed::BeforeItPublishes, Killed::AfterItPublished] {
            let path = files.path().join(format!("{killed_after}-{killed:?}"));
            rig.lease.status.as_mut().unwrap().usage = None;
            rig.lease.status.as_mut().unwrap().conditions.clear();
            let (mut meter, mut ledger) = (rig.meter(), keeper(&path));
            for number in 0..TURNS {
                if number != killed_after {
                    rig.whole_turn(&meter, &mut ledger, number).await;
                    continue;
                }
                let (second, cpu, tx) = turn(number);
                rig.turn(&meter, second, cpu, tx).await;
                if killed != Killed::BeforeItKeeps {
                    rig.keep(&meter, &mut ledger, second).await;
                }
                if killed == Killed::AfterItPublished {
                    rig.take_publications(&meter, second);
                }
                drop(ledger);
                (meter, ledger) = (rig.meter(), keeper(&path));
                meter.adopt(&mut ledger).await;
            }
            let found = rig.stands();
            let totals = |usage: &LeaseUsage| (usage.as_of, usage.allocated.clone(), usage.used.clone());
            assert_eq!(totals(&found), totals(&expected), "{killed:?} {killed_after}");
            if killed == Killed::AfterItPublished {
                // Evidence and all.
                assert_eq!(found, expected, "{killed_after}");
            }
            drop(ledger);
            let store = ledger::open(&Location::File(path)).await.unwrap();
            assert!(rig.proved(&*store).await.0.from_the_beginning, "{killed:?} {killed_after}");
        }
    }
}

#[tokio::test]
async fn an_old_copy_of_the_ledger_adds_nothing_twice_and_its_other_history_goes() {
    let files = tempfile::tempdir().unwrap();
    let mut rig = Rig::of_hours().await;
    let path = files.path().join("ledger");
    let (first, mut ledger) = (rig.meter(), keeper(&path));
    for number in 0..4 {
        rig.whole_turn(&first, &mut ledger, number).await;
    }
    // It counts on and keeps that, and nobody sees it: another one publishes.
    let second = rig.meter();
    for number in 4..20 {
        let (when, cpu, tx) = turn(number);
        rig.turn(&first, when, cpu, tx).await;
        rig.keep(&first, &mut ledger, when).await;
    }
    for number in [4, 9] {
        let (when, cpu, tx) = turn(number);
        rig.turn(&second, when, cpu, tx).await;
        rig.take_publications(&second, when);
    }
    let stood = rig.stands();
    drop(ledger);

    let (third, mut ledger) = (rig.meter(), keeper(&path));
    third.adopt(&mut ledger).await;
    assert_eq!(rig.published(&third), Some(stood));
    for number in 20..24 {
        rig.whole_turn(&third, &mut ledger, number).await;
    }
    drop(ledger);
    let (when, ..) = turn(23);
    let seconds = u64::try_from(when).unwrap() - 10;
    assert_eq!(rig.stands().allocated.uptime_seconds, seconds.to_string());
    // What the second one closed was kept by nobody; what leads to it from there is no other history.
    let store = ledger::open(&Location::File(path)).await.unwrap();
    let (verified, evidence) = rig.proved(&*store).await;
    assert_eq!(verified.totals.allocated.uptime_seconds(), u128::from(seconds));
    let starts: Vec<i64> =
        evidence.fives.iter().map(|five| i64::try_from(five.start).unwrap() - START).collect();
    assert_eq!(starts, [900, 2100]);
}

#[tokio::test]
async fn a_ledger_proves_what_was_published_over_hours_and_what_was_signed() {
    let files = tempfile::tempdir().unwrap();
    let mut rig = Rig::of_hours().await;
    let path = files.path().join("ledger");
    let (meter, mut ledger) = (rig.meter(), keeper(&path));
    for number in 0..80 {
        rig.whole_turn(&meter, &mut ledger, number).await;
    }
    drop(ledger);
    let store = ledger::open(&Location::File(path)).await.unwrap();
    let rollups = store.rollups(rig.id()).await.unwrap();
    assert_eq!((rollups.hours.len(), rollups.fives.len()), (2, 29));
    let (verified, _) = rig.proved(&*store).await;
    assert!(verified.from_the_beginning);
    assert_eq!(verified.totals.allocated.uptime_seconds(), 40 + 110 * 79 - 10);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_stops_nothing_and_is_told_later() {
    let files = tempfile::tempdir().unwrap();
    let mut rig = Rig::of_hours().await;
    let missing = files.path().join("missing");
    let (meter, mut ledger) = (rig.meter(), keeper(&missing.join("ledger")));
    meter.adopt(&mut ledger).await;
    for number in 0..10 {
        rig.whole_turn(&meter, &mut ledger, number).await;
    }
    let commits = |result| meter.metrics.ledger_commits.with_label_values(&[result]).get();
    assert_eq!((rig.stands().sequence, commits("error"), commits("ok")), (10, 10, 0));
    std::fs::create_dir(&missing).unwrap();
    rig.whole_turn(&meter, &mut ledger, 10).await;
    assert_eq!((commits("error"), commits("ok")), (10, 1));
    drop(ledger);
    let store = ledger::open(&Location::File(missing.join("ledger"))).await.unwrap();
    assert_eq!(store.published(rig.id()).await.unwrap().len(), 11);
    assert!(rig.proved(&*store).await.0.from_the_beginning);
}

#[tokio::test]
async fn what_is_kept_for_how_long_is_the_settings_matter() {
    let files = tempfile::tempdir().unwrap();
    for (name, retention, keeps_all) in [
        ("default", Retention::default(), true),
        ("short", Retention { fives: 3600, unsigned: 3600, ..Retention::default() }, false),
    ] {
        let path = files.path().join(name);
        let mut rig = Rig::of_hours().await;
        let (meter, mut ledger) = (rig.meter(), keeping(&path, retention));
        for number in 0..120 {
            rig.whole_turn(&meter, &mut ledger, number).await;
        }
        drop(ledger);
        let store = ledger::open(&Location::File(path)).await.unwrap();
        let (verified, evidence) = rig.proved(&*store).await;
        assert!(verified.from_the_beginning && evidence.hours.len() >= 2, "{name}");
        let first_hour = evidence.hours[0].rollup.start;
        let keeps_it = evidence.fives.iter().any(|five| five.start < first_hour + 3600);
        assert_eq!(keeps_it, keeps_all, "{name}");
    }
}
