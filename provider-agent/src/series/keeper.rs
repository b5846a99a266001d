//! The task that writes what was seen. It alone waits for the disk.

use std::sync::Arc;
use std::time::Duration;

use market::Timestamp;
use telemetry::CancellationToken;
use tokio::time::Instant;

use super::store::Store;
use super::{Error, Seen, Settings, Shared};
use crate::clock;
use crate::metrics::Metrics;

/// Time between two looks for what is too old.
const SWEEP: Duration = Duration::from_secs(3600);
/// Pause after a failure. What was seen meanwhile waits, the newest of each lease.
const RETRY: Duration = Duration::from_secs(60);

/// Writes the series until it is told to stop.
pub struct Keeper {
    shared: Arc<Shared>,
    settings: Settings,
    metrics: Metrics,
    swept_at: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, settings: Settings, metrics: Metrics) -> Self {
        Self { shared, settings, metrics, swept_at: None }
    }

    /// Opens the store and writes until `stop`, and what then waits once more.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let pause = match self.write(clock::now()).await {
                Ok(()) => SWEEP,
                Err(error) => {
                    self.metrics.usage_series_writes.with_label_values(&["error"]).inc();
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the usage series are not written; only history is lost"
                    );
                    RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                // After a failure nothing but time helps.
                () = self.shared.wake.notified(), if pause == SWEEP => {}
            }
        }
        if let Err(error) = self.write(clock::now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the last usage was not written");
        }
    }

    /// Writes what waits, and drops what is too old if it is time to.
    pub(crate) async fn write(&mut self, now: Timestamp) -> Result<(), Error> {
        let store = self.store().await?;
        let batch: Vec<Seen> = std::mem::take(&mut *self.shared.waiting()).into_values().collect();
        if !batch.is_empty() {
            let (writing, seen) = (store.clone(), batch.clone());
            match blocking(move || writing.write(&seen)).await {
                Ok(gone_back) => {
                    self.metrics.usage_series_writes.with_label_values(&["ok"]).inc();
                    for lease in gone_back {
                        tracing::warn!(%lease, "published usage went back; the series goes back with it");
                    }
                }
                Err(error) => {
                    batch.into_iter().for_each(|seen| self.shared.put(seen));
                    return Err(error);
                }
            }
        }
        if self.swept_at.is_none_or(|at| at.elapsed() >= SWEEP) {
            let retention = self.settings.retention;
            blocking(move || store.drop_old(retention, now)).await?;
            self.swept_at = Some(Instant::now());
        }
        Ok(())
    }

    async fn store(&self) -> Result<Store, Error> {
        if let Some(store) = self.shared.store.get() {
            return Ok(store.clone());
        }
        let file = self.settings.file.clone();
        let opened = blocking(move || Store::open(&file)).await?;
        Ok(self.shared.store.get_or_init(|| opened).clone())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(Error::Task)?
}
