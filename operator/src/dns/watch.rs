//! Feeds the directory: two watches, each with a connection and a pace of its own.

use std::fmt::Debug;

use crd::labels;
use futures::{StreamExt, future, stream, stream::BoxStream};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use telemetry::CancellationToken;

use super::{directory::Directory, metrics::DnsMetrics};
use crate::watches::Watches;

/// Watches until the token is cancelled.
pub async fn run(directory: Directory, watches: Watches, metrics: DnsMetrics, shutdown: CancellationToken) {
    let (pods, services) = (directory.clone(), directory);
    let streams = vec![
        watch::<Pod>(&watches, &metrics, "Pod", move |event| pods.saw_pod(event)),
        watch::<Service>(&watches, &metrics, "Service", move |event| services.saw_service(event)),
    ];
    stream::select_all(streams)
        .take_until(Box::pin(shutdown.cancelled_owned()))
        .for_each(|()| future::ready(()))
        .await;
}

fn watch<K>(
    watches: &Watches,
    metrics: &DnsMetrics,
    kind: &'static str,
    saw: impl Fn(Event<K>) + Send + 'static,
) -> BoxStream<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let errors = metrics.watch_errors.with_label_values(&[kind]);
    let managed = format!("{}={}", labels::MANAGED_BY, labels::MANAGED_BY_VALUE);
    watcher(Api::<K>::all(watches.client(kind)), watches.config().labels(&managed))
        .modify(|object| object.managed_fields_mut().clear())
        .map(move |event| match event {
            Ok(event) => saw(event),
            Err(error) => {
                errors.inc();
                tracing::warn!(kind, error = &error as &dyn std::error::Error, "watch interrupted");
            }
        })
        .boxed()
}
