//! The shell around the book: what the operator does with the API server's words and the kubelets' readings.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use fake_kubelet::{PodReading, PodScript, Script, ShownPod, ShownRun, ShownState};
use market::Timestamp;
use usage::rollup::{Closed, Span};
use usage::verify::{Evidence, Fault, Hour, verify};
use usage::{
    Book, Boot, ContainerState, ContainerView, Counter, GaugeSample, LeaseView, Ledger, Millis, NodeView,
    PodView, QuarantineReason, ResourceLimits, Run, Sample, ServiceView, Term, Trouble, Verdict,
};

use super::{Mutant, Tally};

const LEASE: B256 = B256::repeat_byte(9);

/// A book, what was closed of it, and what was credited of each pod.
#[derive(Clone)]
pub(super) struct Meter {
    pub(super) book: Book,
    closed: Vec<Closed>,
    pub(super) cpu: BTreeMap<String, u128>,
    pub(super) sent: BTreeMap<String, u128>,
    /// Whether a counter was taken for one that fell without a restart.
    pub(super) fell: bool,
    /// How often a reading of the CPU was not believed.
    pub(super) held_back: BTreeMap<String, u128>,
    /// How many readings of the CPU were credited.
    steps: BTreeMap<String, u128>,
    answered: BTreeMap<usize, u64>,
    mutant: Option<Mutant>,
    /// The last reading of each pod, as a mutant took it.
    taken: BTreeMap<String, PodReading>,
}

impl Meter {
    pub(super) fn new(script: &Script, mutant: Option<Mutant>) -> Self {
        let mut book = Book::of(Ledger::new());
        let second = |millis: u64| Timestamp(millis / 1000);
        let mut term = Term { started_at: second(script.term.from), ends_at: Some(second(script.term.to)) };
        if let Some(mutant) = mutant {
            mutant.mistakes(&mut term);
        }
        book.set_term(term);
        let empty = BTreeMap::new;
        Self {
            book,
            closed: Vec::new(),
            cpu: empty(),
            sent: empty(),
            fell: false,
            held_back: empty(),
            steps: empty(),
            answered: BTreeMap::new(),
            mutant,
            taken: BTreeMap::new(),
        }
    }

    /// One that was killed and resumes from what it wrote.
    pub(super) fn reopened(&self) -> Self {
        let written = serde_json::to_string(&self.book).expect("a book can be written");
        Self { book: serde_json::from_str(&written).expect("what was written can be read"), ..self.clone() }
    }

    /// One that resumes from what it had published when it was `self`, long before it died.
    pub(super) fn resumed_after(&self, dead: &Self) -> Self {
        let Some(mutant) = self.mutant else { return self.reopened() };
        let state = |book| serde_json::to_value(book).expect("a book can be written");
        let mut published = state(&self.book);
        if !mutant.resumes(&mut published, &state(&dead.book)) {
            return self.reopened();
        }
        let (cpu, sent) = (dead.cpu.clone(), dead.sent.clone());
        Self {
            book: serde_json::from_value(published).expect("what was written can be read"),
            cpu,
            sent,
            ..self.clone()
        }
    }

    /// Whether it makes no mistake.
    pub(super) fn is_truthful(&self) -> bool {
        self.mutant.is_none()
    }

    pub(super) fn answered(&mut self, node: usize, now: u64) {
        self.answered.insert(node, now);
    }

    pub(super) fn look(&mut self, script: &Script, now: u64) {
        let pods = script.pods_at(now).into_iter().map(|pod| self.pod(script, pod, now)).collect();
        let services = vec![ServiceView { name: "web".into(), replicas: 1 }];
        let view = LeaseView { services, pods, ..LeaseView::default() };
        self.book.observe(LEASE, Millis(now), &view);
        self.closed.extend(self.book.take_closed());
    }

    /// Whether the evidence of all that was counted leads to its totals, lives and all.
    pub(super) fn is_proved(&self) -> Result<bool, Fault> {
        // Nothing is proved of a lease that nobody looked at.
        let Some(cut) = self.book.cut() else { return Ok(true) };
        let of = |span| self.closed.iter().filter(move |closed| closed.rollup.span == span).cloned();
        let hours = of(Span::Hour).map(Hour::from).collect();
        let fives = of(Span::FiveMinutes).map(|closed| closed.rollup).collect();
        let verified = verify(&Evidence { lease: LEASE, hours, fives, cut })?;
        Ok(verified.recomputed_since.is_some()
            && (verified.totals, verified.root) == (self.book.totals(), self.book.meter_root()))
    }

    fn pod(&self, script: &Script, pod: ShownPod, now: u64) -> PodView {
        let node = script.node_at(pod.node, now);
        let answered = self.answered.get(&pod.node).copied().unwrap_or(0);
        let (cpu_milli, memory_bytes) = pod.limits;
        let started = |second: u64| Millis(second * 1000 + 1000);
        let run = |run: ShownRun| Run {
            started_at: started(run.started),
            finished_at: Millis(run.finished * 1000),
        };
        let container = ContainerView {
            name: "workload".into(),
            limits: ResourceLimits { cpu_milli, memory_bytes, ..ResourceLimits::default() },
            state: match pod.state {
                ShownState::Waiting => ContainerState::Waiting,
                ShownState::Running { started: second, ready } => {
                    ContainerState::Running { started_at: started(second), ready_since: ready.map(started) }
                }
                ShownState::Terminated(last) => ContainerState::Terminated(run(last)),
            },
            last_run: pod.last_run.map(run),
        };
        let mut view = PodView {
            uid: pod.uid,
            service: "web".into(),
            containers: vec![container],
            overhead: ResourceLimits::default(),
            node: NodeView {
                alive_until: Millis(node.heartbeat.max(answered)),
                boot: Some(Boot(node.boot as u64)),
            },
            trouble: if node.fit { Trouble::None } else { Trouble::Provider },
        };
        if let Some(mutant) = self.mutant {
            mutant.blurs(&mut view, now);
        }
        view
    }

    pub(super) fn read(&mut self, reading: &PodReading, now: u64, tally: &mut Tally) {
        let Some(mutant) = self.mutant else { return self.take(reading, now, tally) };
        let reading = mutant.misreads(self.taken.get(&reading.uid), reading);
        self.take(&reading, now, tally);
        self.taken.insert(reading.uid.clone(), reading);
    }

    fn take(&mut self, reading: &PodReading, now: u64, tally: &mut Tally) {
        let PodReading { uid, start, at, cpu, memory, tx, .. } = reading;
        let (start, at) = (Millis(start * 1000), Millis(at * 1000));
        let mut sample = |counter, value| {
            let sample = Sample { pod_uid: uid.clone(), counter, start, at, value };
            let verdict = self.book.sample(Millis(now), &sample);
            tally.note(verdict);
            verdict
        };
        let credited = |sums: &mut BTreeMap<String, u128>, amount: u64| {
            *sums.entry(uid.clone()).or_default() += u128::from(amount)
        };
        match sample(Counter::CpuNanoseconds, *cpu) {
            Verdict::Credited(amount) => {
                credited(&mut self.cpu, amount);
                credited(&mut self.steps, 1);
            }
            Verdict::Quarantined(QuarantineReason::AboveLimit) => credited(&mut self.held_back, 1),
            Verdict::Quarantined(QuarantineReason::WentBack) => self.fell = true,
            _ => {}
        }
        match sample(Counter::NetworkTxBytes, *tx) {
            Verdict::Credited(amount) => credited(&mut self.sent, amount),
            Verdict::Quarantined(_) => self.fell = true,
            _ => {}
        }
        self.book.gauge(Millis(now), &GaugeSample { pod_uid: uid.clone(), at, bytes: *memory });
    }

    /// The most CPU that a pod may have been credited: five per cent above its limit for as long as it can have been
    /// counted, and a burst for each reading.
    pub(super) fn most_cpu(&self, pod: &PodScript) -> u128 {
        let steps = self.steps.get(&pod.uid).copied().unwrap_or(0);
        u128::from(pod.cpu_limit) * 1000 * self.seconds_of(pod) * 1000 * 105 / 100 + steps * 200_000_000
    }

    /// For how many seconds a pod can have been counted: from its first sandbox to its end, in the term.
    pub(super) fn seconds_of(&self, pod: &PodScript) -> u128 {
        let (from, to) = (pod.created, pod.gone.min(pod.created + 10_000_000));
        u128::from((to - from) / 1000 + 2)
    }
}
