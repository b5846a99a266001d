//! Stretches of time, a bounded number of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How many stretches are kept. What is older counts as one sum, and only for moments after all of it.
const MAX_SPANS: usize = 256;

/// A stretch of time in unix seconds; `to` is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Time in which something was down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Downtime {
    /// Seconds in the stretches that are not kept any more.
    summed: u64,
    /// Where the first of those began.
    summed_from: u64,
    /// Where the last of those ended.
    summed_to: u64,
    spans: VecDeque<Span>,
}

impl Downtime {
    /// Adds what of a stretch lies after all others; none if nothing does.
    pub(super) fn add(&mut self, span: Span) -> Option<Span> {
        let end = self.spans.back().map_or(self.summed_to, |last| last.to);
        let span = Span { from: span.from.max(end), ..span };
        if span.from >= span.to {
            return None;
        }
        match self.spans.back_mut() {
            Some(last) if last.to == span.from => last.to = span.to,
            _ => self.spans.push_back(span),
        }
        if self.spans.len() > MAX_SPANS
            && let Some(oldest) = self.spans.pop_front()
        {
            if self.summed == 0 {
                self.summed_from = oldest.from;
            }
            self.summed = self.summed.saturating_add(oldest.to - oldest.from);
            self.summed_to = oldest.to;
        }
        Some(span)
    }

    /// Seconds from `start` to `end`. The sum of what is not kept counts only if all of it lies between them.
    pub(super) fn seconds(&self, start: u64, end: u64) -> u64 {
        let summed = if self.summed_from >= start && self.summed_to <= end { self.summed } else { 0 };
        let kept = self.spans.iter().map(|span| span.to.min(end).saturating_sub(span.from.max(start)));
        kept.fold(summed, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from, to }
    }

    #[test]
    fn no_second_counts_twice_and_joined_stretches_are_one() {
        let mut down = Downtime::default();
        assert_eq!(down.add(span(10, 20)), Some(span(10, 20)));
        assert_eq!(down.add(span(20, 25)), Some(span(20, 25)));
        assert_eq!(down.add(span(5, 30)), Some(span(25, 30)));
        assert_eq!(down.add(span(8, 12)), None);
        assert_eq!(down.spans, [span(10, 30)]);
        assert_eq!((down.seconds(0, 100), down.seconds(12, 15), down.seconds(30, 10)), (20, 3, 0));
    }

    #[test]
    fn what_is_not_kept_any_more_counts_only_for_moments_after_it() {
        let mut down = Downtime::default();
        for index in 0..300 {
            down.add(span(index * 10, index * 10 + 4));
        }
        assert_eq!((down.spans.len(), down.summed, down.summed_to), (MAX_SPANS, 44 * 4, 434));
        assert_eq!(down.seconds(0, 10_000), 300 * 4);
        assert_eq!(down.seconds(0, 434), 44 * 4);
        // A moment in the middle of what was summed up: in doubt nothing is held against the provider.
        assert_eq!(down.seconds(0, 433), 0);
        let text = serde_json::to_string(&down).unwrap();
        assert!(text.len() < 8_192, "{}", text.len());
        assert_eq!(serde_json::from_str::<Downtime>(&text).unwrap(), down);
    }
}
