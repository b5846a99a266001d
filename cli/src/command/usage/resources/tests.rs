use alloy_primitives::B256;
use proptest::prelude::*;

use super::*;
use crate::command::usage::payments::tests::lease;
use crate::moment::Moment;

/// A point that counts `count` of everything, times a number of its own.
pub(in crate::command::usage) fn point(as_of: u64, count: u128) -> UsageReport {
    UsageReport {
        as_of,
        sequence: 1,
        allocated: allocated(count),
        used: used(count),
        meter_root: B256::repeat_byte(7),
    }
}

fn allocated(count: u128) -> ResourceUsage {
    ResourceUsage::from(&Usage([1, 2_000, 3 << 20, 4 << 20, 0, 6 << 20, 0, 0].map(|number| number * count)))
}

fn used(count: u128) -> UsedResources {
    UsedResources {
        cpu_nanoseconds: Decimal(1_000_000_000 * count),
        memory_byte_seconds: Decimal((1 << 20) * count),
        network_rx_bytes: Decimal(11 * count),
        network_tx_bytes: Decimal(12 * count),
    }
}

pub(in crate::command::usage) fn stretch(from: u64, to: u64, count: u128) -> Counted {
    Counted { from, to, allocated: allocated(count), used: used(count) }
}

fn from(seconds: u64) -> Period {
    Period { from: Some(Moment(Timestamp(seconds))), to: None }
}

#[test]
fn what_is_between_two_points_is_their_difference_and_the_first_stretch_begins_with_the_lease() {
    let points = [point(1_100, 3), point(1_300, 3), point(1_500, 8)];
    let whole = [stretch(1_000, 1_100, 3), stretch(1_100, 1_300, 0), stretch(1_300, 1_500, 5)];
    let lease = lease(Some(1_000));
    assert_eq!(counted(&lease, &points, Period::default()), Ok(whole.to_vec()));
    // Where a point says what was before the period, nothing else is added.
    assert_eq!(counted(&lease, &points, from(1_100)), Ok(whole[1..].to_vec()));
    // A series that was lost and begun anew still adds up: its first stretch is long.
    assert_eq!(counted(&lease, &points[2..], from(1_400)), Ok(vec![stretch(1_000, 1_500, 8)]));
    let to = Period { to: from(1_100).from, from: None };
    assert_eq!(counted(&lease, &points, to), Ok(whole[..1].to_vec()));
    assert_eq!(counted(&lease, &[], Period::default()), Ok(vec![]));
}

#[test]
fn a_series_that_goes_back_is_not_shown() {
    let lease = lease(Some(1_000));
    for bad in [point(1_200, 4), point(1_300, 2), point(1_100, 4)] {
        let at = bad.as_of;
        let mut less = point(1_300, 4);
        less.used.network_rx_bytes = Decimal(0);
        for bad in [bad, less] {
            let expected = if bad.as_of == at { Err(GoesBack { at }) } else { Err(GoesBack { at: 1_300 }) };
            assert_eq!(counted(&lease, &[point(1_200, 3), bad], Period::default()), expected);
        }
    }
    assert_eq!(
        GoesBack { at: 0 }.to_string(),
        "the provider's series of usage goes back at 1970-01-01T00:00:00Z"
    );
}

#[test]
fn the_tables_show_what_there_is_in_all_and_when() {
    let counted = [stretch(0, 60, 1), stretch(60, 120, 2)];
    let expected = "\
RESOURCE  ALLOCATED  USED   UNIT
uptime    3          -      s
cpu       6.000      3.000  CPU s
memory    9.000      3.000  MiB s
storage   12.000     -      MiB s
egress    18.000     0.000  MiB

FROM                  TO                    RESOURCE  ALLOCATED  USED   UNIT
1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  uptime    1          -      s
1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  cpu       2.000      1.000  CPU s
1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  memory    3.000      1.000  MiB s
1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  storage   4.000      -      MiB s
1970-01-01T00:00:00Z  1970-01-01T00:01:00Z  egress    6.000      0.000  MiB
1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  uptime    2          -      s
1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  cpu       4.000      2.000  CPU s
1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  memory    6.000      2.000  MiB s
1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  storage   8.000      -      MiB s
1970-01-01T00:01:00Z  1970-01-01T00:02:00Z  egress    12.000     0.000  MiB
";
    let trimmed = |text: String| text.lines().map(|line| format!("{}\n", line.trim())).collect::<String>();
    assert_eq!(trimmed(text(&counted, Bars::Left)), expected);
    let drawn = trimmed(text(&[stretch(0, 2, 2), stretch(2, 4, 14)], Bars::Drawn));
    let bars = |resource: &str, skipped: usize| -> Vec<String> {
        let line = drawn.lines().find(|line| line.starts_with(resource)).unwrap();
        line.split_whitespace().skip(skipped).map(str::to_owned).collect()
    };
    assert_eq!(
        (bars("memory", 5), bars("uptime", 4)),
        (vec!["▂▂██".into(); 2], vec!["▂▂██".into(), "-".into()])
    );
}

proptest! {
    #[test]
    fn whichever_points_are_missing_what_is_shown_sums_up_to_the_last_less_the_first(
        steps in prop::collection::vec((1u64..10_000, 0u128..1 << 90, any::<bool>()), 1..50),
        start in 0u64..20_000,
        asked in prop::option::of(0u64..200_000),
    ) {
        let (mut at, mut count) = (10_000, 0u128);
        let mut points = Vec::new();
        for (pause, more, is_kept) in steps {
            (at, count) = (at + pause, count + more);
            if is_kept {
                points.push(point(at, count));
            }
        }
        let period = asked.map_or(Period::default(), from);
        let shown = counted(&lease(Some(start)), &points, period).unwrap();
        let Some((first, last)) = shown.first().zip(points.last()) else { return Ok(()) };
        // What had been counted when the first stretch begins: the point that stands there, or nothing at the start.
        let known = points.iter().find(|point| point.as_of == first.from);
        prop_assert!(known.is_some() || first.from == start);
        let base = known.cloned().unwrap_or_else(|| point(first.from, 0));
        let expected = between(&base, last).unwrap();
        prop_assert_eq!(sum(&shown), Counted { from: 0, to: 0, ..expected });
        prop_assert!(shown.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}
