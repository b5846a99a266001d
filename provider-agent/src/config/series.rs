//! How long what a lease had used by when is kept: `[series]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::Seconds;
use crate::series::{Retention, Settings};

const HOUR: u64 = 3600;
/// Bounds what a lease takes: 8 929 points of five minutes and 17 569 of an hour.
const MOST_FIVES: Seconds = Seconds(31 * 24 * HOUR);
const MOST_HOURS: Seconds = Seconds(2 * 366 * 24 * HOUR);

/// The history of usage that tenants can look at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Series {
    /// Where it is kept. Absent: nowhere.
    pub file: Option<PathBuf>,
    /// How long points of five minutes are kept.
    pub five_minutes: Seconds,
    /// How long points of an hour are kept, and leases that are over.
    pub hours: Seconds,
}

impl Series {
    /// The same for those who keep it, if it is kept.
    pub fn settings(&self) -> Option<Settings> {
        let Self { file, five_minutes, hours } = self;
        let retention = Retention { fives: five_minutes.0, hours: hours.0 };
        file.clone().map(|file| Settings { file, retention })
    }

    /// What contradicts itself, with its path.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let Self { file: _, five_minutes, hours } = self;
        if *five_minutes < Seconds(HOUR) || *five_minutes > MOST_FIVES {
            return Some(("series.five_minutes", "must be between 1h and 31d"));
        }
        if hours < five_minutes || *hours > MOST_HOURS {
            return Some(("series.hours", "must be at least series.five_minutes, and at most 732d"));
        }
        None
    }
}

impl Default for Series {
    fn default() -> Self {
        Self { file: None, five_minutes: Seconds(48 * HOUR), hours: Seconds(90 * 24 * HOUR) }
    }
}
