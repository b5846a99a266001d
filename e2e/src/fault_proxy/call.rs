//! What a call is, by its method and path.

use http::{Method, Uri};
use serde::Serialize;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CallKind {
    /// Changes something.
    Write,
    /// Reads something once.
    Read,
    /// Follows something.
    Watch,
    /// Decides who is the leader.
    Election,
}

/// One call that was let through, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// From one on.
    pub number: usize,
    /// What it is for.
    pub kind: CallKind,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Status of the answer, once there is one.
    pub status: Option<u16>,
}

impl CallKind {
    /// What a request is for.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let is_watch = uri.query().is_some_and(|query| {
            query.split('&').any(|pair| matches!(pair.split_once('='), Some(("watch", "true" | "1"))))
        });
        if uri.path().starts_with("/apis/coordination.k8s.io/") {
            Self::Election
        } else if is_watch {
            Self::Watch
        } else if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            Self::Read
        } else {
            Self::Write
        }
    }

    /// Whether calls of this kind are numbered.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Write | Self::Read)
    }
}
