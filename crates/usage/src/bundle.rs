//! Evidence as a file that anybody can recompute: JSON Lines.
//!
//! The first line names the lease and the format, then come the hours, the five-minute rollups, oldest first, and the cut
//! as the last line. Every rollup is written out, so its bytes ([`Rollup::canonical`]) and hashes follow from the file alone.
//!
//! Format 2 is one in which hours tell lives ([`crate::lives`]); in format 1 none does.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::rollup::{Cut, Rollup};
use crate::verify::{Evidence, Hour};

/// The newest format.
const FORMAT: u64 = 2;

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
enum Line {
    Lease { format: u64, lease: B256 },
    Hour(Hour),
    FiveMinutes { rollup: Rollup },
    Cut(Box<Cut>),
}

/// A file that is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// A line is none of ours.
    #[error("failed to read line {line}")]
    Line {
        /// Counted from one.
        line: usize,
        /// Cause.
        #[source]
        source: serde_json::Error,
    },
    /// A line stands where none of its kind may.
    #[error("line {line} is out of place")]
    Place {
        /// Counted from one.
        line: usize,
    },
    /// The file ends before the cut.
    #[error("the bundle ends early")]
    Short,
    /// It was written by a newer version.
    #[error("the bundle has format {0}, and those up to {FORMAT} are known")]
    Format(u64),
    /// It holds what belongs to another format.
    #[error("the bundle is not of the format {0} that it names")]
    Mixed(u64),
}

/// Writes a bundle.
pub fn write(evidence: &Evidence) -> Result<String, serde_json::Error> {
    let Evidence { lease, hours, fives, cut } = evidence;
    let lines = [Line::Lease { format: format_of(hours, cut), lease: *lease }]
        .into_iter()
        .chain(hours.iter().cloned().map(Line::Hour))
        .chain(fives.iter().cloned().map(|rollup| Line::FiveMinutes { rollup }))
        .chain([Line::Cut(Box::new(cut.clone()))]);
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(&line)?);
        text.push('\n');
    }
    Ok(text)
}

/// The format of a bundle: the older one as long as nothing in it needs the newer.
fn format_of(hours: &[Hour], cut: &Cut) -> u64 {
    let tells_lives = cut.lives.is_some() || hours.iter().any(|hour| hour.lives.is_some());
    if tells_lives { FORMAT } else { 1 }
}

/// Reads a bundle. What it says is not checked; see [`crate::verify::verify`].
pub fn read(text: &str) -> Result<Evidence, Malformed> {
    let mut lines = text.lines().enumerate().map(|(number, line)| {
        let number = number + 1;
        let parsed = serde_json::from_str(line).map_err(|source| Malformed::Line { line: number, source });
        parsed.map(|line| (number, line))
    });
    let (format, lease) = match lines.next().ok_or(Malformed::Short)?? {
        (_, Line::Lease { format: format @ 1..=FORMAT, lease }) => (format, lease),
        (_, Line::Lease { format, .. }) => return Err(Malformed::Format(format)),
        (line, _) => return Err(Malformed::Place { line }),
    };
    let (mut hours, mut fives, mut cut) = (Vec::new(), Vec::new(), None);
    for line in lines {
        let (number, line) = line?;
        match line {
            Line::Hour(hour) if fives.is_empty() && cut.is_none() => hours.push(hour),
            Line::FiveMinutes { rollup } if cut.is_none() => fives.push(rollup),
            Line::Cut(found) if cut.is_none() => cut = Some(found),
            _ => return Err(Malformed::Place { line: number }),
        }
    }
    let cut = *cut.ok_or(Malformed::Short)?;
    if format != format_of(&hours, &cut) {
        return Err(Malformed::Mixed(format));
    }
    Ok(Evidence { lease, hours, fives, cut })
}
