//! What is written down of a life, in which words and bytes.

use super::*;
use crate::{
    Book, Boot, ContainerState, ContainerView, LeaseView, Ledger, NodeView, PodView, ResourceLimits, Run,
    Term, Trouble, VolumeView,
};

const LEASE: B256 = B256::repeat_byte(0x33);

fn pod(state: ContainerState) -> PodView {
    let limits = ResourceLimits { cpu_milli: 2, ..ResourceLimits::default() };
    PodView {
        uid: "a".into(),
        service: "web".into(),
        containers: vec![ContainerView { name: "main".into(), limits, state, last_run: None }],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: Millis(u64::MAX), boot: Some(Boot(1)) },
        trouble: Trouble::None,
    }
}

fn running(started: u64, ready: Option<u64>) -> ContainerState {
    let ready_since = ready.map(Millis::from_seconds);
    ContainerState::Running { started_at: Millis::from_seconds(started), ready_since }
}

/// Seconds of a stretch, what counts of it, and its words.
type Words = (u64, u64, u64, Option<Began>, Option<Ended>);

fn words(stretches: &[Stretch]) -> Vec<Words> {
    let second = |at: Millis| at.0 / 1000;
    let words = |one: &Stretch| (second(one.from), second(one.to), one.millis / 1000, one.began, one.ended);
    stretches.iter().map(words).collect()
}

/// What is told of a pod that was looked at so, in a term from 10 to 1000.
fn told(looks: &[(u64, Option<PodView>)]) -> Vec<Words> {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: market::Timestamp(10), ends_at: Some(market::Timestamp(1000)) });
    for (second, pod) in looks {
        let pods = pod.iter().cloned().collect();
        book.observe(LEASE, Millis::from_seconds(*second), &LeaseView { pods, ..LeaseView::default() });
    }
    let lives = book.cut().unwrap().lives.unwrap();
    words(&lives[0].stretches)
}

#[test]
fn a_life_tells_why_its_stretches_began_and_ended() {
    let ready = |since| Some(pod(running(since, Some(since))));
    let next = |change: &dyn Fn(&mut PodView)| {
        let mut next = pod(running(20, Some(20)));
        change(&mut next);
        Some(next)
    };
    let state = |state: ContainerState| next(&|pod| pod.containers[0].state = state);
    let run = Run { started_at: Millis::from_seconds(20), finished_at: Millis::from_seconds(27) };
    let cases = [
        (None, 25, Ended::Deleted),
        (state(ContainerState::Terminated(run)), 27, Ended::Finished),
        (state(ContainerState::Waiting), 25, Ended::Lost),
        (state(running(20, Some(28))), 25, Ended::Unready),
        (next(&|pod| pod.node.boot = Some(Boot(2))), 25, Ended::Rebooted),
        (
            next(&|pod| {
                pod.trouble = Trouble::Provider;
                pod.containers[0].state = running(20, None);
            }),
            25,
            Ended::Trouble,
        ),
    ];
    for (next, to, why) in cases {
        let known = Some(PodView {
            node: NodeView { alive_until: Millis(25_000), boot: Some(Boot(1)) },
            ..pod(running(20, Some(20)))
        });
        let told = told(&[(5, Some(pod(ContainerState::Waiting))), (25, known), (30, next)]);
        assert_eq!(told[0], (20, to, to - 20, Some(Began::Started), Some(why)));
    }
    let resized = next(&|pod| pod.containers[0].limits.cpu_milli = 3);
    let told_of = told(&[(5, ready(5)), (25, ready(20)), (30, resized)]);
    assert_eq!(told_of, [(20, 25, 5, Some(Began::Started), Some(Ended::Resized))]);
    assert_eq!(told(&[(25, ready(5))]), [(10, 25, 15, Some(Began::Term), None)]);
    assert_eq!(told(&[(25, state(running(20, Some(22))))]), [(22, 25, 3, Some(Began::Ready), None)]);
    assert_eq!(
        told(&[(25, ready(20)), (2000, ready(20))]),
        [(20, 1000, 980, Some(Began::Started), Some(Ended::Term))]
    );
    // It is found running, and counts once that was believed.
    let found = [(15, None), (25, ready(12)), (60, ready(12)), (70, None)];
    assert_eq!(told(&found), [(15, 60, 45, Some(Began::Seen), Some(Ended::Deleted))]);
}

#[test]
fn what_ends_with_nothing_counted_in_its_hour_is_told_still() {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: market::Timestamp(10), ends_at: None });
    let volume = VolumeView { uid: "data".into(), bytes: 5, bound_since: Millis::from_seconds(20) };
    let view = LeaseView { volumes: vec![volume], ..LeaseView::default() };
    book.observe(LEASE, Millis::from_seconds(3590), &view);
    book.observe(LEASE, Millis::from_seconds(3610), &LeaseView::default());
    let before = book.take_closed().pop().unwrap().lives.unwrap();
    assert_eq!(words(&before[0].stretches), [(20, 3590, 3570, Some(Began::Bound), None)]);
    let after = book.cut().unwrap().lives.unwrap();
    assert_eq!(words(&after[0].stretches), [(3590, 3590, 0, None, Some(Ended::Deleted))]);
}

#[test]
fn a_life_of_many_stretches_tells_the_last_as_one() {
    let mut lives = Lives::default();
    let holding = Quantities::from([(market::Dimension::Cpu, 3)]);
    let many = MOST_STRETCHES as u64 + 4;
    for number in 0..many {
        let (from, to) = (Millis(number * 10), Millis(number * 10 + 6));
        lives.hold(&Holder::Lease, &holding, Stretch { from, to, millis: 6, began: None, ended: None });
    }
    let [life] = lives.told() else { panic!("{lives:?}") };
    let last = Stretch { from: Millis(150), to: Millis(196), millis: 30, began: None, ended: None };
    assert_eq!((life.stretches.len(), life.stretches.last()), (MOST_STRETCHES, Some(&last)));
    assert_eq!(life.added, holding.over(6 * many));
}

#[test]
fn the_words_places_and_the_canonical_bytes_are_the_documented_ones() {
    assert!(Began::ALL.iter().enumerate().all(|(place, word)| *word as usize == place));
    assert!(Ended::ALL.iter().enumerate().all(|(place, word)| *word as usize == place));
    let stretch = Stretch {
        from: Millis(1),
        to: Millis(4),
        millis: 2,
        began: Some(Began::Bound),
        ended: Some(Ended::Term),
    };
    let life = Life {
        holder: Holder::Container { pod: "ab".into(), name: "c".into() },
        holding: Quantities([6; 8]),
        stretches: vec![stretch],
        added: Quantities([7; 8]),
    };
    let number = |value: u8| [[0; 7].as_slice(), &[value]].concat();
    let long = |value: u8| [[0; 15].as_slice(), &[value]].concat();
    let mut expected = vec![5, 1];
    expected.extend([number(2), b"ab".to_vec(), number(1), b"c".to_vec()].concat());
    expected.extend([long(6).repeat(8), long(7).repeat(8), number(1)].concat());
    expected.extend([number(1), number(4), number(2), vec![3, 9]].concat());
    assert_eq!(life.canonical(), expected);
    assert_eq!(root(&[life]), evidence::merkle_root(&[keccak256(&expected)]));
}
