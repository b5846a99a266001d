//! A cluster to measure on: everything is real but the nodes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::certificates::Authority;
use super::control_plane::{self, KWOK};
use super::kubectl::Kubectl;
use super::site::{Profile, Site};
use super::{teardown, up};
use crate::process::output;
use crate::step::step;
use crate::tools::{Tool, debian, repository};

/// A cluster with fake nodes; it is taken down when this is dropped.
#[derive(Debug)]
pub(crate) struct BenchCluster {
    site: Site,
    _turn: std::fs::File,
}

/// Namespace of the leases and of the operator.
pub(crate) const NAMESPACE: &str = "leasehold-system";
/// The chart's name of the operator's identity.
const OPERATOR: &str = "leasehold-operator";

impl BenchCluster {
    /// Brings a new one up, with controllers and nodes that play.
    pub(crate) fn start() -> Result<Self> {
        let cluster = Self::prepare()?;
        let (site, authority) = (&cluster.site, cluster.start_api_server()?);
        let kwok = authority.admit(KWOK, "system:masters")?;
        let kubectl = Kubectl::of(site)?;
        let mut controllers = control_plane::start_controller_manager(site, &authority)?;
        control_plane::start_scheduler(site, &authority)?;
        control_plane::start_kwok(site, kwok)?;
        step("controllers", || control_plane::wait_for_controllers(&kubectl, &mut controllers))?;
        Ok(cluster)
    }

    /// Brings up an API server that knows our kinds, and nobody who would change what is written to it.
    pub(crate) fn start_without_controllers() -> Result<Self> {
        let cluster = Self::prepare()?;
        cluster.start_api_server()?;
        let kubectl = Kubectl::of(&cluster.site)?;
        step("definitions", || kubectl.apply_directory(&repository().join("crds")))?;
        Ok(cluster)
    }

    fn prepare() -> Result<Self> {
        super::ensure_possible(Profile::Bench)?;
        debian::ensure_for_control_plane()?;
        let site = Site::of(Profile::Bench)?;
        let turn = super::lock(&site)?;
        if site.state.exists() {
            teardown::teardown(&site)?;
        }
        // From here on there is something to take down.
        let cluster = Self { site, _turn: turn };
        up::prepare(&cluster.site)?;
        Ok(cluster)
    }

    fn start_api_server(&self) -> Result<Authority<'_>> {
        let site = &self.site;
        let authority = step("certificates", || Authority::create(site))?;
        let kubectl = Kubectl::of(site)?;
        let mut etcd = control_plane::start_etcd(site)?;
        step("etcd", || control_plane::wait_for_etcd(site, &mut etcd))?;
        let mut server = control_plane::start_api_server(site, &authority)?;
        step("API server", || control_plane::wait_for_api_server(&kubectl, &mut server))?;
        Ok(authority)
    }

    /// Installs the chart as a provider does: definitions, identities with their rights, admission policies, priorities. Its
    /// pods are placed on the fake nodes like all others, and nothing runs in them.
    pub(crate) fn install_chart(&self) -> Result<()> {
        let chart = repository().join("charts/leasehold");
        let values = self.site.config().join("values.json");
        super::state::write_json(&values, &chart_values())?;
        let mut helm = Command::new(Tool::Helm.program("helm")?);
        helm.args(["upgrade", "--install", "leasehold"]).arg(&chart);
        helm.arg("--values").arg(chart.join("ci/minimal-values.yaml")).arg("--values").arg(&values);
        helm.args(["--namespace", NAMESPACE, "--create-namespace", "--kubeconfig"])
            .arg(self.site.kubeconfig());
        step("chart", || output(&mut helm))?;
        Ok(())
    }

    /// A kubeconfig with the operator's own token.
    pub(crate) fn operator_kubeconfig(&self) -> Result<PathBuf> {
        let kubectl = Kubectl::of(&self.site)?;
        let token =
            kubectl.run(&["create", "token", OPERATOR, "--namespace", NAMESPACE, "--duration", "6h"])?;
        let mut config: Value = serde_json::from_slice(
            &std::fs::read(self.site.kubeconfig()).context("failed to read the kubeconfig")?,
        )?;
        config["users"][0]["user"] = json!({"token": token.trim()});
        let path = self.site.config().join("operator.kubeconfig");
        super::state::write_private(&path, config.to_string().as_bytes())?;
        Ok(path)
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig()
    }

    /// Where the API server writes down what the operator asks of it.
    pub(crate) fn audit_log(&self) -> PathBuf {
        control_plane::audit_log(&self.site)
    }

    /// A folder for the load's files.
    pub(crate) fn folder(&self) -> PathBuf {
        self.site.logs()
    }

    /// Where one of the load's files lies.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
}

/// What the chart is told beside what every provider must say: who plays the kubelets writes what kubelets write.
fn chart_values() -> Value {
    json!({"admission": {"extraWriters": [
        {"users": [KWOK], "resources": ["pods/status"], "operations": ["UPDATE"]},
        {"users": [KWOK], "resources": ["pods"], "operations": ["UPDATE", "DELETE"]},
    ]}})
}

impl Drop for BenchCluster {
    fn drop(&mut self) {
        if let Err(error) = teardown::teardown(&self.site) {
            crate::step::note(&format!("the cluster could not be taken down: {error:#}"));
        }
    }
}
