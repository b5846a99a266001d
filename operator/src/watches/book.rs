//! What is known of each watch.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::{Duration, Instant};

use super::{RestartCause, body::Question, pace};

/// All watches by kind.
#[derive(Debug, Default)]
pub(super) struct Book {
    watched: Mutex<BTreeMap<&'static str, Arc<Watched>>>,
}

/// One watch.
#[derive(Debug)]
pub(super) struct Watched {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the last bytes came.
    alive_at: Instant,
    /// When the API server last said that there is no such kind, or that it may not be watched. That is no silence.
    refused_at: Option<Instant>,
    /// Tries in a row of which nothing came for long.
    troubles: u32,
    /// Whether everything was listed since the last watch.
    listed: bool,
    /// How the watch before ended, once there was one.
    ended: Option<RestartCause>,
    /// Where its objects are listed.
    path: Option<String>,
}

impl Book {
    /// Takes a watch up.
    pub(super) fn open(&self, kind: &'static str) -> Arc<Watched> {
        let state = State {
            alive_at: Instant::now(),
            refused_at: None,
            troubles: 0,
            listed: false,
            ended: None,
            path: None,
        };
        let watched = Arc::new(Watched { state: Mutex::new(state) });
        self.lock().insert(kind, watched.clone());
        watched
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(&'static str, Arc<Watched>)> {
        self.lock().iter().map(|(kind, watched)| (*kind, watched.clone())).collect()
    }

    /// One of them.
    pub(super) fn find(&self, kind: &str) -> Option<Arc<Watched>> {
        self.lock().get(kind).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Arc<Watched>>> {
        // Nothing panics while it is held.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// How long the next request has to wait.
    pub(super) fn pause(&self, question: Question, longest: Duration) -> Duration {
        let state = self.lock();
        match question {
            // Each list waits for its turn; what belongs to it does not.
            Question::NextPage => Duration::ZERO,
            Question::Watch if state.listed => Duration::ZERO,
            Question::List | Question::Watch => pace::pause(state.troubles, longest),
        }
    }

    /// Bytes came.
    pub(super) fn alive(&self) {
        self.lock().alive_at = Instant::now();
    }

    /// The API server will not have this watch.
    pub(super) fn refused(&self) {
        self.lock().refused_at = Some(Instant::now());
    }

    /// A request came to nothing.
    pub(super) fn failed(&self, question: Question) {
        let mut state = self.lock();
        state.troubles = state.troubles.saturating_add(1);
        state.listed = false;
        if question == Question::Watch {
            state.ended = Some(RestartCause::Failed);
        }
    }

    /// A list, or a page of it, is complete.
    pub(super) fn listed(&self) {
        self.lock().listed = true;
    }

    /// A watch that had begun is over.
    pub(super) fn ended(&self, cause: RestartCause, lived: Duration) {
        let mut state = self.lock();
        let is_steady = cause != RestartCause::Silent && lived >= pace::STEADY;
        state.troubles = if is_steady { 0 } else { state.troubles.saturating_add(1) };
        state.ended = Some(cause);
    }

    /// A watch begins; says how the one before ended.
    pub(super) fn begin(&self) -> Option<RestartCause> {
        let mut state = self.lock();
        state.listed = false;
        state.ended.take()
    }

    /// Remembers where its objects are.
    pub(super) fn note_path(&self, path: &str) {
        let mut state = self.lock();
        if state.path.is_none() {
            state.path = Some(path.to_owned());
        }
    }

    /// Where its objects are listed, if it was ever asked.
    pub(super) fn path(&self) -> Option<String> {
        self.lock().path.clone()
    }

    /// Since when no bytes came.
    pub(super) fn age(&self) -> Duration {
        self.lock().alive_at.elapsed()
    }

    /// Since when nothing was heard of it: neither bytes nor a refusal.
    pub(super) fn silence(&self) -> Duration {
        let state = self.lock();
        state.refused_at.map_or(state.alive_at, |refused| refused.max(state.alive_at)).elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
