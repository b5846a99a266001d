//! A lease's usage over time, page by page.

use gateway_api::{ErrorCode, SeriesQuery, UsageReport, UsageSeries, routes};
use market::LeaseId;

use super::{Gateway, GatewayError};

/// Pages of one series. Two years by the hour and a month by five minutes are 27.
const MOST_PAGES: usize = 64;

impl Gateway {
    /// The points that enclose the time that is asked for, as the provider has them; none if it keeps none, by choice or
    /// because its version is an earlier one.
    pub(crate) async fn usage_series(
        &self,
        lease: LeaseId,
        query: &SeriesQuery,
    ) -> Result<Option<Vec<UsageReport>>, GatewayError> {
        let (mut query, mut whole) = (*query, Vec::new());
        for _ in 0..MOST_PAGES {
            let page = self.get::<UsageSeries>(&routes::usage_series(lease, &query)).await;
            let UsageSeries { points, next } = match page {
                Err(error) if is_absence(&error) => return Ok(None),
                page => page?,
            };
            // A page begins with the point that the one before it ended with, or what is kept of it by now.
            let shown = whole.last().map(|last: &UsageReport| last.as_of);
            whole.extend(points.into_iter().filter(|point| shown.is_none_or(|shown| point.as_of > shown)));
            match next {
                None => return Ok(Some(whole)),
                Some(next) if shown.is_some_and(|shown| next <= shown) => break,
                Some(next) => query.from = Some(next),
            }
        }
        Err(GatewayError::EndlessSeries)
    }

    /// The newest point of a lease's series, also of a lease that is over.
    pub(crate) async fn last_usage(&self, lease: LeaseId) -> Result<Option<UsageReport>, GatewayError> {
        let query = SeriesQuery { from: Some(u64::MAX), ..SeriesQuery::default() };
        Ok(self.usage_series(lease, &query).await?.and_then(|points| points.into_iter().next_back()))
    }
}

fn is_absence(error: &GatewayError) -> bool {
    matches!(error.code(), Some(ErrorCode::UnknownRoute | ErrorCode::NoSeries))
}
