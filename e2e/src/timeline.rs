//! Steps and how long each took: printed as they happen, kept for the report.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// One finished step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// What was done.
    pub step: String,
    /// Wall time of the step, milliseconds.
    pub milliseconds: u64,
}

/// The run's steps in order.
#[derive(Debug)]
pub struct Timeline {
    steps: Vec<Step>,
    current: Option<(String, Instant)>,
}

impl Timeline {
    /// Continues after `earlier` steps (those that xtask took: testbed, builds, images).
    pub fn after(earlier: Vec<Step>) -> Self {
        Self { steps: earlier, current: None }
    }

    /// Starts a step, which ends the one before it.
    pub fn start(&mut self, step: &str) {
        self.finish();
        println!("  ...  {step}");
        self.current = Some((step.to_owned(), Instant::now()));
    }

    /// Ends the current step, if there is one.
    pub fn finish(&mut self) {
        if let Some((step, begun)) = self.current.take() {
            let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            println!("{:>6}  {step}", seconds(milliseconds));
            self.steps.push(Step { step, milliseconds });
        }
    }

    /// The step that runs now: the one to blame when something fails.
    pub fn current(&self) -> Option<&str> {
        self.current.as_ref().map(|(step, _)| step.as_str())
    }

    /// All finished steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// `12.3s`, from milliseconds, without a float.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_step_ends_the_one_before_it() {
        let mut timeline = Timeline::after(vec![Step { step: "testbed".into(), milliseconds: 5 }]);
        timeline.start("contracts");
        timeline.start("chart");
        assert_eq!(timeline.current(), Some("chart"));
        timeline.finish();
        let names: Vec<_> = timeline.steps().iter().map(|step| step.step.as_str()).collect();
        assert_eq!(names, ["testbed", "contracts", "chart"]);
        assert_eq!(timeline.current(), None);
    }

    #[test]
    fn seconds_are_written_with_one_decimal() {
        assert_eq!([seconds(0), seconds(999), seconds(61_240)], ["0.0s", "0.9s", "61.2s"]);
    }
}
