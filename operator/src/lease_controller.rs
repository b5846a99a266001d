//! Reconciles `ComputeLease` objects: dereference, validate, build, apply, update the status.
//!
//! Every step may be repeated at any moment. What is wrong with a lease becomes a condition; what is wrong
//! with the cluster becomes an error and another try.

pub mod apply;
pub mod build;
pub mod calls;
pub mod cleanup;
pub mod contest;
pub mod dereference;
pub mod diagnosis;
pub mod digest;
pub mod end;
pub mod events;
pub mod handover;
pub mod hosts;
pub mod images;
pub mod last_words;
pub mod live;
pub mod memory;
pub mod name_servers;
pub mod owned;
pub mod pod_index;
pub mod pods;
pub mod remains;
pub mod rollout;
pub mod run;
pub mod settling;
pub mod status;
pub mod stores;
pub mod stuck;
pub mod tiers;
pub mod update_status;
pub mod validate;
pub mod volumes;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crd::{ComputeLease, ComputeLeaseStatus, DesiredState, Phase, condition};
use jiff::Timestamp;
use kube::{
    Client,
    runtime::{controller::Action, events::Recorder},
};
use tokio::time::Instant;

use self::{
    apply::{Applier, Progress},
    build::{ClusterAddresses, LeaseObjects},
    contest::Contest,
    dereference::{ManifestState, NamespaceState, StorageState},
    end::Ending,
    hosts::proofs::Proofs,
    images::{ImageBook, Images},
    live::Live,
    memory::Memory,
    owned::Owned,
    rollout::Course,
    run::Synced,
    status::Outcome,
    stores::Stores,
    tiers::{Stage, Tiers},
    update_status::Update,
    validate::{Facts, Refusal, Remedy, Validated},
};
use crate::{canary::enforcement::Network, metrics::Metrics, settings::Settings};

/// How long to wait before looking again at something that no watch reports.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How soon to look again while registries are asked about images.
const ASKING: Duration = Duration::from_millis(500);
/// How soon to look again while the watches have not seen everything.
const SYNCING: Duration = Duration::from_secs(1);
/// The longest one reconciliation may take. An API server that never answers must not hold a lease, and a worker, for ever.
const LONGEST_STEP: Duration = Duration::from_secs(120);
/// How long until a lease that is not up is looked at again: some causes show only by the time that passes.
const WAITING: Duration = Duration::from_secs(30);
/// How long until everything is compared with the cluster again although nothing happened.
const RESYNC: Duration = Duration::from_secs(600);
/// Longest wait between tries of something that keeps failing.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What a reconciliation works with.
pub struct Context {
    /// Connection to the API server.
    pub client: Client,
    /// Decisions of the provider.
    pub settings: Settings,
    /// Objects that are watched rather than read.
    pub stores: Stores,
    /// What is there of every lease.
    pub live: Arc<Live>,
    /// Whether they were all seen once.
    pub synced: Synced,
    /// Counts what happens.
    pub metrics: Metrics,
    /// Writes Events.
    pub recorder: Recorder,
    /// Look-ups of images.
    pub images: ImageBook,
    /// What earlier reconciliations of this process left behind.
    pub memory: Memory,
    /// Who has proven to own which host.
    pub proofs: Arc<Proofs>,
    /// What is known about the network plug-in.
    pub network: Arc<Network>,
    /// The time.
    pub clock: fn() -> Timestamp,
}

/// What was read for one decision.
#[derive(Clone, Debug)]
struct Dereferenced {
    manifest: ManifestState,
    namespace: NamespaceState,
    storage: StorageState,
    tiers: Tiers,
    addresses: ClusterAddresses,
    owned: Owned,
}

/// A step that failed. It will be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error("failed to read what the lease refers to")]
    Dereference(#[source] dereference::Error),
    /// The tenants' name server is not installed, or its Service has no address.
    #[error(
        "Service {namespace}/{service} has no address: the provider must install the tenants' name server"
    )]
    NoNameServer {
        /// Namespace of the Service.
        namespace: String,
        /// Its name.
        service: String,
    },
    /// Claiming hosts failed.
    #[error("failed to claim the lease's hosts")]
    ClaimHosts(#[source] hosts::claims::Error),
    /// Writing an object failed.
    #[error("failed to apply the lease's objects")]
    Apply(#[source] apply::Error),
    /// Removing pods that have ended failed.
    #[error("failed to clear ended pods away")]
    ClearPods(#[source] remains::Error),
    /// Writing the status failed.
    #[error("failed to write the status")]
    UpdateStatus(#[source] update_status::Error),
    /// Ending or cleaning up failed.
    #[error("failed to remove the lease's objects")]
    Cleanup(#[source] cleanup::Error),
    /// The API server left a call without an answer.
    #[error("failed to end within {} seconds: the API server does not answer", LONGEST_STEP.as_secs())]
    TimeOut,
}

impl Error {
    /// Label of the metric and reason of the Event.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Dereference(_) => "DereferenceFailed",
            Self::NoNameServer { .. } => "NoNameServer",
            Self::ClaimHosts(_) => "ClaimHostsFailed",
            Self::Apply(_) => "ApplyFailed",
            Self::ClearPods(_) => "ClearPodsFailed",
            Self::UpdateStatus(_) => "UpdateStatusFailed",
            Self::Cleanup(_) => "CleanupFailed",
            Self::TimeOut => "TimedOut",
        }
    }
}

/// Result with this module's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Brings one lease closer to what its spec wants.
pub async fn reconcile(lease: Arc<ComputeLease>, ctx: Arc<Context>) -> Result<Action> {
    let started = Instant::now();
    let result = tokio::time::timeout(LONGEST_STEP, step(&lease, &ctx)).await.unwrap_or(Err(Error::TimeOut));
    ctx.metrics.reconciled(started.elapsed());
    match &result {
        Ok(_) => ctx.memory.succeeded(&lease),
        Err(error) => {
            ctx.metrics.failed(error.category());
            events::failed(&ctx.recorder, &lease, error).await;
        }
    }
    result
}

/// Waits longer after each failure in a row.
pub fn error_policy(lease: Arc<ComputeLease>, error: &Error, ctx: Arc<Context>) -> Action {
    let failures = ctx.memory.failed(&lease);
    let wait = Duration::from_secs(1 << failures.min(6)).min(LONGEST_BACKOFF);
    tracing::warn!(
        lease = lease.metadata.name,
        error = error as &dyn std::error::Error,
        retry_in_seconds = wait.as_secs(),
        "reconciliation failed"
    );
    Action::requeue(wait)
}

async fn step(lease: &ComputeLease, ctx: &Context) -> Result<Action> {
    if lease.metadata.deletion_timestamp.is_some() {
        return cleanup::cleanup(lease, ctx).await.map_err(Error::Cleanup);
    }
    // A watch that has not listed yet looks like a cluster without storage classes, nodes and pods. A lease that is refused
    // for that is given back on chain, and pods that seem to be gone are not paid for.
    if !ctx.synced.is_complete() {
        return Ok(Action::requeue(SYNCING));
    }
    cleanup::ensure_finalizer(lease, ctx).await.map_err(Error::Cleanup)?;
    match lease.spec.desired {
        DesiredState::Running | DesiredState::Paused => provision(lease, ctx).await,
        DesiredState::Ended => end(lease, ctx).await,
    }
}

async fn provision(lease: &ComputeLease, ctx: &Context) -> Result<Action> {
    let (found, mut validated) = match choose(lease, ctx).await.map_err(Error::Dereference)? {
        (found, Ok(validated)) => (found, validated),
        // Nothing is decided, so nothing is said.
        (_, Err(refusal)) if refusal.is_pending() => return Ok(Action::requeue(ASKING)),
        (_, Err(refusal)) => return refuse(lease, ctx, &refusal).await,
    };
    let status = ctx.memory.status(lease);
    let custom = hosts::settle(lease, &status, &validated, ctx).await.map_err(Error::ClaimHosts)?;
    if let Some(publicity) = &mut validated.publicity {
        publicity.custom = custom;
    }
    // A pod without a name server would be refused, and would find nobody.
    if validated.name_servers.is_empty() {
        let error = Error::NoNameServer {
            namespace: ctx.settings.system_namespace.clone(),
            service: ctx.settings.name_server.service.clone(),
        };
        let outcome = Outcome::Failed { lease: &validated, message: error.to_string() };
        update_status::update(lease, ctx, outcome).await.map_err(Error::UpdateStatus)?;
        return Err(error);
    }
    let objects = build::build(&validated, &ctx.settings, &found.addresses);
    match apply_all(lease, ctx, &found.namespace, &found.owned, objects).await {
        Ok((applied, contests)) => {
            events::contested(&ctx.recorder, &ctx.memory, lease, &contests, (ctx.clock)()).await;
            if applied == Applied::Complete {
                note_refused_pods(lease, ctx, &validated).await.map_err(Error::Dereference)?;
            }
            // A quota comes into force within moments, of which nobody needs to read.
            let mut update = Update::Settled;
            if !ctx.memory.is_brief(lease, applied, (ctx.clock)()) {
                update = update_status::update(lease, ctx, Outcome::of(applied, &validated))
                    .await
                    .map_err(Error::UpdateStatus)?;
            }
            let again = match (update, applied) {
                (Update::Held(rest), _) => rest,
                (Update::Settled, Applied::Complete) => {
                    complete(lease, &ctx.memory.status(lease), &validated)
                }
                (
                    Update::Settled,
                    Applied::AwaitingQuota | Applied::NamespaceConflict | Applied::NamespaceTerminating,
                ) => LOOK_AGAIN,
            };
            let pods = pods::of_lease(&ctx.stores.pods, lease);
            let next =
                remains::remove(ctx, validated.name.as_str(), &pods).await.map_err(Error::ClearPods)?;
            let waits = contests.iter().map(|contest| contest.wait).chain(next);
            Ok(Action::requeue(waits.fold(again, Duration::min)))
        }
        Err(error) => {
            let outcome = Outcome::Failed { lease: &validated, message: error.to_string() };
            update_status::update(lease, ctx, outcome).await.map_err(Error::UpdateStatus)?;
            Err(Error::Apply(error))
        }
    }
}

/// Finds out why pods are missing, once they have had the time of one reconciliation to appear.
async fn note_refused_pods(
    lease: &ComputeLease,
    ctx: &Context,
    validated: &Validated,
) -> Result<(), dereference::Error> {
    if !condition::is_true(&ctx.memory.status(lease).conditions, condition::PROVISIONED) {
        return Ok(());
    }
    let pods = pods::of_lease(&ctx.stores.pods, lease);
    let refused = diagnosis::workload::refusals(&ctx.client, validated, &pods).await.map_err(|source| {
        dereference::Error::GetDeployments { namespace: validated.name.to_string(), source }
    })?;
    ctx.memory.set_refused_pods(lease, refused);
    Ok(())
}

/// When to look again at a lease of which everything is applied.
fn complete(lease: &ComputeLease, status: &ComputeLeaseStatus, validated: &Validated) -> Duration {
    match (status.phase, status.rollout) {
        // The update failed just now.
        _ if validated.course == Course::Newest && rollout::course(lease, status) != Course::Newest => {
            Duration::ZERO
        }
        // A host becomes free, or is proven, without any event here.
        _ if validated.publicity.as_ref().is_some_and(|publicity| publicity.withheld().is_some()) => WAITING,
        (Phase::Ready | Phase::Paused, None) => RESYNC,
        _ => WAITING,
    }
}

/// Reads and validates the manifest that is to run: the newest, or the one before it when the newest failed or is refused.
async fn choose(
    lease: &ComputeLease,
    ctx: &Context,
) -> Result<(Dereferenced, Result<Validated, Refusal>), dereference::Error> {
    let course = rollout::course(lease, &ctx.memory.status(lease));
    let previous = rollout::with_previous(lease);
    let mut stranded = None;
    if let (Course::Previous, Some(previous)) = (&course, &previous) {
        match read(previous, ctx).await? {
            (found, Ok(validated)) => return Ok((found, Ok(Validated { course, ..validated }))),
            (_, Err(refusal)) => stranded = Some(refusal.to_string()),
        }
    }
    let (found, newest) = read(lease, ctx).await?;
    match (newest, previous) {
        (Ok(validated), _) => {
            let course = stranded.map_or(Course::Newest, |why| Course::Stranded { why });
            Ok((found, Ok(Validated { course, ..validated })))
        }
        (Err(refusal), _) if refusal.is_pending() => Ok((found, Err(refusal))),
        // The limits hold for every revision. What ran before runs on, and is kept as it should be.
        (Err(refusal), Some(previous)) => match read(&previous, ctx).await? {
            (found, Ok(validated)) => {
                let course = Course::Refused { reason: refusal.reason(), why: refusal.to_string() };
                Ok((found, Ok(Validated { course, ..validated })))
            }
            (_, Err(_)) => Ok((found, Err(refusal))),
        },
        (Err(refusal), None) => Ok((found, Err(refusal))),
    }
}

async fn read(
    lease: &ComputeLease,
    ctx: &Context,
) -> Result<(Dereferenced, Result<Validated, Refusal>), dereference::Error> {
    let found = dereference_all(lease, ctx).await?;
    let stage = match found.namespace {
        NamespaceState::Ours(_) => Stage::Provisioned,
        NamespaceState::Missing | NamespaceState::OthersTerminating | NamespaceState::Foreign => Stage::New,
    };
    let facts = Facts { manifest: &found.manifest, storage: &found.storage, tiers: &found.tiers, stage };
    let name_servers = name_servers::addresses(&ctx.stores.name_servers.state());
    let validated = validate::validate(lease, facts)
        .map(|validated| Validated { name_servers, ..validated })
        .and_then(|validated| validate::check_exposure(validated, ctx.settings.exposure.as_ref()))
        .and_then(|validated| validate::check_network(validated, stage, ctx.network.current()))
        .and_then(|validated| settle_images(lease, ctx, validated));
    Ok((found, validated))
}

/// Fills in what the images are, from the status or from the registries.
fn settle_images(lease: &ComputeLease, ctx: &Context, validated: Validated) -> Result<Validated, Refusal> {
    let recorded = ctx.memory.status(lease).images;
    let platforms = images::platforms(&ctx.stores.nodes.state());
    match ctx.images.settle(&validated.uid, &validated.manifest, &recorded, &platforms) {
        Ok(Images::Known(images)) => Ok(Validated { images, ..validated }),
        Ok(Images::Pending) => Err(Refusal::ImagesPending),
        Err(refused) => Err(Refusal::Image(refused)),
    }
}

async fn refuse(lease: &ComputeLease, ctx: &Context, refusal: &Refusal) -> Result<Action> {
    events::refused(&ctx.recorder, &ctx.metrics, lease, refusal).await;
    let outcome = Outcome::Refused { reason: refusal.reason(), message: refusal.to_string() };
    update_status::update(lease, ctx, outcome).await.map_err(Error::UpdateStatus)?;
    Ok(match refusal.remedy() {
        Remedy::SpecChange => Action::await_change(),
        Remedy::LookAgain => Action::requeue(LOOK_AGAIN),
    })
}

async fn end(lease: &ComputeLease, ctx: &Context) -> Result<Action> {
    let ending = end::end(lease, ctx).await.map_err(Error::Cleanup)?;
    let next = match &ending {
        // The watch tells when the meter has published; this is for a meter that never does.
        Ending::AwaitingUsage { rest } => Action::requeue(*rest),
        // That the lease goes without must stand in the API before anything is deleted.
        Ending::MeterSilent => Action::requeue(Duration::ZERO),
        Ending::DeletingNamespace | Ending::DeletingVolumes | Ending::Stuck(_) => Action::requeue(LOOK_AGAIN),
        Ending::Ended => Action::await_change(),
    };
    if ending == Ending::Ended {
        let logs = last_words::publishable(lease, ctx).await.map_err(Error::Dereference)?;
        ctx.memory.set_final_logs(lease, logs);
    }
    update_status::update(lease, ctx, Outcome::Ending(ending)).await.map_err(Error::UpdateStatus)?;
    Ok(next)
}

async fn dereference_all(lease: &ComputeLease, ctx: &Context) -> Result<Dereferenced, dereference::Error> {
    let manifest = dereference::manifest(&ctx.client, lease).await?;
    let namespace = dereference::known_namespace(&ctx.client, &ctx.live, lease).await?;
    let owned = match (&namespace, &lease.metadata.name) {
        (NamespaceState::Ours(_), Some(name)) => ctx.live.of(name),
        _ => Owned::default(),
    };
    let nodes = ctx.stores.nodes.state();
    Ok(Dereferenced {
        manifest,
        namespace,
        storage: dereference::storage(
            &ctx.stores.storage_classes.state(),
            &ctx.stores.claims.state(),
            lease.metadata.name.as_deref().unwrap_or_default(),
        ),
        tiers: Tiers::of(&ctx.settings, &nodes, &ctx.stores.runtime_classes.state()),
        addresses: pods::cluster_addresses(&nodes),
        owned,
    })
}

/// How far one reconciliation got with a lease that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Everything is there.
    Complete,
    /// The quota is not in force yet.
    AwaitingQuota,
    /// The name is taken by somebody else.
    NamespaceConflict,
    /// The namespace is being deleted, by an earlier lease or by somebody.
    NamespaceTerminating,
}

/// Brings the cluster to what was built, as far as the namespace lets it.
pub(crate) async fn apply_all(
    lease: &ComputeLease,
    ctx: &Context,
    namespace: &NamespaceState,
    owned: &Owned,
    objects: LeaseObjects,
) -> Result<(Applied, Vec<Contest>), apply::Error> {
    let terminating = Ok((Applied::NamespaceTerminating, Vec::new()));
    let namespace = match namespace {
        NamespaceState::Foreign => return Ok((Applied::NamespaceConflict, Vec::new())),
        NamespaceState::OthersTerminating => return terminating,
        NamespaceState::Ours(namespace) if namespace.terminating => return terminating,
        NamespaceState::Ours(namespace) => Some(namespace),
        NamespaceState::Missing => None,
    };
    let pods = pods::of_lease(&ctx.stores.pods, lease);
    let missing_secrets = pods::services_without_secret(&pods);
    let left = lease.status.as_ref().and_then(|status| status.objects_digest.as_deref());
    let expected = ctx.memory.take_expected(lease).unwrap_or_else(|| apply::at_first_sight(owned, left));
    let applier = Applier {
        client: &ctx.client,
        metrics: &ctx.metrics,
        owned,
        namespace,
        missing_secrets: &missing_secrets,
        pulls: pods::pulls(&pods),
        live: &ctx.live,
        expected: Mutex::new(expected),
        contests: Mutex::default(),
        now: (ctx.clock)(),
    };
    let progress = applier.apply(objects).await;
    ctx.memory.put_expected(lease, applier.expected.into_inner().unwrap_or_else(PoisonError::into_inner));
    let contests = applier.contests.into_inner().unwrap_or_else(PoisonError::into_inner);
    let applied = match progress? {
        Progress::Complete => Applied::Complete,
        Progress::AwaitingQuota => Applied::AwaitingQuota,
        Progress::NamespaceConflict => Applied::NamespaceConflict,
    };
    Ok((applied, contests))
}

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
