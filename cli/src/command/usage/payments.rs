//! What a lease has spent over time: each payment on chain, and what is counted but not paid. Pure.

use alloy_primitives::B256;
use chain::Payment;
use gateway_api::Decimal;
use market::{Amount, Lease, Timestamp};
use serde::Serialize;

use super::sparkline::Stretch;
use crate::command::provider::when;
use crate::moment::Period;
use crate::money::Money;
use crate::output::table;

/// What was spent between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Interval {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Base units.
    pub(super) amount: Decimal,
    /// Everything up to its end.
    pub(super) cumulative: Decimal,
    /// What paid it; none where it is counted and not paid yet.
    pub(super) transaction: Option<B256>,
}

impl Interval {
    /// Whether a part of it lies in a period.
    pub(super) fn touches(&self, period: Period) -> bool {
        period.touches(Timestamp(self.from), Timestamp(self.to))
    }

    /// The same for bars.
    pub(super) fn stretch(&self) -> Stretch {
        Stretch { from: self.from, to: self.to, amount: self.amount.0 }
    }
}

/// The payments of a lease one after the other, then what the provider has `counted` beyond them.
pub(super) fn payments(
    lease: &Lease,
    paid_so_far: &[Payment],
    counted: (Timestamp, Amount),
) -> Vec<Interval> {
    let Some(Timestamp(mut from)) = lease.started_at else { return Vec::new() };
    let (mut intervals, mut paid) = (Vec::new(), Amount::ZERO);
    for payment in paid_so_far {
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

#[cfg(test)]
pub(super) mod tests;
