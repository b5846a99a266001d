//! The provider's configured will, in the market's types.

use std::collections::{BTreeMap, BTreeSet};

use market::{Address, Amount, BasisPoints, BasisPointsOutOfRange, Dimension, Limits, Tier, Timestamp};

use crate::config::{self, Config, Seconds};
use crate::pricing::{self, PriceList, parse_amount};

/// How to bid. Built once from the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub provider: Address,
    /// The hot key's address, which signs.
    pub operator: Address,
    pub token: Address,
    pub price_list: PriceList,
    pub min_bond: Amount,
    pub max_slash: Amount,
    pub no_show_penalty: Amount,
    pub bid_validity: u64,
    pub start_window: u32,
    pub max_duration: u32,
    pub notice_period: u32,
    pub split_bps: BasisPoints,
    pub arbiter: Address,
    pub min_prepaid: u64,
    pub tiers: Vec<Tier>,
    pub attributes: BTreeMap<String, String>,
    pub min_tenant_available: Amount,
    pub max_outstanding_bids: u32,
    /// The most of each resource for one lease.
    pub max_limits: Limits,
    pub storage_capacity: Option<u64>,
    pub filter: Filter,
    /// No bids at all.
    pub paused: bool,
    /// No bids for leases that could last longer.
    pub no_leases_past: Option<Timestamp>,
}

/// Whom to serve, and how much of the bond may be at stake for it. What is `None` is not bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Empty: everybody.
    pub tenants_allow: BTreeSet<Address>,
    pub tenants_deny: BTreeSet<Address>,
    pub max_disputes_per_tenant: Option<u32>,
    /// Seconds.
    pub dispute_window: u64,
    pub max_exposure: Option<Amount>,
    pub daily_bid_budget: Option<Amount>,
}

/// Why the configuration makes no policy.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A price or an amount.
    #[error("failed to read the prices")]
    Pricing(#[from] pricing::Error),
    /// The split is more than the whole.
    #[error("failed to read terms.split_bps")]
    Split(#[from] BasisPointsOutOfRange),
    /// The penalty could not be taken.
    #[error("terms.no_show_penalty is larger than terms.max_slash, so no bid would be accepted")]
    PenaltyAboveSlash,
}

impl Policy {
    /// Reads the configuration for a token.
    pub fn new(
        config: &Config,
        operator: Address,
        token: Address,
        decimals: u8,
    ) -> Result<Self, PolicyError> {
        let terms = &config.terms;
        let amount = |key, value| parse_amount(key, value, decimals);
        let policy = Self {
            provider: config.provider.owner,
            operator,
            token,
            price_list: PriceList::new(&config.pricing, decimals)?,
            min_bond: amount("terms.min_bond", terms.min_bond)?,
            max_slash: amount("terms.max_slash", terms.max_slash)?,
            no_show_penalty: amount("terms.no_show_penalty", terms.no_show_penalty)?,
            bid_validity: terms.bid_validity.0,
            start_window: seconds32(terms.start_window),
            max_duration: seconds32(terms.max_duration),
            notice_period: seconds32(terms.notice_period),
            split_bps: BasisPoints::new(terms.split_bps)?,
            arbiter: terms.arbiter.unwrap_or_default(),
            min_prepaid: terms.min_prepaid.0,
            tiers: config.offer.tiers.iter().copied().map(Tier::from).collect(),
            attributes: config.offer.attributes.clone(),
            min_tenant_available: amount("offer.min_tenant_available", config.offer.min_tenant_available)?,
            max_outstanding_bids: config.limits.max_outstanding_bids,
            max_limits: max_limits(config),
            storage_capacity: config.kubernetes.storage_capacity.map(|bytes| bytes.0),
            filter: Filter::new(&config.filter, decimals)?,
            paused: config.bidding.paused,
            no_leases_past: config.bidding.no_leases_past.map(|moment| Timestamp(moment.0)),
        };
        if policy.no_show_penalty > policy.max_slash {
            return Err(PolicyError::PenaltyAboveSlash);
        }
        Ok(policy)
    }
}

impl Filter {
    fn new(config: &config::Filter, decimals: u8) -> Result<Self, pricing::Error> {
        let amount =
            |key, value: Option<_>| value.map(|value| parse_amount(key, value, decimals)).transpose();
        Ok(Self {
            tenants_allow: config.tenants_allow.clone(),
            tenants_deny: config.tenants_deny.clone(),
            max_disputes_per_tenant: config.max_disputes_per_tenant,
            dispute_window: config.dispute_window.0,
            max_exposure: amount("filter.max_exposure", config.max_exposure)?,
            daily_bid_budget: amount("filter.daily_bid_budget", config.daily_bid_budget)?,
        })
    }
}

fn max_limits(config: &Config) -> Limits {
    let bound = |bound: Option<u64>| bound.unwrap_or(u64::MAX);
    let limits = &config.limits;
    Limits([u64::MAX; 8])
        .with(Dimension::Cpu, bound(limits.max_cpu_milli))
        .with(Dimension::Memory, bound(limits.max_memory.map(|bytes| bytes.0)))
        .with(Dimension::Storage, bound(limits.max_storage.map(|bytes| bytes.0)))
        .with(Dimension::Egress, bound(limits.max_egress_per_second.map(|bytes| bytes.0)))
}

fn seconds32(seconds: Seconds) -> u32 {
    u32::try_from(seconds.0).expect("durations are parsed to at most 32 bits")
}
