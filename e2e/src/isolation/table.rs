//! From observations to the table: a verdict for each row and tier, and whether the absence of its control was seen.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use crd::TierName;
use isolation_probe::observation::Observation;
use isolation_probe::rows::ROWS;
use isolation_probe::verdict::{Verdict, verdict};
use serde::Serialize;

use crate::admission::Policies;
use crate::unenforced::Refusal;

/// The tier of rows that no tier changes.
pub(crate) const ALL: &str = "all";

/// Rows that are not tried here, with the reason.
const NOT_TRIED: [(u8, &str); 4] = [
    (5, "only the sandboxed tier has a kernel of its own"),
    (
        25,
        "a thousand crash-looping pods need simulated nodes: `cargo xtask bench operator` counts what they cost",
    ),
    (28, "the cluster has no GPU"),
    (29, "the cluster has no GPU"),
];

/// Everything that was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    held: BTreeMap<(u8, String), Vec<Observation>>,
    mutants: BTreeMap<(u8, String), Vec<Observation>>,
}

/// The judged table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Table {
    pub(crate) admission_policies: Policies,
    pub(crate) rows: Vec<Judged>,
    /// What a new lease was told where the network plug-in enforced nothing in one direction.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unenforced: Vec<Refusal>,
}

/// One row in one tier.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judged {
    pub(crate) row: u8,
    pub(crate) vector: &'static str,
    pub(crate) tier: String,
    pub(crate) verdict: Verdict,
    pub(crate) mutant: Mutant,
    pub(crate) evidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mutant_evidence: Option<String>,
}

/// Whether a run without the control found the row open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mutant {
    Seen,
    Missed,
    None,
}

impl Seen {
    /// Adds what was seen with the controls in force.
    pub(crate) fn add(&mut self, tier: &str, observations: impl IntoIterator<Item = Observation>) {
        for observation in observations {
            self.held.entry((observation.row, tier.to_owned())).or_default().push(observation);
        }
    }

    /// Adds what was seen without a control.
    pub(crate) fn add_mutants(&mut self, tier: &str, observations: impl IntoIterator<Item = Observation>) {
        for observation in observations {
            self.mutants.entry((observation.row, tier.to_owned())).or_default().push(observation);
        }
    }

    /// Judges every wanted row.
    pub(crate) fn judge(&self, wanted: &[u8], admission_policies: Policies) -> Table {
        let mut rows = Vec::new();
        for row in ROWS.iter().filter(|row| wanted.is_empty() || wanted.contains(&row.number)) {
            let tiers: BTreeSet<&str> = self
                .held
                .keys()
                .filter(|(number, _)| *number == row.number)
                .map(|(_, tier)| tier.as_str())
                .collect();
            if tiers.is_empty() {
                rows.push(self.of_row(row.number, row.vector, ALL));
            }
            rows.extend(tiers.into_iter().map(|tier| self.of_row(row.number, row.vector, tier)));
        }
        Table { admission_policies, rows, unenforced: Vec::new() }
    }

    fn of_row(&self, row: u8, vector: &'static str, tier: &str) -> Judged {
        let observations = self.held.get(&(row, tier.to_owned())).map(Vec::as_slice).unwrap_or_default();
        let mut finding = verdict(observations);
        if observations.is_empty()
            && let Some((_, reason)) = NOT_TRIED.iter().find(|(number, _)| *number == row)
        {
            finding.evidence = (*reason).to_owned();
        }
        let without = self
            .mutants
            .get(&(row, tier.to_owned()))
            .or_else(|| self.mutants.get(&(row, ALL.to_owned())))
            .filter(|_| finding.verdict != Verdict::NotApplicable)
            .map(|observations| verdict(observations));
        let mutant = match &without {
            None => Mutant::None,
            Some(finding) if finding.verdict == Verdict::Open => Mutant::Seen,
            Some(_) => Mutant::Missed,
        };
        Judged {
            row,
            vector,
            tier: tier.to_owned(),
            verdict: finding.verdict,
            mutant,
            evidence: finding.evidence,
            mutant_evidence: without.map(|finding| finding.evidence),
        }
    }
}

impl Table {
    /// Prints it for people.
    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table
            .load_style(comfy_table::presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(comfy_table::ContentArrangement::Dynamic)
            .set_width(180);
        table.set_header(["row", "vector", "tier", "verdict", "mutant", "evidence"]);
        for judged in &self.rows {
            let mutant = format!("{:?}", judged.mutant).to_lowercase();
            let (row, verdict) = (judged.row.to_string(), judged.verdict.to_string());
            table.add_row([&row, judged.vector, &judged.tier, &verdict, &mutant, &judged.evidence]);
        }
        println!("{table}");
        let count = |verdict: Verdict| self.rows.iter().filter(|judged| judged.verdict == verdict).count();
        let mutants = |mutant: Mutant| self.rows.iter().filter(|judged| judged.mutant == mutant).count();
        println!(
            "{} held, {} open, {} not applicable; mutants: {} seen, {} missed",
            count(Verdict::Held),
            count(Verdict::Open),
            count(Verdict::NotApplicable),
            mutants(Mutant::Seen),
            mutants(Mutant::Missed)
        );
        for refusal in &self.unenforced {
            println!("{refusal}");
        }
    }

    /// Fails where a row is open, one that can be tried was not, or a mutant was missed.
    pub(crate) fn check(&self) -> Result<()> {
        let mut problems = Vec::new();
        for Judged { row, vector, tier, verdict, mutant, evidence, .. } in &self.rows {
            match verdict {
                Verdict::Open => {
                    problems.push(format!("row {row} ({vector}) is open in tier {tier}: {evidence}"))
                }
                // What was not proved must not pass for it: a tier was refused, a control failed, or a load took too long.
                Verdict::NotApplicable if can_be_tried(*row, tier) => {
                    problems.push(format!("row {row} ({vector}) is not proved in tier {tier}: {evidence}"));
                }
                _ => {}
            }
            if *mutant == Mutant::Missed {
                problems.push(format!(
                    "row {row} ({vector}): the probe did not see the missing control in tier {tier}"
                ));
            }
        }
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    }
}

/// Whether the testbed has what the row's proof takes.
fn can_be_tried(row: u8, tier: &str) -> bool {
    (row == 5 && tier == TierName::Sandboxed.to_string())
        || NOT_TRIED.iter().all(|(number, _)| *number != row)
}

#[cfg(test)]
mod tests {
    use isolation_probe::observation::Outcome;

    use super::*;

    fn seen(row: u8, outcome: Outcome) -> Observation {
        Observation::new(row, "attempt", outcome, "seen")
    }

    fn judge(held: Outcome, without: Option<Outcome>) -> Judged {
        let mut all = Seen::default();
        all.add("strict", [seen(7, held)]);
        all.add_mutants(ALL, without.map(|outcome| seen(7, outcome)));
        all.judge(&[7], Policies::Installed).rows.remove(0)
    }

    #[test]
    fn a_mutant_is_seen_only_when_it_is_found_open() {
        let held = judge(Outcome::Stopped, Some(Outcome::GotThrough));
        assert_eq!((held.verdict, held.mutant), (Verdict::Held, Mutant::Seen));
        let missed = judge(Outcome::Stopped, Some(Outcome::Stopped));
        assert_eq!((missed.verdict, missed.mutant), (Verdict::Held, Mutant::Missed));
        assert_eq!(judge(Outcome::Stopped, None).mutant, Mutant::None);
        assert_eq!(judge(Outcome::NotTried, Some(Outcome::GotThrough)).mutant, Mutant::None);
    }

    #[test]
    fn an_open_row_an_unproved_one_and_a_missed_mutant_fail_the_run() {
        let run = |held, without| {
            Table {
                admission_policies: Policies::Installed,
                rows: vec![judge(held, Some(without))],
                unenforced: Vec::new(),
            }
            .check()
        };
        assert!(run(Outcome::Stopped, Outcome::GotThrough).is_ok());
        assert!(run(Outcome::GotThrough, Outcome::GotThrough).is_err());
        assert!(run(Outcome::Stopped, Outcome::Stopped).is_err());
        assert!(run(Outcome::ControlFailed, Outcome::GotThrough).is_err());
    }

    #[test]
    fn no_open_row_is_excused() {
        for row in 1..=36 {
            let mut all = Seen::default();
            all.add("strict", [seen(row, Outcome::GotThrough)]);
            assert!(all.judge(&[row], Policies::Installed).check().is_err(), "{row}");
        }
    }

    #[test]
    fn the_kernel_of_its_own_must_be_proved_where_a_tier_has_one() {
        let untried = |tier| {
            let mut all = Seen::default();
            all.add(tier, [seen(5, Outcome::NotTried)]);
            all.judge(&[5], Policies::Installed).check().is_ok()
        };
        assert_eq!([untried("strict"), untried("sandboxed")], [true, false]);
    }

    #[test]
    fn every_row_has_a_verdict_also_when_nothing_was_seen() {
        let table = Seen::default().judge(&[], Policies::Installed);
        assert_eq!(table.rows.len(), 36);
        let gpu = &table.rows[27];
        assert_eq!(
            (gpu.row, gpu.verdict, gpu.evidence.as_str()),
            (28, Verdict::NotApplicable, "the cluster has no GPU")
        );
    }
}
