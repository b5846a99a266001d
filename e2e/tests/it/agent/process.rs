//! The shipped agent as a process of its own, and what its processes hand on to each other.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result};
use chain::HotKey;
use e2e::{
    bench::process::{free_address, sum},
    fault_proxy::FaultProxy,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use market::B256;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::market::Market;
use crate::cluster::Cluster;

/// Starts one agent after the other, with the chart's rights.
pub(super) struct Starter {
    binary: PathBuf,
    folder: PathBuf,
    /// Gives the agent's identity to whoever comes, and nothing else.
    identity: FaultProxy,
    journals: Api<ConfigMap>,
    journal: String,
    gateway: SocketAddr,
    admin: SocketAddr,
    started: u32,
}

/// A running `provider-agent run`. It is killed when this is dropped.
pub(super) struct Agent {
    process: Child,
    log: PathBuf,
    admin: SocketAddr,
}

/// A transaction that is written down.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) call: String,
    pub(super) hashes: Vec<B256>,
}

/// Writes a key as our programs want it.
pub(super) fn write_key(path: &Path, key: &HotKey) -> Result<()> {
    fs::write(path, key.expose(|bytes| crd::convert::hex(bytes)))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(())
}

impl Starter {
    /// Writes the configuration of a life, with more of its terms and what comes after them; nothing of an earlier one is left.
    pub(super) async fn new(cluster: &Cluster, market: &Market, life: &str, more: &str) -> Result<Self> {
        let binary =
            env::var("LEASEHOLD_TEST_AGENT").context("LEASEHOLD_TEST_AGENT must name the agent's program")?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&cluster.system).join(life);
        fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let identity = FaultProxy::start(cluster.agent_config()).await?;
        fs::write(folder.join("kubeconfig"), identity.kubeconfig())?;
        let key = folder.join("operator.key");
        write_key(&key, market.operator())?;
        // The name that the chart's rights are bound to.
        let journal = format!("{}-transactions", cluster.identity("agent"));
        let (gateway, admin) = (free_address()?, free_address()?);
        let configuration = format!(
            "{}operator_key_file = \"{}\"\n\
             [gateway]\npublic_url = \"https://{gateway}\"\nlisten = \"{gateway}\"\n\
             [admin]\nlisten = \"{admin}\"\n\
             [kubernetes]\nnamespace = \"{}\"\njournal = \"{journal}\"\n\
             [pricing]\ncpu_core_hour = \"0.5\"\nmemory_gib_hour = \"0.5\"\negress_gib = \"0\"\n\
             [terms]\nmin_prepaid = \"30m\"\nmax_slash = \"1\"\nno_show_penalty = \"0.1\"\n{more}",
            market.configuration(),
            key.display(),
            cluster.system,
        );
        fs::write(folder.join("agent.toml"), configuration)?;
        let journals = cluster.own::<ConfigMap>();
        cluster.delete(&journals, &journal).await?;
        Ok(Self { binary: binary.into(), folder, identity, journals, journal, gateway, admin, started: 0 })
    }

    /// A folder that this life alone uses.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where tenants find its gateway.
    pub(super) fn gateway(&self) -> String {
        format!("https://{}", self.gateway)
    }

    /// What the agent tells its owner to register.
    pub(super) async fn uri(&self) -> Result<String> {
        let mut identity = Command::new(&self.binary);
        identity.args(["identity", "--output", "json", "--config"]).arg(self.folder.join("agent.toml"));
        let told = identity.output().await.context("failed to ask the agent who it is")?;
        let identity: Value =
            serde_json::from_slice(&told.stdout).context("the agent says nothing of itself")?;
        Ok(identity["uri"].as_str().context("the agent does not know its uri")?.to_owned())
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> Result<Agent> {
        self.started += 1;
        // Nothing of its dead predecessor arrives any more.
        self.identity.disconnect();
        let log = self.folder.join(format!("{}.log", self.started));
        let file = File::create(&log).with_context(|| format!("failed to make {}", log.display()))?;
        let process = Command::new(&self.binary)
            .args(["run", "--config"])
            .arg(self.folder.join("agent.toml"))
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.binary.display()))?;
        Ok(Agent { process, log, admin: self.admin })
    }

    /// What is written down, by nonce.
    pub(super) async fn journal(&self) -> Result<BTreeMap<u64, Entry>> {
        let Some(object) = self.journals.get_opt(&self.journal).await? else { return Ok(BTreeMap::new()) };
        let data = object.data.unwrap_or_default();
        let entries = data.iter().filter_map(|(key, value)| Some((key.strip_prefix("transaction-")?, value)));
        entries.map(|(nonce, value)| Ok((nonce.parse()?, serde_json::from_str(value)?))).collect()
    }
}

impl Agent {
    /// `kill -9`, and waits until nothing of it is left.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("failed to kill the agent")
    }

    /// How often it has counted something, over all labels that the name does not give.
    pub(super) async fn counted(&self, name: &str) -> Result<u64> {
        let answer = reqwest::get(format!("http://{}/metrics", self.admin)).await?.error_for_status()?;
        sum(&answer.text().await?, name)
    }

    /// Bytes of memory that are its own.
    pub(super) fn memory(&self) -> Result<u64> {
        let pid = self.process.id().context("the agent has ended")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("the kernel does not say")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// How many lines of its log hold these words.
    pub(super) fn said(&self, words: &str) -> Result<usize> {
        Ok(fs::read_to_string(&self.log)?.lines().filter(|line| line.contains(words)).count())
    }

    /// Where it says what it did, for the errors of a test.
    pub(super) fn log(&self) -> String {
        format!("the agent's log is {}", self.log.display())
    }
}
