//! From observations to a verdict. Pure, and never kinder than what was seen.

use serde::{Deserialize, Serialize};

use crate::observation::{Observation, Outcome};

/// What a row came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Every attempt was stopped.
    #[serde(rename = "held")]
    Held,
    /// At least one attempt got through.
    #[serde(rename = "open")]
    Open,
    /// Nothing was tried, or a control failed, so that nothing follows.
    #[serde(rename = "not applicable")]
    NotApplicable,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Held => "held",
            Self::Open => "open",
            Self::NotApplicable => "not applicable",
        })
    }
}

/// A verdict and the sentence that says why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the row came to.
    pub verdict: Verdict,
    /// What was tried and seen.
    pub evidence: String,
}

/// How many attempts the evidence of a row spells out.
const SPELLED_OUT: usize = 4;

/// Judges the observations of one row.
///
/// One open way opens the row, whatever else was seen. Without a single attempt, or beside a control that failed,
/// nothing is claimed.
pub fn verdict(observations: &[Observation]) -> Finding {
    let with = |outcome: Outcome| -> Vec<&Observation> {
        observations.iter().filter(|observation| observation.outcome == outcome).collect()
    };
    let open = with(Outcome::GotThrough);
    if !open.is_empty() {
        return Finding { verdict: Verdict::Open, evidence: spell_out(&open) };
    }
    let failed = with(Outcome::ControlFailed);
    if !failed.is_empty() {
        let evidence = format!("nothing follows, because a control failed: {}", spell_out(&failed));
        return Finding { verdict: Verdict::NotApplicable, evidence };
    }
    let stopped = with(Outcome::Stopped);
    if stopped.is_empty() {
        let evidence = match with(Outcome::NotTried).as_slice() {
            [] => "nothing was tried".to_owned(),
            reasons => spell_out(reasons),
        };
        return Finding { verdict: Verdict::NotApplicable, evidence };
    }
    let controls = with(Outcome::ControlWorked);
    let mut evidence = spell_out(&stopped);
    if !controls.is_empty() {
        evidence = format!("{evidence}; beside it worked: {}", spell_out(&controls));
    }
    Finding { verdict: Verdict::Held, evidence }
}

fn spell_out(observations: &[&Observation]) -> String {
    let mut parts: Vec<String> = observations
        .iter()
        .take(SPELLED_OUT)
        .map(|observation| format!("{}: {}", observation.tried, observation.evidence))
        .collect();
    if observations.len() > SPELLED_OUT {
        parts.push(format!("and {} more alike", observations.len() - SPELLED_OUT));
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcome: Outcome) -> Observation {
        Observation::new(7, "TCP 192.0.2.1:443", outcome, "seen")
    }

    fn finding(verdict: Verdict, evidence: &str) -> Finding {
        Finding { verdict, evidence: evidence.to_owned() }
    }

    #[test]
    fn one_open_way_opens_the_row() {
        let all = [
            Outcome::Stopped,
            Outcome::ControlFailed,
            Outcome::GotThrough,
            Outcome::ControlWorked,
            Outcome::NotTried,
        ];
        assert_eq!(verdict(&all.map(seen)), finding(Verdict::Open, "TCP 192.0.2.1:443: seen"));
    }

    #[test]
    fn a_failed_control_and_an_empty_run_claim_nothing() {
        assert_eq!(
            verdict(&[Outcome::Stopped, Outcome::ControlFailed].map(seen)),
            finding(
                Verdict::NotApplicable,
                "nothing follows, because a control failed: TCP 192.0.2.1:443: seen"
            )
        );
        assert_eq!(verdict(&[]), finding(Verdict::NotApplicable, "nothing was tried"));
        assert_eq!(
            verdict(&[Outcome::ControlWorked, Outcome::NotTried].map(seen)),
            finding(Verdict::NotApplicable, "TCP 192.0.2.1:443: seen")
        );
    }

    #[test]
    fn a_row_holds_when_every_attempt_was_stopped_and_names_a_few() {
        let mut many = vec![seen(Outcome::Stopped); 6];
        many.push(seen(Outcome::ControlWorked));
        let one = "TCP 192.0.2.1:443: seen";
        assert_eq!(
            verdict(&many),
            finding(
                Verdict::Held,
                &format!("{one}; {one}; {one}; {one}; and 2 more alike; beside it worked: {one}")
            )
        );
    }
}
