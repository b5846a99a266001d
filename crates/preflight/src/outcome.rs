//! What a check says: pass, fail with the fix, or not applicable with the reason.

use serde::Serialize;

use crate::facts::Unread;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Name of the check; it never changes.
    pub check: &'static str,
    /// What it found.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether something has to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing.
    Pass {
        /// What was seen.
        message: String,
    },
    /// Something, before Leasehold is installed.
    Fail {
        /// What is wrong.
        message: String,
        /// What to do about it.
        fix: String,
    },
    /// The check does not concern this installation, or cannot be made from here.
    NotApplicable {
        /// Why.
        message: String,
    },
}

impl Verdict {
    /// Whether something has to change.
    pub fn is_fail(&self) -> bool {
        matches!(self, Self::Fail { .. })
    }
}

/// What a check found that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Pass(String),
    NotApplicable(String),
}

/// What is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) message: String,
    pub(crate) fix: String,
}

/// What every check returns.
pub(crate) type Judgement = Result<Finding, Problem>;

/// It is as it must be.
pub(crate) fn pass(message: impl Into<String>) -> Judgement {
    Ok(Finding::Pass(message.into()))
}

/// It is not, and this is what to do.
pub(crate) fn fail(message: impl Into<String>, fix: impl Into<String>) -> Judgement {
    Err(Problem { message: message.into(), fix: fix.into() })
}

/// It does not matter here, or cannot be told.
pub(crate) fn not_applicable(message: impl Into<String>) -> Judgement {
    Ok(Finding::NotApplicable(message.into()))
}

impl Outcome {
    pub(crate) fn new(check: &'static str, judgement: Judgement) -> Self {
        let verdict = match judgement {
            Ok(Finding::Pass(message)) => Verdict::Pass { message },
            Ok(Finding::NotApplicable(message)) => Verdict::NotApplicable { message },
            Err(Problem { message, fix }) => Verdict::Fail { message, fix },
        };
        Self { check, verdict }
    }
}

/// Nobody should install on what could not be looked at.
impl From<&Unread> for Problem {
    fn from(unread: &Unread) -> Self {
        Self { message: unread.to_string(), fix: unread.fix() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_name_the_result_the_message_and_the_fix() {
        let json = |judgement| serde_json::to_value(Outcome::new("clock", judgement)).unwrap();
        assert_eq!(
            json(fail("it is late", "set it")),
            serde_json::json!({"check": "clock", "result": "fail", "message": "it is late", "fix": "set it"})
        );
        assert_eq!(
            json(not_applicable("no clock")),
            serde_json::json!({"check": "clock", "result": "not_applicable", "message": "no clock"})
        );
        assert_eq!(
            json(pass("on time")),
            serde_json::json!({"check": "clock", "result": "pass", "message": "on time"})
        );
    }
}
