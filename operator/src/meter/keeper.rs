//! Keeps what is counted in a ledger, where there is one, and goes on from it.
//!
//! A ledger that cannot be opened or written stops nothing: money follows the status. What was not kept waits.

use std::collections::HashMap;

use jiff::Timestamp;
use ledger::{B256, Batch, Entry, Error, Kept, Location, Retention, Store};
use tokio::time::{Duration, Instant, timeout};
use usage::Book;

use super::{Meter, State, millis};

/// How long a ledger may take to open, and to take a batch.
const PATIENCE: Duration = Duration::from_secs(15);
/// Seconds between two looks for what is too old.
const DROP_EVERY: u64 = 3600;

/// Where what is counted is kept, and for how long.
#[derive(Clone, Debug)]
pub struct LedgerSettings {
    /// Where.
    pub location: Location,
    /// How long what.
    pub retention: Retention,
}

/// A ledger, open or to be opened.
pub(super) struct Keeper {
    settings: LedgerSettings,
    store: Option<Box<dyn Store>>,
    dropped_at: u64,
}

/// Why something was not kept.
#[derive(Debug, thiserror::Error)]
enum Unkept {
    #[error("failed to keep what was counted")]
    Refused(#[source] Error),
    #[error("the ledger did not answer for {PATIENCE:?}")]
    Silent,
}

impl Keeper {
    pub(super) fn new(settings: LedgerSettings) -> Self {
        Self { settings, store: None, dropped_at: 0 }
    }

    async fn store(&mut self) -> Result<&dyn Store, Unkept> {
        let opened = match self.store.take() {
            Some(store) => store,
            None => patiently(ledger::open(&self.settings.location)).await?,
        };
        Ok(&**self.store.insert(opened))
    }

    async fn write(&mut self, batch: &Batch) -> Result<(), Unkept> {
        let store = self.store().await?;
        patiently(store.commit(batch)).await?;
        if batch.at >= self.dropped_at.saturating_add(DROP_EVERY) {
            let retention = self.settings.retention;
            patiently(self.store().await?.drop_old(&retention, batch.at)).await?;
            self.dropped_at = batch.at;
        }
        Ok(())
    }
}

/// An account that may go on from what is kept.
struct Candidate {
    uid: String,
    id: B256,
    sequence: i64,
    /// Root of the publication that stands.
    root: Option<B256>,
}

impl Meter {
    /// Goes on from what is kept, wherever it grew out of the publication that stands in the API.
    pub(super) async fn adopt(&self, keeper: &mut Keeper) {
        let adopted = match keeper.store().await {
            Ok(store) => self.adopt_from(store).await,
            Err(error) => Err(error),
        };
        match adopted {
            Ok(leases) => tracing::info!(leases, "going on from the ledger"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "going on from what was published, without the ledger"
            ),
        }
    }

    async fn adopt_from(&self, store: &dyn Store) -> Result<usize, Unkept> {
        let kept: HashMap<B256, Kept> =
            patiently(store.kept()).await?.into_iter().map(|kept| (kept.lease, kept)).collect();
        let mut adopted = 0;
        let candidates = self.lock().candidates();
        for candidate in candidates {
            let Some(Kept { lease, state }) = kept.get(&candidate.id) else { continue };
            if let Some(root) = candidate.root {
                let sequence = u64::try_from(candidate.sequence).unwrap_or(0);
                if patiently(store.root(*lease, sequence)).await? != Some(root) {
                    tracing::warn!(%lease, "the ledger holds another history than what was published");
                    continue;
                }
            }
            match serde_json::from_slice(state) {
                Ok(book) => adopted += usize::from(self.lock().adopt(&candidate, book)),
                Err(error) => tracing::error!(%lease, %error, "failed to read what the ledger holds"),
            }
        }
        Ok(adopted)
    }

    /// Writes everything that was counted since the last time, in one transaction. Fails only where another meter
    /// writes the same ledger.
    pub(super) async fn keep(&self, keeper: Option<&mut Keeper>, now: Timestamp) -> Result<(), Error> {
        let Some(keeper) = keeper else {
            self.lock().accounts.values_mut().for_each(super::Account::discard_unkept);
            return Ok(());
        };
        let (uids, entries): (Vec<String>, Vec<Entry>) = self.lock().entries().into_iter().unzip();
        if entries.is_empty() {
            return Ok(());
        }
        let batch = Batch { at: millis(now).timestamp().0, entries };
        let started = Instant::now();
        let written = keeper.write(&batch).await;
        self.metrics.ledger_commit_seconds.observe(started.elapsed().as_secs_f64());
        let result = if written.is_ok() { "ok" } else { "error" };
        self.metrics.ledger_commits.with_label_values(&[result]).inc();
        match written {
            Ok(()) => Ok(()),
            Err(Unkept::Refused(superseded @ Error::Superseded)) => Err(superseded),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the evidence waits in memory");
                self.lock().put_back(uids, batch.entries);
                Ok(())
            }
        }
    }
}

impl State {
    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |lease: &super::MeteredLease| {
            let account = self.accounts.get(&lease.uid).filter(|account| !account.is_finished())?;
            let root = account.published().map(|published| published.meter_root().ok().unwrap_or_default());
            Some(Candidate { uid: lease.uid.clone(), id: lease.id?, sequence: account.sequence(), root })
        };
        self.sight.leases.all().filter_map(candidate).collect()
    }

    /// Lets an account go on from what is kept, unless it is another one by now.
    fn adopt(&mut self, candidate: &Candidate, book: Book) -> bool {
        let account = self.accounts.get_mut(&candidate.uid);
        let account = account.filter(|account| account.sequence() == candidate.sequence);
        account.map(|account| account.adopt(book)).is_some()
    }

    fn entries(&mut self) -> Vec<(String, Entry)> {
        let Self { sight, accounts, .. } = self;
        let entry = |lease: &super::MeteredLease| {
            let account = accounts.get_mut(&lease.uid)?;
            account.note_signed(lease.signed);
            lease.id?;
            Some((lease.uid.clone(), account.take_entry()?))
        };
        sight.leases.all().filter_map(entry).collect()
    }

    fn put_back(&mut self, uids: Vec<String>, entries: Vec<Entry>) {
        for (uid, entry) in uids.into_iter().zip(entries) {
            if let Some(account) = self.accounts.get_mut(&uid) {
                account.put_back(entry);
            }
        }
    }
}

async fn patiently<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Unkept> {
    timeout(PATIENCE, work).await.map_err(|_| Unkept::Silent)?.map_err(Unkept::Refused)
}
