//! What a lease has spent over time: each payment on chain, and what is counted but not paid. Pure.
//!
//! The chain is the only history that a tenant has of its own: the provider's gateway tells sums alone.

use alloy_primitives::B256;
use chain::Payment;
use gateway_api::Decimal;
use market::{Amount, Lease, Timestamp};
use serde::Serialize;

use crate::command::provider::when;
use crate::moment::Period;
use crate::money::Money;
use crate::output::{csv_lines, table};

/// Bars of a sparkline, from nothing to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How many of them cover a lease.
const WIDTH: u64 = 32;

/// What was spent between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Interval {
    from: u64,
    to: u64,
    /// Base units.
    amount: Decimal,
    /// Everything up to its end.
    cumulative: Decimal,
    /// What paid it; none where it is counted and not paid yet.
    transaction: Option<B256>,
}

impl Interval {
    /// Whether a part of it lies in a period.
    pub(super) fn touches(&self, period: Period) -> bool {
        period.from.is_none_or(|from| Timestamp(self.to) > from.0)
            && period.to.is_none_or(|to| Timestamp(self.from) < to.0)
    }
}

/// The payments of a lease one after the other, then what the provider has `counted` beyond them.
pub(super) fn series(lease: &Lease, payments: &[Payment], counted: (Timestamp, Amount)) -> Vec<Interval> {
    let Some(Timestamp(mut from)) = lease.started_at else { return Vec::new() };
    let (mut intervals, mut paid) = (Vec::new(), Amount::ZERO);
    for payment in payments {
        // What was signed before a dispute is paid after it, with an earlier moment.
        let to = payment.as_of.0.max(from);
        let (amount, cumulative) = (Decimal(payment.amount.0), Decimal(payment.paid.0));
        intervals.push(Interval { from, to, amount, cumulative, transaction: Some(payment.transaction) });
        (from, paid) = (to, payment.paid);
    }
    let (Timestamp(to), cost) = counted;
    let unpaid = cost.saturating_sub(paid);
    if to > from && !unpaid.is_zero() {
        let (amount, cumulative) = (Decimal(unpaid.0), Decimal(cost.0));
        intervals.push(Interval { from, to, amount, cumulative, transaction: None });
    }
    intervals
}

pub(super) fn text(intervals: &[Interval], money: &Money) -> String {
    let show = |amount: Decimal| money.show(Amount(amount.0));
    let rows = intervals.iter().map(|interval| {
        let paid_by = interval.transaction.map_or("not paid yet".to_owned(), |hash| hash.to_string());
        let (from, to) = (when(interval.from), when(interval.to));
        [from, to, show(interval.amount), show(interval.cumulative), paid_by]
    });
    table(["FROM", "TO", "SPENT", "IN ALL", "PAID BY"], rows)
}

pub(super) fn csv(intervals: &[Interval]) -> String {
    let rows = intervals.iter().map(|interval| {
        [
            interval.from.to_string(),
            interval.to.to_string(),
            interval.amount.0.to_string(),
            interval.cumulative.0.to_string(),
            interval.transaction.map_or_else(String::new, |hash| hash.to_string()),
        ]
    });
    csv_lines(["from", "to", "amount", "cumulative", "transaction"], rows)
}

/// Spending from the first moment to the last as bars of equal time; none where there is nothing to see.
pub(super) fn sparkline(intervals: &[Interval]) -> Option<String> {
    let (start, end) = (intervals.first()?.from, intervals.last()?.to);
    let width = WIDTH.min(end.saturating_sub(start));
    if width < 2 {
        return None;
    }
    // In parts of a second, so that bars begin where the one before ends.
    let edge = |bar: u64| u128::from(start) * u128::from(width) + u128::from(end - start) * u128::from(bar);
    let spent = |bar: u64| {
        let within = |interval: &Interval| {
            let [from, to] = [interval.from, interval.to].map(|at| u128::from(at) * u128::from(width));
            let shared = to.min(edge(bar + 1)).saturating_sub(from.max(edge(bar)));
            // A payment that covers no time, an admission in a dispute, is in no bar.
            let (amount, time) = (interval.amount.0, to.checked_sub(from).filter(|time| *time > 0)?);
            // So large an amount has digits to lose.
            Some(amount.checked_mul(shared).map_or_else(|| amount / time * shared, |area| area / time))
        };
        intervals.iter().filter_map(within).sum::<u128>()
    };
    let bars: Vec<u128> = (0..width).map(spent).collect();
    let most = bars.iter().copied().max().filter(|most| *most > 0)?;
    let steps = BARS.len() as u128 - 1;
    let bar = |amount: u128| usize::try_from(amount.saturating_mul(steps).div_ceil(most)).ok();
    bars.into_iter().map(|amount| BARS.get(bar(amount)?).copied()).collect()
}

#[cfg(test)]
mod tests;
