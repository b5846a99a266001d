//! What follows from usage that a tenant does not sign. A decision about values: no chain, no cluster, no clock.
//!
//! ```text
//!        half of the time, or of the value     all of it, and time enough to sign     suspended too long
//! Fine ─────────────────────────────────▶ Announced ─────────────────────▶ Suspended ─────────────▶ Reclaimed
//!   ▲                                         │                                │
//!   └──────────────── signed ─────────────────┴────────────────────────────────┘
//! ```
//!
//! What the provider can lose is what it delivered and nobody signed, so that is bounded: by time for each lease, and by value for each tenant.
//! Everything is decided anew from what the chain and the `ComputeLease` say, so a restart forgets nothing. Nobody is suspended unannounced: an
//! agent that was away for hours finds time to have passed in which its tenants could not sign either.

use crd::SuspensionReason;
use market::{Amount, Timestamp};

use crate::config::{self, Seconds, Suspending};
use crate::pricing::{self, parse_amount};

/// Of its time, a tenant has at least one part in so many between the announcement and the suspension. In ordinary life it has one in two.
const NOTICE_SHARE: u64 = 3;
/// Seconds between announcing that a tenant's leases are worth too much and suspending them: longer than a signer sleeps.
const NOTICE_OF_VALUE: u64 = 120;

/// The provider's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateRules {
    pub suspending: Suspending,
    /// Seconds that a tenant has for its first signature.
    pub first: u64,
    /// Seconds that a signature is good for.
    pub later: u64,
    /// The most that all running leases of one tenant may have used unsigned.
    pub most_per_tenant: Option<Amount>,
    /// Seconds of suspension after which a lease is ended; never without.
    pub reclaim_after: Option<u64>,
}

/// A running lease, as far as the gate looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debt {
    /// What its usage costs, less what is signed or paid.
    pub unsigned: Amount,
    /// Up to when all is signed or paid.
    pub since: Timestamp,
    pub history: History,
    pub hold: Hold,
}

/// Whether a tenant ever signed for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    NeverSigned,
    Signed,
}

/// What its object says of a lease's running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It runs.
    Free,
    /// It runs, and the tenant was told that it will not for long.
    Announced { at: Timestamp },
    /// It is paused for what is unsigned.
    Suspended { since: Timestamp },
    /// It was, and somebody set it going again: the debt is forgiven until it is paid.
    Lifted,
    /// Somebody else paused it.
    Foreign,
}

/// What is to become of a running lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may run, and nothing is held against it.
    Fine,
    /// It may run, and is told that it soon may not.
    Announced(SuspensionReason),
    Suspended(SuspensionReason),
    /// It stays suspended, and its end is brought nearer.
    Reclaimed,
    /// It is somebody else's decision.
    LeftAlone,
}

/// How much of a bound is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Below,
    Half,
    Over,
}

impl GateRules {
    /// Reads the configuration for a token with `decimals`.
    pub fn new(gate: &config::Gate, decimals: u8) -> Result<Self, pricing::Error> {
        let config::Gate {
            suspend,
            first: Seconds(first),
            later: Seconds(later),
            most_per_tenant,
            reclaim_after,
        } = *gate;
        let most =
            most_per_tenant.map(|most| parse_amount("settlement.gate.most_per_tenant", most, decimals));
        Ok(Self {
            suspending: suspend,
            first,
            later,
            most_per_tenant: most.transpose()?,
            reclaim_after: match reclaim_after {
                config::ReclaimAfter::After(Seconds(seconds)) => Some(seconds),
                config::ReclaimAfter::Never => None,
            },
        })
    }

    /// What is to become of a running lease whose tenant has so much unsigned in all.
    pub fn standing(&self, debt: &Debt, of_tenant: Amount, now: Timestamp) -> Standing {
        if !self.counts(debt) {
            return Standing::Fine;
        }
        let (by_time, by_value) = (self.by_time(debt, now), self.by_value(of_tenant));
        let overtime = match debt.history {
            History::NeverSigned => SuspensionReason::NeverSigned,
            History::Signed => SuspensionReason::SignedTooLongAgo,
        };
        match debt.hold {
            Hold::Foreign | Hold::Lifted if by_time > Reach::Below || by_value > Reach::Below => {
                Standing::LeftAlone
            }
            // It starts again only well below the bounds, or it would soon stop again.
            Hold::Suspended { since } if by_time > Reach::Below || by_value > Reach::Below => {
                let ends = self.reclaim_after.map(|after| since.saturating_add(after));
                if ends.is_some_and(|at| at <= now) {
                    return Standing::Reclaimed;
                }
                let is_late = by_time > Reach::Below;
                Standing::Suspended(if is_late { overtime } else { SuspensionReason::TooMuchUnsigned })
            }
            Hold::Free | Hold::Announced { .. } | Hold::Suspended { .. } | Hold::Lifted | Hold::Foreign => {
                let noticed = |notice| match debt.hold {
                    Hold::Announced { at } => at.saturating_add(notice) <= now,
                    Hold::Free | Hold::Suspended { .. } | Hold::Lifted | Hold::Foreign => false,
                };
                if by_time == Reach::Over && noticed(self.notice(debt)) {
                    Standing::Suspended(overtime)
                } else if by_value == Reach::Over && noticed(NOTICE_OF_VALUE) {
                    Standing::Suspended(SuspensionReason::TooMuchUnsigned)
                } else if by_time > Reach::Below {
                    Standing::Announced(overtime)
                } else if by_value > Reach::Below {
                    Standing::Announced(SuspensionReason::TooMuchUnsigned)
                } else {
                    Standing::Fine
                }
            }
        }
    }

    /// Whether a lease is a reason to take no more from its tenant: it is over a bound, or suspended for having been.
    pub fn is_over(&self, debt: &Debt, of_tenant: Amount, now: Timestamp) -> bool {
        let is_over = self.by_time(debt, now) == Reach::Over || self.by_value(of_tenant) == Reach::Over;
        self.counts(debt) && (is_over || matches!(debt.hold, Hold::Suspended { .. }))
    }

    /// When a lease will be suspended if its tenant signs nothing more, as far as that is known.
    pub fn suspends_at(&self, debt: &Debt, of_tenant: Amount, now: Timestamp) -> Option<Timestamp> {
        let announced = match debt.hold {
            Hold::Free => None,
            Hold::Announced { at } => Some(at),
            Hold::Suspended { .. } | Hold::Lifted | Hold::Foreign => return None,
        };
        if !self.counts(debt) {
            return None;
        }
        let half = debt.since.saturating_add(self.time(debt) / 2);
        let in_time = announced.unwrap_or(half.max(now)).saturating_add(self.notice(debt));
        let by_time = debt.since.saturating_add(self.time(debt)).max(in_time);
        let for_value = announced.unwrap_or(now).saturating_add(NOTICE_OF_VALUE);
        Some(if self.by_value(of_tenant) == Reach::Over { by_time.min(for_value) } else { by_time })
    }

    /// When a suspended lease will be told to end.
    pub fn reclaims_at(&self, debt: &Debt) -> Option<Timestamp> {
        match debt.hold {
            Hold::Suspended { since } if self.counts(debt) => Some(since.saturating_add(self.reclaim_after?)),
            Hold::Suspended { .. } | Hold::Free | Hold::Announced { .. } | Hold::Lifted | Hold::Foreign => {
                None
            }
        }
    }

    fn counts(&self, debt: &Debt) -> bool {
        self.suspending == Suspending::Enabled && !debt.unsigned.is_zero()
    }

    /// How long the tenant has to sign.
    fn time(&self, debt: &Debt) -> u64 {
        match debt.history {
            History::NeverSigned => self.first,
            History::Signed => self.later,
        }
    }

    fn notice(&self, debt: &Debt) -> u64 {
        self.time(debt) / NOTICE_SHARE
    }

    fn by_time(&self, debt: &Debt, now: Timestamp) -> Reach {
        let (used, time) = (now.seconds_since(debt.since), self.time(debt));
        match used {
            used if used >= time => Reach::Over,
            used if used >= time / 2 => Reach::Half,
            _ => Reach::Below,
        }
    }

    fn by_value(&self, of_tenant: Amount) -> Reach {
        match self.most_per_tenant {
            Some(most) if of_tenant > most => Reach::Over,
            Some(most) if of_tenant.0 > most.0 / 2 => Reach::Half,
            Some(_) | None => Reach::Below,
        }
    }
}

#[cfg(test)]
mod tests;
