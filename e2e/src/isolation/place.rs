//! Who acts and where: the cluster's owner, other identities, and the namespaces of the run.

use std::time::Duration;

use anyhow::{Context, Result};
use crd::{ComputeLease, labels};
use e2e::agentless::{Images, values_of_the_agent};
use e2e::chart::{NAMESPACE, plain_registry};
use e2e::{cluster, deployments};
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};
use serde_json::{Value, json};

use crate::args::Args;

/// A namespace without any control, where a probe must find every row open.
pub(crate) const BARE: &str = "isolation-bare";
/// An administrator's add-on: it may do anything, and is none of ours.
pub(crate) const ADDON: (&str, &str) = (BARE, "addon");
/// Who makes the pods of Deployments.
pub(crate) const REPLICA_SETS: (&str, &str) = ("kube-system", "replicaset-controller");
/// Our identities.
pub(crate) const OPERATOR: (&str, &str) = (NAMESPACE, "leasehold-operator");
pub(crate) const AGENT: (&str, &str) = (NAMESPACE, "leasehold-agent");

const MANAGER: &str = "leasehold-isolation";
/// The chart's default.
const BREAK_GLASS: &str = "leasehold:break-glass";
/// Replicas of the operator, as in the chart.
pub(crate) const OPERATORS: u32 = 2;
const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that a proof may use.
pub(crate) struct Place {
    pub(crate) args: Args,
    pub(crate) admin: Client,
    pub(crate) probe_image: String,
    operator_image: String,
    config: Config,
}

/// The node that pods run on.
#[derive(Debug)]
pub(crate) struct NodeFacts {
    pub(crate) name: String,
    pub(crate) address: std::net::IpAddr,
    pub(crate) kernel: String,
}

impl Place {
    /// Connects as administrator.
    pub(crate) async fn connect(args: Args, images: &Images) -> Result<Self> {
        let file = Kubeconfig::read_from(&args.run.kubeconfig)
            .with_context(|| format!("failed to read {}", args.run.kubeconfig.display()))?;
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
        Ok(Self {
            admin: Client::try_from(config.clone())?,
            probe_image: images.reference("isolation-probe")?,
            operator_image: images.reference("operator")?,
            config,
            args,
        })
    }

    /// A client that may do what a ServiceAccount may.
    pub(crate) fn as_account(&self, (namespace, name): (&str, &str)) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(format!("system:serviceaccount:{namespace}:{name}"));
        config.auth_info.impersonate_groups = Some(vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ]);
        Ok(Client::try_from(config)?)
    }

    /// A client of the group that the admission policies let repair a lease by hand.
    pub(crate) fn as_break_glass(&self) -> Result<Client> {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(MANAGER.to_owned());
        config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned(), BREAK_GLASS.to_owned()]);
        Ok(Client::try_from(config)?)
    }

    /// Installs the chart and waits for the operator; the agent stays away, because the harness plays its part.
    pub(crate) async fn install(&self) -> Result<()> {
        let awaited = ["leasehold-dns", "leasehold-operator"];
        self.args.run.install(&self.admin, MANAGER, &self.values(), &awaited).await
    }

    fn values(&self) -> Value {
        json!({
            "admission": e2e::chart::admission(),
            "operator": {
                "image": self.operator_image,
                "podBandwidth": crate::loads::BANDWIDTH.to_string(),
                "tiers": ["strict", "userns", "sandboxed"],
                "images": {"allowedRegistries": [
                    plain_registry(&self.operator_image), format!("http://{}", self.args.private_registry.host),
                ]},
            },
            // The world outside, which answers questions for names.
            "dns": {"upstreams": [self.args.public]},
            "agent": values_of_the_agent(&self.probe_image),
        })
    }

    /// Sets the replicas of one of our Deployments.
    pub(crate) async fn scale(&self, deployment: &str, replicas: u32) -> Result<()> {
        deployments::scale(&self.admin, deployment, replicas).await
    }

    /// Waits until a Deployment has as many available pods as it wants, and none besides.
    pub(crate) async fn await_available(&self, deployment: &str) -> Result<()> {
        deployments::await_available(&self.admin, deployment).await
    }

    /// Makes a namespace with labels.
    pub(crate) async fn namespace(&self, name: &str, labels: Value) -> Result<()> {
        cluster::apply_namespace(&self.admin, MANAGER, name, labels).await
    }

    /// Applies any object in a namespace, as the administrator.
    pub(crate) async fn apply(&self, path: &str, object: &Value) -> Result<()> {
        let name = object["metadata"]["name"].as_str().context("an object has a name")?;
        let uri = format!("{path}/{name}?fieldManager={MANAGER}&force=true");
        let request = http::Request::patch(uri)
            .header("Content-Type", "application/apply-patch+yaml")
            .body(serde_json::to_vec(object)?)?;
        let _: Value =
            self.admin.request(request).await.with_context(|| format!("failed to apply {path}/{name}"))?;
        Ok(())
    }

    /// Deletes any object of the cluster, as the administrator; one that is missing is as good.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        let deleted: kube::Result<Value> =
            self.admin.request(http::Request::delete(path).body(Vec::new())?).await;
        match deleted {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            deleted => deleted.map(drop).with_context(|| format!("failed to delete {path}")),
        }
    }

    /// The node; the testbed has one.
    pub(crate) async fn node(&self) -> Result<NodeFacts> {
        let nodes = Api::<Node>::all(self.admin.clone()).list(&ListParams::default()).await?;
        let node = nodes.items.into_iter().next().context("the cluster has no node")?;
        let name = node.name_any();
        let status = node.status.context("the node has no status")?;
        let addresses = status.addresses.unwrap_or_default();
        let address = addresses.iter().find(|address| address.type_ == "InternalIP").context("no address")?;
        Ok(NodeFacts {
            name,
            address: address.address.parse().context("the node's address is none")?,
            kernel: status.node_info.context("the node has no info")?.kernel_version,
        })
    }

    /// Removes what the run made, also where its operator cannot any more.
    pub(crate) async fn clean_up(&self) -> Result<()> {
        crate::unenforced::clean_up(self).await?;
        let ended = self.end_leases().await;
        cluster::delete_namespace(&self.admin, BARE).await?;
        self.args.run.helm().uninstall().await?;
        let bindings = Api::<k8s_openapi::api::rbac::v1::ClusterRoleBinding>::all(self.admin.clone());
        match bindings.delete("isolation-addon", &Default::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            deleted => drop(deleted?),
        }
        if ended.is_err() {
            self.tear_leases_down().await?;
        }
        cluster::delete_namespace(&self.admin, NAMESPACE).await?;
        ended
    }

    async fn leases(&self) -> Result<Vec<ComputeLease>> {
        let leases = Api::<ComputeLease>::namespaced(self.admin.clone(), NAMESPACE);
        match leases.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            // Nothing was installed.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
            Err(error) => Err(error).context("failed to list the leases"),
        }
    }

    async fn end_leases(&self) -> Result<()> {
        let leases = Api::<ComputeLease>::namespaced(self.admin.clone(), NAMESPACE);
        for lease in self.leases().await? {
            leases.delete(&lease.name_any(), &Default::default()).await?;
        }
        cluster::until("the leases' end", PATIENCE, || async {
            Ok(self.leases().await?.is_empty().then_some(()))
        })
        .await
    }

    /// Takes the finalizers and the namespaces away, once nothing guards them.
    async fn tear_leases_down(&self) -> Result<()> {
        let leases = Api::<ComputeLease>::namespaced(self.admin.clone(), NAMESPACE);
        for lease in self.leases().await? {
            let unfinished = json!({"metadata": {"finalizers": null}});
            leases.patch(&lease.name_any(), &PatchParams::default(), &Patch::Merge(unfinished)).await?;
        }
        let of_leases = ListParams::default().labels(&format!("{}=true", labels::LEASE_NAMESPACE));
        for namespace in Api::<Namespace>::all(self.admin.clone()).list(&of_leases).await? {
            cluster::delete_namespace(&self.admin, &namespace.name_any()).await?;
        }
        Ok(())
    }
}
