//! Feeds the reconciler: watches, each with a connection and a pace of its own, and everything that makes a lease be looked at again.

use std::{convert::Infallible, fmt::Debug, sync::Arc};

use crd::{ComputeLease, condition, labels};
use futures::{Stream, StreamExt, future, stream, stream::BoxStream};
use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{
        LimitRange, Namespace, Node, PersistentVolumeClaim, Pod, ResourceQuota, Service, ServiceAccount,
    },
    networking::v1::NetworkPolicy,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Resource, ResourceExt,
    core::{ApiResource, DynamicObject},
    runtime::{
        Config as RunnerConfig, Predicate, PredicateConfig, WatchStreamExt, applier, predicates,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use telemetry::CancellationToken;
use tokio::time::Duration;

use super::{
    Context, error_policy, handover,
    live::{self, Listing, Live},
    name_servers,
    owned::Kind,
    pod_index, pods, reconcile,
    stores::Writers,
};
use crate::{http_route::HttpRoute, metrics::Metrics, watches::Watches};

/// Leases that are reconciled at the same time.
const CONCURRENCY: u16 = 16;
/// Events of one lease within this time cause one reconciliation.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// Objects of one page of a listing.
const PAGE: u32 = 100;

/// What asks for a lease to be looked at.
pub type Trigger = ObjectRef<ComputeLease>;

/// What the watches read by, and what they fill.
pub struct Feed {
    /// Their connections.
    pub watches: Watches,
    /// Our own objects, as read.
    pub leases: Store<ComputeLease>,
    /// The writing ends of all stores.
    pub writers: Writers,
}

/// Tells when each watch has seen everything once.
///
/// `Store::wait_until_ready` is not used for this: it wakes one waiter only, and that one is the controller.
#[derive(Clone, Debug, Default)]
pub struct Synced {
    leases: CancellationToken,
    pods: CancellationToken,
    claims: CancellationToken,
    nodes: CancellationToken,
    storage_classes: CancellationToken,
    runtime_classes: CancellationToken,
    name_servers: CancellationToken,
    owned: [CancellationToken; RENDERED.len()],
}

/// Rendered kinds that must have been listed before anything is decided. Routes are not among them: a cluster may lack the kind.
pub(crate) const RENDERED: [Kind; 9] = [
    Kind::Namespace,
    Kind::ResourceQuota,
    Kind::LimitRange,
    Kind::NetworkPolicy,
    Kind::ServiceAccount,
    Kind::RoleBinding,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::Service,
];

impl Synced {
    /// Watches that have seen everything.
    #[cfg(test)]
    pub(crate) fn complete() -> Self {
        let synced = Self::default();
        let Self { leases, pods, claims, nodes, storage_classes, runtime_classes, name_servers, owned } =
            &synced;
        for watch in [leases, pods, claims, nodes, storage_classes, runtime_classes, name_servers]
            .into_iter()
            .chain(owned)
        {
            watch.cancel();
        }
        synced
    }

    /// Whether all watches have.
    pub fn is_complete(&self) -> bool {
        self.waiting().next().is_none()
    }

    /// The kinds whose watches have not.
    pub fn waiting(&self) -> impl Iterator<Item = &'static str> + use<> {
        let Self { leases, pods, claims, nodes, storage_classes, runtime_classes, name_servers, owned } =
            self.clone();
        let rendered = RENDERED.into_iter().map(Kind::as_str).zip(owned);
        [
            ("ComputeLease", leases),
            ("Pod", pods),
            ("PersistentVolumeClaim", claims),
            ("Node", nodes),
            ("StorageClass", storage_classes),
            ("RuntimeClass", runtime_classes),
            ("NameServer", name_servers),
        ]
        .into_iter()
        .chain(rendered)
        .filter(|(_, seen)| !seen.is_cancelled())
        .map(|(kind, _)| kind)
    }

    /// Waits until all watches have.
    pub async fn all(&self) {
        let Self { leases, pods, claims, nodes, storage_classes, runtime_classes, name_servers, owned } =
            self;
        for watch in [leases, pods, claims, nodes, storage_classes, runtime_classes, name_servers]
            .into_iter()
            .chain(owned)
        {
            watch.cancelled().await;
        }
    }

    fn owned(&self, kind: Kind) -> Option<CancellationToken> {
        let index = RENDERED.iter().position(|rendered| *rendered == kind)?;
        self.owned.get(index).cloned()
    }
}

/// Follows the cluster and, once elected, reconciles until the shutdown; running reconciliations are finished.
pub async fn run(
    ctx: Arc<Context>,
    feed: Feed,
    synced: Synced,
    from_proofs: impl Stream<Item = Trigger> + Send + 'static,
    elected: CancellationToken,
    shutdown: CancellationToken,
) {
    let Feed { watches, leases, writers } = feed;
    let watches = &watches;
    let metrics = &ctx.metrics;
    let system = ctx.settings.system_namespace.clone();
    let Writers {
        leases: lease_writer,
        claims,
        nodes: node_writer,
        storage_classes,
        runtime_classes,
        name_servers,
    } = writers;

    let Synced {
        leases: leases_seen,
        pods: pods_seen,
        claims: claims_seen,
        nodes: nodes_seen,
        storage_classes: storage_classes_seen,
        runtime_classes: runtime_classes_seen,
        name_servers: name_servers_seen,
        owned: _,
    } = synced.clone();

    let mut triggers: Vec<BoxStream<'static, Trigger>> = vec![
        lease_triggers(watches, metrics, &system, lease_writer, leases_seen),
        pod_triggers(watches, metrics, &system, pods_seen, &ctx),
        claim_watch(watches, metrics, claims, claims_seen),
        node_triggers(watches, metrics, node_writer, nodes_seen, &ctx, leases.clone()),
        class_watch(watches, metrics, "StorageClass", storage_classes, storage_classes_seen),
        class_watch(watches, metrics, "RuntimeClass", runtime_classes, runtime_classes_seen),
        name_servers::triggers(watches, name_servers, name_servers_seen, &ctx, leases.clone()),
        owned_triggers::<Namespace>(watches, metrics, &system, Kind::Namespace, &ctx.live, &synced),
        owned_triggers::<ResourceQuota>(watches, metrics, &system, Kind::ResourceQuota, &ctx.live, &synced),
        owned_triggers::<LimitRange>(watches, metrics, &system, Kind::LimitRange, &ctx.live, &synced),
        owned_triggers::<NetworkPolicy>(watches, metrics, &system, Kind::NetworkPolicy, &ctx.live, &synced),
        owned_triggers::<ServiceAccount>(watches, metrics, &system, Kind::ServiceAccount, &ctx.live, &synced),
        owned_triggers::<RoleBinding>(watches, metrics, &system, Kind::RoleBinding, &ctx.live, &synced),
        owned_triggers::<Deployment>(watches, metrics, &system, Kind::Deployment, &ctx.live, &synced),
        owned_triggers::<StatefulSet>(watches, metrics, &system, Kind::StatefulSet, &ctx.live, &synced),
        owned_triggers::<Service>(watches, metrics, &system, Kind::Service, &ctx.live, &synced),
        from_proofs.boxed(),
    ];
    // Without a Gateway the kind may not exist, and its watch would only fail.
    if ctx.settings.exposure.is_some() {
        triggers.push(owned_triggers::<HttpRoute>(
            watches,
            metrics,
            &system,
            Kind::HttpRoute,
            &ctx.live,
            &synced,
        ));
    }
    let mut triggers = stream::select_all(triggers);
    // A standby's watches run, so that it can take over at once. What they ask for is the leader's work, which begins with
    // every lease. So it begins only once they are listed: one whose trigger was dropped while the list was still coming in would
    // wait for an event that may never come.
    let may_work = may_work(elected, synced.leases.clone(), shutdown.clone());
    triggers.by_ref().take_until(Box::pin(may_work)).for_each(|_| future::ready(())).await;
    let all = leases.state().iter().map(|lease| ObjectRef::from_obj(lease.as_ref())).collect::<Vec<_>>();
    let queue = stream::select(stream::iter(all), triggers)
        .map(Ok::<_, Infallible>)
        .take_until(Box::pin(shutdown.cancelled_owned()));
    applier(
        |lease, ctx| Box::pin(reconcile(lease, ctx)),
        error_policy,
        ctx,
        leases,
        queue,
        RunnerConfig::default().concurrency(CONCURRENCY).debounce(DEBOUNCE),
    )
    .for_each(|done| {
        // Failures were handled by the error policy; what is left is a lease that went away meanwhile.
        if let Err(error) = done {
            tracing::debug!(error = &error as &dyn std::error::Error, "not reconciled");
        }
        future::ready(())
    })
    .await;
}

/// Waits until this replica is elected and knows every lease, or is told to end.
async fn may_work(elected: CancellationToken, listed: CancellationToken, shutdown: CancellationToken) {
    let ready = async {
        elected.cancelled().await;
        listed.cancelled().await;
    };
    tokio::select! {
        () = ready => {}
        () = shutdown.cancelled() => {}
    }
}

fn lease_triggers(
    watches: &Watches,
    metrics: &Metrics,
    namespace: &str,
    writer: Writer<ComputeLease>,
    seen: CancellationToken,
) -> BoxStream<'static, Trigger> {
    let api = Api::<ComputeLease>::namespaced(watches.client("ComputeLease"), namespace);
    // Most of the status is our own, so its changes are no news. Deletion moves the generation.
    let predicate = predicates::generation.combine(predicates::finalizers).combine(usage_final);
    watcher(api, watches.config())
        .modify(handover::keep_claims)
        .reflect(writer)
        .inspect(mark(seen))
        .applied_objects()
        .predicate_filter(predicate, PredicateConfig::default())
        .filter_map(logged(metrics, "ComputeLease"))
        .map(|lease| ObjectRef::from_obj(&lease))
        .boxed()
}

/// The meter's last word, for which the end of a lease waits.
fn usage_final(lease: &ComputeLease) -> Option<u64> {
    Some(u64::from(condition::is_true(lease.conditions(), condition::USAGE_FINAL)))
}

fn pod_triggers(
    watches: &Watches,
    metrics: &Metrics,
    system: &str,
    seen: CancellationToken,
    ctx: &Arc<Context>,
) -> BoxStream<'static, Trigger> {
    let system = system.to_owned();
    let (listener, index) = (ctx.clone(), ctx.stores.pods.clone());
    let mut listing = pod_index::Listing::default();
    watcher(Api::<Pod>::all(watches.client("Pod")), managed(watches))
        .modify(move |pod| {
            listener.memory.hear(pod);
            pods::keep_what_matters(pod);
        })
        .filter_map(logged(metrics, "Pod"))
        .flat_map(move |event| {
            let is_listed = matches!(event, watcher::Event::InitDone);
            let leases = index.take(&mut listing, event);
            if is_listed {
                seen.cancel();
            }
            let triggers = leases.into_iter().map(|lease| ObjectRef::new(&lease).within(&system));
            stream::iter(triggers.collect::<Vec<_>>())
        })
        .boxed()
}

/// Nodes matter to all leases when their addresses change, because policies name them.
fn node_triggers(
    watches: &Watches,
    metrics: &Metrics,
    writer: Writer<Node>,
    seen: CancellationToken,
    ctx: &Arc<Context>,
    leases: Store<ComputeLease>,
) -> BoxStream<'static, Trigger> {
    let nodes = ctx.stores.nodes.clone();
    let mut known = None;
    watcher(Api::<Node>::all(watches.client("Node")), watches.config())
        .modify(|node| {
            node.managed_fields_mut().clear();
            if let Some(status) = &mut node.status {
                status.images = None;
            }
        })
        .reflect(writer)
        .inspect(mark(seen))
        .touched_objects()
        .filter_map(logged(metrics, "Node"))
        .filter_map(move |_| {
            let addresses = pods::cluster_addresses(&nodes.state());
            let changed = known.as_ref().is_some_and(|known| *known != addresses);
            known = Some(addresses);
            let all =
                || leases.state().iter().map(|lease| ObjectRef::from_obj(lease.as_ref())).collect::<Vec<_>>();
            future::ready(changed.then(|| stream::iter(all())))
        })
        .flatten()
        .boxed()
}

fn claim_watch(
    watches: &Watches,
    metrics: &Metrics,
    writer: Writer<PersistentVolumeClaim>,
    seen: CancellationToken,
) -> BoxStream<'static, Trigger> {
    watcher(Api::<PersistentVolumeClaim>::all(watches.client("PersistentVolumeClaim")), managed(watches))
        .modify(|claim| claim.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(mark(seen))
        .touched_objects()
        .filter_map(logged(metrics, "PersistentVolumeClaim"))
        // A lease is ready by its pods; which volumes there are matters when a manifest changes.
        .filter_map(|_| future::ready(None))
        .boxed()
}

/// Storage and runtime classes: leases that wait for one look again by themselves.
fn class_watch<K>(
    watches: &Watches,
    metrics: &Metrics,
    kind: &'static str,
    writer: Writer<K>,
    seen: CancellationToken,
) -> BoxStream<'static, Trigger>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    watcher(Api::<K>::all(watches.client(kind)), watches.config())
        .reflect(writer)
        .inspect(mark(seen))
        .touched_objects()
        .filter_map(logged(metrics, kind))
        .filter_map(|_| future::ready(None))
        .boxed()
}

/// Follows a rendered kind in full, keeps what matters of it and asks for the leases whose objects changed.
fn owned_triggers<K>(
    watches: &Watches,
    metrics: &Metrics,
    system: &str,
    kind: Kind,
    live: &Arc<Live>,
    synced: &Synced,
) -> BoxStream<'static, Trigger>
where
    K: Resource<DynamicType = ()>,
{
    let (system, live, seen) = (system.to_owned(), live.clone(), synced.owned(kind));
    let resource = ApiResource::erase::<K>(&());
    let mut listing = Listing::default();
    watcher(Api::<DynamicObject>::all_with(watches.client(kind.as_str()), &resource), managed(watches))
        .filter_map(logged(metrics, kind.as_str()))
        .filter_map(move |event| {
            let touched = match event {
                watcher::Event::Init => {
                    listing = live.listing();
                    None
                }
                watcher::Event::InitApply(object) => {
                    live.list(kind, &mut listing, &object);
                    live::lease_of(kind, &object)
                }
                watcher::Event::InitDone => {
                    live.listed(kind, &std::mem::take(&mut listing));
                    if let Some(seen) = &seen {
                        seen.cancel();
                    }
                    None
                }
                watcher::Event::Apply(object) => {
                    live.apply(kind, &object);
                    live::lease_of(kind, &object)
                }
                watcher::Event::Delete(object) => {
                    live.remove(kind, &object);
                    live::lease_of(kind, &object)
                }
            };
            future::ready(touched.map(|lease| ObjectRef::new(&lease).within(&system)))
        })
        .boxed()
}

fn managed(watches: &Watches) -> watcher::Config {
    // A page is in memory as a whole, a dozen kinds at once, and what a start takes is not given back.
    watches.config().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE)).page_size(PAGE)
}

/// Marks a watch once its store holds everything.
pub(super) fn mark<K>(seen: CancellationToken) -> impl FnMut(&watcher::Result<watcher::Event<K>>) + Send {
    move |event| {
        if let Ok(watcher::Event::InitDone) = event {
            seen.cancel();
        }
    }
}

/// Drops failures of a watch, which repeats itself, after telling about them.
pub(super) fn logged<T: Send>(
    metrics: &Metrics,
    kind: &'static str,
) -> impl FnMut(watcher::Result<T>) -> future::Ready<Option<T>> + Send + use<T> {
    let metrics = metrics.clone();
    move |item| {
        future::ready(match item {
            Ok(item) => Some(item),
            Err(error) => {
                metrics.watch_interrupted(kind);
                tracing::warn!(kind, error = &error as &dyn std::error::Error, "watch interrupted");
                None
            }
        })
    }
}
