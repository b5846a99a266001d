//! Counts what leases hold and use, and publishes cumulative totals in their status.
//!
//! The arithmetic is in `usage`; here are the eyes (watches and kubelets) and the clock. What is published
//! carries the ledger's state, so a killed operator goes on where it published last: counters are never
//! counted twice, and what was running meanwhile is credited from its own counters.

mod account;
pub mod kubelet;
pub(crate) mod quantity;
mod scrape;
mod view;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crd::{ComputeLease, DesiredState, LeaseUsage, condition};
use futures::channel::mpsc;
use jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use telemetry::CancellationToken;
use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};
use usage::{LeaseView, Millis};

use self::{account::Account, kubelet::KubeletClient};
use crate::{
    lease_controller::{
        Stores,
        run::{Synced, Trigger},
    },
    metrics::Metrics,
};

/// How often the last scrape of a lease is tried before its usage is final without it.
const FINAL_SCRAPES: usize = 3;

/// Whether usage is being counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The term has not begun.
    NotStarted,
    /// All nodes of the lease have answered lately.
    Fresh,
    /// A node of the lease has not answered for three scrapes.
    Stale,
    /// The term is over.
    Ended,
}

/// What the meter has to say about a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterView {
    /// The newest publication, if there is one.
    pub usage: Option<LeaseUsage>,
    /// Whether usage is being counted.
    pub freshness: Freshness,
}

/// How often the meter does what.
#[derive(Clone, Copy, Debug)]
pub struct MeterSettings {
    /// Time between two scrapes of a node.
    pub scrape_interval: Duration,
    /// Time between two publications of a lease.
    pub publish_interval: Duration,
}

/// The meter of all leases.
pub struct Meter {
    settings: MeterSettings,
    kubelets: KubeletClient,
    metrics: Metrics,
    triggers: mpsc::UnboundedSender<Trigger>,
    accounts: Mutex<HashMap<String, Account>>,
    /// A pod is about to go, and its node knows its last counters.
    dying: Notify,
}

impl Meter {
    /// A meter that has counted nothing; `triggers` makes the controller write what was published.
    pub fn new(
        settings: MeterSettings,
        kubelets: KubeletClient,
        metrics: Metrics,
        triggers: mpsc::UnboundedSender<Trigger>,
    ) -> Self {
        Self { settings, kubelets, metrics, triggers, accounts: Mutex::default(), dying: Notify::new() }
    }

    /// What to write into the status of a lease.
    pub fn view(&self, lease: &ComputeLease, now: Timestamp) -> MeterView {
        let stale_after = self.settings.scrape_interval * 3;
        match self.lock().get(&uid(lease)) {
            None => MeterView { usage: None, freshness: account::freshness(lease, None, now, stale_after) },
            Some(account) => MeterView {
                usage: account.published().cloned(),
                freshness: account::freshness(lease, account.sampled_at(), now, stale_after),
            },
        }
    }

    /// Counts what a lease was given until now. Called at each event of its pods, so that the end of a
    /// container is seen while the API still tells when it was.
    pub fn observe(&self, lease: &ComputeLease, stores: &Stores, now: Timestamp) {
        if is_metered(lease) {
            self.observe_view(lease, &view::of_lease(lease, stores), now);
        }
    }

    /// Counts the rest of a lease that ends, and makes its last publication; `None` if its term never began.
    ///
    /// A node that cannot be reached costs the provider the last few seconds of measured use: what was
    /// allocated is known without it.
    pub async fn finish(&self, lease: &ComputeLease, stores: &Stores, now: Timestamp) -> Option<LeaseUsage> {
        if let Some(account) = self.lock().get(&uid(lease)).filter(|account| account.is_finished()) {
            return account.published().cloned();
        }
        self.observe_view(lease, &view::of_lease(lease, stores), now);
        let nodes = scrape::nodes_of(stores, |pod| pod.namespace() == lease.metadata.name);
        for _ in 0..FINAL_SCRAPES {
            if self.scrape(&nodes, now).await == scrape::Scraped::All {
                break;
            }
        }
        let mut accounts = self.lock();
        let account = accounts.entry(uid(lease)).or_insert_with(|| Account::resume(lease));
        account.finish();
        let usage = account.published().cloned();
        if usage.is_some() {
            self.metrics.meter.publications.inc();
        }
        usage
    }

    /// Forgets a lease that is gone.
    pub fn forget(&self, lease: &ComputeLease) {
        self.lock().remove(&uid(lease));
    }

    /// Scrapes at once instead of at the next turn, because a pod is about to go.
    pub fn pod_is_dying(&self) {
        self.dying.notify_one();
    }

    /// Scrapes and publishes until the token is cancelled.
    pub async fn run(
        self: Arc<Self>,
        leases: Store<ComputeLease>,
        stores: Stores,
        synced: Synced,
        shutdown: CancellationToken,
    ) {
        // Before the watches have seen everything, a pod that is missing is not a pod that is gone.
        tokio::select! {
            () = synced.all() => {}
            () = shutdown.cancelled() => return,
        }
        let mut turn: u32 = 0;
        loop {
            let next = Instant::now() + scrape::jittered(self.settings.scrape_interval, turn);
            turn = turn.wrapping_add(1);
            self.turn(leases.state(), &stores, Timestamp::now()).await;
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.dying.notified() => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// One turn: look, ask the nodes, publish what is due.
    async fn turn(&self, leases: Vec<Arc<ComputeLease>>, stores: &Stores, now: Timestamp) {
        let leases: Vec<Arc<ComputeLease>> = leases.into_iter().filter(|lease| is_metered(lease)).collect();
        for lease in &leases {
            self.observe_view(lease, &view::of_lease(lease, stores), now);
        }
        let nodes =
            scrape::nodes_of(stores, |pod| leases.iter().any(|lease| pod.namespace() == lease.metadata.name));
        self.scrape(&nodes, now).await;
        let due = self.publish(&leases, now);
        for lease in due {
            // The receiver lives as long as the controller; without it nothing is left to do.
            let _ = self.triggers.unbounded_send(lease);
        }
    }

    fn observe_view(&self, lease: &ComputeLease, view: &LeaseView, now: Timestamp) {
        let mut accounts = self.lock();
        let account = accounts.entry(uid(lease)).or_insert_with(|| Account::resume(lease));
        account.observe(lease, view, millis(now));
    }

    fn publish(&self, leases: &[Arc<ComputeLease>], now: Timestamp) -> Vec<Trigger> {
        let mut accounts = self.lock();
        let mut due = Vec::new();
        let mut oldest = 0;
        for lease in leases {
            let Some(account) = accounts.get_mut(&uid(lease)) else { continue };
            if let (Some(_), Some(sampled_at)) = (&lease.spec.term, account.sampled_at()) {
                oldest = oldest.max(millis(now).since(sampled_at) / 1000);
            }
            if account.publish(self.settings.publish_interval) {
                self.metrics.meter.publications.inc();
                due.push(ObjectRef::from_obj(lease.as_ref()));
            }
        }
        self.metrics.meter.lag_seconds.set(i64::try_from(oldest).unwrap_or(i64::MAX));
        due
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Account>> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a lease may still use something. Pods are observed before the term too, so that it begins with
/// known counters.
fn is_metered(lease: &ComputeLease) -> bool {
    lease.spec.desired != DesiredState::Ended
        && lease.metadata.deletion_timestamp.is_none()
        && !condition::is_true(lease.conditions(), condition::USAGE_FINAL)
}

fn uid(lease: &ComputeLease) -> String {
    lease.uid().unwrap_or_default()
}

fn millis(time: Timestamp) -> Millis {
    Millis(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests;
