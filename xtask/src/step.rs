//! Progress: one line for each step, with the time it took; plain lines where nobody watches a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Does one step of a task and reports it by one line.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let terminal = std::io::stderr().is_terminal();
    if terminal {
        eprint!("  … {name}");
        std::io::stderr().flush().context("failed to write progress")?;
    }
    let started = Instant::now();
    let outcome = work();
    let (mark, elapsed) = (if outcome.is_ok() { "✓" } else { "✗" }, seconds(started.elapsed()));
    if terminal {
        eprintln!("\r\x1b[K  {mark} {name} ({elapsed})");
    } else {
        eprintln!("  {mark} {name} ({elapsed})");
    }
    outcome
}

/// Does a step that takes minutes, so it is announced before it starts wherever the output goes.
pub(crate) fn long_step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("  … {name}");
    let started = Instant::now();
    let outcome = work();
    eprintln!("  {} {name} ({})", if outcome.is_ok() { "✓" } else { "✗" }, seconds(started.elapsed()));
    outcome
}

/// Prints one line that is no step of its own.
pub(crate) fn note(text: &str) {
    eprintln!("  · {text}");
}

/// Seconds with one decimal, minutes above a minute.
pub(crate) fn seconds(elapsed: Duration) -> String {
    let tenths = elapsed.as_millis() / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        format!("{} min {:02} s", tenths / 600, tenths % 600 / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_below_a_minute_show_tenths_and_longer_ones_show_minutes() {
        let shown = [0, 1_949, 59_999, 60_000, 235_400].map(|ms| seconds(Duration::from_millis(ms)));
        assert_eq!(shown, ["0.0 s", "1.9 s", "59.9 s", "1 min 00 s", "3 min 55 s"]);
    }
}
