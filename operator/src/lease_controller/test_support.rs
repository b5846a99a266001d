//! Fixtures of the reconcile tests: one lease, its manifest, and a context on a mock API server.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
};

use crd::{
    ChainRef, ComputeLease, ComputeLeaseSpec, DesiredState, LeaseName, ManifestRef, PreviousManifest,
    ResourceLimits, TierName, convert,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Pod, Secret, Service},
        node::v1::RuntimeClass,
        storage::v1::StorageClass,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::runtime::{
    events::{Recorder, Reporter},
    watcher,
};
use manifest::ValidManifest;
use market::{B256, LeaseId, Tier};
use serde_json::json;
use telemetry::Registry;
use testkit::mock_api::MockApi;
use tokio::time::Duration;

use super::{
    Context,
    build::workload,
    hosts::proofs::Proofs,
    live::Listing,
    memory::Memory,
    owned::Kind,
    pod_index, pods,
    rollout::Course,
    run::{RENDERED, Synced},
    stores::Writers,
    tiers::Confinement,
    validate::{Activity, Validated},
};
use crate::{
    canary::enforcement::{Enforcement, Network},
    metrics::Metrics,
    settings::{NameServerSettings, Settings, exposure::Exposure},
};

pub(crate) const SYSTEM: &str = "leasehold-system";
pub(crate) const UID: &str = "uid-of-lease";
pub(crate) const NOW: i64 = 1_800_000_000;
const SALT: B256 = B256::repeat_byte(0x5a);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

thread_local! {
    static PASSED: Cell<i64> = const { Cell::new(0) };
}

/// The clock of the scenarios of this thread, which is one test.
fn clock() -> Timestamp {
    now() + SignedDuration::from_secs(PASSED.get())
}

/// Lets time pass.
pub(crate) fn pass(seconds: i64) {
    PASSED.set(PASSED.get() + seconds);
}

pub(crate) fn lease_id() -> LeaseId {
    LeaseId(B256::repeat_byte(0x11))
}

pub(crate) fn name() -> LeaseName {
    LeaseName::of(lease_id())
}

pub(crate) fn lease_path() -> String {
    format!("/apis/leasehold.dev/v1alpha1/namespaces/{SYSTEM}/computeleases/{}", name())
}

pub(crate) fn namespace_path() -> String {
    format!("/api/v1/namespaces/{}", name())
}

pub(crate) fn manifest_yaml() -> String {
    std::fs::read_to_string(test_data("guestbook/manifest.yaml")).unwrap()
}

pub(crate) fn manifest_of(yaml: &str) -> ValidManifest {
    manifest::validate(&manifest::parse(yaml, "manifest.yaml").unwrap()).unwrap()
}

pub(crate) fn test_data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/lease_controller/test_data").join(path)
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` rewrites it.
pub(crate) fn check_golden(path: &str, found: &serde_json::Value) {
    let path = test_data(path);
    let found = format!("{}\n", serde_json::to_string_pretty(found).unwrap());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        wanted == found,
        "{} is stale: run UPDATE_GOLDEN=1 cargo test -p operator\n{found}",
        path.display()
    );
}

/// A lease of the guestbook, as the API server would return it after the agent wrote it.
pub(crate) fn lease(yaml: &str) -> ComputeLease {
    let canonical = manifest_of(yaml).canonical_json();
    let mut lease = ComputeLease::new(
        name().as_str(),
        ComputeLeaseSpec {
            lease_id: lease_id().to_string(),
            tenant: format!("0x{}", "2".repeat(40)),
            provider: format!("0x{}", "3".repeat(40)),
            chain: ChainRef { chain_id: 31337, market: format!("0x{}", "4".repeat(40)) },
            tier: TierName::Strict,
            limits: ResourceLimits {
                cpu_milli: 1_100,
                memory_bytes: 300 << 20,
                storage_bytes: 2 << 30,
                gpu_milli: 0,
                egress_bytes_per_second: 0,
                leased_ips: 0,
                device_milli: 0,
            },
            manifest: Some(ManifestRef {
                secret_name: name().manifest_secret(),
                hash: convert::hex(manifest::manifest_hash(&SALT, &canonical).as_slice()),
                revision: 1,
                previous: None,
            }),
            desired: DesiredState::Running,
            term: None,
            settlement: None,
            suspension: None,
        },
    );
    lease.metadata.namespace = Some(SYSTEM.to_owned());
    lease.metadata.uid = Some(UID.to_owned());
    lease.metadata.generation = Some(1);
    lease.metadata.finalizers = Some(vec![crd::labels::FINALIZER.to_owned()]);
    lease
}

pub(crate) fn manifest_secret(yaml: &str) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name().manifest_secret()), ..ObjectMeta::default() },
        data: Some(
            [
                (crd::labels::MANIFEST_KEY.to_owned(), ByteString(manifest_of(yaml).canonical_json())),
                (crd::labels::SALT_KEY.to_owned(), ByteString(convert::hex(SALT.as_slice()).into_bytes())),
            ]
            .into(),
        ),
        ..Secret::default()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        system_namespace: SYSTEM.to_owned(),
        agent_service_account: "leasehold-agent".to_owned(),
        gateway_selector: "app.kubernetes.io/component=agent".parse().unwrap(),
        name_server: NameServerSettings {
            service: "leasehold-dns".to_owned(),
            selector: "app.kubernetes.io/component=dns".parse().unwrap(),
            cluster_domain: "cluster.local".parse().unwrap(),
        },
        public_egress_deny: vec!["198.51.0.0/16".parse().unwrap(), "2a00::/16".parse().unwrap()],
        node_selector: "leasehold.dev/pool=tenants".parse().unwrap(),
        node_taint: Some("leasehold.dev/pool".to_owned()),
        pod_bandwidth: Some("500M".parse().expect("the setting is valid")),
        tiers: Tier::ALL.into(),
        sandbox_runtime_class: "gvisor".to_owned(),
        exposure: Some(Exposure {
            gateway: "gateway-system/public/web".parse().unwrap(),
            data_plane: "gateway-system/app=proxy".parse().unwrap(),
            public_domain: "apps.example.net".parse().unwrap(),
            reserved_domains: vec!["owner.example".parse().unwrap()],
            host_cooldown: jiff::SignedDuration::from_hours(24),
            host_grace: jiff::SignedDuration::from_hours(1),
        }),
        final_usage_wait: Duration::from_secs(120),
    }
}

pub(crate) fn storage_class(reclaim_policy: &str) -> StorageClass {
    serde_json::from_value(json!({
        "metadata": {
            "name": "local-path",
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" }
        },
        "provisioner": "rancher.io/local-path",
        "reclaimPolicy": reclaim_policy,
    }))
    .unwrap()
}

pub(crate) fn runtime_class() -> RuntimeClass {
    serde_json::from_value(json!({
        "metadata": {"name": "gvisor"},
        "handler": "runsc",
        "overhead": {"podFixed": {"cpu": "50m", "memory": "64Mi"}}
    }))
    .unwrap()
}

/// Addresses of the tenants' name server.
pub(crate) fn name_servers() -> Vec<IpAddr> {
    vec!["10.96.0.53".parse().unwrap()]
}

/// The Service of the tenants' name server.
pub(crate) fn name_server(address: &str) -> Service {
    serde_json::from_value(json!({
        "metadata": {"name": "leasehold-dns", "namespace": SYSTEM},
        "spec": {"clusterIP": address, "clusterIPs": [address]}
    }))
    .unwrap()
}

/// The guestbook, or a changed one, as it was accepted.
pub(crate) fn validated_of(yaml: &str) -> Validated {
    Validated {
        name: name(),
        uid: UID.to_owned(),
        tier: market::Tier::Strict,
        confinement: Confinement::Strict,
        manifest: manifest_of(yaml),
        publicity: None,
        images: Vec::new(),
        storage_class: Some("local-path".to_owned()),
        closed_classes: BTreeSet::new(),
        name_servers: name_servers(),
        activity: Activity::Running,
        course: Course::Newest,
    }
}

/// A ready pod of a service of the guestbook.
pub(crate) fn pod(service: &str, index: usize) -> Pod {
    pod_of(&manifest_yaml(), service, index)
}

/// A ready pod of a service, made from the template that this manifest gives.
pub(crate) fn pod_of(yaml: &str, service: &str, index: usize) -> Pod {
    let lease = validated_of(yaml);
    let found = lease.manifest.services().iter().find(|(name, _)| name.as_str() == service);
    let form = found.map(|(name, service)| workload::present_form(&lease, &settings(), name, service));
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("{service}-{index}"),
            "namespace": name().as_str(),
            "uid": format!("pod-{service}-{index}"),
            "labels": {
                "app.kubernetes.io/managed-by": "leasehold-operator",
                "leasehold.dev/lease": name().label_value(),
                "leasehold.dev/service": service,
            },
            "annotations": { "leasehold.dev/form": form.unwrap_or_default() }
        },
        "spec": { "nodeName": "node-a", "containers": [{ "name": "workload" }] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] }
    }))
    .unwrap()
}

/// A reconciler on a mock API server with a lease and its manifest.
pub(crate) struct Scenario {
    pub(crate) api: MockApi,
    pub(crate) ctx: Arc<Context>,
    listing: pod_index::Listing,
    writers: Writers,
}

impl Scenario {
    pub(crate) fn new(yaml: &str) -> Self {
        Self::with_watches(yaml, Synced::complete())
    }

    /// A reconciler whose watches have come this far.
    pub(crate) fn with_watches(yaml: &str, synced: Synced) -> Self {
        // A second test of the same process finds the provider there, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let api = MockApi::new();
        let client = api.client();
        let writers = Writers::default();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let ctx = Arc::new(Context {
            recorder: Recorder::new(
                client.clone(),
                Reporter { controller: "leasehold-operator".to_owned(), instance: None },
            ),
            client,
            settings: self::settings(),
            stores: writers.stores(),
            synced,
            metrics,
            images: super::images::ImageBook::new(None),
            live: Arc::default(),
            memory: Memory::default(),
            proofs: Arc::new(Proofs::new().0),
            network: Arc::new(Network::new(Enforcement::Unchecked)),
            clock,
        });
        let mut scenario = Self { api, ctx, listing: pod_index::Listing::default(), writers };
        scenario.put_name_server(name_server("10.96.0.53"));
        scenario.api.insert(&lease_path(), lease(yaml));
        scenario.put_manifest(yaml);
        scenario.put_class(storage_class("Delete"));
        scenario
    }

    pub(crate) fn put_manifest(&self, yaml: &str) {
        let path = format!("/api/v1/namespaces/{SYSTEM}/secrets/{}", name().manifest_secret());
        self.api.insert(&path, manifest_secret(yaml));
    }

    /// Uploads another manifest beside the present one, as the agent does.
    pub(crate) fn update_manifest(&self, yaml: &str, revision: i64) {
        let secret = format!("{}-{revision}", name().manifest_secret());
        let mut object = manifest_secret(yaml);
        object.metadata.name = Some(secret.clone());
        self.api.insert(&format!("/api/v1/namespaces/{SYSTEM}/secrets/{secret}"), object);
        self.change_lease(|changed| {
            let before = changed.spec.manifest.take().unwrap();
            let hash = lease(yaml).spec.manifest.unwrap().hash;
            let previous = Some(PreviousManifest {
                secret_name: before.secret_name,
                hash: before.hash,
                revision: before.revision,
            });
            changed.spec.manifest = Some(ManifestRef { secret_name: secret, hash, revision, previous });
        });
    }

    pub(crate) fn put_class(&mut self, class: StorageClass) {
        self.writers.storage_classes.apply_watcher_event(&watcher::Event::Apply(class));
    }

    pub(crate) fn put_name_server(&mut self, service: Service) {
        self.writers.name_servers.apply_watcher_event(&watcher::Event::Apply(service));
    }

    pub(crate) fn remove_name_server(&mut self) {
        self.writers.name_servers.apply_watcher_event(&watcher::Event::Delete(name_server("10.96.0.53")));
    }

    pub(crate) fn put_pod(&mut self, mut pod: Pod) {
        // As the watch does, so that nothing is read that is not kept.
        pods::keep_what_matters(&mut pod);
        self.ctx.stores.pods.take(&mut self.listing, watcher::Event::Apply(pod));
    }

    pub(crate) fn remove_pod(&mut self, pod: Pod) {
        self.ctx.stores.pods.take(&mut self.listing, watcher::Event::Delete(pod));
    }

    /// The lease as it is on the server.
    pub(crate) fn lease(&self) -> ComputeLease {
        serde_json::from_value(self.api.find(&lease_path()).unwrap()).unwrap()
    }

    pub(crate) fn change_lease(&self, change: impl FnOnce(&mut ComputeLease)) {
        let mut lease = self.lease();
        change(&mut lease);
        lease.metadata.generation = lease.metadata.generation.map(|generation| generation + 1);
        self.api.insert(&lease_path(), lease);
    }

    /// Reconciles what is on the server and returns the writes, as `VERB path` without the lease's name.
    pub(crate) async fn reconcile(&self) -> Result<Vec<String>, super::Error> {
        self.watch();
        self.api.take_requests();
        let lease = self.lease();
        super::reconcile(Arc::new(lease), self.ctx.clone()).await?;
        Ok(self.writes())
    }

    /// Plays the watches: everything that is on the server has been seen, and nothing else.
    pub(crate) fn watch(&self) {
        let mut listings: BTreeMap<Kind, Listing> =
            RENDERED.into_iter().map(|kind| (kind, self.ctx.live.listing())).collect();
        for path in self.api.paths() {
            let kind = match path.rsplit('/').nth(1) {
                Some("namespaces") => Kind::Namespace,
                Some("resourcequotas") => Kind::ResourceQuota,
                Some("limitranges") => Kind::LimitRange,
                Some("networkpolicies") => Kind::NetworkPolicy,
                Some("serviceaccounts") => Kind::ServiceAccount,
                Some("rolebindings") => Kind::RoleBinding,
                Some("deployments") => Kind::Deployment,
                Some("statefulsets") => Kind::StatefulSet,
                Some("services") => Kind::Service,
                Some("httproutes") => Kind::HttpRoute,
                _ => continue,
            };
            let object = self.api.find(&path).unwrap();
            if object["metadata"]["labels"][crd::labels::MANAGED_BY] == crd::labels::MANAGED_BY_VALUE {
                let object = serde_json::from_value(object).unwrap();
                self.ctx.live.list(
                    kind,
                    listings.entry(kind).or_insert_with(|| self.ctx.live.listing()),
                    &object,
                );
            }
        }
        for (kind, listing) in &listings {
            self.ctx.live.listed(*kind, listing);
        }
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let writes = self.api.take_writes().into_iter();
        writes.map(|write| write.replace(name().as_str(), "LEASE").replace(SYSTEM, "SYSTEM")).collect()
    }

    /// Reconciles until everything is applied and all pods are ready.
    pub(crate) async fn provisioned(yaml: &str) -> Self {
        let mut scenario = Self::new(yaml);
        scenario.reconcile().await.unwrap();
        scenario.api.run_quota_controller();
        for pod in [pod("web", 0), pod("web", 1), pod("database", 0), pod("worker", 0)] {
            scenario.put_pod(pod);
        }
        scenario.reconcile().await.unwrap();
        scenario
    }
}
