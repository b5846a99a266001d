//! A journal that outlives the processes of a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chain::{Journal, JournalEntry, JournalError, JournalFuture};
use testkit::Gate;

/// What is durable. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    held: Arc<Mutex<Held>>,
    gate: Gate,
}

#[derive(Default)]
struct Held {
    holder: u64,
    entries: Vec<JournalEntry>,
    fails: bool,
    is_away: bool,
    keeps: bool,
    limit: Option<usize>,
}

impl Disk {
    /// A disk whose calls pass through `gate`, numbered together with others.
    pub(crate) fn behind(gate: Gate) -> Self {
        Self { gate, ..Self::default() }
    }

    pub(crate) fn journal(&self) -> impl Journal + use<> {
        DiskJournal { disk: self.clone(), holder: 0 }
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn entries(&self) -> Vec<JournalEntry> {
        self.lock().entries.clone()
    }

    pub(crate) fn fail_next_write(&self) {
        self.lock().fails = true;
    }

    /// Every write fails until it is back.
    pub(crate) fn go_away(&self) {
        self.lock().is_away = true;
    }

    pub(crate) fn come_back(&self) {
        self.lock().is_away = false;
    }

    /// Plays a chain whose finality is far behind: nothing that was written down is struck out.
    pub(crate) fn keep_everything(&self) {
        self.lock().keeps = true;
    }

    /// Refuses more entries than this.
    pub(crate) fn limit_to(&self, entries: usize) {
        let mut held = self.lock();
        (held.limit, held.keeps) = (Some(entries), false);
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct DiskJournal {
    disk: Disk,
    holder: u64,
}

impl Journal for DiskJournal {
    fn open(&mut self) -> JournalFuture<'_, Vec<JournalEntry>> {
        Box::pin(async {
            let number = self.disk.gate.before("journal open").await;
            let entries = {
                let mut held = self.disk.lock();
                held.holder += 1;
                self.holder = held.holder;
                held.entries.clone()
            };
            self.disk.gate.after(number).await;
            Ok(entries)
        })
    }

    fn write<'a>(&'a mut self, entries: &'a [JournalEntry]) -> JournalFuture<'a, ()> {
        Box::pin(async {
            let number = self.disk.gate.before("journal write").await;
            self.replace(entries)?;
            self.disk.gate.after(number).await;
            Ok(())
        })
    }
}

impl DiskJournal {
    fn replace(&self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        let mut held = self.disk.lock();
        if held.holder != self.holder {
            return Err(JournalError::TakenOver);
        }
        if std::mem::take(&mut held.fails) || held.is_away {
            return Err(JournalError::Unavailable("the disk is gone".into()));
        }
        if let Some(limit) = held.limit.filter(|limit| entries.len() > *limit) {
            return Err(JournalError::Full { needed: entries.len(), limit });
        }
        let mut entries = entries.to_vec();
        if held.keeps {
            let written = |entry: &&JournalEntry| entries.iter().all(|new| new.nonce != entry.nonce);
            let kept: Vec<_> = held.entries.iter().filter(written).cloned().collect();
            entries.splice(0..0, kept);
        }
        held.entries = entries;
        Ok(())
    }
}
