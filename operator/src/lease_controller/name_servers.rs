//! Where the tenants' name server is: the addresses of one Service, which stand in every pod of every lease.
//!
//! They are data. A Service that comes back with another address replaces all pods, so the chart keeps it, and while there is
//! none nothing is written: what runs goes on with the address that it has.

use std::{net::IpAddr, sync::Arc};

use crd::ComputeLease;
use futures::{StreamExt, future, stream, stream::BoxStream};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, ResourceExt,
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher,
    },
};
use telemetry::CancellationToken;

use super::{
    Context,
    run::{Trigger, logged, mark},
};
use crate::watches::Watches;

/// Name servers that a pod may have: one of each version of IP.
const MOST: usize = 2;

/// Addresses of the name server; none while its Service has none.
pub fn addresses(services: &[Arc<Service>]) -> Vec<IpAddr> {
    let spec = services.iter().filter_map(|service| service.spec.as_ref());
    // `None` is how a Service without an address says so.
    spec.flat_map(|spec| spec.cluster_ips.iter().flatten())
        .filter_map(|address| address.parse().ok())
        .take(MOST)
        .collect()
}

/// Follows the Service and asks for all leases when its addresses change.
pub(super) fn triggers(
    watches: &Watches,
    writer: Writer<Service>,
    seen: CancellationToken,
    ctx: &Arc<Context>,
    leases: Store<ComputeLease>,
) -> BoxStream<'static, Trigger> {
    let settings = &ctx.settings;
    let one = watches.config().fields(&format!("metadata.name={}", settings.name_server.service));
    let store = ctx.stores.name_servers.clone();
    let mut known = None;
    watcher(Api::<Service>::namespaced(watches.client("NameServer"), &settings.system_namespace), one)
        .modify(|service| service.managed_fields_mut().clear())
        .reflect(writer)
        .inspect(mark(seen))
        .filter_map(logged(&ctx.metrics, "NameServer"))
        .filter_map(move |_| {
            let addresses = addresses(&store.state());
            let changed = known.as_ref().is_some_and(|known| *known != addresses);
            known = Some(addresses);
            let triggers: Vec<Trigger> =
                leases.state().iter().map(|lease| ObjectRef::from_obj(lease.as_ref())).collect();
            future::ready(changed.then(|| stream::iter(triggers)))
        })
        .flatten()
        .boxed()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn service(cluster_ips: Value) -> Arc<Service> {
        Arc::new(serde_json::from_value(json!({"spec": {"clusterIPs": cluster_ips}})).unwrap())
    }

    #[test]
    fn the_addresses_are_those_of_the_service_and_a_service_without_one_has_none() {
        let read = |address: &str| address.parse::<IpAddr>().unwrap();
        assert_eq!(addresses(&[]), Vec::<IpAddr>::new());
        assert_eq!(addresses(&[service(json!(["None"]))]), Vec::<IpAddr>::new());
        assert_eq!(addresses(&[service(json!(null))]), Vec::<IpAddr>::new());
        assert_eq!(addresses(&[service(json!(["10.96.0.53"]))]), [read("10.96.0.53")]);
        assert_eq!(
            addresses(&[service(json!(["10.96.0.53", "fd00::53"]))]),
            [read("10.96.0.53"), read("fd00::53")]
        );
    }
}
