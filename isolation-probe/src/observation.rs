//! What one attempt came to. Written by the probe as a line of JSON, read by whoever judges.

use serde::{Deserialize, Serialize};

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The attempt failed, as it should.
    Stopped,
    /// The attempt succeeded: the way is open.
    GotThrough,
    /// Something that has to work did work, so that the failures beside it mean something.
    ControlWorked,
    /// Something that has to work did not, so that the failures beside it mean nothing.
    ControlFailed,
    /// The attempt does not make sense here.
    NotTried,
}

/// One attempt of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The row's number.
    pub row: u8,
    /// What was tried.
    pub tried: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was seen.
    pub evidence: String,
}

impl Observation {
    /// An attempt with its outcome.
    pub fn new(row: u8, tried: impl Into<String>, outcome: Outcome, evidence: impl Into<String>) -> Self {
        Self { row, tried: tried.into(), outcome, evidence: evidence.into() }
    }

    /// An attempt that either got through or was stopped.
    pub fn attempt(row: u8, tried: impl Into<String>, result: Result<String, String>) -> Self {
        match result {
            Ok(seen) => Self::new(row, tried, Outcome::GotThrough, seen),
            Err(seen) => Self::new(row, tried, Outcome::Stopped, seen),
        }
    }

    /// Something that has to work.
    pub fn control(row: u8, tried: impl Into<String>, result: Result<String, String>) -> Self {
        match result {
            Ok(seen) => Self::new(row, tried, Outcome::ControlWorked, seen),
            Err(seen) => Self::new(row, tried, Outcome::ControlFailed, seen),
        }
    }
}
