//! The way into the core: one queue of messages, and the handle that the gateway holds.
//!
//! The queue is what makes the core single-threaded. Callers that wait are named by a [`ReplyId`]; the core never sees a channel.

use std::collections::HashMap;

use market::{Address, B256, LeaseId, Signature64, Statement};
use tokio::sync::{mpsc, oneshot};

use crate::agent::{
    Answer, Event, LeaseView, ManifestUpload, Refusal, RefusedProposal, ReplyId, SignedUpload,
};

/// Messages that may wait. A full queue slows its writers down, it loses nothing.
pub const QUEUE: usize = 1024;

/// What arrives at the core's loop.
#[derive(Debug)]
pub enum Message {
    Event(Box<Event>),
    /// The gateway wants to see a lease.
    Look {
        lease: LeaseId,
        reply: oneshot::Sender<Option<LeaseView>>,
    },
    /// The gateway wants something done.
    Request {
        request: Request,
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    },
}

/// What the gateway can want done.
#[derive(Clone)]
pub enum Request {
    StoreManifest { lease: LeaseId, salt: B256, manifest: Vec<u8> },
    ProposeStatement { lease: LeaseId },
    StoreStatement { statement: Statement, signature: Signature64, signer: Address },
    RefuseStatement { lease: LeaseId, refused: RefusedProposal },
}

/// The core is not there any more: the process is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent is shutting down")]
pub struct Stopped;

/// The gateway's handle on the core.
#[derive(Clone, Debug)]
pub struct AgentHandle {
    messages: mpsc::Sender<Message>,
}

impl AgentHandle {
    /// A handle that writes to `messages`.
    pub fn new(messages: mpsc::Sender<Message>) -> Self {
        Self { messages }
    }

    /// Delivers an event.
    pub async fn deliver(&self, event: Event) -> Result<(), Stopped> {
        self.messages.send(Message::Event(Box::new(event))).await.map_err(|_| Stopped)
    }

    /// A lease of ours as it is known now.
    pub async fn lease(&self, lease: LeaseId) -> Result<Option<LeaseView>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Look { lease, reply }).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Asks for something and waits for the answer.
    pub async fn request(&self, request: Request) -> Result<Result<Answer, Refusal>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Request { request, reply }).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// The callers that wait.
#[derive(Debug, Default)]
pub struct Callers {
    next: u64,
    waiting: HashMap<ReplyId, oneshot::Sender<Result<Answer, Refusal>>>,
}

impl Callers {
    /// Gives the caller a name and the core an event.
    pub fn admit(&mut self, request: Request, caller: oneshot::Sender<Result<Answer, Refusal>>) -> Event {
        // Callers that went away are forgotten here, so that the table cannot grow with them.
        self.waiting.retain(|_, caller| !caller.is_closed());
        let reply = ReplyId(self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(reply, caller);
        match request {
            Request::StoreManifest { lease, salt, manifest } => {
                Event::ManifestUploaded(ManifestUpload { lease, salt, manifest, reply })
            }
            Request::ProposeStatement { lease } => Event::StatementRequested { lease, reply },
            Request::StoreStatement { statement, signature, signer } => {
                Event::StatementSigned(SignedUpload { statement, signature, signer, reply })
            }
            Request::RefuseStatement { lease, refused } => Event::StatementRefused { lease, refused, reply },
        }
    }

    /// Answers, if the caller still waits.
    pub fn answer(&mut self, reply: ReplyId, answer: Result<Answer, Refusal>) {
        if let Some(caller) = self.waiting.remove(&reply) {
            // A caller that hung up in this moment needs no answer.
            drop(caller.send(answer));
        }
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The manifest holds secrets.
            Self::StoreManifest { lease, .. } => {
                f.debug_struct("StoreManifest").field("lease", lease).finish_non_exhaustive()
            }
            Self::ProposeStatement { lease } => {
                f.debug_struct("ProposeStatement").field("lease", lease).finish()
            }
            Self::StoreStatement { statement, .. } => {
                f.debug_struct("StoreStatement").field("statement", statement).finish_non_exhaustive()
            }
            Self::RefuseStatement { lease, refused } => {
                f.debug_struct("RefuseStatement").field("lease", lease).field("refused", refused).finish()
            }
        }
    }
}
