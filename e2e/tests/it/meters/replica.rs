//! One of several `operator meter` processes.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::{
    bench::process::{Process, Program},
    fault_proxy::{Call, CallKind, FaultProxy},
};
use fake_kubelet::Fleet;

use super::database::Database;
use crate::{cluster::Cluster, process};

/// How long a deposed meter may take to see that it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A meter behind a proxy of its own. It is killed when this is dropped.
pub(super) struct Replica {
    proxy: FaultProxy,
    process: Process,
}

impl Replica {
    /// Starts it under this name, which is that of its role in the database too.
    pub(super) async fn start(
        cluster: &Cluster,
        fleet: &Fleet,
        database: &Database,
        name: &str,
    ) -> Result<Self> {
        let (binary, folder) = process::shipped(cluster)?;
        let proxy = FaultProxy::start(cluster.meter_config()).await?;
        let kubeconfig = folder.join(format!("{name}.kubeconfig"));
        fs::write(&kubeconfig, proxy.kubeconfig()).context("failed to write the kubeconfig")?;
        let arguments = [
            "meter".to_owned(),
            format!("--namespace={}", cluster.system),
            format!("--replica={name}"),
            format!("--kubelet-port={}", fleet.port()),
            format!("--kubelet-ca={}", fleet.authority().display()),
            format!("--kubelet-token={}", fleet.token().display()),
            "--scrape-interval=1".to_owned(),
            "--publish-interval=1".to_owned(),
            "--publish-rate=1000".to_owned(),
            format!("--ledger={}", database.url(name)),
        ];
        let log = folder.join(format!("{name}.log"));
        let program = Program { binary, kubeconfig, arguments: arguments.into(), log };
        Ok(Self { proxy, process: program.start().await? })
    }

    /// Waits until it has seen everything.
    pub(super) async fn ready(&self) -> Result<()> {
        self.process.ready().await
    }

    /// What it asked the API server to change.
    pub(super) fn writes(&self) -> Vec<Call> {
        self.proxy.calls().into_iter().filter(|call| call.kind == CallKind::Write).collect()
    }

    /// Counts its writes from here on.
    pub(super) fn forget_writes(&self) {
        self.proxy.count_from_one();
    }

    /// `kill -9`, and waits until nothing of it is left.
    pub(super) async fn kill(&mut self) -> Result<()> {
        self.process.kill().await
    }

    /// Stops it between two instructions.
    pub(super) async fn pause(&self) -> Result<()> {
        self.process.signal("STOP").await
    }

    /// Lets it go on.
    pub(super) async fn wake(&self) -> Result<()> {
        self.process.signal("CONT").await
    }

    /// Waits until it ends with a failure, as one does that lost the election; returns what it wrote.
    pub(super) async fn ended_by_itself(mut self) -> Result<Vec<Call>> {
        let ended = tokio::time::timeout(PATIENCE, self.process.ended())
            .await
            .context("a deposed meter goes on")??;
        ensure!(!ended.success(), "a deposed meter says that all is well");
        Ok(self.writes())
    }

    /// Asks it to end, as SIGTERM does, and waits for that.
    pub(super) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }
}
