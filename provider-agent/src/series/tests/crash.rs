//! An agent that is killed at any moment leaves every point that was written, and no half of one.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

/// Tells a process that it is the writer, and where to write.
const WRITER: &str = "LEASEHOLD_TEST_SERIES";
const NAME: &str = "series::tests::crash::a_killed_agent_loses_no_point_that_was_written";
const KILLS: usize = 12;
/// A byte is told for each point; a writer is killed after one of so many.
const MOST: usize = 40;

/// The writer's process: goes on from what is there, a point of each of two leases in one write, for ever.
fn write_on(file: &Path) {
    let store = Store::open(file).unwrap();
    let mut told = std::io::stderr();
    let mut at = newest(&store);
    loop {
        at += 100;
        let batch = [1, 2].map(|byte| seen(lease(byte), point(at, u128::from(at))));
        store.write(&batch).unwrap();
        told.write_all(b".").unwrap();
    }
}

fn newest(store: &Store) -> u64 {
    store.points(lease(1)).unwrap().last().map_or(START, |point| point.as_of.0)
}

#[test]
fn a_killed_agent_loses_no_point_that_was_written() {
    if let Ok(file) = std::env::var(WRITER) {
        return write_on(Path::new(&file));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("series");
    let mut written = START;
    for kill in 0..KILLS {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(WRITER, &file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = writer.stderr.take().unwrap();
        for _ in 0..1 + kill * 7 % MOST {
            told.read_exact(&mut [0]).expect("the writer ended by itself");
            written += 100;
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let store = Store::open(&file).unwrap();
        let kept = store.points(lease(1)).unwrap();
        assert_eq!(kept, store.points(lease(2)).unwrap(), "half of a write was kept");
        assert!(newest(&store) >= written, "{} of {written}", newest(&store));
        assert!(kept.iter().all(|kept| *kept == point(kept.as_of.0, u128::from(kept.as_of.0))));
        // One of every five minutes since the beginning.
        let slots: Vec<_> = kept.iter().map(|point| point.as_of.0 / SERIES_STEP).collect();
        assert!(slots.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{slots:?}");
        written = newest(&store);
    }
}
