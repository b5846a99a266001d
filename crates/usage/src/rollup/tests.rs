//! How rollups are closed, and what their bytes are.

use alloy_primitives::b256;

use super::*;
use crate::{
    Book, ContainerState, ContainerView, Counter, LeaseView, Ledger, NodeView, PodView, ResourceLimits,
    Sample, Term, Trouble,
};

const LEASE: B256 = b256!("0x1111111111111111111111111111111111111111111111111111111111111111");

fn view() -> LeaseView {
    let state = ContainerState::Running {
        started_at: Millis::from_seconds(7200),
        ready_since: Some(Millis::from_seconds(7200)),
    };
    let limits = ResourceLimits { cpu_milli: 2, memory_bytes: 3, gpu_milli: 0, device_milli: 0 };
    let container = ContainerView { name: "main".into(), limits, state, last_run: None };
    let pod = PodView {
        uid: "a".into(),
        service: "web".into(),
        containers: vec![container],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: Millis(u64::MAX), boot: None },
        trouble: Trouble::None,
    };
    LeaseView { pods: vec![pod], ..LeaseView::default() }
}

fn book() -> Book {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: market::Timestamp(7200), ends_at: None });
    book
}

fn observe(book: &mut Book, second: u64) -> Vec<Closed> {
    book.observe(LEASE, Millis::from_seconds(second), &view());
    book.take_closed()
}

fn added(rollup: &Rollup) -> (u128, u128) {
    (rollup.added.0[1], rollup.added.0[2])
}

#[test]
fn a_window_holds_what_was_counted_in_it_and_an_hour_the_sum_of_its_windows() {
    let mut book = book();
    assert!(observe(&mut book, 7210).is_empty());
    assert!(observe(&mut book, 7490).is_empty());
    let first = observe(&mut book, 7510);
    let second = observe(&mut book, 10_900);
    assert_eq!(first.len(), 1);
    let (five, hour) = (&first[0].rollup, &second[1].rollup);
    // Observed until 7490: the rest is counted at 7510, in the next window, which then lasts to the end of the hour.
    assert_eq!((five.start, five.until, added(five)), (7200, Millis(7_490_000), (580_000, 870_000)));
    let late = &second[0].rollup;
    assert_eq!((late.start, late.until, added(late)), (7500, Millis(7_510_000), (40_000, 60_000)));
    assert_eq!((hour.span, hour.start, added(hour)), (Span::Hour, 7200, (620_000, 930_000)));
    assert_eq!(second[1].parts, [five.hash(), late.hash()]);
    assert_eq!((five.prev, late.prev), (genesis(LEASE, Span::FiveMinutes), five.hash()));
    assert_eq!(hour.prev, genesis(LEASE, Span::Hour));
    let cut = book.cut().unwrap();
    assert_eq!((cut.five.prev, cut.hour.prev), (late.hash(), hour.hash()));
    assert_eq!(cut.hour.before.0[1] + cut.hour.added.0[1], 2 * 3_700_000);
}

#[test]
fn a_span_in_which_nothing_was_counted_has_no_rollup() {
    let mut book = Book::of(Ledger::new());
    for second in (0..20_000).step_by(100) {
        book.observe(LEASE, Millis::from_seconds(second), &LeaseView::default());
    }
    assert_eq!(book.take_closed(), []);
}

#[test]
fn a_late_reading_is_added_now_and_told_apart() {
    let mut book = book();
    let read = |book: &mut Book, at, value| {
        let sample = Sample {
            pod_uid: "a".into(),
            counter: Counter::NetworkRxBytes,
            start: Millis::from_seconds(7200),
            at: Millis::from_seconds(at),
            value,
        };
        book.sample(Millis::from_seconds(at), &sample)
    };
    observe(&mut book, 7300);
    read(&mut book, 7290, 10);
    observe(&mut book, 7510);
    read(&mut book, 7499, 25);
    read(&mut book, 7505, 29);
    let cut = book.cut().unwrap();
    let rx = |counters: &Counters| counters.0[10];
    assert_eq!((rx(&cut.five.before), rx(&cut.five.added), rx(&cut.five.adjusted)), (10, 19, 15));
    assert_eq!((rx(&cut.hour.added), rx(&cut.hour.adjusted)), (29, 0));
}

#[test]
fn a_book_that_is_written_out_and_read_back_goes_on_with_the_same_chain() {
    let mut whole = book();
    let mut parted = book();
    for second in (7200..30_000).step_by(70) {
        let expected = observe(&mut whole, second);
        let text = serde_json::to_string(&parted).unwrap();
        parted = serde_json::from_str(&text).unwrap();
        assert_eq!(observe(&mut parted, second), expected);
    }
    assert_eq!(parted, whole);
    assert_eq!(parted.meter_root(), whole.meter_root());
}

#[test]
fn a_ledger_from_before_there_were_rollups_begins_its_evidence_where_it_stands() {
    let mut ledger = Ledger::new();
    ledger.set_term(Term { started_at: market::Timestamp(7200), ends_at: None });
    ledger.observe(Millis::from_seconds(7300), &view());
    let mut book: Book = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
    assert_eq!(book, Book::of(ledger.clone()));
    book.observe(LEASE, Millis::from_seconds(7400), &view());
    assert_eq!(book.cut().unwrap().five.before, ledger.counters());
}

#[test]
fn the_canonical_bytes_are_the_documented_ones() {
    let rollup = Rollup {
        lease: LEASE,
        span: Span::Hour,
        start: 7200,
        until: Millis(7_300_001),
        before: Counters([1; 12]),
        added: Counters([2; 12]),
        adjusted: Counters([3; 12]),
        prev: B256::repeat_byte(4),
        parts: B256::repeat_byte(5),
        lives: None,
    };
    let mut expected = vec![3];
    expected.extend([0x11; 32]);
    expected.extend([0, 0, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 0, 0, 0, 0, 0x1c, 0x20]);
    expected.extend([0, 0, 0, 0, 0, 0x6f, 0x63, 0xa1]);
    for number in [1, 2, 3] {
        for _ in 0..12 {
            expected.extend([0; 15]);
            expected.push(number);
        }
    }
    expected.extend([4; 32]);
    expected.extend([5; 32]);
    assert_eq!(rollup.canonical(), expected);
    assert_eq!(rollup.hash(), keccak256(&expected));
    expected[0] = 4;
    expected.extend([6; 32]);
    let with_lives = Rollup { lives: Some(B256::repeat_byte(6)), ..rollup };
    assert_eq!(with_lives.canonical(), expected);
}
