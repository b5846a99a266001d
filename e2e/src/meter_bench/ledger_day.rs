//! What a day of a lease takes in the ledger's file.

use std::path::Path;

use anyhow::{Context, Result};
use ledger::{Batch, Entry, Location, Published};
use market::{B256, Timestamp};
use redb::Database;
use usage::{
    Book, ContainerState, ContainerView, Counter, LeaseView, Ledger, Millis, NodeView, PodView,
    ResourceLimits, Sample, Term, Trouble,
};

/// Enough that tables and free pages do not matter.
const LEASES: u8 = 20;
/// The meter's defaults at ten thousand leases: a scrape, and the time from one publication to the next.
const SCRAPE: u64 = 30;
const PUBLISH: u64 = 1_020;
const DAY: u64 = 24 * 3600;
/// An hour on the clock.
const START: u64 = 1_799_996_400;

/// Bytes by which the file's content grows in a day, for each lease of one pod.
///
/// # Errors
/// When the ledger fails.
pub(super) async fn bytes(folder: &Path) -> Result<f64> {
    let path = folder.join("day.redb");
    let store = ledger::open(&Location::File(path.clone())).await?;
    let mut books: Vec<(B256, Book)> =
        (1..=LEASES).map(|number| (B256::repeat_byte(number), Book::of(Ledger::new()))).collect();
    for (_, book) in &mut books {
        book.set_term(Term { started_at: Timestamp(START), ends_at: None });
    }
    let mut sequence = 0;
    for second in (START..=START + DAY).step_by(usize::try_from(SCRAPE)?) {
        let publishes = (second - START).is_multiple_of(PUBLISH) && second > START;
        sequence += u64::from(publishes);
        let mut entries = Vec::new();
        for (lease, book) in &mut books {
            turn(book, *lease, second);
            let closed = book.take_closed();
            let cut = if publishes { book.cut() } else { None };
            let published: Vec<_> =
                cut.into_iter().map(|cut| Published { sequence, at: second, cut }).collect();
            if !closed.is_empty() || !published.is_empty() {
                let state = serde_json::to_vec(book)?;
                entries.push(Entry { lease: *lease, state, rewind: None, closed, published, signed: None });
            }
        }
        if !entries.is_empty() {
            store.commit(&Batch { at: second, entries }).await?;
        }
    }
    drop(store);
    let database = Database::open(&path).context("failed to open the day's ledger")?;
    let stats = database.begin_write()?.stats()?;
    Ok((stats.stored_bytes() + stats.metadata_bytes()) as f64 / f64::from(LEASES))
}

/// One pod that burns steadily.
fn turn(book: &mut Book, lease: B256, second: u64) {
    let (now, since) = (Millis::from_seconds(second), Millis::from_seconds(START));
    let state = ContainerState::Running { started_at: since, ready_since: Some(since) };
    let limits = ResourceLimits { cpu_milli: 1_500, memory_bytes: 1 << 30, gpu_milli: 0, device_milli: 0 };
    let uid = "0b1c7a3e-5a53-4f3e-9a39-1d7a3f0c8a11";
    let view = LeaseView {
        services: Vec::new(),
        pods: vec![PodView {
            uid: uid.into(),
            service: "web".into(),
            containers: vec![ContainerView { name: "workload".into(), limits, state, last_run: None }],
            overhead: ResourceLimits::default(),
            node: NodeView { alive_until: now, boot: None },
            trouble: Trouble::None,
        }],
        volumes: Vec::new(),
        leased_ips: 0,
        egress_bytes_per_second: None,
    };
    book.observe(lease, now, &view);
    for (counter, per_second) in [
        (Counter::CpuNanoseconds, 600_000_000),
        (Counter::NetworkRxBytes, 40_000),
        (Counter::NetworkTxBytes, 20_000),
    ] {
        let value = (second - START) * per_second;
        book.sample(now, &Sample { pod_uid: uid.into(), counter, start: since, at: now, value });
    }
}
