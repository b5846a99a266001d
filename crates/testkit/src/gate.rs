//! The moment of a death: counts the calls that a process makes, and lets one of them and all later ones wait for ever.
//!
//! Who tests that a process may die between any two calls arms a gate with a number, waits until that call has come,
//! and ends the process. As calls are numbered when they arrive, a new call is tested without a change of the tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// When a call is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It has arrived and is not carried out.
    Before,
    /// It was carried out, and nobody hears of it.
    After,
}

/// A shared count of calls. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    state: Arc<Mutex<State>>,
    reached: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<String>,
    armed: Option<(usize, Moment)>,
    /// The only calls that count, if not all do.
    only: Option<String>,
    is_reached: bool,
}

impl Gate {
    /// Counts anew, and holds the call of this number, the first being 1.
    pub fn arm(&self, call: usize, moment: Moment) {
        *self.lock() = State { armed: Some((call, moment)), ..State::default() };
    }

    /// Counts calls of this name alone, and holds the one of this number, the first being 1. All others pass.
    pub fn arm_at(&self, name: &str, call: usize, moment: Moment) {
        let only = Some(name.to_owned());
        *self.lock() = State { armed: Some((call, moment)), only, ..State::default() };
    }

    /// Counts anew and holds nothing.
    pub fn disarm(&self) {
        *self.lock() = State::default();
    }

    /// The calls since it was armed.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Waits until a call is held.
    pub async fn reached(&self) {
        loop {
            let woken = self.reached.notified();
            if self.lock().is_reached {
                return;
            }
            woken.await;
        }
    }

    /// Counts a call and holds it if it is one to be held before. The number goes to [`Self::after`]; a call that does
    /// not count has none, 0.
    pub async fn before(&self, call: &str) -> usize {
        let (number, hold) = {
            let mut state = self.lock();
            if state.only.as_deref().is_some_and(|only| only != call) {
                return 0;
            }
            state.calls.push(call.to_owned());
            let number = state.calls.len();
            let hold = state.armed.is_some_and(|(armed, moment)| match moment {
                Moment::Before => number >= armed,
                Moment::After => number > armed,
            });
            (number, hold)
        };
        if hold {
            self.hold().await;
        }
        number
    }

    /// Holds the answer to a call if it is the one to be held after.
    pub async fn after(&self, number: usize) {
        let hold = self.lock().armed == Some((number, Moment::After));
        if hold {
            self.hold().await;
        }
    }

    async fn hold(&self) {
        self.lock().is_reached = true;
        self.reached.notify_waiters();
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
