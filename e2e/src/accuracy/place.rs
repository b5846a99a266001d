//! The cluster, with the chart in it; the harness plays the agent.

use std::time::Duration;

use anyhow::Result;
use e2e::agentless::{Images, values_of_the_agent};
use e2e::chart::{NAMESPACE, admission, plain_registry};
use e2e::cluster::{connect, delete_namespace, until};
use e2e::opened;
use kube::api::ListParams;
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
}

impl Place {
    /// Connects as administrator, and installs the chart.
    pub(crate) async fn connect(args: Args, images: &Images) -> Result<Self> {
        let place = Self {
            admin: connect(&args.run.kubeconfig).await?,
            work_image: images.reference("isolation-probe")?,
            operator_image: images.reference("operator")?,
            args,
        };
        let awaited = ["leasehold-dns", "leasehold-operator", "leasehold-meter"];
        place.args.run.install(&place.admin, MANAGER, &place.values(), &awaited).await?;
        Ok(place)
    }

    /// The meter scrapes and publishes as it is shipped.
    fn values(&self) -> Value {
        json!({
            "admission": admission(),
            "operator": {
                "image": self.operator_image,
                "tiers": ["strict", "userns", "sandboxed"],
                "images": {"allowedRegistries": [plain_registry(&self.operator_image)]},
            },
            "meter": {"ledger": {"kind": "volume", "volume": {"size": "64Mi"}}},
            "agent": values_of_the_agent(&self.work_image),
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
        self.args.run.helm().uninstall().await?;
        delete_namespace(&self.admin, NAMESPACE).await
    }
}
