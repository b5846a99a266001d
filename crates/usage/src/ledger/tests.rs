//! The ledger against hand-made stories, and against an oracle that integrates the truth in closed form.

use market::{Dimension, Usage};
use proptest::prelude::*;

use super::*;
use crate::observation::{
    ContainerState, ContainerView, NodeView, PodView, ResourceLimits, Run, ServiceView, Trouble, VolumeView,
};

const LIMITS: ResourceLimits =
    ResourceLimits { cpu_milli: 250, memory_bytes: 4096, gpu_milli: 500, device_milli: 2000 };

fn seconds(seconds: u64) -> Millis {
    Millis::from_seconds(seconds)
}

fn pod(uid: &str, state: ContainerState, last_run: Option<Run>) -> PodView {
    let container = ContainerView { name: "main".into(), limits: LIMITS, state, last_run };
    PodView {
        uid: uid.into(),
        service: "web".into(),
        containers: vec![container],
        overhead: ResourceLimits::default(),
        node: NodeView { alive_until: Millis(u64::MAX), boot: None },
        trouble: Trouble::None,
    }
}

fn ready(since: u64) -> ContainerState {
    ContainerState::Running { started_at: seconds(since), ready_since: Some(seconds(since)) }
}

fn view(pods: Vec<PodView>) -> LeaseView {
    LeaseView {
        services: vec![ServiceView { name: "web".into(), replicas: 1 }],
        pods,
        volumes: vec![VolumeView { uid: "data".into(), bytes: 100, bound_since: seconds(5) }],
        leased_ips: 1,
        egress_bytes_per_second: Some(1000),
    }
}

fn ledger(started_at: u64, ends_at: Option<u64>) -> Ledger {
    let mut ledger = Ledger::new();
    ledger.set_term(Term { started_at: Timestamp(started_at), ends_at: ends_at.map(Timestamp) });
    ledger
}

/// Usage of `LIMITS` delivered for so many seconds, with the volume and the address for so many.
fn usage(delivered: u128, volume: u128) -> Usage {
    Usage([
        delivered,
        250 * delivered,
        4096 * delivered,
        100 * volume,
        500 * delivered,
        0,
        delivered,
        2000 * delivered,
    ])
}

fn counter(counter: Counter, start: u64, at: u64, value: u64) -> Sample {
    Sample { pod_uid: "a".into(), counter, start: seconds(start), at: seconds(at), value }
}

#[test]
fn nothing_counts_before_the_term_and_its_start_is_credited_once_it_is_known() {
    let mut ledger = Ledger::new();
    ledger.observe(seconds(15), &view(vec![pod("a", ready(10), None)]));
    assert_eq!((ledger.totals(), ledger.as_of()), (Totals::default(), Timestamp(0)));
    ledger.set_term(Term { started_at: Timestamp(12), ends_at: None });
    ledger.observe(seconds(20), &view(vec![pod("a", ready(10), None)]));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(8, 8), Timestamp(20)));
}

#[test]
fn nothing_counts_after_the_end_of_the_term() {
    let mut ledger = ledger(10, Some(30));
    ledger.observe(seconds(100), &view(vec![pod("a", ready(10), None)]));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(20, 20), Timestamp(30)));
}

#[test]
fn a_pending_or_unready_lease_pays_for_its_volumes_alone() {
    let starting = ContainerState::Running { started_at: seconds(10), ready_since: None };
    for state in [ContainerState::Waiting, starting] {
        let mut ledger = ledger(10, None);
        ledger.observe(seconds(20), &view(vec![pod("a", state, None)]));
        assert_eq!(ledger.totals().allocated, usage(0, 10));
    }
}

#[test]
fn nothing_of_a_lease_counts_past_the_last_known_life_of_its_nodes_and_all_of_it_once_they_answer() {
    let mut ledger = ledger(10, None);
    let silent_since = |second| {
        let mut silent = pod("a", ready(10), None);
        silent.node.alive_until = seconds(second);
        view(vec![silent])
    };
    ledger.observe(seconds(40), &silent_since(25));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(15, 15), Timestamp(25)));
    ledger.observe(seconds(50), &silent_since(50));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(40, 40), Timestamp(50)));
    // Once it is not delivered any more, a dead node holds up nothing.
    let mut lost = pod("a", ContainerState::Waiting, None);
    lost.node.alive_until = seconds(55);
    ledger.observe(seconds(90), &view(vec![lost]));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(40, 80), Timestamp(90)));
}

#[test]
fn what_the_runtime_may_use_widens_the_bounds_and_is_not_allocated() {
    let mut ledger = ledger(10, None);
    ledger.observe(seconds(10), &view(vec![]));
    let mut sandboxed = pod("a", ready(10), None);
    sandboxed.overhead = ResourceLimits { cpu_milli: 50, memory_bytes: 1000, ..ResourceLimits::default() };
    ledger.observe(seconds(10), &view(vec![sandboxed]));
    let most = 3_000_000_000 * 105 / 100 + 200_000_000;
    let read = |ledger: &mut Ledger, value| {
        ledger.sample(seconds(20), &counter(Counter::CpuNanoseconds, 10, 20, value))
    };
    let above = Verdict::Quarantined(QuarantineReason::AboveLimit);
    assert_eq!(read(&mut ledger, most + 1), above);
    assert_eq!(read(&mut ledger, most), Verdict::Credited(most));
    let gauge = |bytes| GaugeSample { pod_uid: "a".into(), at: seconds(20), bytes };
    assert_eq!(ledger.gauge(seconds(20), &gauge(5096 * 105 / 100 + 1)), above);
    assert_eq!(ledger.gauge(seconds(20), &gauge(5096 * 105 / 100)), Verdict::Baseline);
    assert_eq!(ledger.totals().allocated, usage(0, 0));
}

#[test]
fn a_pod_that_was_seen_before_it_ran_counts_from_nought_whatever_its_nodes_clock_says() {
    for (first, verdict) in [(ContainerState::Waiting, Verdict::Credited(5)), (ready(15), Verdict::Baseline)]
    {
        let mut ledger = ledger(1, None);
        ledger.observe(seconds(20), &view(vec![]));
        ledger.observe(seconds(21), &view(vec![pod("a", first, None)]));
        // The node's clock is ten seconds late.
        let sample = counter(Counter::CpuNanoseconds, 15, 45, 5);
        assert_eq!(ledger.sample(seconds(55), &sample), verdict);
    }
}

#[test]
fn uptime_needs_every_replica_of_every_service() {
    let mut ledger = ledger(10, None);
    let mut view = view(vec![pod("a", ready(10), None), pod("b", ready(14), None)]);
    view.services[0].replicas = 2;
    ledger.observe(seconds(20), &view);
    assert_eq!(ledger.totals().allocated.uptime_seconds(), 6);
    view.services.push(ServiceView { name: "db".into(), replicas: 1 });
    ledger.observe(seconds(30), &view);
    assert_eq!(ledger.totals().allocated.uptime_seconds(), 6);
    // The two delivered pods are paid for all the same.
    assert_eq!(ledger.totals().allocated.cpu_milli_seconds(), 250 * (20 + 16));
}

#[test]
fn observing_twice_or_out_of_order_changes_nothing() {
    let mut ledger = ledger(10, None);
    let view = view(vec![pod("a", ready(10), None)]);
    ledger.observe(seconds(20), &view);
    let before = ledger.clone();
    ledger.observe(seconds(20), &view);
    ledger.observe(seconds(15), &LeaseView::default());
    assert_eq!(ledger, before);
}

#[test]
fn a_pod_that_disappears_from_one_look_is_not_paid_twice() {
    let mut ledger = ledger(10, None);
    let there = view(vec![pod("a", ready(10), None)]);
    ledger.observe(seconds(20), &there);
    ledger.observe(seconds(30), &view(vec![]));
    // The time in which nobody saw it stays unpaid; what is found has to go on running to be believed.
    for (second, delivered) in [(40, 10), (69, 10), (70, 10 + 40)] {
        ledger.observe(seconds(second), &there);
        assert_eq!(ledger.totals().allocated.cpu_milli_seconds(), 250 * delivered, "at {second}");
    }
}

#[test]
fn a_run_that_nobody_saw_begin_is_paid_for_only_once_it_was_seen_running_for_long() {
    let mut ledger = ledger(10, None);
    ledger.observe(seconds(20), &view(vec![]));
    // It may be what ran before the node was rebooted.
    ledger.observe(seconds(100), &view(vec![pod("a", ready(30), None)]));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(0, 10), Timestamp(20)));
    let ended = Run { started_at: seconds(30), finished_at: seconds(99) };
    let mut other = ledger.clone();
    other.observe(seconds(101), &view(vec![pod("a", ContainerState::Waiting, Some(ended))]));
    assert_eq!((other.totals().allocated, other.as_of()), (usage(0, 91), Timestamp(101)));
    ledger.observe(seconds(130), &view(vec![pod("a", ready(30), None)]));
    assert_eq!((ledger.totals().allocated, ledger.as_of()), (usage(100, 120), Timestamp(130)));
}

#[test]
fn resuming_from_totals_leaves_the_gap_unpaid_and_never_falls() {
    let mut first = ledger(10, None);
    let view = view(vec![pod("a", ready(10), None)]);
    first.observe(seconds(20), &view);
    first.sample(seconds(20), &counter(Counter::NetworkTxBytes, 10, 20, 500));
    let (totals, as_of) = (first.totals(), first.as_of());
    let mut resumed = Ledger::resume(&totals, as_of);
    assert_eq!((resumed.totals(), resumed.as_of()), (totals, as_of));
    resumed.set_term(Term { started_at: Timestamp(10), ends_at: None });
    resumed.observe(seconds(50), &view);
    assert_eq!(resumed.totals(), totals);
    // A counter that ran unseen only sets the point from which it counts again.
    let baseline = resumed.sample(seconds(50), &counter(Counter::NetworkTxBytes, 10, 50, 900));
    assert_eq!(baseline, Verdict::Baseline);
    resumed.observe(seconds(60), &view);
    let credited = resumed.sample(seconds(60), &counter(Counter::NetworkTxBytes, 10, 60, 1000));
    assert_eq!(credited, Verdict::Credited(100));
    let mut expected = usage(20, 20);
    expected.0[Dimension::Egress.index()] = 600;
    assert_eq!(resumed.totals().allocated, expected);
}

#[test]
fn counters_are_credited_inside_the_term_only() {
    let mut ledger = ledger(10, Some(30));
    ledger.observe(seconds(9), &view(vec![pod("a", ready(5), None)]));
    let mut read = |at, value| ledger.sample(seconds(at), &counter(Counter::NetworkTxBytes, 5, at, value));
    assert_eq!(read(9, 100), Verdict::OutsideTerm);
    assert_eq!(read(12, 150), Verdict::OutsideTerm);
    assert_eq!(read(20, 450), Verdict::Credited(300));
    assert_eq!(read(31, 900), Verdict::OutsideTerm);
    assert_eq!(ledger.totals().used.network_tx_bytes, 300);
    assert_eq!(ledger.totals().allocated.egress_bytes(), 300);
}

#[test]
fn readings_of_unknown_pods_and_impossible_readings_are_not_counted() {
    let mut ledger = ledger(10, None);
    let sample = counter(Counter::CpuNanoseconds, 10, 20, 1);
    assert_eq!(ledger.sample(seconds(20), &sample), Verdict::UnknownPod);
    ledger.observe(seconds(10), &view(vec![]));
    ledger.observe(seconds(10), &view(vec![pod("a", ready(10), None)]));
    // 250 milli-CPU for 10 s, 5 % and 0.2 s of burst are the most.
    let most = 2_500_000_000 * 105 / 100 + 200_000_000;
    let above = counter(Counter::CpuNanoseconds, 10, 20, most + 1);
    assert_eq!(ledger.sample(seconds(20), &above), Verdict::Quarantined(QuarantineReason::AboveLimit));
    let exact = counter(Counter::CpuNanoseconds, 10, 20, most);
    assert_eq!(ledger.sample(seconds(20), &exact), Verdict::Credited(most));
    assert_eq!(ledger.sample(seconds(20), &exact), Verdict::NotNewer);
    assert_eq!(ledger.totals().used.cpu_ns, u128::from(most));
}

#[test]
fn cpu_that_a_pod_used_before_anybody_looked_is_not_counted() {
    let mut ledger = ledger(10, None);
    // It may have had other sandboxes before this one, and so may have run before the term.
    ledger.observe(seconds(20), &view(vec![pod("a", ready(15), None)]));
    let mut read = |at, value| ledger.sample(seconds(at), &counter(Counter::CpuNanoseconds, 15, at, value));
    assert_eq!(read(20, 7_000_000_000), Verdict::Baseline);
    assert_eq!(read(30, 7_000_000_500), Verdict::Credited(500));
}

#[test]
fn memory_is_the_mean_of_two_readings_over_their_time() {
    let mut ledger = ledger(10, None);
    ledger.observe(seconds(10), &view(vec![pod("a", ready(10), None)]));
    let mut read =
        |at, bytes| ledger.gauge(seconds(at), &GaugeSample { pod_uid: "a".into(), at: seconds(at), bytes });
    assert_eq!(read(10, 1000), Verdict::Baseline);
    assert_eq!(read(20, 2001), Verdict::Credited(15_005));
    assert_eq!(read(20, 2001), Verdict::NotNewer);
    assert_eq!(read(25, 5000), Verdict::Quarantined(QuarantineReason::AboveLimit));
    assert_eq!(read(400, 1000), Verdict::Baseline);
    assert_eq!(ledger.totals().used.memory_byte_seconds, 15_005);
}

#[test]
fn the_meter_root_changes_with_every_credited_reading() {
    let mut ledger = ledger(10, None);
    ledger.observe(seconds(10), &view(vec![pod("a", ready(10), None)]));
    let first = ledger.meter_root();
    ledger.sample(seconds(20), &counter(Counter::NetworkRxBytes, 10, 20, 5));
    let second = ledger.meter_root();
    ledger.observe(seconds(20), &view(vec![]));
    let third = ledger.meter_root();
    assert!(first != second && second != third);
}

/// One stretch of a container's life: a pause, a run until ready, and the ready time, in milliseconds.
type Stretch = (u64, u64, u64);

/// The truth of one container: its runs as `(started, ready, finished)`.
fn runs(origin: u64, script: &[Stretch]) -> Vec<(u64, u64, u64)> {
    let mut clock = origin;
    script
        .iter()
        .map(|(pause, starting, ready)| {
            let started = clock + pause;
            clock = started + starting + ready;
            (started, started + starting, clock)
        })
        .collect()
}

/// What the API server shows of those runs at one moment.
fn shown(runs: &[(u64, u64, u64)], now: u64) -> PodView {
    let ended = |(started, _, finished): &(u64, u64, u64)| Run {
        started_at: Millis(*started),
        finished_at: Millis(*finished),
    };
    let last_run = runs.iter().rev().find(|(.., finished)| *finished <= now).map(ended);
    let state = match runs.iter().find(|(started, _, finished)| *started <= now && now < *finished) {
        Some((started, ready, _)) => ContainerState::Running {
            started_at: Millis(*started),
            ready_since: (*ready <= now).then_some(Millis(*ready)),
        },
        None => ContainerState::Waiting,
    };
    pod("a", state, last_run)
}

/// Milliseconds of readiness inside `[from, to]`, in closed form.
fn truth(runs: &[(u64, u64, u64)], from: u64, to: u64) -> u64 {
    runs.iter().map(|(_, ready, finished)| (*finished).min(to).saturating_sub((*ready).max(from))).sum()
}

fn script() -> impl Strategy<Value = Vec<Stretch>> {
    prop::collection::vec((0u64..20_000, 0u64..5_000, 0u64..60_000), 1..8)
}

fn reopened(ledger: &Ledger) -> Ledger {
    serde_json::from_str(&serde_json::to_string(ledger).unwrap()).unwrap()
}

proptest! {
    #[test]
    fn looking_at_every_change_gives_exactly_the_truth(
        script in script(), start in 0u64..60, length in 1u64..300, extra in prop::collection::vec(0u64..400_000, 0..20)
    ) {
        let runs = runs(1, &script);
        let mut looks: Vec<u64> = runs.iter().flat_map(|(started, ready, finished)| [*started, *ready, *finished]).collect();
        looks.extend(extra);
        looks.push((start + length) * 1000);
        looks.sort_unstable();
        let mut ledger = ledger(start, Some(start + length));
        for now in &looks {
            ledger.observe(Millis(*now), &view(vec![shown(&runs, *now)]));
            ledger = reopened(&ledger);
        }
        let to = ((start + length) * 1000).min(*looks.last().unwrap());
        let delivered = u128::from(truth(&runs, start * 1000, to));
        let allocated = ledger.totals().allocated;
        prop_assert_eq!(allocated.cpu_milli_seconds(), 250 * delivered / 1000);
        prop_assert_eq!(allocated.memory_byte_seconds(), 4096 * delivered / 1000);
    }

    #[test]
    fn looking_at_any_times_never_exceeds_the_truth_and_never_falls(
        script in script(), start in 0u64..60, length in 1u64..300, looks in prop::collection::vec(0u64..400_000, 1..40)
    ) {
        let runs = runs(1, &script);
        let mut ledger = ledger(start, Some(start + length));
        let mut before = ledger.totals();
        for now in looks {
            ledger.observe(Millis(now), &view(vec![shown(&runs, now)]));
            let totals = ledger.totals();
            prop_assert!(totals.is_at_least(&before));
            before = totals;
            let delivered = u128::from(truth(&runs, start * 1000, ((start + length) * 1000).min(400_000)));
            prop_assert!(totals.allocated.cpu_milli_seconds() <= 250 * delivered / 1000);
            prop_assert!(totals.allocated.uptime_seconds() <= u128::from(length));
        }
    }

    #[test]
    fn counters_add_up_to_their_last_readings(
        lives in prop::collection::vec((1u64..50, prop::collection::vec((1u64..30, 0u64..900), 0..6)), 1..5),
        repeat in 1usize..3
    ) {
        // Each life of a counter starts at nought; what it showed last is what it was worth.
        let mut ledger = ledger(0, None);
        ledger.observe(Millis(0), &view(vec![pod("a", ready(0), None)]));
        let (mut clock, mut expected) = (0, 0u128);
        for (pause, readings) in lives {
            let start = clock + pause;
            (clock, ) = (start, );
            let mut value = 0;
            for (after, rate) in readings {
                clock += after;
                value += rate * after;
                for _ in 0..repeat {
                    ledger.sample(seconds(clock), &counter(Counter::NetworkTxBytes, start, clock, value));
                }
                ledger = reopened(&ledger);
            }
            expected += u128::from(value);
        }
        prop_assert_eq!(ledger.totals().used.network_tx_bytes, expected);
    }

    #[test]
    fn no_reading_makes_totals_fall_or_exceed_the_limit(
        readings in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u64>()), 0..50)
    ) {
        let mut ledger = ledger(0, None);
        ledger.observe(Millis(0), &view(vec![pod("a", ready(0), None)]));
        let now = Millis(u64::from(u32::MAX));
        let mut before = ledger.totals();
        for (start, at, value) in readings {
            let sample = Sample {
                pod_uid: "a".into(),
                counter: Counter::CpuNanoseconds,
                start: Millis(start.into()),
                at: Millis(at.into()),
                value,
            };
            ledger.sample(now, &sample);
            prop_assert!(ledger.totals().is_at_least(&before));
            before = ledger.totals();
        }
    }
}
