//! `helm install` of the provider's chart, with nothing but what a data-centre owner would write.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::process::Command;

/// Release name of the run.
pub const RELEASE: &str = "leasehold";
/// The system namespace of the run.
pub const NAMESPACE: &str = "leasehold-system";

/// Values under `admission`: what of the testbed must write in lease namespaces. Its pod network is no pod and has no
/// ServiceAccount; its Gateway is served by Traefik.
pub fn admission() -> Value {
    json!({"extraWriters": [
        {"users": ["calico"], "resources": ["pods/status"], "operations": ["UPDATE"]},
        {
            "users": ["system:serviceaccount:traefik:traefik"],
            "resources": ["httproutes/status"],
            "operations": ["UPDATE"],
        },
    ]})
}

/// The helm binary against one cluster.
#[derive(Debug)]
pub struct Helm {
    /// The binary.
    pub binary: PathBuf,
    /// Admin kubeconfig.
    pub kubeconfig: PathBuf,
}

impl Helm {
    /// Installs `chart` with `values`. It does not wait: the agent gets ready only when the provider has registered.
    ///
    /// # Errors
    /// With helm's own words when it refuses.
    pub async fn install(
        &self,
        chart: &Path,
        value_files: &[PathBuf],
        values: &Value,
        out: &Path,
    ) -> Result<()> {
        let file = out.join("values.json");
        std::fs::write(&file, serde_json::to_vec_pretty(values)?)
            .with_context(|| format!("failed to write {}", file.display()))?;
        let mut command = self.command(&["upgrade", "--install", RELEASE]);
        command.arg(chart);
        for path in value_files {
            command.arg("--values").arg(path);
        }
        command.arg("--values").arg(&file);
        run(command, "helm upgrade --install").await
    }

    /// Uninstalls the release; a release that is not there is no error.
    ///
    /// # Errors
    /// With helm's own words when it refuses.
    pub async fn uninstall(&self) -> Result<()> {
        run(self.command(&["uninstall", RELEASE, "--ignore-not-found", "--wait"]), "helm uninstall").await
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--namespace", NAMESPACE, "--kubeconfig"]).arg(&self.kubeconfig);
        command
    }
}

/// The run's own registry, which has neither TLS nor a public address, as the operator's chart wants it named.
pub fn plain_registry(image: &str) -> String {
    format!("http://{}", image.split('/').next().unwrap_or_default())
}

async fn run(mut command: Command, name: &str) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to run {name}"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{name}` ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
