//! A process of the product that runs beside a test, in the test's own process.

use anyhow::{Context, Result};
use operator::operation;
use telemetry::{CancellationToken, Checks, Health};
use tokio::task::JoinHandle;

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
