//! What is going on, on standard error: a spinner on a terminal, one line per phase elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Phases of one command with their times.
pub(crate) struct Progress {
    started: Instant,
    spinner: Option<ProgressBar>,
    timings: BTreeMap<&'static str, f64>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let spinner = std::io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        Progress { started: Instant::now(), spinner, timings: BTreeMap::new() }
    }

    /// Says what is being waited for.
    pub(crate) fn waiting(&self, what: impl Into<String>) {
        if let Some(spinner) = &self.spinner {
            spinner.set_message(what.into());
        }
    }

    /// Ends a phase. `name` is its key in the timings.
    pub(crate) fn done(&mut self, name: &'static str, text: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.timings.insert(name, (seconds * 1_000.0).round() / 1_000.0);
        self.note(text);
    }

    /// Prints a line that is not the end of a phase.
    pub(crate) fn note(&self, text: &str) {
        let line = format!("{:7.1} s  {text}", self.started.elapsed().as_secs_f64());
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Seconds from the start to the end of each phase.
    pub(crate) fn timings(&self) -> BTreeMap<&'static str, f64> {
        self.timings.clone()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}
