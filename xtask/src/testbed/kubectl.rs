//! The API server as the administrator sees it, through kubectl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::site::Site;
use crate::process::{output, output_with_input, poll};
use crate::tools::Tool;

/// kubectl for one site.
#[derive(Debug)]
pub(crate) struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    cache: PathBuf,
}

impl Kubectl {
    /// kubectl with the administrator's kubeconfig.
    pub(crate) fn of(site: &Site) -> Result<Self> {
        Ok(Self {
            program: Tool::Kubernetes.program("kubectl")?,
            kubeconfig: site.kubeconfig(),
            cache: site.state.join("kubectl-cache"),
        })
    }

    /// Succeeds if the API server is ready.
    pub(crate) fn ready(&self) -> Result<()> {
        self.run(&["get", "--raw", "/readyz", "--request-timeout=3s"]).map(drop)
    }

    /// Runs kubectl and returns what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        output(self.command().args(arguments))
    }

    /// Applies manifests.
    pub(crate) fn apply(&self, manifests: &str) -> Result<()> {
        output_with_input(self.command().args(APPLY).arg("-"), manifests.as_bytes()).map(drop)
    }

    /// Applies every manifest of a directory.
    pub(crate) fn apply_directory(&self, directory: &Path) -> Result<()> {
        output(self.command().args(APPLY).arg(directory)).map(drop)
    }

    /// Applies manifests as soon as the API server knows their kinds.
    pub(crate) fn apply_when_known(&self, manifests: &str, patience: Duration) -> Result<()> {
        let mut last = None;
        let applied = poll(patience, || match self.apply(manifests) {
            Ok(()) => Ok(Some(())),
            Err(error) => {
                last = Some(error);
                Ok(None)
            }
        })?;
        match (applied, last) {
            (Some(()), _) => Ok(()),
            (None, Some(error)) => Err(error),
            (None, None) => unreachable!("an attempt either succeeds or leaves its error"),
        }
    }

    /// Waits until a Deployment has all its replicas.
    pub(crate) fn wait_for_deployment(&self, namespace: &str, name: &str) -> Result<()> {
        let target = format!("deployment/{name}");
        self.run(&["rollout", "status", "--namespace", namespace, &target, "--timeout=120s"])
            .map(drop)
            .with_context(|| {
                let pods = self.run(&["describe", "pods", "--namespace", namespace]);
                format!("{target} is not ready:\n{}", pods.unwrap_or_else(|error| format!("{error:#}")))
            })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(&self.cache);
        command
    }
}

const APPLY: [&str; 5] =
    ["apply", "--server-side", "--force-conflicts", "--field-manager=testbed", "--filename"];
