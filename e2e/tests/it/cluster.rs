//! A system namespace of its own for each test, with the definitions and the chart's access rights.

use std::{env, fmt::Debug, panic::AssertUnwindSafe, path::Path, time::Duration};

use anyhow::{Context, Result};
use crd::{ComputeLease, LeaseName, ManifestRef, PreviousManifest, convert};
use futures::FutureExt;
use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Namespace, Secret, Service},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
        scheduling::v1::PriorityClass,
        storage::v1::StorageClass,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        conditions,
        wait::{Condition, await_condition},
    },
};
use manifest::ValidManifest;
use market::{B256, LeaseId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const MANAGER: &str = "leasehold-e2e";
const PATIENCE: Duration = Duration::from_secs(90);
/// Rendered by the chart's own tests, so what is proved here is what a provider installs.
const RIGHTS: &str = include_str!("../../../charts/leasehold/tests/rbac.yaml");

/// Service of the tenants' name server in a test's system namespace. It has an address, and nobody behind it.
pub(crate) const NAME_SERVER: &str = "leasehold-dns";

/// A real API server with one test's system namespace.
pub(crate) struct Cluster {
    pub(crate) admin: Client,
    pub(crate) system: String,
    config: Config,
}

impl Cluster {
    /// Connects as administrator and prepares a namespace; `test` must be a DNS label.
    pub(crate) async fn connect(test: &str) -> Result<Self> {
        // A second test of the same process finds the provider there, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = env::var("LEASEHOLD_TEST_KUBECONFIG")
            .context("LEASEHOLD_TEST_KUBECONFIG must name the kubeconfig of a cluster for tests")?;
        let kubeconfig =
            Kubeconfig::read_from(Path::new(&path)).with_context(|| format!("failed to read {path}"))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .context("the kubeconfig is not usable")?;
        let admin = Client::try_from(config.clone())?;
        let system = format!("it-{test}-{}", std::process::id());
        let cluster = Self { admin, system, config };
        for definition in crd::all_crds() {
            let name = definition.name_any();
            let api = Api::<CustomResourceDefinition>::all(cluster.admin.clone());
            apply(&api, &definition).await?;
            wait(&api, &name, conditions::is_crd_established()).await?;
        }
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(cluster.system.clone()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        apply(&Api::all(cluster.admin.clone()), &namespace).await?;
        apply(&cluster.all::<PriorityClass>(), &tenant_priority_class()).await?;
        apply(&cluster.own::<Service>(), &name_server()?).await?;
        Ok(cluster)
    }

    /// Gives the identities of operator, meter, name server and agent the chart's rights, and nothing else, in this test's namespace.
    pub(crate) async fn grant_rights(&self) -> Result<()> {
        for document in self.rights()? {
            match document["kind"].as_str() {
                Some("ClusterRole") => apply(&self.all::<ClusterRole>(), &typed(document)?).await?,
                Some("ClusterRoleBinding") => {
                    apply(&self.all::<ClusterRoleBinding>(), &typed(document)?).await?
                }
                Some("Role") => apply(&self.where_it_is::<Role>(&document), &typed(document)?).await?,
                Some("RoleBinding") => {
                    apply(&self.where_it_is::<RoleBinding>(&document), &typed(document)?).await?
                }
                kind => anyhow::bail!("the chart's rights hold an unexpected {kind:?}"),
            }
        }
        Ok(())
    }

    /// Rights of the operator, of the meter, of the name server, of the agent and of the role that the operator hands on, under names of this test.
    fn rights(&self) -> Result<Vec<Value>> {
        let text = RIGHTS
            .replace("leasehold-system", &self.system)
            .replace("leasehold-operator", &self.identity("operator"))
            .replace("leasehold-meter", &self.identity("meter"))
            .replace("leasehold-dns", &self.identity("dns"))
            .replace("leasehold-agent", &self.identity("agent"));
        let mut documents = Vec::new();
        for document in text.split("\n---\n") {
            let mut document: Value = serde_saphyr::from_str(document.trim_start_matches("---\n"))?;
            let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let is_ours = ["operator", "meter", "dns", "agent"]
                .iter()
                .any(|component| name.starts_with(&self.identity(component)));
            if name == "leasehold-lease-reader" || is_ours {
                let names = document["rules"].as_array_mut().into_iter().flatten();
                for names in names.filter_map(|rule| rule["resourceNames"].as_array_mut()) {
                    // The real programs know the Leases of their elections by their real names.
                    for (ours, real) in [
                        (self.operator(), crd::labels::OPERATOR_ELECTION),
                        (self.identity("meter"), crd::labels::METER_ELECTION),
                    ] {
                        if names.contains(&json!(ours)) {
                            names.push(json!(real));
                        }
                    }
                }
                documents.push(document);
            }
        }
        anyhow::ensure!(documents.len() >= 13, "the chart's rights are not what this test knows");
        Ok(documents)
    }

    /// Name of the operator's identity in this test, and of the Lease that its replicas are elected by.
    pub(crate) fn operator(&self) -> String {
        self.identity("operator")
    }

    /// Name of a component's identity in this test, and of the Lease that its replicas are elected by.
    pub(crate) fn identity(&self, component: &str) -> String {
        format!("{}-{component}", self.system)
    }

    /// A client that may do what the operator's ServiceAccount may.
    pub(crate) fn as_operator(&self) -> Result<Client> {
        Ok(Client::try_from(self.operator_config())?)
    }

    /// A client that may do what the meter's ServiceAccount may.
    pub(crate) fn as_meter(&self) -> Result<Client> {
        Ok(Client::try_from(self.meter_config())?)
    }

    /// A client that may do what the name server's ServiceAccount may.
    pub(crate) fn as_name_server(&self) -> Result<Client> {
        Ok(Client::try_from(self.config_of("dns"))?)
    }

    /// How to reach the API server as the operator's ServiceAccount.
    pub(crate) fn operator_config(&self) -> Config {
        self.config_of("operator")
    }

    /// How to reach the API server as the meter's ServiceAccount.
    pub(crate) fn meter_config(&self) -> Config {
        self.config_of("meter")
    }

    /// How to reach the API server as the agent's ServiceAccount.
    pub(crate) fn agent_config(&self) -> Config {
        self.config_of("agent")
    }

    fn config_of(&self, component: &str) -> Config {
        let mut config = self.config.clone();
        config.auth_info.impersonate =
            Some(format!("system:serviceaccount:{}:{}", self.system, self.identity(component)));
        config.auth_info.impersonate_groups = Some(vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", self.system),
            "system:authenticated".to_owned(),
        ]);
        config
    }

    /// A client that acts as somebody else.
    pub(crate) fn as_user(&self, user: &str, groups: &[String]) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.to_vec());
        Ok(Client::try_from(config)?)
    }

    /// Deletes an object; one that is not there is no error.
    pub(crate) async fn delete<K: Clone + DeserializeOwned + Debug>(
        &self,
        api: &Api<K>,
        name: &str,
    ) -> Result<()> {
        delete(api, name).await
    }

    /// Makes a default storage class that nothing provisions from, unless there is one.
    pub(crate) async fn ensure_storage_class(&self) -> Result<()> {
        let api = self.all::<StorageClass>();
        let is_default = |class: &StorageClass| {
            class
                .annotations()
                .get("storageclass.kubernetes.io/is-default-class")
                .is_some_and(|v| v == "true")
        };
        if api.list(&Default::default()).await?.iter().any(is_default) {
            return Ok(());
        }
        let class: StorageClass = serde_json::from_value(json!({
            "metadata": {
                "name": "leasehold-e2e",
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}
            },
            "provisioner": "leasehold.dev/nobody",
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        }))?;
        apply(&api, &class).await
    }

    /// Runs a test and removes what it made, also when it failed or panicked.
    pub(crate) async fn clean_up_after(self, test: impl AsyncFnOnce(&Self) -> Result<()>) -> Result<()> {
        let result = AssertUnwindSafe(test(&self)).catch_unwind().await;
        let removed = self.remove().await;
        match result {
            Ok(result) => result.and(removed),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    async fn remove(&self) -> Result<()> {
        for document in self.rights().unwrap_or_default() {
            let name = document["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match document["kind"].as_str() {
                Some("ClusterRole") => delete(&self.all::<ClusterRole>(), &name).await?,
                Some("ClusterRoleBinding") => delete(&self.all::<ClusterRoleBinding>(), &name).await?,
                // Not all of them go with the test's own namespace.
                Some("Role") => delete(&self.where_it_is::<Role>(&document), &name).await?,
                Some("RoleBinding") => delete(&self.where_it_is::<RoleBinding>(&document), &name).await?,
                _ => {}
            }
        }
        delete(&self.all::<StorageClass>(), "leasehold-e2e").await?;
        // A lease whose operator is gone would keep the namespace for ever.
        for lease in self.own::<ComputeLease>().list(&Default::default()).await? {
            let patch = json!({"metadata": {"finalizers": null}});
            let name = lease.name_any();
            self.own::<ComputeLease>().patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
            delete(&self.all::<Namespace>(), &name).await?;
        }
        delete(&self.all::<Namespace>(), &self.system).await
    }

    pub(crate) fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.admin.clone())
    }

    pub(crate) fn own<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.admin.clone(), &self.system)
    }

    /// Objects of one kind in the namespace that a document names.
    fn where_it_is<K>(&self, document: &Value) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or(&self.system);
        Api::namespaced(self.admin.clone(), namespace)
    }

    /// Writes a lease and its manifest as the agent would.
    pub(crate) async fn open_lease(&self, seed: u8, manifest: &ValidManifest) -> Result<LeaseName> {
        self.write_lease(&lease(seed, manifest), manifest).await?;
        Ok(LeaseName::of(lease_id(seed)))
    }

    /// Writes this lease and its manifest as the agent would.
    pub(crate) async fn write_lease(&self, lease: &ComputeLease, manifest: &ValidManifest) -> Result<()> {
        let secret = lease.spec.manifest.as_ref().context("the lease has a manifest")?.secret_name.clone();
        self.apply_manifest(secret, manifest).await?;
        apply(&self.own::<ComputeLease>(), lease).await
    }

    /// Stores a new revision of a lease's manifest; the present one becomes the one to go back to.
    pub(crate) async fn store_manifest(
        &self,
        name: &LeaseName,
        manifest: &ValidManifest,
        revision: i64,
    ) -> Result<ManifestRef> {
        let secret_name = format!("{}-{revision}", name.manifest_secret());
        self.apply_manifest(secret_name.clone(), manifest).await?;
        let lease = self.own::<ComputeLease>().get(name.as_str()).await?;
        let present = lease.spec.manifest.context("the lease has a manifest")?;
        Ok(ManifestRef {
            secret_name,
            hash: hash(manifest),
            revision,
            previous: Some(PreviousManifest {
                secret_name: present.secret_name,
                hash: present.hash,
                revision: present.revision,
            }),
        })
    }

    async fn apply_manifest(&self, secret: String, manifest: &ValidManifest) -> Result<()> {
        let salt = ByteString(convert::hex(salt().as_slice()).into_bytes());
        let secret = Secret {
            metadata: ObjectMeta { name: Some(secret), ..ObjectMeta::default() },
            data: Some(
                [
                    (crd::labels::MANIFEST_KEY.to_owned(), ByteString(manifest.canonical_json())),
                    (crd::labels::SALT_KEY.to_owned(), salt),
                ]
                .into(),
            ),
            ..Secret::default()
        };
        apply(&self.own::<Secret>(), &secret).await
    }
}

/// Differs between runs, so that a run that was killed leaves nothing in the way of the next.
pub(crate) fn lease_id(seed: u8) -> LeaseId {
    let mut id = [seed; 32];
    id[..4].copy_from_slice(&std::process::id().to_be_bytes());
    LeaseId(B256::from(id))
}

fn salt() -> B256 {
    B256::repeat_byte(0x5a)
}

fn hash(manifest: &ValidManifest) -> String {
    convert::hex(manifest::manifest_hash(&salt(), &manifest.canonical_json()).as_slice())
}

/// A lease of exactly what a manifest asks for.
pub(crate) fn lease(seed: u8, manifest: &ValidManifest) -> ComputeLease {
    lease_of(lease_id(seed), manifest)
}

/// The lease of this id, of exactly what a manifest asks for.
pub(crate) fn lease_of(id: LeaseId, manifest: &ValidManifest) -> ComputeLease {
    e2e::opened::lease_of(id, manifest, salt()).expect("the test's manifest fits")
}

/// The class that the chart installs and that every pod of a lease names. It stays, because another test may need it, and it
/// looks like the chart's, because helm takes over nothing else.
fn name_server() -> Result<Service> {
    let ports = json!([{"name": "dns", "port": 53, "protocol": "UDP"}]);
    Ok(serde_json::from_value(json!({"metadata": {"name": NAME_SERVER}, "spec": {"ports": ports}}))?)
}

fn tenant_priority_class() -> PriorityClass {
    PriorityClass {
        metadata: ObjectMeta {
            name: Some(crd::labels::TENANT_PRIORITY_CLASS.to_owned()),
            labels: Some([("app.kubernetes.io/managed-by".to_owned(), "Helm".to_owned())].into()),
            annotations: Some(
                [("release-name", "leasehold"), ("release-namespace", "leasehold-system")]
                    .map(|(key, value)| (format!("meta.helm.sh/{key}"), value.to_owned()))
                    .into(),
            ),
            ..ObjectMeta::default()
        },
        preemption_policy: Some("Never".to_owned()),
        value: 0,
        ..PriorityClass::default()
    }
}

/// The manifest of a web front end and a database with a volume.
pub(crate) fn guestbook() -> ValidManifest {
    guestbook_with("first")
}

/// The guestbook whose front end is told a word.
pub(crate) fn guestbook_with(word: &str) -> ValidManifest {
    let text = format!(
        "
version: v1
name: guestbook
duration: 1h
services:
  web:
    image: registry.example/web@sha256:{}
    env: {{WORD: {word}}}
    secrets: {{PASSWORD: {{value: open-sesame}}}}
    resources: {{cpu: 100m, memory: 64Mi}}
    replicas: 2
    ports: [{{port: 8080, expose: tenant}}]
    readiness: {{httpGet: {{port: 8080, path: /}}}}
    runAsUser: 10001
  database:
    image: registry.example/database@sha256:{}
    resources: {{cpu: 200m, memory: 128Mi}}
    ports: [{{port: 5432}}]
    volumes: [{{name: data, mountPath: /data, size: 256Mi}}]
",
        "1".repeat(64),
        "2".repeat(64)
    );
    let document = manifest::parse(&text, "guestbook.yaml").expect("the test's manifest parses");
    manifest::validate(&document).expect("the test's manifest is valid")
}

/// Applies as the test's own field manager.
pub(crate) async fn apply<K>(api: &Api<K>, object: &K) -> Result<()>
where
    K: Resource + Serialize + DeserializeOwned + Clone + Debug,
{
    let name = object.name_any();
    api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(object))
        .await
        .with_context(|| format!("failed to apply {name}"))?;
    Ok(())
}

async fn delete<K: Clone + DeserializeOwned + Debug>(api: &Api<K>, name: &str) -> Result<()> {
    match api.delete(name, &DeleteParams::background()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        deleted => deleted.map(drop).with_context(|| format!("failed to delete {name}")),
    }
}

/// Waits until a condition holds, by a watch.
pub(crate) async fn wait<K>(api: &Api<K>, name: &str, condition: impl Condition<K>) -> Result<Option<K>>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    tokio::time::timeout(PATIENCE, await_condition(api.clone(), name, condition))
        .await
        .with_context(|| format!("{name} did not get there in {PATIENCE:?}"))?
        .context("the watch failed")
}

fn typed<K: DeserializeOwned>(document: Value) -> Result<K> {
    serde_json::from_value(document).context("the chart's rights do not parse")
}
