//! Counts what leases hold and use, and publishes cumulative totals in their status.
//!
//! A process and an identity of its own, `operator meter`: whoever counts may not provision, and whoever
//! provisions may not reach a kubelet. The arithmetic is in `usage`; here are the eyes (watches and
//! kubelets) and the clock. What is published carries the book's state, so a killed meter goes on where it
//! published last: counters are never counted twice, and what was running meanwhile is credited from its own
//! counters. With a ledger it also keeps the evidence, and goes on where it was killed.

mod account;
mod conservation;
mod deaths;
mod keeper;
pub mod kubelet;
pub mod metrics;
mod node;
mod publish;
pub(crate) mod quantity;
pub mod run;
mod scrape;
mod sight;
mod view;
mod watch;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crd::ComputeLease;
use jiff::Timestamp;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, PersistentVolumeClaim, Pod},
};
use kube::{ResourceExt, runtime::watcher::Event};
use telemetry::CancellationToken;
use tokio::{sync::Notify, time::Duration};
use usage::Millis;

pub use keeper::LedgerSettings;

use self::{
    account::Account,
    conservation::{Conservation, WHOLE},
    deaths::Deaths,
    kubelet::KubeletClient,
    metrics::MeterMetrics,
    publish::Publication,
    sight::{Life, MeteredLease, Sight},
};

/// How often the last scrape of a lease is tried before its usage is final without it.
const FINAL_SCRAPES: usize = 3;

/// How often the meter does what.
#[derive(Clone, Copy, Debug)]
pub struct MeterSettings {
    /// Time between two scrapes of a node.
    pub scrape_interval: Duration,
    /// Shortest time between two publications of a lease.
    pub publish_interval: Duration,
    /// Most publications of running leases in a second, on average: with many leases each waits longer for its turn.
    pub publish_rate: NonZeroU32,
}

impl MeterSettings {
    /// Most publications between two scrapes.
    fn publications_per_turn(&self) -> usize {
        let per_second = usize::try_from(self.publish_rate.get()).unwrap_or(usize::MAX);
        let seconds = usize::try_from(self.scrape_interval.as_secs()).unwrap_or(usize::MAX);
        per_second.saturating_mul(seconds.max(1))
    }
}

/// The meter of all leases.
pub struct Meter {
    settings: MeterSettings,
    kubelets: KubeletClient,
    metrics: MeterMetrics,
    state: Mutex<State>,
    /// A pod was told to end, and its node knows its last counters.
    dying: Notify,
    /// A lease may wait for its last publication.
    ending: Notify,
    /// Cancelled once all watches have listed.
    listed: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    sight: Sight,
    deaths: Deaths,
    conservation: Conservation,
    /// By UID of the lease.
    accounts: HashMap<String, Account>,
}

impl Meter {
    /// A meter that has counted nothing.
    pub fn new(settings: MeterSettings, kubelets: KubeletClient, metrics: MeterMetrics) -> Self {
        Self {
            settings,
            kubelets,
            metrics,
            state: Mutex::default(),
            dying: Notify::new(),
            ending: Notify::new(),
            listed: CancellationToken::new(),
        }
    }

    fn saw_lease(&self, event: &Event<ComputeLease>, now: Timestamp) {
        let mut state = self.lock();
        state.sight.leases.take(event, |lease| Some(MeteredLease::of(lease)));
        match event {
            Event::Init => {}
            Event::InitApply(lease) => state.meet(lease),
            Event::Apply(lease) => {
                state.meet(lease);
                if !state.observe_counting(&lease.name_any(), now) {
                    self.ending.notify_one();
                }
            }
            Event::InitDone => {
                let State { sight, accounts, .. } = &mut *state;
                let known: BTreeSet<&str> = sight.leases.all().map(|lease| lease.uid.as_str()).collect();
                accounts.retain(|uid, _| known.contains(uid.as_str()));
                self.ending.notify_one();
            }
            Event::Delete(lease) => {
                state.accounts.remove(&lease.uid().unwrap_or_default());
            }
        }
        self.note_list(&state);
    }

    /// Each event of a pod is counted at once, so that the end of a container is seen while the API still
    /// tells when it was.
    fn saw_pod(&self, event: &Event<Pod>, now: Timestamp) {
        let mut state = self.lock();
        let before = state.sight.ends_by(event);
        state.sight.pods.take(event, sight::pod);
        if let Event::Apply(pod) | Event::Delete(pod) = event {
            let is_counted = state.observe_counting(&pod.namespace().unwrap_or_default(), now);
            let ends_by = state.sight.ends_by(event).filter(|ends_by| is_counted && before != Some(*ends_by));
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            if let (Some(ends_by), Some(node)) = (ends_by, node) {
                state.deaths.announce(node, now, ends_by);
                self.dying.notify_one();
            }
        }
        self.note_list(&state);
    }

    fn saw_claim(&self, event: &Event<PersistentVolumeClaim>, now: Timestamp) {
        let mut state = self.lock();
        state.sight.claims.take(event, sight::claim);
        if let Event::Apply(claim) | Event::Delete(claim) = event {
            state.observe_counting(&claim.namespace().unwrap_or_default(), now);
        }
        self.note_list(&state);
    }

    fn saw_node(&self, event: &Event<Node>, _now: Timestamp) {
        let mut state = self.lock();
        state.sight.nodes.take(event, node::node);
        self.note_list(&state);
    }

    fn saw_heartbeat(&self, event: &Event<Lease>, _now: Timestamp) {
        let mut state = self.lock();
        state.sight.heartbeats.take(event, node::heartbeat);
        self.note_list(&state);
    }

    fn note_list(&self, state: &State) {
        if !self.listed.is_cancelled() && state.sight.is_complete() {
            self.listed.cancel();
        }
    }

    /// One turn: look, ask the nodes, and cut the accounts whose publication is due.
    async fn turn(&self, now: Timestamp) {
        let nodes = self.lock().observe_all(now);
        self.scrape(&nodes, now).await;
        // A node that answered lived until now.
        self.lock().observe_all(now);
        let published = self.lock().cut(&self.settings, now, &self.metrics);
        self.metrics.publications.inc_by(published);
    }

    /// Asks the nodes of pods that are about to go.
    async fn look_at_dying(&self, now: Timestamp) {
        let nodes = {
            let mut state = self.lock();
            let due = state.deaths.take_due(now);
            state.sight.addresses(due)
        };
        self.scrape(&nodes, now).await;
    }

    /// When the next look at a dying pod is due.
    fn next_death(&self) -> Option<Timestamp> {
        self.lock().deaths.next()
    }

    /// Counts the rest of the leases that end, and cuts their accounts for the last time.
    ///
    /// A node that cannot be reached costs the provider the last few seconds of measured use: what was
    /// allocated is known without it.
    async fn finish(&self, now: Timestamp) {
        let (uids, nodes) = self.lock().observe_ending(now);
        if uids.is_empty() {
            return;
        }
        for _ in 0..FINAL_SCRAPES {
            if self.scrape(&nodes, now).await == scrape::Scraped::All {
                break;
            }
        }
        let mut state = self.lock();
        state.observe_ending(now);
        for uid in uids {
            if let Some(account) = state.accounts.get_mut(&uid) {
                account.finish();
                self.metrics.publications.inc();
            }
        }
    }

    /// Everything that the API does not show yet.
    fn publications(&self, now: Timestamp) -> Vec<Publication> {
        let stale_after = self.settings.scrape_interval * 3;
        let state = self.lock();
        let lacking = |lease: &MeteredLease| {
            let account = state.accounts.get(&lease.uid)?;
            if lease.life != Life::Counting && !account.is_finished() {
                return None;
            }
            let freshness = account::freshness(lease.term, account.sampled_at(), now, stale_after);
            publish::due(lease, account, freshness, now)
        };
        state.sight.leases.all().filter(|lease| lease.life != Life::Final).filter_map(lacking).collect()
    }

    /// Forgets what was counted of a lease since it was published last: somebody else published.
    fn start_over(&self, uid: &str) {
        self.lock().accounts.remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens the account of a lease, or replaces one that is behind what stands in the API.
    fn meet(&mut self, lease: &ComputeLease) {
        let seen = MeteredLease::of(lease);
        let published = || lease.status.as_ref().and_then(|status| status.usage.clone());
        let account = self.accounts.get(&seen.uid);
        let is_behind = account.is_none_or(|account| account.sequence() < seen.published);
        match seen.life {
            Life::Final => {}
            Life::Abandoned if account.is_none_or(|account| !account.is_finished()) => {
                let mut account = Account::resume(&seen.name, seen.id.unwrap_or_default(), published());
                account.close();
                self.accounts.insert(seen.uid, account);
            }
            Life::Counting | Life::Ending if is_behind => {
                let account = Account::resume(&seen.name, seen.id.unwrap_or_default(), published());
                self.accounts.insert(seen.uid, account);
            }
            Life::Abandoned | Life::Counting | Life::Ending => {}
        }
    }

    /// Counts what the lease of a namespace was given until now; tells whether there is one that is counted.
    fn observe_counting(&mut self, namespace: &str, now: Timestamp) -> bool {
        if !self.sight.is_complete() {
            return false;
        }
        let Self { sight, accounts, .. } = self;
        // A lease and its namespace have one name.
        let lease = sight.leases.all().find(|lease| lease.name == namespace);
        let Some(lease) = lease.filter(|lease| lease.life == Life::Counting) else { return false };
        let Some(account) = accounts.get_mut(&lease.uid) else { return false };
        account.observe(lease.term, &sight.view(lease), millis(now));
        true
    }

    /// Counts all leases; returns the nodes that know more.
    fn observe_all(&mut self, now: Timestamp) -> BTreeMap<String, IpAddr> {
        let Self { sight, accounts, .. } = self;
        let counting = || sight.leases.all().filter(|lease| lease.life == Life::Counting);
        for lease in counting() {
            if let Some(account) = accounts.get_mut(&lease.uid) {
                account.observe(lease.term, &sight.view(lease), millis(now));
            }
        }
        sight.nodes_of(counting())
    }

    /// Counts the leases that end and are not cut yet; returns them, and the nodes that know more.
    fn observe_ending(&mut self, now: Timestamp) -> (Vec<String>, BTreeMap<String, IpAddr>) {
        let Self { sight, accounts, .. } = self;
        let ending: Vec<&MeteredLease> = sight
            .leases
            .all()
            .filter(|lease| lease.life == Life::Ending)
            .filter(|lease| accounts.get(&lease.uid).is_some_and(|account| !account.is_finished()))
            .collect();
        for lease in &ending {
            if let Some(account) = accounts.get_mut(&lease.uid) {
                account.observe(lease.term, &sight.view(lease), millis(now));
            }
        }
        let uids = ending.iter().map(|lease| lease.uid.clone()).collect();
        (uids, sight.nodes_of(ending))
    }

    /// Cuts the accounts whose publication is due, those first that have waited longest; returns how many.
    fn cut(&mut self, settings: &MeterSettings, now: Timestamp, metrics: &MeterMetrics) -> u64 {
        let Self { sight, accounts, .. } = self;
        let (mut oldest, mut unpublished) = (0, 0);
        let mut waiting = Vec::new();
        for lease in sight.leases.all().filter(|lease| lease.life == Life::Counting) {
            let Some(account) = accounts.get(&lease.uid) else { continue };
            if let (Some(_), Some(sampled_at)) = (lease.term, account.sampled_at()) {
                oldest = oldest.max(millis(now).since(sampled_at) / 1000);
            }
            unpublished = unpublished.max(lease.unpublished_seconds(now));
            waiting.extend(account.waits_since(settings.publish_interval).map(|since| (since, &lease.uid)));
        }
        metrics.lag_seconds.set(i64::try_from(oldest).unwrap_or(i64::MAX));
        metrics.publication_age_seconds.set(unpublished);
        waiting.sort_unstable();
        waiting.truncate(settings.publications_per_turn());
        for (_, uid) in &waiting {
            if let Some(account) = accounts.get_mut(*uid) {
                account.publish();
            }
        }
        let published = waiting.len() as u64;
        self.note_conservation(metrics);
        published
    }

    fn note_conservation(&mut self, metrics: &MeterMetrics) {
        let Self { sight, conservation, .. } = self;
        conservation.retain(|node| sight.nodes.find("", node).is_some());
        let Some(spread) = conservation.spread() else { return };
        for (bound, ratio) in [("lowest", spread.lowest), ("highest", spread.highest)] {
            // A metric, and no money: here alone a ratio is a floating-point number.
            metrics.conservation_ratio.with_label_values(&[bound]).set(ratio as f64 / WHOLE as f64);
        }
    }
}

fn millis(time: Timestamp) -> Millis {
    Millis(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
