//! What goes wrong now, and what passed so far: shared by the proxy's handle and its connections.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{Method, Uri};
use tokio::sync::{oneshot, watch};

use super::{Call, CallKind, Link, Moment, Stopped, Watches};

/// What becomes of a call that was stopped. One whose sender is dropped is broken off.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    GoOn,
}

/// What every connection looks at before it lets something pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gates {
    pub(super) link: Link,
    pub(super) watches: Watches,
    /// A call is stopped, and nothing new passes.
    frozen: bool,
    /// Connections of an earlier generation are broken.
    pub(super) generation: u64,
    /// Watches that were opened at an earlier cut are broken.
    pub(super) cut: u64,
}

#[derive(Debug, Default)]
pub(super) struct Control {
    gates: watch::Sender<Gates>,
    changes: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    stop: Option<Armed>,
    elections: u64,
    open: BTreeMap<String, usize>,
    cuts_left: usize,
    /// How often counting began anew: an answer to an older call is not noted.
    epoch: u64,
}

#[derive(Debug)]
struct Armed {
    number: usize,
    moment: Moment,
    sender: oneshot::Sender<Stopped>,
}

/// The place of a numbered call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    number: usize,
    epoch: u64,
}

/// The connection that a call came by is broken.
#[derive(Debug)]
pub(super) struct Broken;

impl Control {
    pub(super) fn gates(&self) -> watch::Receiver<Gates> {
        self.gates.subscribe()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    pub(super) fn elections(&self) -> u64 {
        self.lock().elections
    }

    pub(super) fn watches(&self) -> Vec<String> {
        self.lock().open.keys().cloned().collect()
    }

    pub(super) fn cuts_left(&self) -> usize {
        self.lock().cuts_left
    }

    pub(super) fn count_from_one(&self) {
        let mut state = self.lock();
        state.calls.clear();
        state.stop = None;
        state.epoch += 1;
    }

    pub(super) fn arm(&self, number: usize, moment: Moment, sender: oneshot::Sender<Stopped>) {
        self.lock().stop = Some(Armed { number, moment, sender });
    }

    pub(super) fn set_link(&self, link: Link) {
        self.gates.send_modify(|gates| {
            gates.link = link;
            gates.generation += u64::from(link == Link::Refused);
        });
    }

    pub(super) fn set_watches(&self, watches: Watches) {
        self.gates.send_modify(|gates| gates.watches = watches);
    }

    pub(super) fn cut_watches(&self, count: usize) {
        let mut state = self.lock();
        let open: usize = state.open.values().sum();
        state.cuts_left = count.saturating_sub(open);
        self.gates.send_modify(|gates| gates.cut += 1);
    }

    pub(super) fn disconnect(&self) {
        self.lock().elections = 0;
        self.gates.send_modify(|gates| gates.generation += 1);
    }

    pub(super) fn thaw(&self) {
        self.gates.send_modify(|gates| gates.frozen = false);
    }

    /// Waits until calls of this connection pass, and numbers this one. The stop that is due here is returned.
    pub(super) async fn enter(
        self: &Arc<Self>,
        generation: u64,
        method: &Method,
        uri: &Uri,
    ) -> Result<(Option<Ticket>, Option<oneshot::Receiver<Verdict>>), Broken> {
        let kind = CallKind::of(method, uri);
        let mut gates = self.gates();
        loop {
            let now = *gates
                .wait_for(|gates| {
                    gates.generation != generation || (gates.link != Link::Silent && !gates.frozen)
                })
                .await
                .map_err(|_| Broken)?;
            if now.generation != generation {
                return Err(Broken);
            }
            let mut state = self.lock();
            // Somebody may have been stopped between the look and the lock.
            if *self.gates.borrow() != now {
                continue;
            }
            if !kind.is_numbered() {
                return Ok((None, None));
            }
            let ticket = Ticket { number: state.calls.len() + 1, epoch: state.epoch };
            state.calls.push(Call {
                number: ticket.number,
                kind,
                method: method.to_string(),
                path: uri.path().to_owned(),
                status: None,
            });
            let stopped = self.stop_here(&mut state, ticket, Moment::BeforeRequest);
            drop(state);
            self.changed();
            return Ok((Some(ticket), stopped));
        }
    }

    /// Notes what the API server answered. The stop that is due here is returned.
    pub(super) fn answered(
        self: &Arc<Self>,
        ticket: Ticket,
        status: u16,
    ) -> Option<oneshot::Receiver<Verdict>> {
        let mut state = self.lock();
        if state.epoch != ticket.epoch {
            return None;
        }
        if let Some(call) = state.calls.get_mut(ticket.number - 1) {
            call.status = Some(status);
        }
        let stopped = self.stop_here(&mut state, ticket, Moment::BeforeAnswer);
        drop(state);
        self.changed();
        stopped
    }

    /// The answer was handed over. What is stopped here has nothing left to be released but what comes after it.
    pub(super) fn delivered(self: &Arc<Self>, ticket: Ticket) {
        let mut state = self.lock();
        let _ = self.stop_here(&mut state, ticket, Moment::AfterAnswer);
    }

    pub(super) fn elected(&self) {
        self.lock().elections += 1;
        self.changed();
    }

    /// Notes an open watch; tells whether it is to be cut at once.
    pub(super) fn opened(&self, path: &str) -> bool {
        let mut state = self.lock();
        let cut = state.cuts_left > 0;
        state.cuts_left = state.cuts_left.saturating_sub(1);
        *state.open.entry(path.to_owned()).or_default() += 1;
        drop(state);
        self.changed();
        cut
    }

    pub(super) fn closed(&self, path: &str) {
        let mut state = self.lock();
        if let Some(count) = state.open.get_mut(path) {
            *count -= 1;
            if *count == 0 {
                state.open.remove(path);
            }
        }
        drop(state);
        self.changed();
    }

    fn stop_here(
        self: &Arc<Self>,
        state: &mut State,
        ticket: Ticket,
        moment: Moment,
    ) -> Option<oneshot::Receiver<Verdict>> {
        let armed = state.stop.take_if(|stop| {
            state.epoch == ticket.epoch && (stop.number, stop.moment) == (ticket.number, moment)
        })?;
        let call = state.calls.get(ticket.number - 1)?.clone();
        self.gates.send_modify(|gates| gates.frozen = true);
        let (sender, receiver) = oneshot::channel();
        let stopped = Stopped { call, verdict: Some(sender), control: self.clone() };
        // Nobody may wait for it any more: then it is dropped, and everything goes on.
        armed.sender.send(stopped).is_ok().then_some(receiver)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
