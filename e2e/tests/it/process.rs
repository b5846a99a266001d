//! A process of the product that runs beside a test, in the test's own process; and where the shipped program is.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use operator::operation;
use telemetry::{CancellationToken, Checks, Health};
use tokio::task::JoinHandle;

use crate::cluster::Cluster;

/// The operator's program as it is shipped, and a folder for what a test's processes read and log.
pub(crate) fn shipped(cluster: &Cluster) -> Result<(PathBuf, PathBuf)> {
    let binary = env::var_os("LEASEHOLD_TEST_OPERATOR")
        .context("LEASEHOLD_TEST_OPERATOR must name the operator's program")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&cluster.system);
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    Ok((binary.into(), folder))
}

/// What stays of a process for whoever started it.
pub(crate) struct Process {
    pub(crate) alive: Checks,
    pub(crate) ready: Checks,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), operation::Error>>,
}

impl Process {
    /// Starts what is made of its checks and of the token that ends it.
    pub(crate) fn start<F>(work: impl FnOnce(Health, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), operation::Error>> + Send + 'static,
    {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        let Health { alive, ready } = health.clone();
        let task = tokio::spawn(work(health, shutdown.clone()));
        Self { alive, ready, shutdown, task }
    }

    /// Waits until it ends by itself, and returns why.
    pub(crate) async fn ended(&mut self) -> Result<Option<operation::Error>> {
        Ok((&mut self.task).await.context("the process panicked")?.err())
    }

    /// Asks it to end, as SIGTERM does, and waits for that.
    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        self.task.await.context("the process panicked")??;
        Ok(())
    }
}
