//! What the agent watches in the cluster: nodes, pods and storage classes for the inventory, `ComputeLease`s for the core.
//!
//! Read only. The watches restart by themselves; until each has listed once there is no snapshot, and no bid.

use crd::{ComputeLease, TenantNodes};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use telemetry::CancellationToken;

use crate::agent::Event;
use crate::inbox::{AgentHandle, Stopped};
use crate::inventory::{ClusterSnapshot, snapshot};

/// The caches behind the inventory.
#[derive(Clone)]
pub struct ClusterCache {
    nodes: Store<Node>,
    pods: Store<Pod>,
    classes: Store<StorageClass>,
    tenant_nodes: TenantNodes,
}

impl ClusterCache {
    /// Starts the watches.
    pub fn start(client: &Client, tenant_nodes: TenantNodes, shutdown: &CancellationToken) -> Self {
        Self {
            nodes: watch(client, shutdown),
            pods: watch(client, shutdown),
            classes: watch(client, shutdown),
            tenant_nodes,
        }
    }

    /// A cluster that does not change, for tests and dry runs.
    pub fn fixed(nodes: Vec<Node>, pods: Vec<Pod>, classes: Vec<StorageClass>) -> Self {
        let (nodes, pods, classes) = (fixed(nodes), fixed(pods), fixed(classes));
        Self { nodes, pods, classes, tenant_nodes: TenantNodes::default() }
    }

    /// The cluster now; `None` until everything was listed once.
    pub fn snapshot(&self) -> Option<ClusterSnapshot> {
        if !self.is_synced() {
            return None;
        }
        let (nodes, pods, classes) = (self.nodes.state(), self.pods.state(), self.classes.state());
        Some(snapshot(
            nodes.iter().map(AsRef::as_ref),
            pods.iter().map(AsRef::as_ref),
            classes.iter().map(AsRef::as_ref),
            &self.tenant_nodes,
        ))
    }

    /// Whether everything was listed once.
    pub fn is_synced(&self) -> bool {
        self.waiting().is_empty()
    }

    /// The kinds that were not listed yet. One without the right to be listed stays here for ever.
    pub fn waiting(&self) -> Vec<&'static str> {
        [
            ("Node", is_listed(&self.nodes)),
            ("Pod", is_listed(&self.pods)),
            ("StorageClass", is_listed(&self.classes)),
        ]
        .into_iter()
        .filter_map(|(kind, is_listed)| (!is_listed).then_some(kind))
        .collect()
    }
}

fn is_listed<K>(store: &Store<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
}

fn fixed<K>(objects: Vec<K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&watcher::Event::Init);
    for object in objects {
        writer.apply_watcher_event(&watcher::Event::InitApply(object));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    store
}

fn watch<K>(client: &Client, shutdown: &CancellationToken) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(Api::all(client.clone()), watcher::Config::default())
        .default_backoff()
        // Bookkeeping of other clients is most of an object's size and says nothing about room.
        .modify(|object: &mut K| object.meta_mut().managed_fields = None)
        .reflect(writer)
        .take_until(shutdown.clone().cancelled_owned());
    tokio::spawn(async move {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            if let Err(error) = event {
                let kind = K::kind(&());
                tracing::warn!(%kind, error = &error as &dyn std::error::Error, "a watch failed and starts again");
            }
        }
    });
    store
}

/// Delivers every change of a `ComputeLease` until shutdown.
pub async fn follow_compute_leases(
    client: Client,
    namespace: String,
    agent: AgentHandle,
    shutdown: CancellationToken,
) {
    let api: Api<ComputeLease> = Api::namespaced(client, &namespace);
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events.take_until(shutdown.cancelled_owned()));
    while let Some(event) = next(&mut events).await {
        if let Some(event) = event
            && agent.deliver(event).await == Err(Stopped)
        {
            return;
        }
    }
}

/// The next event, if it is one for the core.
async fn next<S>(events: &mut S) -> Option<Option<Event>>
where
    S: Stream<Item = Result<watcher::Event<ComputeLease>, watcher::Error>> + Unpin,
{
    match events.try_next().await {
        Ok(None) => None,
        Ok(Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => {
            Some(Some(Event::ComputeLeaseObserved(Box::new(object))))
        }
        Ok(Some(watcher::Event::Delete(object))) => {
            let name = object.metadata.name.unwrap_or_default();
            Some(Some(Event::ComputeLeaseDeleted { name }))
        }
        // What a new list lacks is noticed by the resync.
        Ok(Some(watcher::Event::Init | watcher::Event::InitDone)) => Some(None),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the ComputeLease watch failed and starts again"
            );
            Some(None)
        }
    }
}
