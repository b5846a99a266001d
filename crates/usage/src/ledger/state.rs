//! What the ledger remembers: exact sums, and the last readings of the pods that exist.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use market::Dimension;
use serde::{Deserialize, Serialize};

use crate::allocated::{ContainerRow, Host, Interval};
use crate::delta::{Birth, Bound, Reading};
use crate::lives::Quantities;
use crate::observation::{ContainerState, ContainerView, Counter, NodeView, PodView};
use crate::{Boot, Counters, Millis, Totals, evidence};

/// CPU that a control group may burst above its quota, in nanoseconds.
const CPU_BURST_NS: u64 = 200_000_000;
/// For how long a run that nobody saw begin has to be seen before it is believed to have been all the time.
const TRIAL_MILLIS: u64 = 30_000;
/// Seconds of traffic at the full rate that queues may let through at once.
const NETWORK_BURST_SECONDS: u64 = 2;

/// Sums before they are rounded to seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counted {
    #[serde(with = "decimals")]
    pub(super) allocated_millis: [u128; 8],
    #[serde(with = "decimal")]
    pub(super) cpu_ns: u128,
    /// Twice byte milliseconds, so that the mean of two readings is exact.
    #[serde(with = "decimal")]
    pub(super) memory_byte_half_millis: u128,
    #[serde(with = "decimal")]
    pub(super) network_rx_bytes: u128,
    #[serde(with = "decimal")]
    pub(super) network_tx_bytes: u128,
}

impl Counted {
    pub(super) fn add(&mut self, added: &Quantities) {
        self.allocated_millis = Quantities(self.allocated_millis).plus(added).0;
    }

    pub(super) fn counters(&self) -> Counters {
        let [a, b, c, d, e, f, g, h] = self.allocated_millis;
        let Self { cpu_ns, memory_byte_half_millis, network_rx_bytes, network_tx_bytes, .. } = *self;
        Counters([
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            cpu_ns,
            memory_byte_half_millis,
            network_rx_bytes,
            network_tx_bytes,
        ])
    }

    pub(super) fn leaf(&self) -> B256 {
        evidence::leaf(&["totals"], &self.counters().0)
    }
}

impl From<&Totals> for Counted {
    fn from(totals: &Totals) -> Self {
        let mut allocated_millis = totals.allocated.0.map(|seconds| seconds.saturating_mul(1000));
        allocated_millis[Dimension::Egress.index()] = 0;
        Self {
            allocated_millis,
            cpu_ns: totals.used.cpu_ns,
            memory_byte_half_millis: totals.used.memory_byte_seconds.saturating_mul(2000),
            network_rx_bytes: totals.used.network_rx_bytes,
            network_tx_bytes: totals.used.network_tx_bytes.max(totals.allocated.egress_bytes()),
        }
    }
}

/// The last reading of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GaugeReading {
    pub(super) at: Millis,
    pub(super) bytes: u64,
}

/// Doubt about a pod that was found running, or whose node booted since the last look: what the API server shows may
/// be what ran before the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trial {
    /// Up to when it was looked at before.
    after: Millis,
    /// When what is shown then is believed.
    until: Millis,
}

impl Trial {
    fn begin(now: Millis, after: Millis) -> Self {
        Self { after, until: now.plus(TRIAL_MILLIS) }
    }
}

/// A pod that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodRow {
    /// The pod cannot have been delivered, nor its counters have started, before this without being known.
    pub(super) from_zero: Millis,
    /// When it was first seen, if nothing of it had run then: so its counters count from nought whatever its node's
    /// clock says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_before_it_ran: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trial: Option<Trial>,
    /// The node's boot at the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) boot: Option<Boot>,
    /// Up to when the node was known to live at the last look.
    #[serde(default)]
    pub(super) alive_until: Millis,
    /// What all of it may use: limits of the containers and overhead of the runtime.
    cpu_milli: u64,
    pub(super) memory_bytes: u64,
    egress_bytes_per_second: Option<u64>,
    #[serde(with = "decimal")]
    pub(super) delivered_millis: u128,
    pub(super) containers: BTreeMap<String, ContainerRow>,
    pub(super) counters: BTreeMap<Counter, Reading>,
    pub(super) memory: Option<GaugeReading>,
}

impl PodRow {
    pub(super) fn seen_from(floor: Millis, now: Millis, pod: &PodView) -> Self {
        let never_ran = |container: &ContainerView| {
            container.state == ContainerState::Waiting && container.last_run.is_none()
        };
        let seen_before_it_ran = pod.containers.iter().all(never_ran).then_some(now);
        // Of what ran when the lease was looked at first, nothing can be known.
        let is_found = seen_before_it_ran.is_none() && Millis(0) < floor && floor < now;
        let trial = is_found.then(|| Trial::begin(now, floor));
        Self { from_zero: floor, seen_before_it_ran, trial, ..Self::default() }
    }

    /// What is known of the beginning of its counters.
    pub(super) fn birth(&self) -> Birth {
        match self.seen_before_it_ran {
            Some(seen) => Birth { from_zero: Millis(0), not_before: Some(seen) },
            None => Birth {
                // The kubelet cuts starts to whole seconds.
                from_zero: Millis(self.from_zero.0 / 1000 * 1000),
                not_before: Some(self.from_zero).filter(|looked| looked.0 > 0),
            },
        }
    }

    /// Takes what is known of the pod's node; tells the circumstances of this look at it.
    pub(super) fn look(&mut self, pod: &PodView, now: Millis) -> Host {
        let NodeView { alive_until, boot } = pod.node;
        let is_other_boot = matches!((self.boot, boot), (Some(last), Some(new)) if last != new);
        let rebooted_after = is_other_boot.then_some(self.alive_until);
        self.trial = rebooted_after.map(|last| Trial::begin(now, last)).or(self.trial);
        let unproven_after = self.trial.filter(|trial| now < trial.until).map(|trial| trial.after);
        let host = Host {
            now,
            alive_until: alive_until.min(unproven_after.unwrap_or(now)),
            trouble: pod.trouble,
            rebooted_after,
            unproven_after,
        };
        self.boot = boot.or(self.boot);
        self.alive_until = self.alive_until.max(host.alive_until);
        host
    }

    /// Takes the bounds of later readings from the pod's limits.
    pub(super) fn bound_by(&mut self, pod: &PodView, egress_bytes_per_second: Option<u64>) {
        let sum = |read: fn(&crate::ResourceLimits) -> u64| {
            let limits = pod.containers.iter().map(|container| &container.limits).chain([&pod.overhead]);
            limits.fold(0u64, |sum, limits| sum.saturating_add(read(limits)))
        };
        self.cpu_milli = sum(|limits| limits.cpu_milli);
        self.memory_bytes = sum(|limits| limits.memory_bytes);
        self.egress_bytes_per_second = egress_bytes_per_second;
    }

    /// Its containers that are being delivered, and up to when each was counted.
    pub(super) fn delivering(&self) -> impl Iterator<Item = (&String, Millis)> {
        let delivering = self.containers.iter().filter(|(_, row)| row.delivered_since().is_some());
        delivering.map(|(name, row)| (name, row.credited_to))
    }

    pub(super) fn is_delivering(&self) -> bool {
        self.delivering().next().is_some()
    }

    /// Since when, and up to when as far as is known, all its containers have been delivered.
    pub(super) fn delivered(&self, pod: &PodView, now: Millis) -> Option<Interval> {
        let since = |container: &ContainerView| self.containers.get(&container.name)?.delivered_since();
        let since: Option<Vec<Millis>> = pod.containers.iter().map(since).collect();
        Some(Interval { from: since?.into_iter().max()?, to: self.alive_until.min(now) })
    }

    /// How fast a counter of this pod can grow; none where nothing bounds it.
    pub(super) fn bound(&self, counter: Counter) -> Option<Bound> {
        match counter {
            // A thousandth of a CPU gives a thousand nanoseconds in a millisecond.
            Counter::CpuNanoseconds => {
                Some(Bound { per_milli: self.cpu_milli.saturating_mul(1000), burst: CPU_BURST_NS })
            }
            Counter::NetworkRxBytes => None,
            Counter::NetworkTxBytes => self.egress_bytes_per_second.map(|rate| Bound {
                per_milli: rate.div_ceil(1000),
                burst: rate.saturating_mul(NETWORK_BURST_SECONDS),
            }),
        }
    }

    pub(super) fn leaf(&self, uid: &str) -> B256 {
        let readings = [Counter::CpuNanoseconds, Counter::NetworkRxBytes, Counter::NetworkTxBytes]
            .map(|counter| self.counters.get(&counter).copied());
        let mut numbers = vec![self.delivered_millis];
        for reading in readings {
            let [start, at, value] =
                reading.map_or([0; 3], |reading| [reading.start.0, reading.at.0, reading.value]);
            numbers.extend([start, at, value].map(u128::from));
        }
        numbers.extend(self.memory.map_or([0; 2], |reading| [reading.at.0.into(), reading.bytes.into()]));
        evidence::leaf(&["pod", uid], &numbers)
    }
}

/// 128-bit numbers as text: JSON readers elsewhere lose digits above 2^53.
mod decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

mod decimals {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(values: &[u128; 8], serializer: S) -> Result<S::Ok, S::Error> {
        values.map(|value| value.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u128; 8], D::Error> {
        let texts = <[String; 8]>::deserialize(deserializer)?;
        let mut values = [0; 8];
        for (value, text) in values.iter_mut().zip(texts) {
            *value = text.parse().map_err(D::Error::custom)?;
        }
        Ok(values)
    }
}
