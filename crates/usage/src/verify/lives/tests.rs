//! Random lives of pods and volumes: what the meter counts is what anybody counts again from the evidence, and no part
//! of a life can be changed.

use proptest::prelude::*;

use super::*;
use crate::lives::{Began, Ended, MOST_LIVES, Stretch};
use crate::rollup::Closed;
use crate::verify::tests::{LEASE, START, evidence_of};
use crate::verify::{Evidence, verify};
use crate::{
    Book, Boot, ContainerState, ContainerView, LeaseView, Ledger, NodeView, PodView, ResourceLimits, Run,
    ServiceView, Term, Trouble, VolumeView, bundle,
};

const PODS: usize = 3;

/// What a pod does when it is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Absent,
    Waits,
    Starts,
    Ready,
    Unready,
    Troubled,
    Finished,
    Rebooted,
    Silent,
    Resized,
}

/// Seconds since the last look, what each pod does, and bytes of the volume, nought for none.
type Look = (u64, [Act; PODS], u64);

/// A pod of the story.
#[derive(Clone, Debug)]
struct Pod {
    uid: String,
    started_at: Millis,
    boot: u64,
    alive_until: Millis,
    cpu: u64,
}

impl Pod {
    fn of(number: usize) -> Self {
        let uid = format!("pod-{number}");
        Self { uid, started_at: Millis::from_seconds(START - 5), boot: 0, alive_until: Millis(0), cpu: 250 }
    }

    fn view(&mut self, act: Act, now: Millis) -> Option<PodView> {
        if act != Act::Silent {
            self.alive_until = now;
        }
        let ran = Run { started_at: self.started_at, finished_at: now };
        match act {
            Act::Rebooted => self.boot += 1,
            Act::Resized => self.cpu = 750 - self.cpu,
            _ => {}
        }
        let running = |ready_since| ContainerState::Running { started_at: self.started_at, ready_since };
        let state = match act {
            Act::Absent | Act::Waits => ContainerState::Waiting,
            Act::Starts | Act::Unready | Act::Troubled => running(None),
            Act::Ready | Act::Silent | Act::Resized | Act::Rebooted => running(Some(self.started_at)),
            Act::Finished => ContainerState::Terminated(ran),
        };
        if matches!(act, Act::Absent | Act::Waits | Act::Finished) {
            self.started_at = now;
        }
        let limits =
            ResourceLimits { cpu_milli: self.cpu, memory_bytes: 1 << 30, gpu_milli: 3, device_milli: 7 };
        (act != Act::Absent).then(|| PodView {
            uid: self.uid.clone(),
            service: "web".into(),
            containers: vec![ContainerView { name: "main".into(), limits, state, last_run: None }],
            overhead: ResourceLimits::default(),
            node: NodeView { alive_until: self.alive_until, boot: Some(Boot(self.boot)) },
            trouble: if act == Act::Troubled { Trouble::Provider } else { Trouble::None },
        })
    }
}

fn live(looks: &[Look], ends_at: Option<u64>) -> (Book, Vec<Closed>) {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: market::Timestamp(START), ends_at: ends_at.map(market::Timestamp) });
    let (mut second, mut closed) = (START, Vec::new());
    let mut pods: Vec<Pod> = (0..PODS).map(Pod::of).collect();
    for (pause, acts, bytes) in looks {
        second += pause;
        let now = Millis::from_seconds(second);
        let bound_since = Millis::from_seconds(START);
        let volume = VolumeView { uid: "data".into(), bytes: *bytes, bound_since };
        let view = LeaseView {
            services: vec![ServiceView { name: "web".into(), replicas: 2 }],
            pods: pods.iter_mut().zip(acts).filter_map(|(pod, act)| pod.view(*act, now)).collect(),
            volumes: Some(volume).filter(|volume| volume.bytes > 0).into_iter().collect(),
            leased_ips: 2,
            egress_bytes_per_second: None,
        };
        book.observe(LEASE, now, &view);
        closed.extend(book.take_closed());
        let written = serde_json::to_string(&book).unwrap();
        book = serde_json::from_str(&written).unwrap();
    }
    (book, closed)
}

fn looks() -> impl Strategy<Value = Vec<Look>> {
    use Act::*;
    let all = vec![
        Absent, Waits, Starts, Ready, Ready, Ready, Ready, Unready, Troubled, Finished, Rebooted, Silent,
        Resized,
    ];
    let act = prop::sample::select(all);
    let look = (1u64..1200, prop::array::uniform3(act), prop::sample::select(vec![0, 4096, 4096, 8192]));
    prop::collection::vec(look, 2..60)
}

/// All lives of the evidence, the open hour's last.
fn all_lives(evidence: &mut Evidence) -> Vec<&mut Vec<Life>> {
    let hours = evidence.hours.iter_mut().filter_map(|hour| hour.lives.as_mut());
    hours.chain(evidence.cut.lives.as_mut()).collect()
}

/// Changes one thing of the lives of an hour; tells whether there was anything to change.
fn change(told: &mut Vec<Life>, what: usize, place: usize) -> bool {
    if told.is_empty() {
        return false;
    }
    let place = place % told.len();
    if what == 0 {
        told.remove(place);
        return true;
    }
    let life = &mut told[place];
    let index = place % 8;
    match what {
        1 => life.holder = Holder::Volume { uid: format!("other than {}", life.holder) },
        2 => life.holding.0[index] ^= 1,
        3 => life.added.0[index] ^= 1,
        _ => {
            let stretch = &mut life.stretches[0];
            match what {
                4 => stretch.from.0 ^= 1,
                5 => stretch.to.0 ^= 1,
                6 => stretch.millis ^= 1,
                7 => stretch.began = if stretch.began.is_none() { Some(Began::Seen) } else { None },
                _ => stretch.ended = if stretch.ended.is_none() { Some(Ended::Lost) } else { None },
            }
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_the_meter_counts_is_what_the_lives_make(looks in looks(), length in prop::option::of(1u64..40_000)) {
        let (book, closed) = live(&looks, length.map(|length| START + length));
        let evidence = evidence_of(&book, &closed, (0, 0));
        let verified = verify(&evidence).unwrap();
        prop_assert_eq!((verified.totals, verified.root), (book.totals(), book.meter_root()));
        let first = evidence.hours.first().map_or(evidence.cut.hour.start, |hour| hour.rollup.start);
        prop_assert_eq!(verified.recomputed_since, Some(first));
        prop_assert_eq!(bundle::read(&bundle::write(&evidence).unwrap()).unwrap(), evidence);
    }

    #[test]
    fn whatever_is_changed_in_a_life_is_seen(
        looks in looks(), hour in any::<prop::sample::Index>(), what in 0usize..9, place in any::<usize>(),
    ) {
        let (book, closed) = live(&looks, None);
        let mut evidence = evidence_of(&book, &closed, (0, 0));
        let mut lives = all_lives(&mut evidence);
        let count = lives.len();
        prop_assume!(change(lives[hour.index(count)], what, place));
        let start = verify(&evidence).unwrap_err();
        prop_assert!(matches!(start, Fault::Lives { .. }), "{}", start);
    }

    #[test]
    fn a_meter_that_signs_lives_that_do_not_make_its_sums_is_refused(
        looks in looks(), what in prop::sample::select(vec![0, 2, 3]), place in any::<usize>(),
    ) {
        let (book, closed) = live(&looks, None);
        let mut evidence = evidence_of(&book, &closed, (0, 0));
        let told = evidence.cut.lives.as_mut().unwrap();
        // One in which nothing counts makes no sum.
        told.retain(|life| !life.added.is_zero());
        prop_assume!(change(told, what, place));
        evidence.cut.hour.lives = Some(lives::root(told));
        let fault = verify(&evidence).unwrap_err();
        prop_assert!(matches!(fault, Fault::Allocated { .. } | Fault::HourAllocated { .. }), "{}", fault);
    }
}

const HOUR: u64 = START - START % 3600;

/// Evidence of one pod that was delivered for 100 seconds, of which lives and sums can be changed.
fn evidence_with(change: impl FnOnce(&mut Vec<Life>)) -> Evidence {
    let ready = [Act::Ready, Act::Absent, Act::Absent];
    let (book, closed) = live(&[(0, ready, 0), (100, ready, 0)], None);
    let mut evidence = evidence_of(&book, &closed, (0, 0));
    let told = evidence.cut.lives.as_mut().unwrap();
    change(told);
    evidence.cut.hour.lives = Some(lives::root(told));
    evidence
}

#[test]
fn a_refusal_names_the_hour_the_pod_the_resource_and_both_numbers() {
    let more = evidence_with(|told| told[0].added.0[1] += 9);
    assert_eq!(
        verify(&more).unwrap_err().to_string(),
        format!(
            "in the hour of {HOUR} container main of pod pod-0 is said to have had 25000009 of cpu, and its life makes 25000000 (thousandths)"
        )
    );
    let less = evidence_with(|told| {
        told[0].stretches[0].millis -= 1;
        told[0].added = told[0].holding.over(99_999);
    });
    assert_eq!(
        verify(&less).unwrap_err().to_string(),
        format!("the hour of {HOUR} counts 25000000 of cpu, and the lives in it make 24999750 (thousandths)")
    );
}

#[test]
fn no_time_of_a_holder_counts_twice_or_after_its_hour_or_for_more_than_it_is() {
    let holder = || Holder::Container { pod: "pod-0".into(), name: "main".into() };
    let expected = Fault::Life { start: HOUR, holder: holder() };
    let begin = Millis::from_seconds(START);
    let stretch = |from: u64, to: u64, millis| Stretch {
        from: begin.plus(from),
        to: begin.plus(to),
        millis,
        began: None,
        ended: None,
    };
    let end = (HOUR + 3600 - START) * 1000;
    let impossible = [
        vec![stretch(0, 60_000, 60_000), stretch(50_000, 90_000, 40_000)],
        vec![stretch(0, 50_000, 100_000)],
        vec![stretch(100_000, 0, 0), stretch(100_000, 200_000, 100_000)],
        vec![stretch(end - 99_999, end + 1, 100_000)],
        vec![stretch(0, 1, 1); 17],
    ];
    for stretches in impossible {
        let evidence = evidence_with(|told| told[0].stretches = stretches.clone());
        assert_eq!(verify(&evidence), Err(expected.clone()), "{stretches:?}");
    }
    // Nor twice in two lives.
    let twice = evidence_with(|told| told.push(told[0].clone()));
    assert_eq!(verify(&twice), Err(expected));
}

#[test]
fn lives_that_were_told_once_are_told_in_every_later_hour() {
    let ready = [Act::Ready; PODS];
    let (book, closed) = live(&[(0, ready, 0), (3600, ready, 0), (3600, ready, 0)], None);
    let mut evidence = evidence_of(&book, &closed, (0, 0));
    evidence.cut.hour.lives = None;
    evidence.cut.lives = None;
    assert_eq!(verify(&evidence), Err(Fault::Lives { start: evidence.cut.hour.start }));
}

#[test]
fn an_hour_that_an_older_version_began_is_proved_as_before_and_the_next_one_tells_lives() {
    let ready = [Act::Ready; PODS];
    let mut book = live(&[(0, ready, 0), (100, ready, 0)], None).0;
    let mut state = serde_json::to_value(&book).unwrap();
    assert!(state["rollups"].as_object_mut().unwrap().remove("lives").is_some());
    book = serde_json::from_value(state).unwrap();
    let cut = book.cut().unwrap();
    assert_eq!((cut.lives, cut.hour.lives), (None, None));
    let mut pods: Vec<Pod> = (0..PODS).map(Pod::of).collect();
    let mut closed = Vec::new();
    let mut look = |book: &mut Book, second: u64| {
        let now = Millis::from_seconds(second);
        let pods = pods.iter_mut().filter_map(|pod| pod.view(Act::Ready, now)).collect();
        book.observe(LEASE, now, &LeaseView { pods, ..LeaseView::default() });
        closed.extend(book.take_closed());
        evidence_of(book, &closed, (0, 0))
    };
    let old = look(&mut book, START + 200);
    assert_eq!(verify(&old).unwrap().recomputed_since, None);
    let text = bundle::write(&old).unwrap();
    assert!(text.starts_with(r#"{"kind":"lease","format":1,"#) && !text.contains("lives"), "{text}");
    assert_eq!(bundle::read(&text).unwrap(), old);
    let misnamed = text.replacen(r#""format":1"#, r#""format":2"#, 1);
    assert!(matches!(bundle::read(&misnamed), Err(bundle::Malformed::Mixed(2))));
    let new = look(&mut book, START + 3700);
    let verified = verify(&new).unwrap();
    assert_eq!((new.hours.len(), new.hours[0].lives.is_none()), (1, true));
    assert_eq!((verified.recomputed_since, verified.totals), (Some(HOUR + 3600), book.totals()));
    assert!(bundle::write(&new).unwrap().starts_with(r#"{"kind":"lease","format":2,"#));
}

#[test]
fn an_hour_tells_so_many_lives_by_name_and_the_rest_as_one_and_still_adds_up() {
    let mut book = Book::of(Ledger::new());
    book.set_term(Term { started_at: market::Timestamp(START), ends_at: None });
    for look in 0..3 {
        let now = Millis::from_seconds(START + 100 * look);
        let pods = (0..MOST_LIVES + 40).filter_map(|number| Pod::of(number).view(Act::Ready, now)).collect();
        book.observe(LEASE, now, &LeaseView { pods, ..LeaseView::default() });
    }
    let evidence = evidence_of(&book, &[], (0, 0));
    let told = evidence.cut.lives.as_ref().unwrap();
    assert_eq!((told.len(), &told[MOST_LIVES].holder), (MOST_LIVES + 1, &Holder::Others));
    let begin = Millis::from_seconds(START);
    let together =
        Stretch { from: begin, to: begin.plus(200_000), millis: 40 * 200_000, began: None, ended: None };
    assert_eq!(told[MOST_LIVES].stretches, [together]);
    assert_eq!(verify(&evidence).unwrap().totals, book.totals());
}
