//! The cluster, with the chart in it; the harness plays the agent.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::chart::{Helm, NAMESPACE, admission, plain_registry};
use e2e::cluster::{connect, delete_namespace, until};
use e2e::{deployments, opened};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::args::Args;

/// Who writes what the agent would.
pub(crate) const MANAGER: &str = "leasehold-accuracy";
const PATIENCE: Duration = Duration::from_secs(180);

/// Everything that a run may use.
pub(crate) struct Place {
    pub(crate) args: Args,
    pub(crate) admin: Client,
    pub(crate) work_image: String,
    operator_image: String,
    helm: Helm,
}

impl Place {
    /// Connects as administrator, and installs the chart.
    pub(crate) async fn connect(args: Args, images: &BTreeMap<String, String>) -> Result<Self> {
        let image =
            |name: &str| images.get(name).cloned().with_context(|| format!("there is no image `{name}`"));
        let place = Self {
            admin: connect(&args.kubeconfig).await?,
            work_image: image("isolation-probe")?,
            operator_image: image("operator")?,
            helm: Helm { binary: args.helm.clone(), kubeconfig: args.kubeconfig.clone() },
            args,
        };
        place.install().await?;
        Ok(place)
    }

    async fn install(&self) -> Result<()> {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {
                "name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        });
        let api = Api::<Namespace>::all(self.admin.clone());
        api.patch(NAMESPACE, &PatchParams::apply(MANAGER).force(), &Patch::Apply(namespace)).await?;
        self.helm.install(&self.args.chart, &[], &self.values(), &self.args.out).await?;
        deployments::scale(&self.admin, "leasehold-agent", 0).await?;
        for deployment in ["leasehold-dns", "leasehold-operator", "leasehold-meter"] {
            deployments::await_available(&self.admin, deployment).await?;
        }
        Ok(())
    }

    /// The meter scrapes and publishes as it is shipped.
    fn values(&self) -> Value {
        let zero = |digit: &str| format!("0x{}", digit.repeat(40));
        json!({
            "admission": admission(),
            "operator": {
                "image": self.operator_image,
                "tiers": ["strict", "userns", "sandboxed"],
                "images": {"allowedRegistries": [plain_registry(&self.operator_image)]},
            },
            "meter": {"ledger": {"kind": "volume", "volume": {"size": "64Mi"}}},
            "agent": {
                // It never runs here.
                "image": self.work_image,
                "operatorKey": {"secretName": "no-key-is-needed"},
                "config": {
                    "chain": {
                        "rpc_url": "http://127.0.0.1:1",
                        "deployment": {
                            "chain_id": 31337, "market": zero("2"), "registry": zero("3"), "token": zero("4"),
                            "token_decimals": 6, "deployed_block": 1,
                        },
                    },
                    "provider": {"owner": zero("1")},
                    "gateway": {"public_url": "https://gateway.example"},
                },
            },
        })
    }

    /// Removes what the run made.
    pub(crate) async fn clean_up(&self) -> Result<()> {
        let leases = opened::leases(&self.admin);
        for lease in leases.list(&ListParams::default()).await? {
            leases.delete(&lease.name_any(), &Default::default()).await?;
        }
        until("the leases' end", PATIENCE, || async {
            Ok(leases.list(&ListParams::default()).await?.items.is_empty().then_some(()))
        })
        .await?;
        self.helm.uninstall().await?;
        delete_namespace(&self.admin, NAMESPACE).await
    }
}
