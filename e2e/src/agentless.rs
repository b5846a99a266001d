//! The chart on a real node without its agent: a harness opens the leases itself, measures, and writes a table.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use kube::Client;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    chart::{Helm, NAMESPACE},
    cluster, deployments,
};

/// What every such run is given.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// Admin kubeconfig of the cluster.
    #[arg(long)]
    pub kubeconfig: PathBuf,
    /// JSON object of image name to digest reference, as `cargo xtask images` writes it.
    #[arg(long)]
    images: PathBuf,
    /// The helm binary.
    #[arg(long)]
    helm: PathBuf,
    /// The chart a provider installs.
    #[arg(long)]
    chart: PathBuf,
    /// Where the run's files go.
    #[arg(long)]
    pub out: PathBuf,
    /// Write the table as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Image names and their digest references.
#[derive(Debug)]
pub struct Images(BTreeMap<String, String>);

impl Images {
    /// The digest reference of an image.
    ///
    /// # Errors
    /// When it was not made.
    pub fn reference(&self, name: &str) -> Result<String> {
        self.0.get(name).cloned().with_context(|| format!("there is no image `{name}`"))
    }
}

impl RunArgs {
    /// Makes the folder of the run's files, and reads the image references.
    ///
    /// # Errors
    /// When either fails.
    pub fn prepare(&self) -> Result<Images> {
        fs::create_dir_all(&self.out).with_context(|| format!("failed to make {}", self.out.display()))?;
        let images = fs::read(&self.images).context("failed to read the image references")?;
        Ok(Images(serde_json::from_slice(&images).context("failed to parse the image references")?))
    }

    /// Helm, against the run's cluster.
    pub fn helm(&self) -> Helm {
        Helm { binary: self.helm.clone(), kubeconfig: self.kubeconfig.clone() }
    }

    /// Installs the chart and waits for its Deployments `awaited`; the agent stays away.
    ///
    /// # Errors
    /// When the cluster or helm refuses, or a Deployment does not get available.
    pub async fn install(
        &self,
        admin: &Client,
        manager: &str,
        values: &Value,
        awaited: &[&str],
    ) -> Result<()> {
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        cluster::apply_namespace(admin, manager, NAMESPACE, labels).await?;
        self.helm().install(&self.chart, &[], values, &self.out).await?;
        deployments::scale(admin, "leasehold-agent", 0).await?;
        for deployment in awaited {
            deployments::await_available(admin, deployment).await?;
        }
        Ok(())
    }

    /// Writes the table, where one is wanted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, table: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        fs::write(path, serde_json::to_vec_pretty(table)?)
            .with_context(|| format!("failed to write {}", path.display()))
    }
}

/// Values under `agent` with which the chart renders; `image` is never started.
pub fn values_of_the_agent(image: &str) -> Value {
    let address = |digit: &str| format!("0x{}", digit.repeat(40));
    json!({
        "image": image,
        "operatorKey": {"secretName": "no-key-is-needed"},
        "config": {
            "chain": {
                "rpc_url": "http://127.0.0.1:1",
                "deployment": {
                    "chain_id": 31337, "market": address("2"), "registry": address("3"), "token": address("4"),
                    "token_decimals": 6, "deployed_block": 1,
                },
            },
            "provider": {"owner": address("1")},
            "gateway": {"public_url": "https://gateway.example"},
        },
    })
}
