//! The store, what it answers, and the task behind it.

mod crash;
mod keeper;

use gateway_api::{MAX_SERIES_POINTS, SERIES_STEP};
use market::{Address, B256, Timestamp, Usage};
use proptest::prelude::*;
use tempfile::TempDir;
use usage::{Totals, Used};

use super::select::select;
use super::store::Store;
use super::*;

const DAY: u64 = 24 * 3600;
const RETENTION: Retention = Retention { fives: 2 * DAY, hours: 90 * DAY };
/// A whole hour.
const START: u64 = 1_800_000_000;

pub(crate) fn lease(byte: u8) -> LeaseId {
    LeaseId(B256::repeat_byte(byte))
}

/// A publication that counts `count` of everything, times a number of its own.
pub(crate) fn point(as_of: u64, count: u128) -> Point {
    Point {
        as_of: Timestamp(as_of),
        sequence: as_of / 2,
        totals: Totals {
            allocated: Usage([1, 2, 3, 4, 5, 6, 7, 8].map(|number| number * count)),
            used: Used {
                cpu_ns: 9 * count,
                memory_byte_seconds: 10 * count,
                network_rx_bytes: 11 * count,
                network_tx_bytes: 12 * count,
            },
        },
        meter_root: B256::from(market::U256::from(as_of)),
    }
}

pub(crate) fn seen(lease: LeaseId, point: Point) -> Seen {
    let owners = Owners { tenant: Address::repeat_byte(1), signer: Address::repeat_byte(2) };
    Seen { lease, owners, point }
}

fn new_store() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("series")).unwrap();
    (directory, store)
}

fn write(store: &Store, points: &[Point]) {
    let batch: Vec<_> = points.iter().map(|point| seen(lease(1), *point)).collect();
    assert_eq!(store.write(&batch).unwrap(), vec![]);
}

fn moments(points: &[Point]) -> Vec<u64> {
    points.iter().map(|point| point.as_of.0 - START).collect()
}

#[test]
fn the_newest_publication_of_five_minutes_stands_for_them_and_survives_the_process() {
    let (directory, store) = new_store();
    let points = [(10, 1), (290, 2), (300, 3), (930, 4)].map(|(at, count)| point(START + at, count));
    write(&store, &points);
    // What is old or known changes nothing.
    write(&store, &[point(START + 930, 4), point(START + 400, 5)]);
    drop(store);
    let store = Store::open(&directory.path().join("series")).unwrap();
    assert_eq!(store.points(lease(1)).unwrap(), points[1..]);
    assert_eq!(store.points(lease(2)).unwrap(), vec![]);
    let owners = seen(lease(1), points[0]).owners;
    assert_eq!([lease(1), lease(2)].map(|id| store.owners(id).unwrap()), [Some(owners), None]);
}

#[test]
fn five_minutes_go_by_whole_hours_and_leave_the_hours_sums() {
    let (_directory, store) = new_store();
    // One point in ten minutes, for four hours.
    let points: Vec<_> = (0..24).map(|turn| point(START + 600 * turn + 1, u128::from(turn))).collect();
    write(&store, &points);
    let now = Timestamp(START + RETENTION.fives + 2 * 3600 + 1800);
    store.drop_old(RETENTION, now).unwrap();
    let left = store.points(lease(1)).unwrap();
    assert_eq!(left, [&[points[5], points[11]], &points[12..]].concat());
    // Later only the hours are left, at last nothing, and nobody may ask any more.
    store.drop_old(RETENTION, Timestamp(START + 20 * DAY)).unwrap();
    assert_eq!(store.points(lease(1)).unwrap(), [points[5], points[11], points[17], points[23]]);
    store.drop_old(RETENTION, Timestamp(START + RETENTION.hours + 3 * 3600)).unwrap();
    assert_eq!(store.points(lease(1)).unwrap(), [points[23]]);
    assert!(store.owners(lease(1)).unwrap().is_some());
    store.drop_old(RETENTION, Timestamp(START + RETENTION.hours + 4 * 3600)).unwrap();
    assert_eq!((store.points(lease(1)).unwrap(), store.owners(lease(1)).unwrap()), (vec![], None));
}

#[test]
fn totals_that_went_back_take_the_series_back_with_them() {
    let (_directory, store) = new_store();
    let points = [(0, 1), (400, 3), (800, 7)].map(|(at, count)| point(START + at, count));
    write(&store, &points);
    write(&store, &[point(START + 1, 9)]);
    let mut other = seen(lease(2), point(START, 20));
    assert_eq!(store.write(&[other]).unwrap(), vec![]);
    other.point = point(START + 1000, 4);
    other.lease = lease(1);
    assert_eq!(store.write(&[other]).unwrap(), vec![lease(1)]);
    assert_eq!(store.points(lease(1)).unwrap(), [points[0], points[1], other.point]);
    assert_eq!(store.points(lease(2)).unwrap().len(), 1);
}

#[test]
fn a_file_that_nobody_can_read_is_kept_aside_and_the_series_begin_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("series.redb");
    for text in ["no series, and longer than a header of theirs".repeat(500), "short".to_owned()] {
        std::fs::write(&file, &text).unwrap();
        let store = Store::open(&file).unwrap();
        write(&store, &[point(START, 1)]);
        assert_eq!(store.points(lease(1)).unwrap().len(), 1);
        assert_eq!(std::fs::read_to_string(directory.path().join("series.redb.unreadable")).unwrap(), text);
    }
}

#[test]
fn a_file_that_another_process_holds_is_left_alone() {
    let (directory, _held) = new_store();
    let file = directory.path().join("series");
    assert!(matches!(Store::open(&file), Err(Error::File(redb::Error::DatabaseAlreadyOpen))));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

fn asked(from: Option<u64>, to: Option<u64>, step: Option<u64>) -> SeriesQuery {
    SeriesQuery { from: from.map(|at| START + at), to: to.map(|at| START + at), step }
}

#[test]
fn an_answer_encloses_the_time_that_is_asked_for() {
    let points = [0, 300, 600, 900, 3600].map(|at| point(START + at, u128::from(at))).to_vec();
    let shown = |from, to, step| moments(&select(points.clone(), &asked(from, to, step)).0);
    assert_eq!(shown(None, None, None), [0, 300, 600, 900, 3600]);
    assert_eq!(shown(Some(300), Some(600), None), [300, 600]);
    assert_eq!(shown(Some(301), Some(599), None), [300, 600]);
    assert_eq!(shown(Some(1000), None, None), [900, 3600]);
    assert_eq!(shown(Some(9000), None, None), [3600]);
    assert_eq!(shown(None, Some(0), None), [0]);
    assert_eq!(shown(None, None, Some(3600)), [900, 3600]);
    assert_eq!(shown(None, None, Some(600)), [300, 900, 3600]);
    assert_eq!(shown(None, None, Some(u64::MAX)), [3600]);
    assert_eq!(select(vec![], &asked(Some(1), Some(2), None)), (vec![], None));
}

/// Every page of an answer, put together as a client does.
fn pages(points: &[Point], query: &SeriesQuery) -> Vec<Point> {
    let (mut whole, mut query): (Vec<Point>, _) = (Vec::new(), *query);
    loop {
        let (page, next) = select(points.to_vec(), &query);
        assert!(page.len() <= MAX_SERIES_POINTS);
        whole.extend(page.iter().skip(usize::from(whole.last() == page.first() && !whole.is_empty())));
        match next {
            Some(next) => query.from = Some(next.0),
            None => return whole,
        }
    }
}

/// Publications in the order of time, each a while after the one before and counting a little more.
fn published(most: usize, gap: std::ops::Range<u64>) -> impl Strategy<Value = Vec<Point>> {
    prop::collection::vec((gap, 0u128..1_000), 1..most).prop_map(|steps| {
        let (mut at, mut count) = (START, 0);
        steps
            .into_iter()
            .map(|(pause, more)| {
                (at, count) = (at + pause, count + more);
                point(at, count)
            })
            .collect()
    })
}

/// What is used between each two points, summed up.
fn sum_of_differences(points: &[Point]) -> [u128; 8] {
    let differences = points.windows(2).map(|pair| {
        let [before, after] = [pair[0], pair[1]].map(|point| point.totals.allocated.0);
        std::array::from_fn(|index| after[index].checked_sub(before[index]).unwrap())
    });
    differences.fold([0; 8], |sum, more: [u128; 8]| std::array::from_fn(|index| sum[index] + more[index]))
}

fn last_minus_first(points: &[Point]) -> [u128; 8] {
    let [first, last] = [points.first(), points.last()].map(|point| point.unwrap().totals.allocated.0);
    std::array::from_fn(|index| last[index] - first[index])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_published_and_dropped_the_rest_is_bounded_in_order_and_sums_up(
        points in published(60, 1..5_000),
        drops in prop::collection::vec((0usize..60, 0u64..10 * 3600), 0..3),
        step in prop::option::of((1u64..20).prop_map(|step| step * SERIES_STEP)),
    ) {
        let retention = Retention { fives: 6 * 3600, hours: 30 * 3600 };
        let (_directory, store) = new_store();
        let mut begin = 0;
        let mut now = START;
        let mut drops = drops;
        drops.sort_unstable();
        for (end, later) in drops.into_iter().chain([(points.len(), 0)]) {
            let end = end.clamp(begin, points.len());
            write(&store, &points[begin..end]);
            begin = end;
            now = now.max(points[..end].last().map_or(START, |point| point.as_of.0) + later);
            store.drop_old(retention, Timestamp(now)).unwrap();
        }
        let kept = store.points(lease(1)).unwrap();
        prop_assert!(kept.len() as u64 <= (retention.fives + 3600) / SERIES_STEP + 1 + retention.hours / 3600 + 2);
        prop_assert!(kept.iter().all(|point| points.contains(point)));
        prop_assert!(kept.windows(2).all(|pair| pair[0].as_of < pair[1].as_of));
        prop_assert!(kept.windows(2).all(|pair| pair[1].totals.is_at_least(&pair[0].totals)));
        let is_young = points.last().filter(|last| last.as_of.0 + retention.hours - 3600 > now);
        if let Some(newest) = is_young {
            prop_assert_eq!(kept.last(), Some(newest));
        }
        let shown = pages(&kept, &SeriesQuery { step, ..SeriesQuery::default() });
        prop_assert_eq!(shown.last(), kept.last());
        if !shown.is_empty() {
            prop_assert_eq!(sum_of_differences(&shown), last_minus_first(&shown));
        }
    }

    #[test]
    fn pages_together_are_what_was_asked_for(
        points in published(2_600, 200..2_000),
        from in 0u64..600_000,
        length in 0u64..4_000_000,
        step in prop::option::of((1u64..4).prop_map(|step| step * SERIES_STEP)),
    ) {
        let (from, to) = (START + from, START + from + length);
        let whole = pages(&points, &SeriesQuery { step, ..SeriesQuery::default() });
        if step.is_none() {
            prop_assert_eq!(&whole, &points);
        }
        let part = pages(&points, &SeriesQuery { from: Some(from), to: Some(to), step });
        // Inside is everything, and at most one point lies beyond either end.
        let inside = |point: &&Point| (from..=to).contains(&point.as_of.0);
        let expected: Vec<_> = whole.iter().filter(inside).collect();
        prop_assert_eq!(part.iter().filter(inside).collect::<Vec<_>>(), expected);
        prop_assert!(part.iter().filter(|point| point.as_of.0 < from).count() <= 1);
        prop_assert!(part.iter().filter(|point| point.as_of.0 > to).count() <= 1);
        prop_assert!(part.first().unwrap().as_of.0 <= from || part.first() == whole.first());
        prop_assert!(part.last().unwrap().as_of.0 >= to || part.last() == whole.last());
        prop_assert_eq!(sum_of_differences(&part), last_minus_first(&part));
    }
}
