//! A lease over time: what was used between which moments, beside what was paid. Pure.

use gateway_api::{SERIES_STEP, SeriesQuery};
use market::{Lease, Timestamp, Usage};
use serde::Serialize;

use super::payments::{self, Interval};
use super::resources::{self, Bars, Counted};
use super::verify::USAGE_COLUMNS;
use crate::moment::Period;
use crate::money::Money;
use crate::output::{Form, csv_lines};

/// Stretches of time that a table for people has at most, besides the one that the period begins in.
const ROWS: u64 = 12;

/// The result of the command.
#[derive(Debug, Serialize)]
pub(super) struct History {
    /// From each of the provider's points to the next; none where the provider keeps no series.
    pub(super) usage: Option<Vec<Counted>>,
    pub(super) payments: Vec<Interval>,
}

/// What to ask the provider for: everything for programs, no more than can be looked at for people.
pub(super) fn query(form: Form, period: Period, lease: &Lease, counted_to: Timestamp) -> SeriesQuery {
    let seconds = |moment: Option<crate::moment::Moment>| moment.map(|moment| moment.0.0);
    let (from, to) = (seconds(period.from), seconds(period.to));
    let step = match form {
        Form::Json | Form::Csv => None,
        Form::Table => {
            let begin = from.max(lease.started_at.map(|at| at.0)).unwrap_or_default();
            let end = to.unwrap_or(u64::MAX).min(counted_to.0);
            let steps = end.saturating_sub(begin).div_ceil(ROWS).div_ceil(SERIES_STEP).max(1);
            Some(steps.saturating_mul(SERIES_STEP))
        }
    };
    SeriesQuery { from, to, step }
}

pub(super) fn text(history: &History, money: &Money, bars: Bars) -> String {
    let History { usage, payments } = history;
    let usage = match usage {
        Some(usage) => resources::text(usage, bars),
        None => "this provider keeps no history of usage\n".to_owned(),
    };
    format!("{usage}\n{}", payments::text(payments, money))
}

/// One line for each stretch of time, then one for each payment.
pub(super) fn csv(history: &History) -> String {
    let History { usage, payments } = history;
    let columns = ["record", "from", "to"].into_iter().chain(USAGE_COLUMNS);
    let header = columns.chain(["amount", "cumulative", "transaction"]);
    let usage = usage.iter().flatten().map(|counted| {
        let Counted { from, to, allocated, used } = counted;
        let measured =
            [used.cpu_nanoseconds, used.memory_byte_seconds, used.network_rx_bytes, used.network_tx_bytes];
        let numbers = Usage::from(allocated).0.into_iter().chain(measured.map(|number| number.0));
        let numbers = numbers.map(|number| number.to_string());
        let times = [*from, *to].map(|second| second.to_string());
        let nothing = std::iter::repeat_n(String::new(), 3);
        std::iter::once("usage".to_owned()).chain(times).chain(numbers).chain(nothing).collect::<Vec<_>>()
    });
    let payments = payments.iter().map(|interval| {
        let times = [interval.from, interval.to].map(|second| second.to_string());
        let nothing = std::iter::repeat_n(String::new(), USAGE_COLUMNS.len());
        let payment = [
            interval.amount.0.to_string(),
            interval.cumulative.0.to_string(),
            interval.transaction.map_or_else(String::new, |hash| hash.to_string()),
        ];
        std::iter::once("payment".to_owned()).chain(times).chain(nothing).chain(payment).collect::<Vec<_>>()
    });
    csv_lines(header, usage.chain(payments))
}

#[cfg(test)]
mod tests;
