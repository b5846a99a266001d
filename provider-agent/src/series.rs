//! What each lease had used by when: the totals that the meter published, as they went by.
//!
//! It is history for tenants to look at. No decision of the agent reads it, so whatever becomes of it costs history and
//! never money; a lost store is begun anew. `ComputeLease` status is its only source, and the tenant its only reader.
//!
//! [`Series`] is the handle that the effects write to and the gateway reads from; [`Keeper`] is the task behind it.

mod keeper;
mod point;
mod select;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gateway_api::{SeriesQuery, UsageReport, UsageSeries};
use market::LeaseId;
use tokio::sync::Notify;

pub use keeper::Keeper;
pub use point::{Owners, Point, Seen};
pub use store::Retention;
use store::Store;

/// Why the series cannot be used now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// None is kept: `series.file` is not set.
    #[error("no series is kept")]
    NotKept,
    /// The store could not be opened yet; the log says why.
    #[error("the store of the series is not open yet")]
    NotOpen,
    /// The file could not be opened, read or written.
    #[error("failed to use the file of the series")]
    File(#[source] redb::Error),
    /// The file was written by another version.
    #[error("the file of the series has format {found}, and this version writes format {expected}")]
    Format {
        /// What stands there.
        found: u64,
        /// What is written.
        expected: u64,
    },
    /// A file that cannot be read stands in the way.
    #[error("failed to move the unreadable file of the series away")]
    MoveAway(#[source] std::io::Error),
    /// The thread that uses the file died.
    #[error("failed to finish with the file of the series")]
    Task(#[source] tokio::task::JoinError),
}

/// Where the series are kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub file: PathBuf,
    pub retention: Retention,
}

/// The series of all leases. Clones are the same one.
#[derive(Clone)]
pub struct Series(Option<Arc<Shared>>);

struct Shared {
    /// The newest publication of each lease that is not written yet: as many as there are leases, whatever becomes of the disk.
    waiting: Mutex<BTreeMap<LeaseId, Seen>>,
    wake: Notify,
    store: OnceLock<Store>,
}

impl Series {
    /// For agents that keep none.
    pub fn none() -> Self {
        Self(None)
    }

    /// Series, and the task that must run for anything to be kept.
    pub fn new(settings: Settings, metrics: crate::metrics::Metrics) -> (Self, Keeper) {
        let shared =
            Arc::new(Shared { waiting: Mutex::default(), wake: Notify::new(), store: OnceLock::new() });
        (Self(Some(Arc::clone(&shared))), Keeper::new(shared, settings, metrics))
    }

    /// Takes a publication in. Returns at once; the newest of a lease stands for those before it that were not written.
    pub fn note(&self, seen: Seen) {
        let Some(shared) = &self.0 else { return };
        shared.put(seen);
        shared.wake.notify_one();
    }

    /// Who may read a lease's series, if anything of it is kept.
    pub async fn owners(&self, lease: LeaseId) -> Result<Option<Owners>, Error> {
        self.read(move |store| store.owners(lease)).await
    }

    /// The part of a lease's series that is asked for.
    pub async fn of(&self, lease: LeaseId, query: SeriesQuery) -> Result<UsageSeries, Error> {
        let points = self.read(move |store| store.points(lease)).await?;
        let (points, next) = select::select(points, &query);
        Ok(UsageSeries { points: points.iter().map(UsageReport::from).collect(), next: next.map(|at| at.0) })
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.0.as_ref().ok_or(Error::NotKept)?;
        let store = shared.store.get().ok_or(Error::NotOpen)?.clone();
        tokio::task::spawn_blocking(move || read(&store)).await.map_err(Error::Task)?
    }
}

impl Shared {
    /// The map is whole after every step, so a panic elsewhere cannot have left it broken.
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<LeaseId, Seen>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, seen: Seen) {
        let mut waiting = self.waiting();
        if waiting.get(&seen.lease).is_none_or(|known| known.point.as_of < seen.point.as_of) {
            waiting.insert(seen.lease, seen);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
