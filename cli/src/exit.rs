//! How the command ends: exit codes, and errors that say what to do.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed |
//! | 2 | the command line is wrong |
//! | 3 | no such lease, service or record |
//! | 4 | not allowed |
//! | 5 | not done in time; nothing is lost |
//! | 6 | not enough money |
//! | 7 | no acceptable bid |
//! | 8 | a statement was refused |
//! | 9 | the manifest is not valid |

use std::process::ExitCode;

/// Why the command stops, as a class that scripts can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Usage = 2,
    NotFound = 3,
    NotAllowed = 4,
    TimedOut = 5,
    InsufficientFunds = 6,
    NoBid = 7,
    Refused = 8,
    InvalidManifest = 9,
}

/// An end with a class of its own and advice. Everything else ends with code 1.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stop {
    kind: Kind,
    message: String,
    advice: Option<String>,
}

impl Stop {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Stop { kind, message: message.into(), advice: None }
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Prints the error chain and its advice to standard error, and picks the exit code.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some libraries repeat their cause in their own text.
        if !text.contains(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    eprintln!("error: {text}");
    let stop = error.downcast_ref::<Stop>();
    if let Some(advice) = stop.and_then(|stop| stop.advice.as_ref()) {
        eprintln!("  hint: {advice}");
    }
    ExitCode::from(stop.map_or(1, |stop| stop.kind as u8))
}
