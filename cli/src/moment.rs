//! Moments as people give them on the command line.

use std::str::FromStr;

use market::Timestamp;

/// A moment: `2026-05-01` (its first second, UTC), `2026-05-01T12:00:00Z`, or Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// The text names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a date such as 2026-05-01, a time such as 2026-05-01T12:00:00Z, or Unix seconds")]
pub(crate) struct NoMoment;

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Ok(seconds) = text.parse() {
            return Ok(Moment(Timestamp(seconds)));
        }
        let date = || {
            let date: jiff::civil::Date = text.parse().ok()?;
            Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        // A date alone is tried second: the parser of dates takes the date out of a time too.
        let moment = text.parse::<jiff::Timestamp>().ok().or_else(date).ok_or(NoMoment)?;
        u64::try_from(moment.as_second()).map(|seconds| Moment(Timestamp(seconds))).map_err(|_| NoMoment)
    }
}

/// A moment that may be given as a span from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Moment),
    /// Seconds.
    In(u32),
}

impl When {
    /// The moment, if it is `now`.
    pub(crate) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            When::At(Moment(moment)) => moment,
            When::In(seconds) => now.saturating_add(u64::from(seconds)),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let span = || text.parse::<manifest::Seconds>().map(|span| When::In(span.0));
        // Digits alone are a moment.
        let moment = text.parse().map(When::At);
        moment
            .or_else(|no_moment: NoMoment| span().map_err(|_| format!("{no_moment}, or a span such as 90d")))
    }
}

/// From one moment on, up to before another; open where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Period {
    pub(crate) from: Option<Moment>,
    pub(crate) to: Option<Moment>,
}

impl Period {
    /// Whether it begins after a moment.
    pub(crate) fn is_after(&self, time: Timestamp) -> bool {
        self.from.is_some_and(|from| time < from.0)
    }

    /// Whether a part of the time between two moments lies in it.
    pub(crate) fn touches(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from.is_none_or(|first| to > first.0) && self.to.is_none_or(|end| from < end.0)
    }

    /// Whether a moment lies in it.
    pub(crate) fn holds(&self, time: Timestamp) -> bool {
        !self.is_after(time) && self.to.is_none_or(|to| time < to.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seconds: u64) -> Result<Moment, NoMoment> {
        Ok(Moment(Timestamp(seconds)))
    }

    #[test]
    fn a_moment_is_a_date_a_time_or_seconds() {
        assert_eq!("1970-01-02".parse(), moment(86_400));
        assert_eq!("1970-01-02T00:00:01Z".parse(), moment(86_401));
        assert_eq!("1970-01-02T01:00:01+01:00".parse(), moment(86_401));
        assert_eq!("1700000000".parse(), moment(1_700_000_000));
        for text in ["", "yesterday", "1969-01-01", "2026-13-01", "-5", "1e9"] {
            assert_eq!(text.parse::<Moment>(), Err(NoMoment), "{text}");
        }
    }

    #[test]
    fn an_end_is_a_moment_or_a_span_from_now_on() {
        let from = |text: &str| text.parse::<When>().map(|when| when.from(Timestamp(1_000)));
        assert_eq!(from("5000"), Ok(Timestamp(5_000)));
        assert_eq!(from("2d"), Ok(Timestamp(173_800)));
        assert_eq!(from("1970-01-01T01:00:00Z"), Ok(Timestamp(3_600)));
        assert_eq!(
            from("soon"),
            Err("expected a date such as 2026-05-01, a time such as 2026-05-01T12:00:00Z, or Unix seconds, or a span \
                 such as 90d"
                .into())
        );
    }

    #[test]
    fn a_period_begins_with_its_first_moment_and_ends_before_its_last() {
        let period = Period { from: moment(10).ok(), to: moment(20).ok() };
        let held: Vec<u64> = (8..23).filter(|time| period.holds(Timestamp(*time))).collect();
        assert_eq!(held, (10..20).collect::<Vec<u64>>());
        assert!(Period::default().holds(Timestamp(0)) && !Period::default().is_after(Timestamp(0)));
    }
}
