//! `operator meter` on one cluster: watches, scrapes and publishes until it is told to stop.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Client, runtime::watcher::Event};
use telemetry::{CancellationToken, Check, Health};
use tokio::{
    task::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Meter, MeterSettings,
    keeper::{Keeper, LedgerSettings},
    kubelet::KubeletClient,
    metrics::MeterMetrics,
    publish::{self, Publication, Published},
    scrape, watch,
};
use crate::{
    client::{self, Rate},
    election::{Election, ElectionSettings, Lost},
    operation::Error,
    watches::{WatchTimes, Watches},
};

/// Publications that are written at the same time.
const PARALLEL: usize = 8;
/// Longest wait between tries of a last publication.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Everything that the meter needs from outside.
pub struct Metering {
    /// Connection to the API server, for reading and for the election.
    pub client: Client,
    /// Which replica publishes.
    pub election: ElectionSettings,
    /// How many calls the publishing connection may make.
    pub rate: Rate,
    /// How long a watch may take for what.
    pub watch_times: WatchTimes,
    /// Namespace of the `ComputeLease` objects.
    pub system_namespace: String,
    /// Connection to the kubelets.
    pub kubelets: KubeletClient,
    /// How often to do what.
    pub settings: MeterSettings,
    /// Where to keep what is counted, beside the status of each lease.
    pub ledger: Option<LedgerSettings>,
    /// Registered metrics.
    pub metrics: MeterMetrics,
}

impl Metering {
    /// Stands by until this replica is elected, then works until the token is cancelled. Whatever ends it
    /// early must end the process: another replica takes over.
    pub async fn run(self, health: &Health, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { client, election, rate, watch_times, system_namespace, kubelets, .. } = self;
        let (settings, ledger, metrics) = (self.settings, self.ledger, self.metrics);
        let caches_ready = health.ready.add("caches", "not synced yet");
        let watches = Watches::new(client.clone(), watch_times, metrics.watches.clone());
        let guard = tokio::spawn(watches.clone().guard(health.clone()));
        let meter = Arc::new(Meter::new(settings, kubelets, metrics));
        let caches = tokio::spawn(report_caches(meter.clone(), caches_ready));
        let (watched, token) = (meter.clone(), shutdown.clone());
        let mut election = Election::new(client.clone(), election);
        let publishing = client::elected(client.clone(), rate, election.term());
        let watching =
            tokio::spawn(async move { watch::run(watched, watches, &system_namespace, token).await });
        // One that stands by follows the cluster, so that it takes over with everything seen.
        let is_elected = tokio::select! {
            () = election.acquire() => true,
            () = shutdown.cancelled() => false,
        };
        let held = if is_elected {
            let worked = CancellationToken::new();
            let holding = tokio::spawn(election.hold(worked.clone()));
            // A lost election makes every write fail, and ends the work with the process.
            worked_until(holding, meter.work(&publishing, ledger.map(Keeper::new), &shutdown), worked).await
        } else {
            Ok(())
        };
        shutdown.cancel();
        caches.abort();
        guard.abort();
        watching.await.map_err(Error::Panicked)?;
        held
    }
}

/// Works while the election is held, and gives it up when the work is done.
async fn worked_until(
    mut holding: JoinHandle<Result<(), Lost>>,
    work: impl Future<Output = Result<(), ledger::Error>>,
    worked: CancellationToken,
) -> Result<(), Error> {
    let (done, ended) = tokio::select! {
        ended = &mut holding => (Ok(()), ended),
        done = work => {
            worked.cancel();
            (done, holding.await)
        }
    };
    ended.map_err(Error::Panicked)?.map_err(Error::Lost)?;
    done.map_err(Error::Ledger)
}

/// Says which watches have not listed yet: one without the right to list never does.
async fn report_caches(meter: Arc<Meter>, check: Check) {
    let mut interval = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            () = meter.listed.cancelled() => return check.pass(),
            _ = interval.tick() => {
                let waiting: Vec<_> = meter.lock().sight.waiting().collect();
                check.fail(&format!("not listed yet: {} (the log says why)", waiting.join(", ")));
            }
        }
    }
}

impl Meter {
    /// Only what leads gets here: the ledger has one writer.
    async fn work(
        &self,
        client: &Client,
        mut keeper: Option<Keeper>,
        shutdown: &CancellationToken,
    ) -> Result<(), ledger::Error> {
        // Before the watches have seen everything, a pod that is missing is not a pod that is gone.
        tokio::select! {
            () = self.listed.cancelled() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        if let Some(keeper) = &mut keeper {
            self.adopt(keeper).await;
        }
        let mut turn: u32 = 0;
        loop {
            let next = Instant::now() + scrape::jittered(self.settings.scrape_interval, turn);
            turn = turn.wrapping_add(1);
            self.turn(Timestamp::now()).await;
            let mut failures: u32 = 0;
            loop {
                // A lease that ends does not wait for the next turn.
                self.finish(Timestamp::now()).await;
                self.look_at_dying(Timestamp::now()).await;
                // What is published can be proved from then on.
                self.keep(keeper.as_mut(), Timestamp::now()).await?;
                let failed = self.publish(client, self.publications(Timestamp::now())).await;
                failures = if failed == 0 { 0 } else { failures.saturating_add(1) };
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break,
                    () = self.dying.notified() => {}
                    () = until(self.next_death()) => {}
                    () = self.ending.notified() => {}
                    () = retry(failures) => {}
                    () = shutdown.cancelled() => return Ok(()),
                }
            }
        }
    }

    /// Writes publications; returns how many have to be tried again.
    async fn publish(&self, client: &Client, publications: Vec<Publication>) -> usize {
        let results: Vec<bool> = stream::iter(publications)
            .map(|publication| async move { self.publish_one(client, &publication).await })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        results.into_iter().filter(|written| !written).count()
    }

    /// Whether nothing is left to do for this publication.
    async fn publish_one(&self, client: &Client, publication: &Publication) -> bool {
        let published = publish::publish(client, publication).await;
        let result = match &published {
            Ok(Published::Taken(_)) => "ok",
            Ok(Published::Gone | Published::Superseded(_)) => "superseded",
            Err(_) => "error",
        };
        self.metrics.api_writes.with_label_values(&[result]).inc();
        match published {
            Ok(Published::Taken(lease)) => {
                // The watch shows it too, but later.
                self.saw_lease(&Event::Apply(*lease), Timestamp::now());
                true
            }
            Ok(Published::Gone) => true,
            Ok(Published::Superseded(found)) => {
                self.start_over(&publication.uid);
                if let Some(lease) = found {
                    self.saw_lease(&Event::Apply(*lease), Timestamp::now());
                }
                false
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to publish");
                false
            }
        }
    }
}

/// Ends at a moment; never, where there is none.
async fn until(moment: Option<Timestamp>) {
    let Some(moment) = moment else { return std::future::pending().await };
    // A moment that has passed leaves nothing to wait for.
    let wait = Duration::try_from(moment.duration_since(Timestamp::now())).unwrap_or_default();
    tokio::time::sleep(wait).await;
}

/// Ends after a wait that grows with the failures in a row; never, when there was none.
async fn retry(failures: u32) {
    if failures == 0 {
        return std::future::pending().await;
    }
    tokio::time::sleep(Duration::from_secs(1 << failures.min(6)).min(LONGEST_BACKOFF)).await;
}
