//! Feeds the meter: four watches, each with its own back-off.

use std::{fmt::Debug, sync::Arc};

use crd::{ComputeLease, labels};
use futures::{StreamExt, stream, stream::BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, Resource,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use telemetry::CancellationToken;

use super::Meter;

/// Watches until the token is cancelled.
pub(super) async fn run(
    meter: Arc<Meter>,
    client: Client,
    system_namespace: &str,
    shutdown: CancellationToken,
) {
    let managed =
        || watcher::Config::default().labels(&format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE));
    let leases = Api::<ComputeLease>::namespaced(client.clone(), system_namespace);
    let watches = vec![
        watch(&meter, leases, watcher::Config::default(), "ComputeLease", Meter::saw_lease),
        watch(&meter, Api::<Pod>::all(client.clone()), managed(), "Pod", Meter::saw_pod),
        watch(
            &meter,
            Api::<PersistentVolumeClaim>::all(client.clone()),
            managed(),
            "PersistentVolumeClaim",
            Meter::saw_claim,
        ),
        watch(&meter, Api::<Node>::all(client), watcher::Config::default(), "Node", Meter::saw_node),
    ];
    stream::select_all(watches)
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
        .default_backoff()
        .map(move |event| match event {
            Ok(event) => saw(&meter, &event, Timestamp::now()),
            Err(error) => {
                meter.metrics.watch_errors.with_label_values(&[kind]).inc();
                tracing::warn!(kind, error = &error as &dyn std::error::Error, "watch interrupted");
            }
        })
        .boxed()
}
