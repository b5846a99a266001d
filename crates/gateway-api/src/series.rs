//! `GET /v1/leases/{id}/usage/series?from=&to=&step=`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::UsageReport;

/// Most points of one answer; whoever wants more asks again from [`UsageSeries::next`].
pub const MAX_SERIES_POINTS: usize = 1000;
/// Seconds between two points as finely as they are kept. A step is a multiple of it.
pub const SERIES_STEP: u64 = 300;

/// Which part of a lease's usage to show. Moments are unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesQuery {
    /// The answer begins with the newest point that is not later; with the oldest that is kept if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// It ends with the first point that is not earlier; with the newest if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Seconds: of as much time at most one point, the newest, is shown. Left out, every point that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
}

/// A query that nobody can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeriesQuery {
    /// It ends before it begins.
    #[error("from is later than to")]
    Backwards,
    /// Points are not kept so.
    #[error("step is a multiple of {SERIES_STEP} seconds, and not zero")]
    Step,
}

impl SeriesQuery {
    /// Whether it can be answered.
    pub fn check(&self) -> Result<(), InvalidSeriesQuery> {
        let Self { from, to, step } = *self;
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(InvalidSeriesQuery::Backwards);
        }
        if step.is_some_and(|step| step == 0 || step % SERIES_STEP != 0) {
            return Err(InvalidSeriesQuery::Step);
        }
        Ok(())
    }
}

/// The query of a URL: nothing, or `?` and what is asked for.
impl fmt::Display for SeriesQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = [("from", self.from), ("to", self.to), ("step", self.step)];
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (sign, (name, value)) in std::iter::once('?').chain(std::iter::repeat('&')).zip(asked) {
            write!(f, "{sign}{name}={value}")?;
        }
        Ok(())
    }
}

/// What a lease had used by one moment after the other, oldest first.
///
/// Points are cumulative since the lease's start, so a point that is missing changes no sum: what was used between two
/// points is their difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageSeries {
    /// At most [`MAX_SERIES_POINTS`], each later than the one before it and in no counter below it.
    pub points: Vec<UsageReport>,
    /// The moment of the last point, if there are more: ask again with it as `from`. That answer begins with this point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_written_as_a_url_has_it() {
        let written = |from, to, step| SeriesQuery { from, to, step }.to_string();
        assert_eq!(written(None, None, None), "");
        assert_eq!(written(Some(1), None, None), "?from=1");
        assert_eq!(written(None, Some(2), Some(300)), "?to=2&step=300");
        assert_eq!(written(Some(1), Some(2), Some(300)), "?from=1&to=2&step=300");
    }

    #[test]
    fn a_query_that_nobody_can_answer_is_refused() {
        let check = |from, to, step| SeriesQuery { from, to, step }.check();
        assert_eq!(check(Some(2), Some(2), Some(600)), Ok(()));
        assert_eq!(check(Some(3), Some(2), None), Err(InvalidSeriesQuery::Backwards));
        for step in [0, 1, 301] {
            assert_eq!(check(None, None, Some(step)), Err(InvalidSeriesQuery::Step), "{step}");
        }
    }

    #[test]
    fn a_query_with_more_in_it_is_refused() {
        assert!(serde_json::from_str::<SeriesQuery>(r#"{"from":1}"#).is_ok());
        assert!(serde_json::from_str::<SeriesQuery>(r#"{"from":1,"till":2}"#).is_err());
    }
}
