//! Until when this process may write.

use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep_until},
};

/// Tells whether writes are allowed now. Cloning shares.
#[derive(Clone, Debug)]
pub struct Term(watch::Receiver<Option<Instant>>);

/// The one who grants the term.
#[derive(Debug)]
pub(super) struct TermWriter(watch::Sender<Option<Instant>>);

impl Term {
    /// Whether writes are allowed now.
    pub fn is_held(&self) -> bool {
        self.0.borrow().is_some_and(|ends| Instant::now() < ends)
    }

    /// Waits until writes are not allowed, however often the term is prolonged before.
    pub async fn over(&mut self) {
        loop {
            let ends = *self.0.borrow_and_update();
            let Some(ends) = ends.filter(|ends| Instant::now() < *ends) else { return };
            tokio::select! {
                () = sleep_until(ends) => {}
                // Whoever could prolong it is gone: it lasts as long as it was granted.
                changed = self.0.changed() => if changed.is_err() { sleep_until(ends).await },
            }
        }
    }
}

impl Default for TermWriter {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl TermWriter {
    pub(super) fn reader(&self) -> Term {
        Term(self.0.subscribe())
    }

    /// What is left of the term, if anything.
    pub(super) fn left(&self) -> Option<Duration> {
        let ends = (*self.0.borrow())?;
        ends.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    pub(super) fn extend(&self, until: Instant) {
        self.0.send_replace(Some(until));
    }

    pub(super) fn end(&self) {
        self.0.send_replace(None);
    }
}
