//! The shipped operator as a process of its own, which may be killed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use e2e::fault_proxy::FaultProxy;
use tokio::process::{Child, Command};

use crate::{cluster::Cluster, process};

/// Seconds that the end of a lease waits for a meter that is not there.
const FINAL_USAGE_WAIT: &str = "2";

/// How to start an operator of one cluster behind one proxy, again and again.
#[derive(Debug)]
pub(super) struct Starter {
    binary: PathBuf,
    folder: PathBuf,
    system: String,
    replica: String,
    started: u32,
}

/// A running `operator run`. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Operator {
    process: Child,
    log: PathBuf,
}

impl Starter {
    /// `replica` tells replicas of one cluster apart, and their logs.
    pub(super) fn new(cluster: &Cluster, proxy: &FaultProxy, replica: &str) -> Result<Self> {
        let (binary, folder) = process::shipped(cluster)?;
        let starter =
            Self { binary, folder, system: cluster.system.clone(), replica: replica.to_owned(), started: 0 };
        fs::write(starter.kubeconfig(), proxy.kubeconfig()).context("failed to write the kubeconfig")?;
        Ok(starter)
    }

    /// Starts it.
    pub(super) fn start(&mut self) -> Result<Operator> {
        self.started += 1;
        let log = self.folder.join(format!("{}-{}.log", self.replica, self.started));
        let file = File::create(&log).with_context(|| format!("failed to make {}", log.display()))?;
        let process = Command::new(&self.binary)
            .args(["run", "--namespace", &self.system, "--replica", &self.replica])
            .args(["--image-lookup", "off", "--admin-addr", "127.0.0.1:0"])
            .args(["--final-usage-wait", FINAL_USAGE_WAIT])
            .env("KUBECONFIG", self.kubeconfig())
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("failed to start {}", self.binary.display()))?;
        Ok(Operator { process, log })
    }

    /// Where its logs are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", self.replica))
    }
}

impl Operator {
    /// `kill -9`, and waits until nothing of it is left.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("failed to kill the operator")
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self) -> Result<ExitStatus> {
        self.process.wait().await.with_context(|| format!("failed to wait; its log: {}", self.log.display()))
    }
}
