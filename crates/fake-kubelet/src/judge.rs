//! What an honest meter must have counted, in closed form.
//!
//! Of a counter it can know what lies between readings that it got: from the counter's beginning, or the first reading
//! in the term, to the last. Of delivered time it can know all but the rest of a second at each start and stop, and
//! what lies between a lost node's last sign of life and its loss.

use crate::{HEARTBEAT, PodReading, PodScript, Script, Span};

/// How far ahead of the meter's clock a reading may lie.
const FUTURE: u64 = 5_000;
/// The longest pause between two scrapes.
const SCRAPE: u64 = 33_000;
/// The longest pause between two of a kubelet's own readings.
const TICK: u64 = 15_000;
/// For how long a pod that was found running, or whose node booted, may be on trial.
const TRIAL: u64 = 30_000;
/// The API tells whole seconds, so a start and a stop may each be missed by this.
const EDGE: u64 = 2_000;

/// The least and the most that may have been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub least: u128,
    /// The most.
    pub most: u128,
}

impl Range {
    /// Whether it may have been this much.
    pub fn holds(self, counted: u128) -> bool {
        self.least <= counted && counted <= self.most
    }
}

/// Watches what the meter is shown, and knows what it must make of it.
#[derive(Clone, Debug)]
pub struct Judge<'script> {
    script: &'script Script,
    seen: Vec<Vec<PodReading>>,
    /// When the state that the meter came back with was published, and when it came back.
    resumed: Option<Span>,
}

impl<'script> Judge<'script> {
    /// One that has seen nothing.
    pub fn new(script: &'script Script) -> Self {
        Self { script, seen: vec![Vec::new(); script.pods.len()], resumed: None }
    }

    /// The meter was shown a reading.
    pub fn shown(&mut self, reading: &PodReading, now: u64) {
        let pod = &self.script.pods[reading.pod];
        let is_new = self.seen[reading.pod].last().is_none_or(|last| last.at < reading.at);
        let is_there = pod.created <= now && now < pod.gone;
        if is_new && is_there && reading.at * 1000 <= now + FUTURE {
            self.seen[reading.pod].push(reading.clone());
        }
    }

    /// The meter came back with what this judge had seen when it was published.
    pub fn resumed(&mut self, published: u64, back: u64) {
        self.resumed = Some(Span { from: published, to: back });
    }

    /// CPU nanoseconds of a pod, to the last one.
    pub fn cpu(&self, pod: usize) -> u128 {
        let script = &self.script.pods[pod];
        let node = &self.script.nodes[script.node];
        // The counter outlives sandboxes, so it is older than the start that the kubelet shows.
        let since = |reading: &PodReading, last: Option<&PodReading>| match last {
            Some(last) => last.at * 1000,
            None => self.not_there_before(pod).min(reading.start * 1000),
        };
        self.counted(pod, |reading| node.boot(reading.tick).1, since, |within| script.burnt(within))
    }

    /// Bytes that a pod sent, to the last one.
    pub fn sent(&self, pod: usize) -> u128 {
        let since = |reading: &PodReading, last: Option<&PodReading>| {
            reading.start.max(last.map_or(0, |last| last.at)) * 1000
        };
        self.counted(pod, |reading| reading.sandbox, since, |within| self.script.pods[pod].sent(within))
    }

    /// Sums what lies between readings. A counter that began anew between two of them counts `since` a moment that
    /// has to lie in the term.
    fn counted(
        &self,
        pod: usize,
        began: impl Fn(&PodReading) -> u64,
        since: impl Fn(&PodReading, Option<&PodReading>) -> u64,
        amount: impl Fn(Span) -> u64,
    ) -> u128 {
        let mut sum = 0;
        let mut last: Option<&PodReading> = None;
        for reading in &self.seen[pod] {
            let (from, since) = match last {
                None if !self.counts_from_nought(pod, reading) => (reading.tick, u64::MAX),
                Some(last) if began(last) == began(reading) => (last.tick, last.at * 1000),
                last => (began(reading), since(reading, last)),
            };
            if since >= self.script.term.from && reading.at <= self.script.term.to / 1000 {
                sum += u128::from(amount(Span { from, to: reading.tick }));
            }
            last = Some(reading);
        }
        sum
    }

    /// A pod that ran when the meter came back, and was not known to it, is believed if it says it began since.
    fn counts_from_nought(&self, pod: usize, reading: &PodReading) -> bool {
        self.found_running(pod).is_none_or(|gap| reading.start >= gap.from / 1000)
    }

    /// The gap after which the meter found a pod running that it did not know.
    fn found_running(&self, pod: usize) -> Option<Span> {
        let pod = &self.script.pods[pod];
        let ran = |gap: &Span| pod.runs.first().is_some_and(|run| run.span.from <= gap.to);
        self.resumed.filter(|gap| gap.from < pod.created).filter(ran)
    }

    /// The newest moment at which the meter can know that a pod had not run.
    fn not_there_before(&self, pod: usize) -> u64 {
        let created = self.script.pods[pod].created;
        match (self.found_running(pod), self.resumed) {
            (Some(gap), _) => gap.from,
            (None, Some(gap)) if gap.from < created && created < gap.to => gap.to,
            (None, _) => created,
        }
    }

    /// What no meter may exceed: CPU nanoseconds that all pods burnt in the term, by any node's clock.
    pub fn burnt(&self) -> u128 {
        self.script.pods.iter().map(|pod| u128::from(pod.burnt(self.term_of(pod)))).sum()
    }

    fn term_of(&self, pod: &PodScript) -> Span {
        let skew = self.script.nodes[pod.node].skew.unsigned_abs();
        Span { from: self.script.term.from - skew, to: self.script.term.to + skew + 1000 }
    }

    /// What a meter may miss of CPU nanoseconds when every scrape and every reading comes in its time: one pause of
    /// both, at its worst rate, at each end of a pod, a boot and the term.
    pub fn may_miss(&self) -> u128 {
        let pods = self.script.pods.iter().map(|pod| {
            let ends = 3 + self.script.nodes[pod.node].reboots.len() as u64;
            u128::from(pod.cpu.peak() * 1000 * (SCRAPE + TICK + 1000) * ends)
        });
        pods.sum()
    }

    /// Whether every scrape and every reading comes in its time, by clocks that are right.
    pub fn is_undisturbed(&self) -> bool {
        let script = self.script;
        script.outage.is_none()
            && script.lies.is_none()
            && script.nodes.iter().all(|node| node.skew == 0 && node.away.is_empty())
            && script.scrapes.iter().all(|scrape| scrape.fault == crate::Fault::None)
    }

    /// Thousandths of a CPU times milliseconds that were delivered in the term.
    pub fn allocated(&self) -> Range {
        let mut range = Range::default();
        for pod in &self.script.pods {
            let (least, most) = self.delivered(pod);
            range.least += u128::from(pod.cpu_limit * least);
            range.most += u128::from(pod.cpu_limit * most);
        }
        range
    }

    fn delivered(&self, pod: &PodScript) -> (u64, u64) {
        let script = self.script;
        let node = &script.nodes[pod.node];
        let term = Span { from: script.term.from, to: script.term.to.min(script.end) };
        let truth = pod.delivered(node, term);
        let skew = node.skew.unsigned_abs();
        let flaps: usize = pod.runs.iter().map(|run| run.flaps.len()).sum();
        let edges = 2 * (pod.runs.len() + flaps + node.unfit.len()) as u64;
        let lost = (node.reboots.len() + node.unfit.len()) as u64;
        let silent = if node.speaks(script.end) { 0 } else { script.end - node.heartbeat_before(script.end) };
        let in_the_gap = self.resumed.filter(|gap| changes(pod, script, *gap)).map_or(0, |gap| {
            // What was published counts up to the last sign of life then.
            let from = node.heartbeat_before(gap.from).saturating_sub(skew).max(term.from);
            // Of one that was not ready then, nobody knows that it had been; and of one that the meter had not seen
            // begin, whether it is still what is shown.
            let is_on_trial = gap.from < pod.created || node.reboots.iter().any(|down| down.shared(gap) > 0);
            let back = if is_on_trial { gap.to + TRIAL } else { gap.to };
            let flap = pod.runs.iter().flat_map(|run| &run.flaps).find(|flap| flap.holds(gap.to));
            let to = flap.map_or(back, |flap| flap.to.max(back));
            pod.delivered(node, Span { from, to: to.min(term.to).max(from) }) + EDGE
        });
        let missed = edges * (EDGE + skew) + lost * (SCRAPE + HEARTBEAT + skew) + silent + in_the_gap;
        // Until the API learns of an end, what ended looks as if it ran.
        let late = pod.runs.iter().map(|run| run.told - run.span.to).filter(|late| *late <= EDGE);
        let excess = if skew == 0 { 0 } else { (edges + lost) * (skew + 1000) };
        // A run that ended while the meter was dead counts to its end, whatever kept it from being ready unseen.
        let unseen: u64 =
            self.resumed.map_or(0, |gap| node.unfit.iter().map(|unfit| unfit.shared(gap)).sum());
        (truth.saturating_sub(missed), truth + late.sum::<u64>() + unseen + excess)
    }
}

/// Whether anything of a pod changed while the meter was dead.
fn changes(pod: &PodScript, script: &Script, gap: Span) -> bool {
    let node = &script.nodes[pod.node];
    let spans = node.unfit.iter().chain(&node.reboots).chain(pod.runs.iter().flat_map(|run| &run.flaps));
    let runs = pod.runs.iter().flat_map(|run| [run.span.from, run.ready, run.span.to, run.told]);
    let mut moments = runs.chain(spans.flat_map(|span| [span.from, span.to])).chain([pod.gone]);
    moments.any(|at| gap.from <= at && at <= gap.to)
}
