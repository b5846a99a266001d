//! The state of the meter for one lease, and how observations and readings change it.

mod state;

use alloy_primitives::B256;
use market::{Dimension, Timestamp};
use serde::{Deserialize, Serialize};

use crate::allocated::{ContainerRow, Interval};
use crate::delta::{Lifetime, QuarantineReason, Reading, Verdict, judge};
use crate::evidence;
use crate::lives::{Began, Ended, Holder, Lives, Quantities, Stretch};
use crate::observation::{Counter, GaugeSample, LeaseView, Sample};
use crate::{Counters, Millis, Totals};
use state::{Counted, GaugeReading, PodRow};

/// A gauge that was not read for longer than this counts for nothing in between.
const GAUGE_GAP_MILLIS: u64 = 300_000;
/// How far a reading may lie ahead of our clock.
const FUTURE_MILLIS: u64 = 5_000;

/// The time in which a lease is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// When the provider confirmed on chain.
    pub started_at: Timestamp,
    /// When it ends, once that is known.
    pub ends_at: Option<Timestamp>,
}

/// The meter of one lease.
///
/// Serialise it to resume exactly; with only the published totals left, use [`Ledger::resume`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    #[serde(default)]
    term: Option<(Millis, Option<Millis>)>,
    /// When the lease was last observed.
    observed_at: Option<Millis>,
    /// Set when state was lost: everything before the first observation stays unpaid.
    #[serde(default)]
    lost: bool,
    /// The newest moment observed in the term.
    as_of: Millis,
    /// The moment up to which uptime was credited.
    up_to: Millis,
    counted: Counted,
    pods: std::collections::BTreeMap<String, PodRow>,
    volumes: std::collections::BTreeMap<String, Millis>,
    retired: B256,
}

impl Ledger {
    /// The meter of a lease that nothing was ever counted for.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from published totals when nothing else is left.
    ///
    /// Totals never fall. Time between `as_of` and the first observation is not credited, and running counters are
    /// only baselined: what was lost is the provider's loss.
    pub fn resume(totals: &Totals, as_of: Timestamp) -> Self {
        Self { counted: Counted::from(totals), as_of: as_of.into(), lost: true, ..Self::default() }
    }

    /// Sets the term. Nothing counts before there is one. An end that is brought nearer takes nothing back.
    pub fn set_term(&mut self, term: Term) {
        self.term = Some((term.started_at.into(), term.ends_at.map(Millis::from)));
    }

    /// Totals so far. They only ever grow.
    pub fn totals(&self) -> Totals {
        self.counters().totals()
    }

    /// The exact sums behind the totals.
    pub fn counters(&self) -> Counters {
        self.counted.counters()
    }

    /// The newest moment that was observed in the term.
    pub fn observed_until(&self) -> Millis {
        self.as_of
    }

    /// The second up to which the totals count, never past the end of the term.
    pub fn as_of(&self) -> Timestamp {
        let end = self.term.and_then(|(_, ends_at)| ends_at);
        end.map_or(self.as_of, |end| self.as_of.min(end)).timestamp()
    }

    /// Counts what was delivered until `now`. Observing the same again, or an earlier moment, changes nothing.
    pub fn observe(&mut self, now: Millis, view: &LeaseView) {
        self.observe_into(now, view, &mut Lives::default());
    }

    /// The same, with everything that is counted written down.
    pub(crate) fn observe_into(&mut self, now: Millis, view: &LeaseView, lives: &mut Lives) {
        if self.observed_at.is_some_and(|observed_at| now < observed_at) {
            return;
        }
        // A thing never seen before cannot have been delivered before the last look, at which it was not there.
        let floor = match self.observed_at {
            Some(observed_at) => observed_at,
            None if self.lost => now,
            None => Millis(0),
        };
        if self.lost && self.observed_at.is_none() {
            self.up_to = now;
        }
        self.observe_pods(now, floor, view, lives);
        // Statements are capped by the time between them: nothing may be credited late that is dated early.
        let known = self.known_until(now);
        self.observe_volumes(known, floor, view, lives);
        if let Some((started_at, _)) = self.term {
            self.observe_uptime(known, view, lives);
            if known >= started_at {
                self.as_of = self.as_of.max(known);
            }
        }
        self.observed_at = Some(now);
    }

    fn observe_pods(&mut self, now: Millis, floor: Millis, view: &LeaseView, lives: &mut Lives) {
        let present = |uid: &String| view.pods.iter().any(|pod| pod.uid == *uid);
        let gone: Vec<String> = self.pods.keys().filter(|uid| !present(uid)).cloned().collect();
        for uid in gone {
            if let Some(row) = self.pods.remove(&uid) {
                for (name, since) in row.delivering() {
                    self.end(lives, &container(&uid, name), since, Ended::Deleted);
                }
                self.retired = evidence::chain(self.retired, row.leaf(&uid));
            }
        }
        let egress = view.egress_bytes_per_second;
        for pod in &view.pods {
            let mut row = self.pods.remove(&pod.uid).unwrap_or_else(|| PodRow::seen_from(floor, now, pod));
            row.bound_by(pod, egress);
            let host = row.look(pod, now);
            for view in &pod.containers {
                let seen = row.containers.get(&view.name).copied();
                let seen = seen.unwrap_or_else(|| ContainerRow::seen_from(row.from_zero));
                let (mut next, intervals) = seen.observe(view, &host);
                if self.term.is_none() {
                    // The term becomes known only after it has started: what it covers must still be creditable then.
                    next.credited_to = seen.credited_to;
                }
                row.containers.insert(view.name.clone(), next);
                let (holder, holding) = (container(&pod.uid, &view.name), Quantities::from(&view.limits));
                let mut ended = seen.ended(&next, view, &host);
                for interval in intervals {
                    // What ended did so before what is delivered now began.
                    let is_next = next.delivered_since().is_some_and(|since| since <= interval.from);
                    if let Some(why) = ended.take_if(|_| is_next) {
                        self.end(lives, &holder, seen.credited_to, why);
                    }
                    let began = next.began(interval.from, row.from_zero);
                    let millis = self.hold(lives, &holder, &holding, interval, began);
                    row.delivered_millis += u128::from(millis);
                }
                if let Some(why) = ended {
                    self.end(lives, &holder, seen.credited_to, why);
                }
            }
            self.pods.insert(pod.uid.clone(), row);
        }
    }

    /// Up to when it is known of every delivered pod that its node lived.
    fn known_until(&self, now: Millis) -> Millis {
        let delivering = self.pods.values().filter(|row| row.is_delivering());
        delivering.map(|row| row.alive_until).fold(now, Millis::min)
    }

    fn observe_volumes(&mut self, now: Millis, floor: Millis, view: &LeaseView, lives: &mut Lives) {
        let present = |uid: &String| view.volumes.iter().any(|volume| volume.uid == *uid);
        let gone: Vec<String> = self.volumes.keys().filter(|uid| !present(uid)).cloned().collect();
        for uid in gone {
            if let Some(since) = self.volumes.remove(&uid) {
                self.end(lives, &Holder::Volume { uid }, since, Ended::Deleted);
            }
        }
        for volume in &view.volumes {
            let known = self.volumes.get(&volume.uid).copied();
            let credited_to = known.unwrap_or(floor);
            let interval = Interval { from: volume.bound_since.max(credited_to), to: now };
            let began = if interval.from == volume.bound_since { Began::Bound } else { Began::Seen };
            let holder = Holder::Volume { uid: volume.uid.clone() };
            let holding = Quantities::from([(Dimension::Storage, volume.bytes)]);
            let began = Some(began).filter(|began| *began == Began::Bound || known.is_none());
            self.hold(lives, &holder, &holding, interval, began);
            let credited_to = if self.term.is_some() { credited_to.max(now) } else { credited_to };
            self.volumes.insert(volume.uid.clone(), credited_to);
        }
    }

    /// Counts the time in which every service had all its replicas.
    fn observe_uptime(&mut self, now: Millis, view: &LeaseView, lives: &mut Lives) {
        let Some(up) = self.up(now, view) else {
            if !view.services.is_empty() {
                self.end(lives, &Holder::Lease, self.up_to, Ended::Unready);
            }
            return;
        };
        let from = up.from.max(self.up_to);
        if from >= up.to {
            return;
        }
        let addresses = u64::from(view.leased_ips);
        let holding = Quantities::from([(Dimension::Uptime, 1), (Dimension::LeasedIps, addresses)]);
        let began = Some(Began::Ready).filter(|_| from == up.from);
        self.hold(lives, &Holder::Lease, &holding, Interval { from, to: up.to }, began);
        self.up_to = up.to;
    }

    /// The last stretch in which every service had all its replicas on nodes that lived; none if one has not now.
    fn up(&self, now: Millis, view: &LeaseView) -> Option<Interval> {
        if view.services.is_empty() {
            return None;
        }
        let mut up = Interval { from: Millis(0), to: now };
        for service in &view.services {
            let pods = view.pods.iter().filter(|pod| pod.service == service.name);
            let mut delivered: Vec<Interval> =
                pods.filter_map(|pod| self.pods.get(&pod.uid)?.delivered(pod, now)).collect();
            delivered.sort_unstable_by_key(|pod| (pod.from, std::cmp::Reverse(pod.to)));
            // With the oldest replicas in place the service is complete since the youngest of them.
            let replicas = delivered.get(..usize::try_from(service.replicas).ok()?)?;
            for pod in replicas {
                up = Interval { from: up.from.max(pod.from), to: up.to.min(pod.to) };
            }
        }
        Some(up)
    }

    /// Counts what was held in a stretch, as far as it lies in the term, and writes it down; returns how many milliseconds
    /// count.
    fn hold(
        &mut self,
        lives: &mut Lives,
        holder: &Holder,
        holding: &Quantities,
        interval: Interval,
        began: Option<Began>,
    ) -> u64 {
        let Some(part) = self.clip(interval) else { return 0 };
        let (Interval { from, to }, millis) = (part, part.millis());
        let began = if from > interval.from { Some(Began::Term) } else { began };
        let ended = (to < interval.to).then_some(Ended::Term);
        self.counted.add(&lives.hold(holder, holding, Stretch { from, to, millis, began, ended }));
        millis
    }

    /// Writes down why something that was counted up to a moment in the term is not held any more.
    fn end(&self, lives: &mut Lives, holder: &Holder, since: Millis, why: Ended) {
        if self.in_term(since, since) {
            lives.end(holder, since, why);
        }
    }

    /// The part of a stretch that lies in the term.
    fn clip(&self, interval: Interval) -> Option<Interval> {
        let (started_at, ends_at) = self.term?;
        let from = interval.from.max(started_at);
        let to = ends_at.map_or(interval.to, |end| interval.to.min(end));
        (from < to).then_some(Interval { from, to })
    }

    fn in_term(&self, from: Millis, to: Millis) -> bool {
        self.term
            .is_some_and(|(started_at, ends_at)| from >= started_at && ends_at.is_none_or(|end| to <= end))
    }

    /// Counts a reading of a counter. Readings of pods that were not observed are not counted.
    pub fn sample(&mut self, now: Millis, sample: &Sample) -> Verdict {
        let Some(row) = self.pods.get(&sample.pod_uid) else { return Verdict::UnknownPod };
        let Sample { start, at, value, counter, .. } = *sample;
        let reading = Reading { start, at, value, boot: row.boot };
        let last = row.counters.get(&counter);
        let bound = row.bound(counter);
        let step = match judge(last, &reading, lifetime(counter), bound, row.birth(), now) {
            Ok(step) => step,
            Err(verdict) => return verdict,
        };
        let counts = self.in_term(step.since, sample.at);
        if let Some(row) = self.pods.get_mut(&sample.pod_uid) {
            row.counters.insert(sample.counter, reading);
        }
        match step.delta {
            None => Verdict::Baseline,
            Some(_) if !counts => Verdict::OutsideTerm,
            Some(delta) => {
                let total = match sample.counter {
                    Counter::CpuNanoseconds => &mut self.counted.cpu_ns,
                    Counter::NetworkRxBytes => &mut self.counted.network_rx_bytes,
                    Counter::NetworkTxBytes => &mut self.counted.network_tx_bytes,
                };
                *total = total.saturating_add(u128::from(delta));
                Verdict::Credited(delta)
            }
        }
    }

    /// Counts a reading of a pod's memory: the mean of two readings over the time between them.
    pub fn gauge(&mut self, now: Millis, sample: &GaugeSample) -> Verdict {
        let Some(row) = self.pods.get_mut(&sample.pod_uid) else { return Verdict::UnknownPod };
        if sample.at > now.plus(FUTURE_MILLIS) {
            return Verdict::Future;
        }
        if u128::from(sample.bytes) > u128::from(row.memory_bytes) * 105 / 100 {
            return Verdict::Quarantined(QuarantineReason::AboveLimit);
        }
        let new = GaugeReading { at: sample.at, bytes: sample.bytes };
        let last = match row.memory {
            Some(last) if sample.at <= last.at => return Verdict::NotNewer,
            last => {
                row.memory = Some(new);
                last
            }
        };
        let Some(last) = last.filter(|last| new.at.since(last.at) <= GAUGE_GAP_MILLIS) else {
            return Verdict::Baseline;
        };
        if !self.in_term(last.at, new.at) {
            return Verdict::OutsideTerm;
        }
        let sum = u128::from(last.bytes) + u128::from(new.bytes);
        let area = sum * u128::from(new.at.since(last.at));
        self.counted.memory_byte_half_millis = self.counted.memory_byte_half_millis.saturating_add(area);
        Verdict::Credited(u64::try_from(area / 2000).unwrap_or(u64::MAX))
    }

    /// The root over the present readings of every pod and the chain of those that are gone.
    pub fn meter_root(&self) -> B256 {
        let pods = self.pods.iter().map(|(uid, row)| row.leaf(uid));
        let leaves: Vec<B256> = [self.retired, self.counted.leaf()].into_iter().chain(pods).collect();
        evidence::merkle_root(&leaves)
    }
}

fn container(pod: &str, name: &str) -> Holder {
    Holder::Container { pod: pod.to_owned(), name: name.to_owned() }
}

fn lifetime(counter: Counter) -> Lifetime {
    match counter {
        Counter::CpuNanoseconds => Lifetime::Pod,
        Counter::NetworkRxBytes | Counter::NetworkTxBytes => Lifetime::Sandbox,
    }
}

#[cfg(test)]
mod tests;
