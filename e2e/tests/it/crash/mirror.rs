//! Everything that is there of one lease, followed by watches, and how often things of each kind were made.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};
use crd::{ComputeLease, LeaseName};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Discovery,
    api::DynamicObject,
    core::ApiResource,
    discovery::{Scope, verbs},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use crate::cluster::Cluster;

/// Kinds that tell how things went, or where they are, and not what is there.
const TELLTALES: [&str; 4] = ["Event", "Endpoints", "EndpointSlice", "Lease"];

/// The kinds that a namespace may hold: all that the API server lists and lets us follow.
pub(super) async fn namespaced_kinds(client: &Client) -> Result<Vec<ApiResource>> {
    let discovery = Discovery::new(client.clone()).run().await.context("failed to discover the kinds")?;
    let mut kinds = BTreeMap::new();
    for group in discovery.groups() {
        for (kind, can) in group.recommended_resources() {
            let followed = can.scope == Scope::Namespaced
                && can.supports_operation(verbs::LIST)
                && can.supports_operation(verbs::WATCH);
            if followed && !TELLTALES.contains(&kind.kind.as_str()) && kind.group != crd::labels::GROUP {
                kinds.insert((kind.group.clone(), kind.kind.clone()), kind);
            }
        }
    }
    Ok(kinds.into_values().collect())
}

/// A followed lease; following ends when it is dropped.
pub(super) struct Mirror {
    seen: Arc<Mutex<Seen>>,
    changes: watch::Receiver<u64>,
    _watches: JoinSet<()>,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    objects: BTreeMap<(String, String), Value>,
    uids: BTreeMap<String, BTreeSet<String>>,
    /// Names that the API server made up, and what they were made from.
    made_up: BTreeMap<String, String>,
}

/// What is there at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    /// All objects, with their kinds.
    pub(super) objects: Vec<Value>,
    /// How many were ever made of each kind.
    pub(super) made: BTreeMap<String, usize>,
    /// Names that the API server made up, and what they were made from.
    pub(super) made_up: BTreeMap<String, String>,
}

impl Mirror {
    pub(super) fn follow(cluster: &Cluster, name: &LeaseName, kinds: &[ApiResource]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (sender, changes) = watch::channel(0);
        let mut watches = JoinSet::new();
        let mut follow = |kind: &ApiResource, api: Api<DynamicObject>, config: watcher::Config| {
            watches.spawn(follow(kind.kind.clone(), api, config, seen.clone(), sender.clone()));
        };
        for kind in kinds {
            let api = Api::namespaced_with(cluster.admin.clone(), name.as_str(), kind);
            follow(kind, api, watcher::Config::default());
        }
        let itself = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let kind = ApiResource::erase::<Namespace>(&());
        follow(&kind, Api::all_with(cluster.admin.clone(), &kind), itself.clone());
        let kind = ApiResource::erase::<ComputeLease>(&());
        follow(&kind, Api::namespaced_with(cluster.admin.clone(), &cluster.system, &kind), itself);
        Self { seen, changes, _watches: watches }
    }

    /// What is there now.
    pub(super) fn sight(&self) -> Sight {
        let seen = lock(&self.seen);
        Sight {
            objects: seen.objects.values().cloned().collect(),
            made: seen.uids.iter().map(|(kind, uids)| (kind.clone(), uids.len())).collect(),
            made_up: seen.made_up.clone(),
        }
    }

    /// Waits for something to change.
    pub(super) async fn changed(&mut self) -> Result<()> {
        self.changes.changed().await.context("the watches of the test ended")
    }
}

async fn follow(
    kind: String,
    api: Api<DynamicObject>,
    config: watcher::Config,
    seen: Arc<Mutex<Seen>>,
    changes: watch::Sender<u64>,
) {
    let mut events = watcher(api, config).default_backoff().boxed();
    let mut listing = BTreeSet::new();
    while let Some(event) = events.next().await {
        let mut seen = lock(&seen);
        match event {
            // The watch repeats itself.
            Err(_) => continue,
            Ok(watcher::Event::Init) => listing.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                listing.insert(name_of(&object));
                seen.put(&kind, &object);
            }
            Ok(watcher::Event::InitDone) => {
                seen.objects.retain(|(of, name), _| *of != kind || listing.contains(name));
            }
            Ok(watcher::Event::Apply(object)) => seen.put(&kind, &object),
            Ok(watcher::Event::Delete(object)) => {
                seen.objects.remove(&(kind.clone(), name_of(&object)));
            }
        }
        drop(seen);
        changes.send_modify(|count| *count += 1);
    }
}

impl Seen {
    fn put(&mut self, kind: &str, object: &DynamicObject) {
        let name = name_of(object);
        if let Some(prefix) = &object.metadata.generate_name {
            self.made_up.insert(name.clone(), format!("{prefix}*"));
        }
        let uid = object.metadata.uid.clone().unwrap_or_default();
        self.uids.entry(kind.to_owned()).or_default().insert(uid);
        let mut value = json!(object);
        // Lists leave it out.
        value["kind"] = json!(kind);
        self.objects.insert((kind.to_owned(), name), value);
    }
}

fn name_of(object: &DynamicObject) -> String {
    object.metadata.name.clone().unwrap_or_default()
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
