//! Prices: `[pricing]`, and how they move: `[pricing.adjust]`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Decimal, Seconds, TierName};

/// Prices in whole tokens per human unit. A resource without a price is not sold; `"0"` gives it away.
///
/// Each is turned once into base units × 1e18 per second (or byte), rounded down, in the tenant's favour.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pricing {
    /// Flat price of a lease per hour.
    pub lease_hour: Option<Decimal>,
    /// One CPU core for one hour.
    pub cpu_core_hour: Option<Decimal>,
    /// One GiB of memory for one hour.
    pub memory_gib_hour: Option<Decimal>,
    /// One GiB of storage for 30 days.
    pub storage_gib_month: Option<Decimal>,
    /// One GPU for one hour, of any model without a price of its own.
    pub gpu_hour: Option<Decimal>,
    /// One GPU for one hour, by the model that the order names.
    #[serde(default)]
    pub gpu_model_hour: BTreeMap<String, Decimal>,
    /// One GiB sent out of the cluster.
    pub egress_gib: Option<Decimal>,
    /// One public address for one hour.
    pub leased_ip_hour: Option<Decimal>,
    /// One extended device for one hour.
    pub device_hour: Option<Decimal>,
    /// How all of them move with what is asked for.
    #[serde(default)]
    pub adjust: Adjust,
}

/// Factors of every price. They are multiplied; what is not listed leaves prices as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Adjust {
    /// By isolation tier.
    pub tier: BTreeMap<TierName, Decimal>,
    /// By how much of the cluster is promised, ascending. Between two points the factor lies on the line between them;
    /// before the first and after the last it is theirs.
    pub utilisation: Vec<UtilisationPoint>,
    /// By the order's duration, ascending: the last step that it reaches counts, and before the first nothing does.
    pub duration: Vec<DurationStep>,
}

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UtilisationPoint {
    /// The share of the cluster's processors or memory, whichever is larger, that is promised before the order: from 0 to 1.
    pub used: Decimal,
    /// What prices are multiplied by.
    pub factor: Decimal,
}

/// A step of the ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationStep {
    /// The shortest duration that it is for.
    pub from: Seconds,
    /// What prices are multiplied by.
    pub factor: Decimal,
}
