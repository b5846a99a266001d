//! Which points answer a query. Pure.

use gateway_api::{MAX_SERIES_POINTS, SeriesQuery};
use market::Timestamp;

use super::Point;

/// The points that enclose the time that is asked for, at most one for each step, and where the next page begins if there
/// are more. The points are in the order of time.
pub(super) fn select(points: Vec<Point>, query: &SeriesQuery) -> (Vec<Point>, Option<Timestamp>) {
    let SeriesQuery { from, to, step } = *query;
    let points = match step {
        Some(step) => newest_of_each(points, step),
        None => points,
    };
    let first = from.map_or(0, |from| points.partition_point(|point| point.as_of.0 <= from));
    let before_end = to.map_or(points.len(), |to| points.partition_point(|point| point.as_of.0 < to));
    let asked = points.into_iter().take(before_end.saturating_add(1)).skip(first.saturating_sub(1));
    let mut page: Vec<Point> = asked.take(MAX_SERIES_POINTS + 1).collect();
    if page.len() <= MAX_SERIES_POINTS {
        return (page, None);
    }
    page.truncate(MAX_SERIES_POINTS);
    let next = page.last().map(|point| point.as_of);
    (page, next)
}

/// The last point of each stretch of `step` seconds, counted from the epoch so that every answer cuts alike.
fn newest_of_each(points: Vec<Point>, step: u64) -> Vec<Point> {
    let stretch = |point: &Point| point.as_of.0.checked_div(step);
    let mut newest: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        match newest.last_mut() {
            Some(last) if stretch(last) == stretch(&point) => *last = point,
            _ => newest.push(point),
        }
    }
    newest
}
