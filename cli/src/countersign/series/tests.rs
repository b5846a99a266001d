use alloy_primitives::B256;
use gateway_api::{Decimal, UsedResources};
use market::Lease;
use proptest::prelude::*;

use super::*;
use crate::countersign::tests::{bid, lease, own, proposal};

/// A point over `seconds` of uptime and as many full seconds of CPU, as a proposal has them.
fn point(as_of: u64, seconds: u128) -> UsageReport {
    UsageReport {
        as_of,
        sequence: 1,
        allocated: proposal(seconds, as_of, 0).usage,
        used: UsedResources::default(),
        meter_root: B256::repeat_byte(9),
    }
}

fn judged(points: &[UsageReport], proposal: &StatementProposal) -> Result<(), (RefusalReason, Amount)> {
    let (bid, lease, signed) = (bid(), lease(), super::super::tests::proposal(10, 1_010, 20));
    let own = Own { previous: Some(&signed), ..own(&bid, &lease, 2_000) };
    check_series(&own, points, proposal).map_err(|refusal| (refusal.reason, refusal.largest_accepted))
}

#[test]
fn what_the_series_says_is_signed_and_so_is_what_a_provider_without_one_says() {
    let points = [point(1_000, 0), point(1_040, 40), point(1_100, 90)];
    for (seconds, as_of) in [(90, 1_100), (40, 1_040), (20, 1_030), (90, 1_099)] {
        assert_eq!(judged(&points, &proposal(seconds, as_of, 2 * seconds)), Ok(()), "{seconds} {as_of}");
    }
    assert_eq!(judged(&[], &proposal(90, 1_100, 180)), Ok(()));
}

#[test]
fn a_proposal_above_the_series_is_refused_with_what_the_series_is_worth() {
    let points = [point(1_000, 0), point(1_040, 40), point(1_100, 90)];
    let refused = |largest| Err((RefusalReason::UsageAboveSeries, Amount(largest)));
    assert_eq!(judged(&points, &proposal(91, 1_100, 182)), refused(180));
    assert_eq!(judged(&points, &proposal(41, 1_040, 82)), refused(80));
    // Not yet written, it can have grown by no more than the limits, twice, and by the meter's lag.
    let grown = |seconds| judged(&points, &proposal(seconds, 1_130, 2 * seconds));
    assert_eq!(grown(90 + 30 + 120), Ok(()));
    assert!(matches!(grown(90 + 30 + 121), Err((RefusalReason::UsageAboveSeries, _))));
}

#[test]
fn a_series_that_goes_back_or_beyond_all_limits_gets_nothing_more_signed() {
    let last = proposal(90, 1_100, 180);
    let mut received_less = point(1_100, 90);
    let mut before = point(1_040, 40);
    before.used.network_rx_bytes = Decimal(7);
    received_less.used.network_rx_bytes = Decimal(6);
    for points in [
        [point(1_040, 41), point(1_100, 40)],
        [point(1_100, 40), point(1_100, 90)],
        [point(1_101, 40), point(1_100, 90)],
        [before, received_less],
    ] {
        assert_eq!(judged(&points, &last), Err((RefusalReason::SeriesDecreased, Amount(20))));
    }
    let above = |seconds| judged(&[point(1_100, seconds)], &proposal(1, 1_100, 2));
    assert_eq!(above(100 + 120), Ok(()));
    assert_eq!(above(100 + 121), Err((RefusalReason::SeriesAboveLimits, Amount(20))));
}

proptest! {
    /// A provider that counts what passes, publishes now and then, loses points, credits late what a node had counted
    /// while it was cut off, and dates its proposals by a chain that is behind.
    #[test]
    fn an_honest_provider_is_not_refused(
        steps in prop::collection::vec((1u64..400, 0u8..=2, any::<bool>()), 1..30),
        behind in 0u64..900,
        from in 0usize..30,
    ) {
        let (bid, lease) = (bid(), Lease { end_at: Timestamp(100_000), ..lease() });
        let (mut at, mut owed, mut counted) = (1_000, 0u128, 0u128);
        let mut points = Vec::new();
        for (pause, share, is_kept) in &steps {
            at += pause;
            owed += u128::from(*pause);
            // Nothing, a part, or all of what is owed is counted by then.
            let now = owed * u128::from(*share) / 2;
            (owed, counted) = (owed - now, counted + now);
            if *is_kept {
                points.push(point(at, counted));
            }
        }
        // The publication that the proposal is made of is written before anybody is asked to sign it.
        if !steps.last().is_some_and(|(.., is_kept)| *is_kept) {
            points.push(point(at, counted));
        }
        let points = &points[from.min(points.len() - 1)..];
        let as_of = at.saturating_sub(behind).max(1_000);
        // A moment of the chain that is by chance that of an older publication is asked about again a block later.
        prop_assume!(as_of == at || points.iter().all(|point| point.as_of != as_of));
        let proposal = proposal(counted, as_of, 0);
        prop_assert_eq!(check_series(&own(&bid, &lease, at), points, &proposal), Ok(()));
    }
}
