use super::*;
use crate::moment::Moment;

pub(in crate::command::usage) fn lease(started_at: Option<u64>) -> Lease {
    Lease { started_at: started_at.map(Timestamp), end_at: Timestamp(100_000), ..testkit::lease() }
}

fn payment(as_of: u64, amount: u128, paid: u128) -> Payment {
    let transaction = B256::repeat_byte(u8::try_from(paid % 251).unwrap());
    Payment { amount: Amount(amount), paid: Amount(paid), as_of: Timestamp(as_of), transaction }
}

fn shape(intervals: &[Interval]) -> Vec<(u64, u64, u128, u128, bool)> {
    let of = |it: &Interval| (it.from, it.to, it.amount.0, it.cumulative.0, it.transaction.is_some());
    intervals.iter().map(of).collect()
}

#[test]
fn payments_follow_each_other_and_what_is_not_paid_comes_last() {
    let paid = [payment(1_100, 10, 10), payment(1_300, 30, 40), payment(1_200, 5, 45)];
    let intervals = payments(&lease(Some(1_000)), &paid, (Timestamp(1_400), Amount(52)));
    let expected = [
        (1_000, 1_100, 10, 10, true),
        (1_100, 1_300, 30, 40, true),
        // Signed before a dispute, paid in it.
        (1_300, 1_300, 5, 45, true),
        (1_300, 1_400, 7, 52, false),
    ];
    assert_eq!(shape(&intervals), expected);
    // A provider that has counted no more than is paid adds nothing, and a lease that never started has nothing.
    assert_eq!(payments(&lease(Some(1_000)), &paid, (Timestamp(1_400), Amount(45))).len(), 3);
    assert_eq!(payments(&lease(None), &[], (Timestamp(1_400), Amount(45))), []);
}

#[test]
fn a_period_takes_every_interval_that_lies_in_it_with_a_part() {
    let paid = [payment(1_100, 1, 1), payment(1_200, 1, 2), payment(1_300, 1, 3)];
    let intervals = payments(&lease(Some(1_000)), &paid, (Timestamp(1_300), Amount(3)));
    let moment = |seconds| Some(Moment(Timestamp(seconds)));
    let shown = |period: Period| intervals.iter().filter(|it| it.touches(period)).map(|it| it.to).collect();
    let within: Vec<u64> = shown(Period { from: moment(1_100), to: moment(1_201) });
    assert_eq!(within, [1_200, 1_300]);
    let first: Vec<u64> = shown(Period { from: None, to: moment(1_100) });
    assert_eq!(first, [1_100]);
}

#[test]
fn payments_are_shown_as_a_table() {
    let money = Money { decimals: 6, symbol: "TEST".to_owned() };
    let intervals = payments(&lease(Some(1_000)), &[payment(1_060, 10, 10)], (Timestamp(1_100), Amount(15)));
    let hash = B256::repeat_byte(10);
    let shown = text(&intervals, &money);
    let rows: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    let hash = hash.to_string();
    let expected = vec![
        vec!["FROM", "TO", "SPENT", "IN ALL", "PAID BY"],
        vec!["1970-01-01T00:16:40Z", "1970-01-01T00:17:40Z", "0.00001 TEST", "0.00001 TEST", &hash],
        vec![
            "1970-01-01T00:17:40Z",
            "1970-01-01T00:18:20Z",
            "0.000005 TEST",
            "0.000015 TEST",
            "not paid yet",
        ],
    ];
    assert_eq!(rows, expected);
}
