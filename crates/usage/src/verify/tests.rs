//! Random lives of a lease: the evidence adds up however much of it was dropped, and nothing in it can be changed.

use proptest::prelude::*;

use super::*;
use crate::rollup::Closed;
use crate::{
    Book, ContainerState, ContainerView, Counter, GaugeSample, LeaseView, Ledger, Millis, NodeView, PodView,
    ResourceLimits, Sample, Term, Trouble, bundle,
};

pub(super) const LEASE: B256 = B256::repeat_byte(0x77);
pub(super) const START: u64 = 1_000_000;

/// One turn of the meter: seconds since the last, whether the pod is there, bytes sent, and how late they are told.
type Turn = (u64, bool, u64, u64);

fn view(second: u64, is_there: bool) -> LeaseView {
    let since = Millis::from_seconds(second.min(START));
    let state = ContainerState::Running { started_at: since, ready_since: Some(since) };
    let limits = ResourceLimits { cpu_milli: 250, memory_bytes: 1 << 30, gpu_milli: 1, device_milli: 7 };
    let container = ContainerView { name: "main".into(), limits, state, last_run: None };
    let pod = PodView {
        uid: "a".into(),
        service: "web".into(),
        containers: vec![container],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: Millis(u64::MAX), boot: None },
        trouble: Trouble::None,
    };
    LeaseView { pods: if is_there { vec![pod] } else { Vec::new() }, ..LeaseView::default() }
}

fn live(turns: &[Turn]) -> (Book, Vec<Closed>) {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: Timestamp(START), ends_at: None });
    let (mut second, mut sent, mut closed) = (START, 0, Vec::new());
    for (pause, is_there, bytes, late) in turns {
        second += pause;
        sent += bytes;
        book.observe(LEASE, Millis::from_seconds(second), &view(second, *is_there));
        let at = Millis::from_seconds(second.saturating_sub(*late));
        let sample = Sample {
            pod_uid: "a".into(),
            counter: Counter::NetworkTxBytes,
            start: Millis::from_seconds(START),
            at,
            value: sent,
        };
        book.sample(Millis::from_seconds(second), &sample);
        book.gauge(Millis::from_seconds(second), &GaugeSample { pod_uid: "a".into(), at, bytes: *bytes });
        closed.extend(book.take_closed());
    }
    (book, closed)
}

/// The evidence of a book, without the oldest hours and five minutes.
pub(super) fn evidence_of(book: &Book, closed: &[Closed], dropped: (usize, usize)) -> Evidence {
    let of = |span| closed.iter().filter(move |closed| closed.rollup.span == span);
    let hours = of(Span::Hour).cloned().map(Hour::from);
    let hours: Vec<Hour> = hours.skip(dropped.0).collect();
    let kept_from = hours.first().map(|hour| hour.rollup.start);
    let cut = book.cut().unwrap();
    let kept_from = kept_from.unwrap_or(cut.hour.start);
    let fives = of(Span::FiveMinutes).map(|closed| closed.rollup.clone());
    let fives = fives.skip(dropped.1).filter(|five| five.start >= kept_from).collect();
    Evidence { lease: LEASE, hours, fives, cut }
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = (1u64..1500, prop::bool::weighted(0.9), 0u64..100_000, 0u64..400);
    prop::collection::vec(turn, 2..60)
}

/// Changes one thing of a rollup.
fn change(rollup: &mut Rollup, what: usize, bit: usize) {
    let counter = |counters: &mut Counters| counters.0[bit % 12] ^= 1 << (bit % 100);
    match what % 10 {
        0 => rollup.lease.0[bit % 32] ^= 1 << (bit % 8),
        1 => rollup.span = if rollup.span == Span::Hour { Span::FiveMinutes } else { Span::Hour },
        2 => rollup.start ^= 1 << (bit % 40),
        3 => rollup.until.0 ^= 1 << (bit % 50),
        4 => counter(&mut rollup.before),
        5 => counter(&mut rollup.added),
        6 => counter(&mut rollup.adjusted),
        7 => rollup.prev.0[bit % 32] ^= 1 << (bit % 8),
        8 => rollup.parts.0[bit % 32] ^= 1 << (bit % 8),
        _ => {
            let other = |root: B256| B256::from(root.0.map(|byte| byte ^ (1 << (bit % 8))));
            let is_left_out = bit.is_multiple_of(2) && rollup.lives.is_some();
            rollup.lives = if is_left_out { None } else { Some(other(rollup.lives.unwrap_or_default())) };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_left_after_dropping_still_proves_the_totals(
        turns in turns(), hours in 0usize..6, fives in 0usize..80,
    ) {
        let (book, closed) = live(&turns);
        let whole = verify(&evidence_of(&book, &closed, (0, 0))).unwrap();
        prop_assert!(whole.from_the_beginning);
        prop_assert_eq!((whole.root, whole.totals), (book.meter_root(), book.totals()));
        let less = verify(&evidence_of(&book, &closed, (hours, fives))).unwrap();
        prop_assert_eq!((less.root, less.totals), (whole.root, whole.totals));
    }

    #[test]
    fn a_bundle_is_read_back_and_every_digit_of_it_counts(
        turns in turns(), place in any::<prop::sample::Index>(),
    ) {
        let (book, closed) = live(&turns);
        let evidence = evidence_of(&book, &closed, (0, 0));
        let text = bundle::write(&evidence).unwrap();
        prop_assert_eq!(&bundle::read(&text).unwrap(), &evidence);
        let digits: Vec<usize> = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let mut bytes = text.into_bytes();
        let digit = &mut bytes[digits[place.index(digits.len())]];
        *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
        let read = bundle::read(std::str::from_utf8(&bytes).unwrap());
        let verified = read.ok().and_then(|evidence| verify(&evidence).ok());
        prop_assert!(verified.is_none_or(|verified| verified.root != book.meter_root()));
    }

    #[test]
    fn the_sums_of_rollups_are_the_totals(turns in turns()) {
        let (book, closed) = live(&turns);
        let cut = book.cut().unwrap();
        for (span, open) in [(Span::FiveMinutes, &cut.five), (Span::Hour, &cut.hour)] {
            let rollups = closed.iter().map(|closed| &closed.rollup).filter(|rollup| rollup.span == span);
            let sum = rollups.chain([open]).fold(Counters::default(), |sum, rollup| {
                sum.plus(&rollup.added).unwrap()
            });
            prop_assert_eq!(sum.totals(), book.totals());
        }
    }

    #[test]
    fn whatever_is_changed_is_seen(
        turns in turns(), place in any::<prop::sample::Index>(), what in 0usize..10, bit in 0usize..1000,
    ) {
        let (book, closed) = live(&turns);
        let mut evidence = evidence_of(&book, &closed, (0, 0));
        let places = evidence.hours.len() + evidence.fives.len() + 2;
        let (hours, place) = (evidence.hours.len(), place.index(places));
        let rollup = match place {
            0 => &mut evidence.cut.five,
            1 => &mut evidence.cut.hour,
            place if place < 2 + hours => &mut evidence.hours[place - 2].rollup,
            place => &mut evidence.fives[place - 2 - hours],
        };
        change(rollup, what, bit);
        let seen = verify(&evidence).map_or(true, |verified| verified.root != book.meter_root());
        prop_assert!(seen);
    }

    #[test]
    fn a_rollup_that_is_taken_out_of_the_middle_is_missed(
        turns in turns(), place in any::<prop::sample::Index>(), is_hour in any::<bool>(),
    ) {
        let (book, closed) = live(&turns);
        let mut evidence = evidence_of(&book, &closed, (0, 0));
        let length = if is_hour { evidence.hours.len() } else { evidence.fives.len() };
        prop_assume!(length > 1);
        let place = 1 + place.index(length - 1);
        if is_hour {
            evidence.hours.remove(place);
        } else {
            evidence.fives.remove(place);
        }
        prop_assert!(verify(&evidence).is_err());
    }
}

#[test]
fn a_statement_is_proved_by_its_own_evidence_alone() {
    let (book, closed) = live(&[(10, true, 5, 0), (400, true, 5, 0), (4000, true, 9, 0)]);
    let verified = verify(&evidence_of(&book, &closed, (0, 0))).unwrap();
    let (usage, as_of, meter_root) = (book.totals().allocated, book.as_of(), book.meter_root());
    let usage_hash = usage_hash(&usage, as_of, meter_root);
    let claimed = Claimed { usage, as_of, meter_root, usage_hash };
    assert_eq!(verified.proves(&claimed), Ok(()));
    let other = B256::repeat_byte(1);
    let expected = Fault::Root { expected: other, found: meter_root };
    assert_eq!(verified.proves(&Claimed { meter_root: other, ..claimed }), Err(expected));
    let more = Usage(usage.0.map(|value| value + 1));
    assert_eq!(verified.proves(&Claimed { usage: more, ..claimed }), Err(Fault::Usage));
    assert_eq!(verified.proves(&Claimed { as_of: Timestamp(1), ..claimed }), Err(Fault::Hash));
}
