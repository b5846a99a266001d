//! What can go wrong between us and a node, sorted by what to do about it.

use alloy::primitives::Bytes;
use alloy::transports::{RpcError as Transport, TransportError, TransportErrorKind};

use crate::revert::Revert;

/// A request to a node failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The HTTP client could not be made.
    #[error("failed to prepare the connection")]
    Dial(#[source] Box<reqwest::Error>),
    /// The node did not answer, or answered with an error.
    #[error("failed to call {method}")]
    Request {
        /// The method.
        method: &'static str,
        /// The cause.
        #[source]
        source: Box<TransportError>,
    },
    /// The answer has another form than the method's.
    #[error("the answer to {method} cannot be read")]
    Answer {
        /// The method.
        method: &'static str,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// The node follows another chain.
    #[error("the node follows chain {found}, not chain {expected}")]
    WrongChain {
        /// The chain we are on.
        expected: u64,
        /// The chain the node is on.
        found: u64,
    },
    /// Nodes that are asked together contradict each other, and none of what they say is said by enough of them.
    #[error("the nodes disagree about {method}: {needed} must say the same, at most {agreed} do")]
    Disagreement {
        /// The method.
        method: &'static str,
        /// How many must say the same.
        needed: usize,
        /// How many do.
        agreed: usize,
    },
    /// Of the nodes that are asked together too few answer.
    #[error("{needed} nodes must answer {method}, {answered} did")]
    TooFew {
        /// The method.
        method: &'static str,
        /// How many must answer.
        needed: usize,
        /// How many did.
        answered: usize,
        /// Why one of the others did not.
        #[source]
        source: Box<RpcError>,
    },
    /// There is no node to ask, or more must agree than there are.
    #[error("{0}")]
    Nodes(&'static str),
    /// The node does not have a block that it must have.
    #[error("the node does not have the block")]
    NoBlock,
    /// The answer contradicts the question or itself.
    #[error("the node answered with {0}")]
    Inconsistent(&'static str),
}

impl RpcError {
    /// A failed request. A node's address may hold the key to its use, so no error repeats the address.
    pub(crate) fn request(method: &'static str, source: TransportError) -> Self {
        let source = match source {
            Transport::Transport(TransportErrorKind::Custom(cause)) => {
                let cause = cause.downcast().map(|error: Box<reqwest::Error>| error.without_url().into());
                Transport::Transport(TransportErrorKind::Custom(cause.unwrap_or_else(|other| other)))
            }
            other => other,
        };
        Self::Request { method, source: Box::new(source) }
    }

    /// Whether the same request may well succeed later, on this node.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Dial(_) | Self::WrongChain { .. } | Self::Nodes(_) => false,
            Self::Disagreement { .. } | Self::TooFew { .. } => true,
            Self::NoBlock | Self::Inconsistent(_) | Self::Answer { .. } => true,
            Self::Request { source, .. } => match &**source {
                Transport::ErrorResp(_) => self.revert().is_none(),
                Transport::Transport(_) | Transport::NullResp | Transport::DeserError { .. } => true,
                _ => false,
            },
        }
    }

    /// Whether the node understood the request and refused it, for instance because it asks for too much.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::TooFew { source, .. } => source.is_refused(),
            Self::Request { source, .. } => match &**source {
                Transport::ErrorResp(_) => true,
                // Some providers refuse a wide range of logs with a bare status.
                Transport::Transport(kind) => kind.as_http_error().is_some_and(|error| error.status != 429),
                _ => false,
            },
            _ => false,
        }
    }

    /// The node's own words, if it answered with an error.
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Request { source, .. } => source.as_error_resp().map(|error| error.message.as_ref()),
            _ => None,
        }
    }

    /// Why the contract reverted, if that is what went wrong.
    pub fn revert(&self) -> Option<Revert> {
        let Self::Request { source, .. } = self else { return None };
        let error = source.as_error_resp()?;
        if let Some(data) = error.as_revert_data() {
            return Some(Revert::decode(&data));
        }
        // Nodes differ in where they put the data; a revert without any is still a revert.
        let data = error.data.as_ref().and_then(|data| serde_json::from_str::<Bytes>(data.get()).ok());
        match data {
            Some(data) if error.code == 3 => Some(Revert::decode(&data)),
            _ if error.message.contains("revert") => Some(Revert::decode(&[])),
            _ => None,
        }
    }
}
