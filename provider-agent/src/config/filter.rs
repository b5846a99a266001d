//! Whom the provider serves, and how much of its bond may be at stake: `[filter]`.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use serde::Deserialize;

use super::{Decimal, Seconds, Terms};

/// What speaks against a bid, whatever the order asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Who is served. Empty: everybody.
    pub tenants_allow: BTreeSet<Address>,
    /// Who is not served, allowed or not.
    pub tenants_deny: BTreeSet<Address>,
    /// The most disputes with this provider that a tenant may have begun within `dispute_window`. Absent: no bound.
    pub max_disputes_per_tenant: Option<u32>,
    /// How long a dispute counts, from its beginning.
    pub dispute_window: Seconds,
    /// The most of the bond that leases and bids together may lock, in whole tokens. Absent: all of it.
    pub max_exposure: Option<Decimal>,
    /// The most that bids of a day may put at stake, accepted or not, in whole tokens. Absent: no bound.
    pub daily_bid_budget: Option<Decimal>,
}

impl Filter {
    /// What contradicts the terms, with its path.
    pub(super) fn contradiction(&self, terms: &Terms) -> Option<(&'static str, &'static str)> {
        let is_bounded = self.max_exposure.is_some() || self.daily_bid_budget.is_some();
        (is_bounded && terms.max_slash.mantissa == 0).then_some((
            "filter",
            "max_exposure and daily_bid_budget add up terms.max_slash, so with 0 they would bound nothing",
        ))
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            tenants_allow: BTreeSet::new(),
            tenants_deny: BTreeSet::new(),
            max_disputes_per_tenant: None,
            dispute_window: Seconds(30 * 24 * 3600),
            max_exposure: None,
            daily_bid_budget: None,
        }
    }
}
