//! The meter's account of one lease: its book, what was published of it and what has to be kept. Pure.

mod unkept;

use std::collections::{BTreeMap, BTreeSet};

use crd::{LeaseUsage, ResourceUsage, UsedResources, convert};
use jiff::Timestamp;
use ledger::{B256, Entry, Published, Rewind};
use tokio::time::Duration;
use usage::{
    Book, ContainerState, Counter, GaugeSample, LeaseView, Ledger, Millis, PodView, Sample, Term, Totals,
    Used, Verdict,
};

use self::unkept::Unkept;
use super::{kubelet::PodStats, millis, publish::Freshness};

/// Larger states are left out: the API server would refuse the status.
const LONGEST_STATE: usize = 1 << 20;
/// Account of one lease.
#[derive(Debug)]
pub(super) struct Account {
    namespace: String,
    /// The lease's id on chain.
    id: B256,
    book: Book,
    published: Option<LeaseUsage>,
    unkept: Unkept,
    /// Newest reading of each running pod, or when it was first seen running.
    sampled_at: BTreeMap<String, Millis>,
    finished: bool,
}

impl Account {
    /// Goes on from what was published, or begins. What the ledger holds of another history has to go.
    pub(super) fn resume(namespace: &str, id: B256, published: Option<LeaseUsage>) -> Self {
        let book = published.as_ref().map_or_else(|| Book::of(Ledger::new()), resume_book);
        let (five, hour) = book.open_since().unwrap_or_default();
        let mut account = Self::go_on(namespace, id, book, published);
        account.unkept.rewind(Rewind { five, hour, sequence: account.sequence_kept() });
        account
    }

    /// Goes on from what was kept after the publication that stands.
    pub(super) fn adopt(&mut self, book: Book) {
        let (namespace, published) = (std::mem::take(&mut self.namespace), self.published.take());
        *self = Self::go_on(&namespace, self.id, book, published);
        // Its rollups go on; publications that nobody saw are made again under their numbers.
        let sequence = self.sequence_kept();
        self.unkept.rewind(Rewind { five: u64::MAX, hour: u64::MAX, sequence });
    }

    fn go_on(namespace: &str, id: B256, book: Book, published: Option<LeaseUsage>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            id,
            book,
            published,
            unkept: Unkept::default(),
            sampled_at: BTreeMap::new(),
            finished: false,
        }
    }

    /// Sequence of the newest publication, as the ledger numbers it.
    fn sequence_kept(&self) -> u64 {
        u64::try_from(self.sequence()).unwrap_or(0)
    }

    /// Name of the lease's namespace.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The newest publication.
    pub(super) fn published(&self) -> Option<&LeaseUsage> {
        self.published.as_ref()
    }

    /// Sequence of the newest publication, 0 for none.
    pub(super) fn sequence(&self) -> i64 {
        self.published.as_ref().map_or(0, |usage| usage.sequence)
    }

    /// The oldest of the newest readings of its running pods.
    pub(super) fn sampled_at(&self) -> Option<Millis> {
        self.sampled_at.values().min().copied()
    }

    /// Whether the last publication was made.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Counts what was given until now.
    pub(super) fn observe(&mut self, term: Option<crd::Term>, view: &LeaseView, now: Millis) {
        if self.finished {
            return;
        }
        if let Some(term) = term {
            let second = |value: i64| market::Timestamp(u64::try_from(value).unwrap_or(0));
            self.book
                .set_term(Term { started_at: second(term.started_at), ends_at: Some(second(term.ends_at)) });
        }
        self.book.observe(self.id, now, view);
        self.unkept.close(self.book.take_closed());
        let running: BTreeSet<&String> =
            view.pods.iter().filter(|pod| is_running(pod)).map(|pod| &pod.uid).collect();
        self.sampled_at.retain(|uid, _| running.contains(uid));
        for uid in running {
            self.sampled_at.entry(uid.clone()).or_insert(now);
        }
    }

    /// Counts the readings of one pod; returns what became of each.
    pub(super) fn sample(&mut self, pod: &PodStats, now: Millis) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let Some(start) = pod.start_time.map(millis) else { return verdicts };
        let uid = &pod.pod_ref.uid;
        let mut counter = |book: &mut Book, counter: Counter, at: Timestamp, value: Option<u64>| {
            let value = value?;
            let sample = Sample { pod_uid: uid.clone(), counter, start, at: millis(at), value };
            verdicts.push(book.sample(now, &sample));
            Some(sample.at)
        };
        if let Some(cpu) = &pod.cpu
            && let Some(at) =
                counter(&mut self.book, Counter::CpuNanoseconds, cpu.time, cpu.usage_core_nano_seconds)
        {
            self.sampled_at.entry(uid.clone()).and_modify(|newest| *newest = at.max(*newest));
        }
        if let Some(network) = &pod.network {
            counter(&mut self.book, Counter::NetworkRxBytes, network.time, network.rx_bytes);
            counter(&mut self.book, Counter::NetworkTxBytes, network.time, network.tx_bytes);
        }
        if let Some(memory) = &pod.memory
            && let Some(bytes) = memory.working_set_bytes
        {
            let sample = GaugeSample { pod_uid: uid.clone(), at: millis(memory.time), bytes };
            verdicts.push(self.book.gauge(now, &sample));
        }
        verdicts
    }

    /// Up to when its newest publication counts, if the next one is due.
    pub(super) fn waits_since(&self, interval: Duration) -> Option<u64> {
        let as_of = self.book.as_of().0;
        // Before its term a ledger counts nothing and its time stands still.
        if self.finished || as_of == 0 {
            return None;
        }
        let Some(published) = &self.published else { return Some(0) };
        let since = u64::try_from(published.as_of).unwrap_or(0);
        (as_of >= since.saturating_add(interval.as_secs())).then_some(since)
    }

    /// Makes the last publication, unless nothing was ever counted.
    pub(super) fn finish(&mut self) {
        if !self.finished && self.book.as_of().0 > 0 {
            self.publish();
        }
        self.finished = true;
    }

    /// Counts nothing any more: what was published stands.
    pub(super) fn close(&mut self) {
        self.finished = true;
    }

    /// Notes which statement the tenant signed last.
    pub(super) fn note_signed(&mut self, root: Option<B256>) {
        self.unkept.sign(root);
    }

    /// Everything that the ledger was not told yet; none if there is nothing.
    pub(super) fn take_entry(&mut self) -> Option<Entry> {
        let unkept = self.unkept.take()?;
        match serde_json::to_vec(&self.book) {
            Ok(state) => Some(Entry { lease: self.id, state, ..unkept }),
            Err(error) => {
                tracing::error!(namespace = self.namespace, %error, "failed to write the meter's state");
                None
            }
        }
    }

    /// Takes back what the ledger did not take.
    pub(super) fn put_back(&mut self, entry: Entry) {
        self.unkept.put_back(entry);
    }

    /// Forgets what no ledger wants.
    pub(super) fn discard_unkept(&mut self) {
        self.unkept = Unkept::default();
    }

    /// Publishes what was counted until now.
    pub(super) fn publish(&mut self) {
        let (before, sequence) = match &self.published {
            Some(published) => (published.as_of, published.sequence.saturating_add(1)),
            None => (0, 1),
        };
        let totals = self.book.totals();
        let root = self.book.meter_root();
        let as_of = i64::try_from(self.book.as_of().0).unwrap_or(i64::MAX);
        let state = serde_json::to_string(&self.book).ok().filter(|state| state.len() <= LONGEST_STATE);
        if state.is_none() {
            tracing::error!(
                namespace = self.namespace,
                "the meter's state is too large to publish; a restart would cost the provider some usage"
            );
        }
        self.published = Some(LeaseUsage {
            // An end that was brought nearer may not turn published time back.
            as_of: as_of.max(before),
            sequence,
            allocated: ResourceUsage::from(&totals.allocated),
            used: used(&totals.used),
            meter_root: convert::hex(root.as_slice()),
            state,
        });
        if let Some(cut) = self.book.cut() {
            let at = self.book.as_of().0;
            self.unkept.publish(Published { sequence: self.sequence_kept(), at, cut });
        }
    }
}

fn is_running(pod: &PodView) -> bool {
    pod.containers.iter().any(|container| matches!(container.state, ContainerState::Running { .. }))
}

/// Whether a lease is being counted, from its term and the age of its readings.
pub(super) fn freshness(
    term: Option<crd::Term>,
    sampled_at: Option<Millis>,
    now: Timestamp,
    stale_after: Duration,
) -> Freshness {
    let Some(term) = term else { return Freshness::NotStarted };
    if now.as_second() < term.started_at {
        return Freshness::NotStarted;
    }
    if now.as_second() >= term.ends_at {
        return Freshness::Ended;
    }
    // A lease that was never sampled may be as new as its term.
    let since = sampled_at.unwrap_or(Millis(u64::try_from(term.started_at).unwrap_or(0) * 1000));
    let age = Duration::from_millis(millis(now).since(since));
    if age <= stale_after { Freshness::Fresh } else { Freshness::Stale }
}

/// A publication without a readable state still holds totals, and they must never fall.
fn resume_book(usage: &LeaseUsage) -> Book {
    let state = usage.state.as_deref().and_then(|state| serde_json::from_str(state).ok());
    state.unwrap_or_else(|| {
        let totals =
            Totals { allocated: usage.allocated().unwrap_or_default(), used: parse_used(&usage.used) };
        tracing::warn!("the meter's state is missing or unreadable; going on from the published totals");
        Book::of(Ledger::resume(&totals, usage.as_of().unwrap_or_default()))
    })
}

fn used(used: &Used) -> UsedResources {
    UsedResources {
        cpu_nanoseconds: used.cpu_ns.to_string(),
        memory_byte_seconds: used.memory_byte_seconds.to_string(),
        network_rx_bytes: used.network_rx_bytes.to_string(),
        network_tx_bytes: used.network_tx_bytes.to_string(),
    }
}

fn parse_used(wire: &UsedResources) -> Used {
    Used {
        cpu_ns: wire.cpu_nanoseconds.parse().unwrap_or_default(),
        memory_byte_seconds: wire.memory_byte_seconds.parse().unwrap_or_default(),
        network_rx_bytes: wire.network_rx_bytes.parse().unwrap_or_default(),
        network_tx_bytes: wire.network_tx_bytes.parse().unwrap_or_default(),
    }
}
