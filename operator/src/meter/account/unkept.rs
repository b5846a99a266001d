//! What the ledger was not told yet of a lease.

use ledger::{B256, Entry, Published, Rewind};
use usage::rollup::Closed;

/// Rollups that wait while the ledger cannot be written: those of two hours. Older ones are given up for lack of
/// memory; totals do not need them, and what comes after proves itself.
const MOST_ROLLUPS: usize = 26;
/// Publications that wait: two hours of them at the usual pace.
const MOST_PUBLICATIONS: usize = 240;

/// What the ledger was not told yet.
#[derive(Debug, Default)]
pub(super) struct Unkept {
    changed: bool,
    rewind: Option<Rewind>,
    closed: Vec<Closed>,
    published: Vec<Published>,
    /// Root of the newest statement that was signed.
    signed: Option<B256>,
    is_signature_told: bool,
}

impl Unkept {
    /// A new history begins.
    pub(super) fn rewind(&mut self, rewind: Rewind) {
        self.changed = true;
        self.rewind = Some(rewind);
    }

    /// The lease was looked at, and these rollups were closed.
    pub(super) fn close(&mut self, closed: Vec<Closed>) {
        self.changed = true;
        self.closed.extend(closed);
        drop_oldest(&mut self.closed, MOST_ROLLUPS);
    }

    /// Usage was published.
    pub(super) fn publish(&mut self, published: Published) {
        self.changed = true;
        self.published.push(published);
        drop_oldest(&mut self.published, MOST_PUBLICATIONS);
    }

    /// The newest signed statement is the one of this root.
    pub(super) fn sign(&mut self, root: Option<B256>) {
        if root.is_some() && self.signed != root {
            (self.changed, self.signed, self.is_signature_told) = (true, root, false);
        }
    }

    /// Hands everything out, but for the lease and its state; none if nothing changed.
    pub(super) fn take(&mut self) -> Option<Entry> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let signed = self.signed.filter(|_| !self.is_signature_told);
        self.is_signature_told = true;
        Some(Entry {
            lease: B256::ZERO,
            state: Vec::new(),
            rewind: self.rewind.take(),
            closed: std::mem::take(&mut self.closed),
            published: std::mem::take(&mut self.published),
            signed,
        })
    }

    /// Takes back what was handed out, before what came since.
    pub(super) fn put_back(&mut self, entry: Entry) {
        let Entry { lease: _, state: _, rewind, mut closed, mut published, signed } = entry;
        if self.rewind.is_some() {
            // The account was begun anew meanwhile: this is the history that has to go.
            return;
        }
        (self.changed, self.rewind) = (true, rewind);
        closed.append(&mut self.closed);
        drop_oldest(&mut closed, MOST_ROLLUPS);
        published.append(&mut self.published);
        drop_oldest(&mut published, MOST_PUBLICATIONS);
        (self.closed, self.published) = (closed, published);
        if signed.is_some() && signed == self.signed {
            self.is_signature_told = false;
        }
    }
}

fn drop_oldest<T>(waiting: &mut Vec<T>, most: usize) {
    waiting.drain(..waiting.len().saturating_sub(most));
}
