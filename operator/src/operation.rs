//! Puts the parts of `operator run` together on one cluster: the only place that knows all of them.

use std::sync::Arc;

use crd::{ComputeLease, LeaseName, condition};
use futures::{StreamExt, channel::mpsc};
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    runtime::{
        events::{Recorder, Reporter},
        reflector::{ObjectRef, Store},
    },
};
use telemetry::{CancellationToken, Check, Health};
use tokio::{
    task::{JoinError, JoinSet},
    time::Duration,
};

use crate::{
    canary::{
        self, CanarySettings,
        enforcement::{Enforcement, Network},
    },
    client::{self, Rate},
    election::{Election, ElectionSettings, Lost},
    lease_controller::{
        Context,
        hosts::{
            proofs::{Proofs, ReadTexts},
            sweep,
        },
        images::ImageBook,
        memory::Memory,
        run::{self, Feed, Synced},
        stores::Writers,
    },
    metrics::{Leadership, Metrics},
    settings::Settings,
    watches::{WatchTimes, Watches},
};

/// Everything that the operator needs from outside.
pub struct Operation {
    /// Connection to the API server, for reading and for the election.
    pub client: Client,
    /// Which replica works.
    pub election: ElectionSettings,
    /// How many calls the working connection may make.
    pub rate: Rate,
    /// How long a watch may take for what.
    pub watch_times: WatchTimes,
    /// Look-ups of images.
    pub images: ImageBook,
    /// Registered metrics.
    pub metrics: Metrics,
    /// Decisions of the provider.
    pub settings: Settings,
    /// Reads the records that prove who owns a host; none without a Gateway.
    pub host_records: Option<Arc<dyn ReadTexts>>,
    /// Proves that the network keeps leases apart; without it nobody looks.
    pub canary: Option<CanarySettings>,
}

/// Why the operation ended although nobody asked for it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another replica may be working now.
    #[error("failed to stay elected")]
    Lost(#[source] Lost),
    /// A part of it panicked.
    #[error("failed to keep all parts running")]
    Panicked(#[source] JoinError),
    /// Another meter may be working now.
    #[error("failed to stay the only writer of the meter's ledger")]
    Ledger(#[source] ledger::Error),
}

impl Operation {
    /// Stands by until this replica is elected, then works until the token is cancelled. Whatever ends it early must end the
    /// process: another replica takes over.
    pub async fn run(self, health: &Health, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { client, election, rate, watch_times, images, metrics, settings, host_records, canary } =
            self;
        let crds_ready = health.ready.add("crds", "not looked yet");
        let caches_ready = health.ready.add("caches", "not synced yet");
        let writers = Writers::default();
        let (leases, stores) = (writers.leases.as_reader(), writers.stores());
        let synced = Synced::default();
        let election = Election::new(client.clone(), election);
        let client = client::elected(client, rate, election.term());
        let (proofs, questions) = Proofs::new();
        let proofs = Arc::new(proofs);
        let (news, from_proofs) = mpsc::unbounded();
        let system = settings.system_namespace.clone();
        let from_proofs = from_proofs
            .map(move |lease: LeaseName| ObjectRef::<ComputeLease>::new(lease.as_str()).within(&system));
        let reporter = Reporter { controller: "leasehold-operator".to_owned(), instance: None };
        let ctx = Arc::new(Context {
            recorder: Recorder::new(client.clone(), reporter),
            client: client.clone(),
            settings,
            stores,
            synced: synced.clone(),
            metrics: metrics.clone(),
            images,
            live: Arc::default(),
            memory: Memory::default(),
            proofs: proofs.clone(),
            network: Arc::new(Network::new(match canary {
                Some(_) => Enforcement::Pending,
                None => Enforcement::Unchecked,
            })),
            clock: Timestamp::now,
        });

        let watches = Watches::new(client.clone(), watch_times, metrics.watches.clone());

        wait_for_crds(&client, &crds_ready, &shutdown).await;
        // Dropping the set ends its tasks.
        let mut reports = JoinSet::new();
        reports.spawn(report_caches(synced.clone(), caches_ready));
        reports.spawn(watches.clone().guard(health.clone()));
        reports.spawn(report_phases(leases.clone(), metrics.clone()));
        let elected = CancellationToken::new();
        if let Some(texts) = host_records {
            reports.spawn(proofs.answer(questions, texts, Timestamp::now, news));
            let sweeping = sweep::run(ctx.clone(), leases.clone(), synced.clone(), shutdown.clone());
            reports.spawn(after(elected.clone(), shutdown.clone(), sweeping));
        }
        reports.spawn(after(elected.clone(), shutdown.clone(), {
            let (ctx, synced, shutdown) = (ctx.clone(), synced.clone(), shutdown.clone());
            async move {
                match canary {
                    Some(canary) => canary::run(ctx, canary, synced, shutdown).await,
                    None => canary::clear(ctx, synced, shutdown).await,
                }
            }
        }));
        let worked = CancellationToken::new();
        let mut leading = JoinSet::new();
        leading.spawn(lead(election, metrics, elected.clone(), worked.clone(), shutdown.clone()));
        let mut work = JoinSet::new();
        let feed = Feed { watches, leases, writers };
        work.spawn(run::run(ctx, feed, synced, from_proofs, elected, shutdown.clone()));
        loop {
            tokio::select! {
                Some(ended) = leading.join_next() => {
                    return ended.map_err(Error::Panicked)?.map_err(Error::Lost);
                }
                part = work.join_next(), if !worked.is_cancelled() => match part {
                    // Nothing goes on without the controller.
                    Some(part) => { part.map_err(Error::Panicked)?; shutdown.cancel(); }
                    // Only now may another replica write.
                    None => { worked.cancel(); }
                },
            }
        }
    }
}

/// Gets elected, says so, and stays elected until the work is done.
async fn lead(
    mut election: Election,
    metrics: Metrics,
    elected: CancellationToken,
    worked: CancellationToken,
    shutdown: CancellationToken,
) -> Result<(), Lost> {
    metrics.set_leader(Leadership::Standby);
    tokio::select! {
        () = election.acquire() => {}
        () = shutdown.cancelled() => return Ok(()),
    }
    metrics.set_leader(Leadership::Leader);
    elected.cancel();
    let ended = election.hold(worked).await;
    metrics.set_leader(Leadership::Standby);
    ended
}

/// Does something once this replica is elected, and never if it is told to end before.
async fn after(elected: CancellationToken, shutdown: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = elected.cancelled() => work.await,
        () = shutdown.cancelled() => {}
    }
}

/// Longest time that one look for the definition may take.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// Watches of a missing kind would only fail; the chart may install the definition after us.
async fn wait_for_crds(client: &Client, check: &Check, shutdown: &CancellationToken) {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let name = ComputeLease::crd().name_any();
    let mut wait = tokio::time::interval(Duration::from_secs(2));
    while !shutdown.is_cancelled() {
        tokio::select! {
            _ = wait.tick() => {}
            () = shutdown.cancelled() => return,
        }
        // A look without an answer is tried again, on another connection.
        let look = tokio::time::timeout(LONGEST_LOOK, definitions.get_metadata_opt(&name)).await;
        match look.unwrap_or_else(|elapsed| Err(kube::Error::Service(elapsed.into()))) {
            Ok(Some(_)) => return check.pass(),
            Ok(None) => check.fail(&format!("{name} is not installed")),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to look for {name}");
                check.fail(&format!("failed to look for {name}"));
            }
        }
    }
}

/// Says which watches have not listed yet: one without the right to list never does, and nothing is reconciled before it has.
async fn report_caches(synced: Synced, check: Check) {
    let mut interval = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            () = synced.all() => return check.pass(),
            _ = interval.tick() => {
                let waiting: Vec<_> = synced.waiting().collect();
                check.fail(&format!("not listed yet: {} (the log says why)", waiting.join(", ")));
            }
        }
    }
}

async fn report_phases(leases: Store<ComputeLease>, metrics: Metrics) {
    let mut interval = tokio::time::interval(Duration::from_secs(15));
    loop {
        interval.tick().await;
        let leases = leases.state();
        let stuck = leases.iter().filter(|lease| condition::is_true(lease.conditions(), condition::STUCK));
        metrics.set_stuck(stuck.count());
        metrics.set_leases(
            leases.iter().map(|lease| lease.status.as_ref().map(|s| s.phase).unwrap_or_default()),
        );
    }
}
