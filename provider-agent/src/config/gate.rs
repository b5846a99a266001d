//! How much may be used unsigned, and what follows: `[settlement.gate]`.

use serde::{Deserialize, Deserializer};

use super::{Decimal, Seconds};

/// Below this no signer could keep up.
const SHORTEST: Seconds = Seconds(60);

/// The bounds on what is delivered and not signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Whether leases are suspended at all.
    pub suspend: Suspending,
    /// How long a tenant may use a lease before its first signature.
    pub first: Seconds,
    /// How long a tenant may use a lease after its newest signature.
    pub later: Seconds,
    /// The most that the running leases of one tenant may have used unsigned, in whole tokens. Absent: no bound.
    pub most_per_tenant: Option<Decimal>,
    /// How long a lease stays suspended before its end is brought nearer.
    pub reclaim_after: ReclaimAfter,
}

/// Whether leases are suspended for what is unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suspending {
    Enabled,
    Disabled,
}

/// When a suspended lease is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReclaimAfter {
    After(Seconds),
    Never,
}

impl Gate {
    /// What contradicts itself, with its path.
    pub(super) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        (self.first.min(self.later) < SHORTEST).then_some((
            "settlement.gate",
            "first and later must be at least 60s, or nobody could sign in time",
        ))
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            suspend: Suspending::Enabled,
            first: Seconds(30 * 60),
            later: Seconds(6 * 3600),
            most_per_tenant: None,
            reclaim_after: ReclaimAfter::After(Seconds(24 * 3600)),
        }
    }
}

impl<'de> Deserialize<'de> for ReclaimAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self::Never);
        }
        text.parse().map(Self::After).map_err(serde::de::Error::custom)
    }
}
