//! What this side saw of a lease itself: for how long its services were down although their provider answered.
//!
//! The rule is that of decision 0025. Held against the provider is only time between two probes of which both found the
//! service unreachable while the gateway answered and did not lay it at the tenant's door; all other time counts as
//! delivered. A run of such probes begins to count after a grace, in which an honest provider's figures may be old.

mod downtime;
mod watched;

use std::collections::BTreeMap;

use anyhow::Context as _;
use gateway_api::{ResourceUsage, StatementProposal};
use market::{Dimension, Lease, LeaseId, Limits, Timestamp, Usage};
use serde::{Deserialize, Serialize};

use crate::home::Home;
use downtime::{Downtime, Span};
pub(crate) use watched::Watched;
use watched::watched;

/// Seconds by which a meter's count may trail behind, so that the next statement makes up for it.
pub(crate) const METER_LAG_SECONDS: u64 = 120;
/// Seconds that a round of probes may take beyond its interval for the time between two rounds to be known.
const SLOW_ROUND_SECONDS: u64 = 45;

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sight {
    /// Something answered.
    Up,
    /// The gateway answered, the service did not, and that is not the tenant's own doing.
    Down,
    /// Neither can be said: the gateway was not reached, or the tenant's own program is at fault.
    Unknown,
}

/// The record of a lease, kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwnView {
    services: BTreeMap<String, ServiceView>,
    /// Time in which at least one service was down.
    any: Downtime,
    /// The newest proposal that was seen, signed or not: the provider's own word.
    proposed: Option<Proposed>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ServiceView {
    /// Seconds between two probes that were answered.
    up_seconds: u64,
    /// Seconds of which nothing can be said.
    unknown_seconds: u64,
    down: Downtime,
    last: Option<LastProbe>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LastProbe {
    at: u64,
    sight: Sight,
    /// The first probe of the run that found the service down.
    down_since: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Proposed {
    as_of: u64,
    usage: ResourceUsage,
}

impl OwnView {
    /// Takes in one round of probes, which are made every `interval` seconds. What was not probed is unknown, and so is the
    /// time between two rounds that are much further apart.
    pub(crate) fn observe(
        &mut self,
        at: Timestamp,
        interval: u64,
        watched: &[Watched],
        sights: &BTreeMap<String, Sight>,
    ) {
        let max_gap = interval.saturating_add(SLOW_ROUND_SECONDS);
        let mut first: Option<Span> = None;
        for watched in watched {
            let name = watched.service.as_str();
            let sight = sights.get(name).copied().unwrap_or(Sight::Unknown);
            let service = self.services.entry(name.to_owned()).or_default();
            if let Some(span) = service.observe(at.0, max_gap, watched.grace, sight) {
                // All spans of a round end with it, so their union begins with the earliest.
                first = Some(first.map_or(span, |first| if span.from < first.from { span } else { first }));
            }
        }
        if let Some(span) = first {
            self.any.add(span);
        }
    }

    /// Remembers what the provider says. A proposal for a time to come says nothing, and would hide all that follow.
    pub(crate) fn propose(&mut self, proposal: &StatementProposal, now: Timestamp) {
        let is_newest = self.proposed.is_none_or(|before| before.as_of <= proposal.as_of);
        if is_newest && proposal.as_of <= now.0 {
            self.proposed = Some(Proposed { as_of: proposal.as_of, usage: proposal.usage });
        }
    }

    /// The record in short.
    pub(crate) fn summary(&self) -> Vec<ServiceSeconds> {
        let services = self.services.iter().map(|(name, service)| ServiceSeconds {
            service: name.clone(),
            up: service.up_seconds,
            down: service.down.seconds(0, u64::MAX),
            unknown: service.unknown_seconds,
        });
        services.collect()
    }
}

/// For how long a service was probed, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceSeconds {
    pub(crate) service: String,
    /// Between two probes that were answered.
    pub(crate) up: u64,
    /// Held against the provider.
    pub(crate) down: u64,
    /// All other time since the first probe.
    pub(crate) unknown: u64,
}

impl ServiceView {
    /// Returns the stretch that is held against the provider by this probe.
    fn observe(&mut self, at: u64, max_gap: u64, grace: u64, sight: Sight) -> Option<Span> {
        let before = self.last;
        // A clock that stood still or went back tells nothing.
        let joined = before.filter(|last| last.at < at && at - last.at <= max_gap);
        let run = joined.and_then(|last| last.down_since).filter(|_| sight == Sight::Down);
        let held = joined.zip(run).and_then(|(last, since)| {
            let from = since.saturating_add(grace).max(last.at);
            self.down.add(Span { from, to: at })
        });
        let passed = before.map_or(0, |last| at.saturating_sub(last.at));
        match joined {
            Some(last) if (last.sight, sight) == (Sight::Up, Sight::Up) => {
                self.up_seconds = self.up_seconds.saturating_add(passed);
            }
            _ => {
                let unheld = passed.saturating_sub(held.map_or(0, |span| span.to - span.from));
                self.unknown_seconds = self.unknown_seconds.saturating_add(unheld);
            }
        }
        let down_since = (sight == Sight::Down).then(|| run.unwrap_or(at));
        self.last = Some(LastProbe { at, sight, down_since });
        held
    }
}

/// The record of a lease on this machine and the services that it is about.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) view: OwnView,
    pub(crate) watched: Vec<Watched>,
}

impl Seen {
    /// What this machine knows. Without the lease's manifest no service can be judged.
    pub(crate) fn load(home: &Home, lease: LeaseId) -> anyhow::Result<Self> {
        let watched = match home.manifest(lease)? {
            Some(canonical) => {
                let manifest =
                    manifest::from_canonical(&canonical).context("the kept manifest is damaged")?;
                watched(&manifest)
            }
            None => Vec::new(),
        };
        Ok(Seen { view: home.observed(lease)?, watched })
    }

    pub(crate) fn observed(&self) -> Observed<'_> {
        Observed { view: &self.view, watched: &self.watched }
    }
}

/// A record with what is needed to judge by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Observed<'a> {
    pub(crate) view: &'a OwnView,
    pub(crate) watched: &'a [Watched],
}

impl Observed<'_> {
    /// The most usage by `as_of` that this side's own probes do not contradict: the leased limits over the time that
    /// passed and over the lag that a meter may have, less what each service holds for the time in which it was down.
    pub(crate) fn allowed(&self, limits: &Limits, lease: &Lease, as_of: Timestamp) -> Usage {
        let start = lease.started_at.unwrap_or(lease.end_at).0;
        let end = as_of.min(lease.end_at).0;
        let counted = u128::from(lease.elapsed(as_of).saturating_add(METER_LAG_SECONDS));
        let mut allowed = Usage(limits.0.map(|limit| u128::from(limit).saturating_mul(counted)));
        for watched in self.watched {
            let Some(service) = self.view.services.get(watched.service.as_str()) else { continue };
            let down = service.down.seconds(start, end);
            for (dimension, held) in watched.held {
                let missing = u128::from(held).saturating_mul(u128::from(down));
                allowed = allowed.with(dimension, allowed.of(dimension).saturating_sub(missing));
            }
        }
        // Uptime and leased addresses count while every service is up.
        let down = u128::from(self.view.any.seconds(start, end));
        for dimension in [Dimension::Uptime, Dimension::LeasedIps] {
            let missing = u128::from(limits.of(dimension)).saturating_mul(down);
            allowed = allowed.with(dimension, allowed.of(dimension).saturating_sub(missing));
        }
        allowed
    }

    /// What the provider last said that was used, and by when.
    pub(crate) fn proposed(self) -> Option<(Usage, Timestamp)> {
        self.view.proposed.map(|proposed| (Usage::from(&proposed.usage), Timestamp(proposed.as_of)))
    }
}

#[cfg(test)]
mod tests;
