//! Feeds the meter: five watches, each with a connection and a pace of its own.

use std::{fmt::Debug, sync::Arc};

use crd::{ComputeLease, labels};
use futures::{StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Node, PersistentVolumeClaim, Pod},
};
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use telemetry::CancellationToken;

use super::{Meter, node};
use crate::watches::Watches;

/// Watches until the token is cancelled.
pub(super) async fn run(
    meter: Arc<Meter>,
    watches: Watches,
    system_namespace: &str,
    shutdown: CancellationToken,
) {
    let everything = || watches.config();
    let managed = || everything().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE));
    let leases = Api::<ComputeLease>::namespaced(watches.client("ComputeLease"), system_namespace);
    let pods = Api::<Pod>::all(watches.client("Pod"));
    let claims = Api::<PersistentVolumeClaim>::all(watches.client("PersistentVolumeClaim"));
    let nodes = Api::<Node>::all(watches.client("Node"));
    let heartbeats = Api::<Lease>::namespaced(watches.client("Lease"), node::HEARTBEATS);
    let streams = vec![
        watch(&meter, leases, everything(), "ComputeLease", Meter::saw_lease),
        watch(&meter, pods, managed(), "Pod", Meter::saw_pod),
        watch(&meter, claims, managed(), "PersistentVolumeClaim", Meter::saw_claim),
        watch(&meter, nodes, everything(), "Node", Meter::saw_node),
        watch(&meter, heartbeats, everything(), "Lease", Meter::saw_heartbeat),
    ];
    stream::select_all(streams)
        .take_until(Box::pin(shutdown.cancelled_owned()))
        .for_each(async |()| {})
        .await;
}

fn watch<K>(
    meter: &Arc<Meter>,
    api: Api<K>,
    config: watcher::Config,
    kind: &'static str,
    saw: fn(&Meter, &Event<K>, Timestamp),
) -> BoxStream<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let meter = meter.clone();
    watcher(api, config)
        .map(move |event| match event {
            Ok(event) => saw(&meter, &event, Timestamp::now()),
            Err(error) => {
                meter.metrics.watch_errors.with_label_values(&[kind]).inc();
                tracing::warn!(kind, error = &error as &dyn std::error::Error, "watch interrupted");
            }
        })
        .boxed()
}
