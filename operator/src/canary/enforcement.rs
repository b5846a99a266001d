//! What is known about the network plug-in, and what that means for a new lease.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

/// Directions in which a connection got through that a policy forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Pods accept connections that their own policy forbids.
    Ingress,
    /// Pods make connections that their own policy forbids.
    Egress,
    /// Both.
    Both,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => {
                "the network plug-in let a pod of one lease into a pod of another that admits none (ingress)"
            }
            Self::Egress => {
                "the network plug-in let a pod out to an address that its lease may not reach (egress)"
            }
            Self::Both => {
                "the network plug-in does not enforce network policies, neither for ingress nor for egress"
            }
        })
    }
}

/// What one try found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The allowed connection worked, and both forbidden ones did not.
    Enforced,
    /// The allowed connection worked, and so did a forbidden one.
    Open(Open),
    /// Nothing can be said: the pods did not run, or the allowed connection failed too.
    Inconclusive {
        /// What went wrong, for people.
        why: String,
    },
}

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Nobody looks: there is no canary.
    Unchecked,
    /// The first try is under way.
    Pending,
    /// Proved.
    Enforced {
        /// When.
        at: Timestamp,
    },
    /// Refuted.
    Open(Open),
    /// Tried, and not found out.
    Unproved {
        /// What went wrong.
        why: String,
    },
}

impl Enforcement {
    /// What is known after another try. One that found nothing out takes nothing back until a proof would have been due twice.
    fn after(&self, finding: &Finding, now: Timestamp, period: Duration) -> Self {
        match (finding, self) {
            (Finding::Enforced, _) => Self::Enforced { at: now },
            (Finding::Open(open), _) => Self::Open(*open),
            (Finding::Inconclusive { .. }, Self::Open(open)) => Self::Open(*open),
            (Finding::Inconclusive { .. }, Self::Enforced { at })
                if now.duration_since(*at).unsigned_abs() <= period.saturating_mul(2) =>
            {
                self.clone()
            }
            (Finding::Inconclusive { why }, _) => Self::Unproved { why: why.clone() },
        }
    }
}

/// Shares what is known between the canary and the leases.
#[derive(Debug)]
pub struct Network(Mutex<Enforcement>);

impl Network {
    /// Where a canary is about to begin, or where there is none ([`Enforcement::Unchecked`]).
    pub fn new(enforcement: Enforcement) -> Self {
        Self(Mutex::new(enforcement))
    }

    /// What is known.
    pub fn current(&self) -> Enforcement {
        self.lock().clone()
    }

    /// Takes a finding in; returns what is known now.
    pub fn learn(&self, finding: &Finding, now: Timestamp, period: Duration) -> Enforcement {
        let mut known = self.lock();
        *known = known.after(finding, now, period);
        known.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Enforcement> {
        // Each change is one assignment, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(3600);

    #[test]
    fn the_newest_finding_counts_and_one_that_found_nothing_keeps_what_was_known_for_two_periods() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let nothing = || Finding::Inconclusive { why: "no image".to_owned() };
        let unproved = || Enforcement::Unproved { why: "no image".to_owned() };
        let network = Network::new(Enforcement::Pending);
        for (finding, seconds, wanted) in [
            (nothing(), 0, unproved()),
            (Finding::Enforced, 10, Enforcement::Enforced { at: at(10) }),
            (nothing(), 10 + 7200, Enforcement::Enforced { at: at(10) }),
            (nothing(), 11 + 7200, unproved()),
            (Finding::Open(Open::Egress), 8000, Enforcement::Open(Open::Egress)),
            (nothing(), 99_999, Enforcement::Open(Open::Egress)),
            (Finding::Enforced, 100_000, Enforcement::Enforced { at: at(100_000) }),
            (Finding::Open(Open::Both), 100_001, Enforcement::Open(Open::Both)),
        ] {
            assert_eq!(network.learn(&finding, at(seconds), PERIOD), wanted);
            assert_eq!(network.current(), wanted);
        }
    }
}
