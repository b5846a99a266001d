//! Who asks, and what their names lead to: addresses of leases' pods and Services, as the watches show them.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use crd::{LeaseName, labels};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Resource, ResourceExt, runtime::watcher::Event};
use tokio::{sync::watch, time::Instant};

/// Namespace and name of an object.
type Key = (String, String);

/// What the watches have shown. Cloning shares.
#[derive(Clone, Debug)]
pub struct Directory {
    book: Arc<RwLock<Book>>,
    /// Moves when pods change, for those who wait for an address.
    pods_seen: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Book {
    pods: Table,
    services: Table,
    /// Pods by address. Two of them share one for the moment between a pod's end and its last report.
    holders: HashMap<IpAddr, BTreeSet<Key>>,
}

/// Addresses of one kind of objects, and the list that is being read.
#[derive(Debug, Default)]
struct Table {
    known: HashMap<Key, Vec<IpAddr>>,
    listing: HashMap<Key, Vec<IpAddr>>,
    is_listed: bool,
}

impl Default for Directory {
    fn default() -> Self {
        Self { book: Arc::default(), pods_seen: watch::Sender::new(0) }
    }
}

impl Directory {
    /// The namespace whose pod has an address. None where no lease's pod has it, or pods of two leases seem to.
    pub fn namespace_of(&self, address: IpAddr) -> Option<String> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let mut holders = book.holders.get(&address.to_canonical())?.iter();
        let (namespace, _) = holders.next()?;
        holders.all(|(other, _)| other == namespace).then(|| namespace.clone())
    }

    /// The same, waiting for a pod that is so young that its address is not reported yet.
    pub async fn await_namespace_of(&self, address: IpAddr, until: Instant) -> Option<String> {
        let mut seen = self.pods_seen.subscribe();
        loop {
            if let Some(namespace) = self.namespace_of(address) {
                return Some(namespace);
            }
            match tokio::time::timeout_at(until, seen.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
    }

    /// Addresses of a Service; none if there is no such Service.
    pub fn service(&self, namespace: &str, name: &str) -> Option<Vec<IpAddr>> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        book.services.known.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Whether an address is still, or again, that of a pod.
    pub fn has(&self, address: IpAddr) -> bool {
        self.book.read().unwrap_or_else(PoisonError::into_inner).holders.contains_key(&address)
    }

    /// Kinds that have not been listed yet.
    pub fn waiting(&self) -> Vec<&'static str> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let tables = [("Pod", &book.pods), ("Service", &book.services)];
        tables.into_iter().filter(|(_, table)| !table.is_listed).map(|(kind, _)| kind).collect()
    }

    /// Takes note of an event of the watch on pods.
    pub fn saw_pod(&self, event: Event<Pod>) {
        {
            let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
            let Book { pods, holders, .. } = &mut *book;
            pods.saw(event, pod_addresses, |key, before, after| {
                for address in before {
                    if let Some(keys) = holders.get_mut(address) {
                        keys.remove(key);
                        if keys.is_empty() {
                            holders.remove(address);
                        }
                    }
                }
                for address in after {
                    holders.entry(*address).or_default().insert(key.clone());
                }
            });
        }
        self.pods_seen.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Takes note of an event of the watch on Services.
    pub fn saw_service(&self, event: Event<Service>) {
        let mut book = self.book.write().unwrap_or_else(PoisonError::into_inner);
        book.services.saw(event, service_addresses, |_, _, _| {});
    }
}

impl Table {
    /// Follows an event and tells how the addresses of each object moved.
    fn saw<K: Resource<DynamicType = ()>>(
        &mut self,
        event: Event<K>,
        addresses: fn(&K) -> Vec<IpAddr>,
        mut moved: impl FnMut(&Key, &[IpAddr], &[IpAddr]),
    ) {
        match event {
            Event::Init => self.listing.clear(),
            Event::InitApply(object) => {
                if let Some(key) = key(&object) {
                    self.listing.insert(key, addresses(&object));
                }
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut self.known, std::mem::take(&mut self.listing));
                for (key, addresses) in &before {
                    moved(key, addresses, &[]);
                }
                for (key, addresses) in &self.known {
                    moved(key, &[], addresses);
                }
                self.is_listed = true;
            }
            Event::Apply(object) => {
                if let Some(key) = key(&object) {
                    let addresses = addresses(&object);
                    moved(&key, self.known.get(&key).map(Vec::as_slice).unwrap_or_default(), &addresses);
                    self.known.insert(key, addresses);
                }
            }
            Event::Delete(object) => {
                if let Some(key) = key(&object)
                    && let Some(addresses) = self.known.remove(&key)
                {
                    moved(&key, &addresses, &[]);
                }
            }
        }
    }
}

/// Only objects in a lease's own namespace: a label alone, which anybody may wear elsewhere, makes nobody a tenant.
fn key(object: &impl Resource) -> Option<Key> {
    let namespace = object.namespace()?;
    let lease = LeaseName::parse(&namespace)?;
    (object.labels().get(labels::LEASE).map(String::as_str) == Some(lease.label_value()))
        .then(|| (namespace, object.name_any()))
}

/// Addresses that packets of this pod, and of nobody else, come from.
fn pod_addresses(pod: &Pod) -> Vec<IpAddr> {
    let on_host = pod.spec.as_ref().is_some_and(|spec| spec.host_network == Some(true));
    let Some(status) = &pod.status else { return Vec::new() };
    // The address of a pod that has ended may be another's by now.
    let ended = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if on_host || ended {
        return Vec::new();
    }
    let all =
        status.pod_ips.iter().flatten().map(|address| address.ip.as_str()).chain(status.pod_ip.as_deref());
    all.filter_map(|address| address.parse().ok()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn service_addresses(service: &Service) -> Vec<IpAddr> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let all = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip);
    // `None` is how a Service without an address says so.
    all.filter_map(|address| address.parse().ok()).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dns::tests::{lease, pod, service};

    fn listed(pods: Vec<Pod>) -> Directory {
        let directory = Directory::default();
        directory.saw_pod(Event::Init);
        pods.into_iter().for_each(|pod| directory.saw_pod(Event::InitApply(pod)));
        directory.saw_pod(Event::InitDone);
        directory
    }

    fn namespace_of(directory: &Directory, address: &str) -> Option<String> {
        directory.namespace_of(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_that_of_the_pod_that_has_it_now() {
        let (one, two) = (lease(1), lease(2));
        let directory = listed(vec![pod(&one, "web", "10.0.0.1"), pod(&two, "web", "10.0.0.2")]);
        assert_eq!(namespace_of(&directory, "10.0.0.1"), Some(one.clone()));
        assert_eq!(
            namespace_of(&directory, "::ffff:10.0.0.2"),
            Some(two.clone()),
            "a socket of both families"
        );
        assert_eq!(namespace_of(&directory, "10.0.0.3"), None);

        directory.saw_pod(Event::Delete(pod(&one, "web", "10.0.0.1")));
        assert_eq!(namespace_of(&directory, "10.0.0.1"), None);
        directory.saw_pod(Event::Apply(pod(&two, "other", "10.0.0.1")));
        assert_eq!(namespace_of(&directory, "10.0.0.1"), Some(two.clone()));
        directory.saw_pod(Event::Apply(pod(&two, "other", "10.0.0.9")));
        assert_eq!(namespace_of(&directory, "10.0.0.1"), None, "the pod came back with another address");

        directory.saw_pod(Event::Init);
        directory.saw_pod(Event::InitApply(pod(&one, "web", "10.0.0.2")));
        assert_eq!(namespace_of(&directory, "10.0.0.2"), Some(two), "a list counts when it is complete");
        directory.saw_pod(Event::InitDone);
        assert_eq!(namespace_of(&directory, "10.0.0.2"), Some(one));
        assert_eq!(namespace_of(&directory, "10.0.0.9"), None);
    }

    #[test]
    fn an_address_of_two_leases_is_nobodys() {
        let (one, two) = (lease(1), lease(2));
        let directory = listed(vec![pod(&one, "a", "10.0.0.1"), pod(&one, "b", "10.0.0.1")]);
        assert_eq!(namespace_of(&directory, "10.0.0.1"), Some(one.clone()));
        directory.saw_pod(Event::Apply(pod(&two, "a", "10.0.0.1")));
        assert_eq!(namespace_of(&directory, "10.0.0.1"), None);
        let mut ended = pod(&one, "a", "10.0.0.1");
        ended.status.as_mut().unwrap().phase = Some("Failed".to_owned());
        directory.saw_pod(Event::Apply(ended));
        directory.saw_pod(Event::Delete(pod(&one, "b", "10.0.0.1")));
        assert_eq!(namespace_of(&directory, "10.0.0.1"), Some(two));
    }

    #[test]
    fn pods_of_nobody_of_the_host_and_of_liars_have_no_names() {
        let own = lease(1);
        let mut on_host = pod(&own, "host", "192.0.2.1");
        on_host.spec.as_mut().unwrap().host_network = Some(true);
        let mut elsewhere = pod(&own, "liar", "10.0.0.7");
        elsewhere.metadata.namespace = Some("default".to_owned());
        let mut unlabelled = pod(&own, "plain", "10.0.0.8");
        unlabelled.metadata.labels = None;
        let mut other = pod(&own, "mixed", "10.0.0.9");
        other.metadata.namespace = Some(lease(2));
        let directory = listed(vec![on_host, elsewhere, unlabelled, other]);
        for address in ["192.0.2.1", "10.0.0.7", "10.0.0.8", "10.0.0.9"] {
            assert_eq!(namespace_of(&directory, address), None, "{address}");
        }
    }

    #[test]
    fn a_service_has_its_addresses_and_both_kinds_must_be_listed() {
        let own = lease(1);
        let directory = Directory::default();
        assert_eq!(directory.waiting(), ["Pod", "Service"]);
        directory.saw_service(Event::Init);
        directory.saw_service(Event::InitApply(service(&own, "db", "10.96.0.7")));
        let mut headless = service(&own, "none", "None");
        headless.spec.as_mut().unwrap().cluster_ips = serde_json::from_value(json!(["None"])).unwrap();
        directory.saw_service(Event::InitApply(headless));
        directory.saw_service(Event::InitDone);
        assert_eq!(directory.waiting(), ["Pod"]);
        assert_eq!(directory.service(&own, "db"), Some(vec!["10.96.0.7".parse().unwrap()]));
        assert_eq!(directory.service(&own, "none"), Some(Vec::new()));
        assert_eq!(directory.service(&lease(2), "db"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_of_a_young_pod_waits_for_its_address_and_no_longer_than_told() {
        let directory = listed(Vec::new());
        let until = Instant::now() + std::time::Duration::from_secs(3);
        let address = "10.0.0.1".parse().unwrap();
        let waiting = {
            let directory = directory.clone();
            tokio::spawn(async move { directory.await_namespace_of(address, until).await })
        };
        tokio::task::yield_now().await;
        directory.saw_pod(Event::Apply(pod(&lease(2), "other", "10.0.0.2")));
        directory.saw_pod(Event::Apply(pod(&lease(1), "web", "10.0.0.1")));
        assert_eq!(waiting.await.unwrap(), Some(lease(1)));

        let began = Instant::now();
        let unknown = "10.0.0.77".parse().unwrap();
        let found = directory.await_namespace_of(unknown, began + std::time::Duration::from_secs(3)).await;
        assert_eq!((found, began.elapsed().as_secs()), (None, 3));
    }
}
