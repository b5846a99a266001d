//! Why an order gets no bid: a closed list that metrics count and logs name.

use market::{Amount, Dimension, Tier, Timestamp};

/// One reason against a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclineReason {
    /// The provider makes no new bids.
    Paused,
    /// The tenant is on the list of those that are not served.
    TenantDenied,
    /// There is a list of those that are served, and the tenant is not on it.
    TenantNotAllowed,
    /// The tenant disputed too many of its leases here lately.
    TenantDisputes {
        disputes: u32,
        maximum: u32,
    },
    /// Another token than the deployment's.
    TokenNotAccepted,
    /// Bids are of no use any more.
    OrderExpired {
        deadline: Timestamp,
    },
    /// The requirements do not decode, do not match their hash or contradict themselves.
    RequirementsInvalid,
    TierNotOffered {
        tier: Tier,
    },
    /// An attribute that the provider does not have.
    AttributeMissing {
        key: String,
    },
    /// An attribute that the provider has with another value.
    AttributeDiffers {
        key: String,
    },
    DurationTooLong {
        wanted: u32,
        maximum: u32,
    },
    /// The lease could last until after a planned maintenance begins.
    PastMaintenance {
        latest_end: Timestamp,
        maintenance: Timestamp,
    },
    ResourceNotSold {
        dimension: Dimension,
    },
    LimitExceeded {
        dimension: Dimension,
        wanted: u64,
        maximum: u64,
    },
    /// A part of a GPU, which the device plugin cannot give.
    GpuNotWhole,
    NoDefaultStorageClass,
    NoCapacity,
    NoStorage,
    RateTooHigh {
        rate_e6: u128,
        maximum_e6: u128,
    },
    /// The prices and limits have no rate that the chain can hold.
    RateUnusable,
    DepositTooSmall {
        deposit: Amount,
        minimum: Amount,
    },
    TenantUnderfunded {
        available: Amount,
        minimum: Amount,
    },
    /// A lease of the tenant's has used too much, or for too long, unsigned.
    TenantDoesNotSign {
        unsigned: Amount,
    },
    ProviderInactive,
    /// The registry names another operator key.
    OperatorNotAuthorised,
    OperatorKeyExpired {
        expiry: Timestamp,
    },
    BondBelowMinimum {
        bond: Amount,
        minimum: Amount,
    },
    BondLocked {
        free: Amount,
        needed: Amount,
    },
    TooManyOutstandingBids {
        maximum: u32,
    },
    /// Leases, bids and this bid together would lock too much of the bond.
    ExposureTooHigh {
        exposure: Amount,
        maximum: Amount,
    },
    /// The bids of a day and this one together put too much at stake.
    BidBudgetSpent {
        needed: Amount,
        budget: Amount,
    },
}

/// Whether waiting may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The order itself, or what was configured, stands against it as long as this process runs.
    Final,
    /// Another moment may differ: capacity, money, the registry.
    Passing,
}

impl DeclineReason {
    /// The label of `agent_declines_total`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::TenantDenied => "tenant_denied",
            Self::TenantNotAllowed => "tenant_not_allowed",
            Self::TenantDisputes { .. } => "tenant_disputes",
            Self::TokenNotAccepted => "token_not_accepted",
            Self::OrderExpired { .. } => "order_expired",
            Self::RequirementsInvalid => "requirements_invalid",
            Self::TierNotOffered { .. } => "tier_not_offered",
            Self::AttributeMissing { .. } => "attribute_missing",
            Self::AttributeDiffers { .. } => "attribute_differs",
            Self::DurationTooLong { .. } => "duration_too_long",
            Self::PastMaintenance { .. } => "past_maintenance",
            Self::ResourceNotSold { .. } => "resource_not_sold",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::GpuNotWhole => "gpu_not_whole",
            Self::NoDefaultStorageClass => "no_default_storage_class",
            Self::NoCapacity => "no_capacity",
            Self::NoStorage => "no_storage",
            Self::RateTooHigh { .. } => "rate_too_high",
            Self::RateUnusable => "rate_unusable",
            Self::DepositTooSmall { .. } => "deposit_too_small",
            Self::TenantUnderfunded { .. } => "tenant_underfunded",
            Self::TenantDoesNotSign { .. } => "tenant_does_not_sign",
            Self::ProviderInactive => "provider_inactive",
            Self::OperatorNotAuthorised => "operator_not_authorised",
            Self::OperatorKeyExpired { .. } => "operator_key_expired",
            Self::BondBelowMinimum { .. } => "bond_below_minimum",
            Self::BondLocked { .. } => "bond_locked",
            Self::TooManyOutstandingBids { .. } => "too_many_outstanding_bids",
            Self::ExposureTooHigh { .. } => "exposure_too_high",
            Self::BidBudgetSpent { .. } => "bid_budget_spent",
        }
    }

    /// Whether waiting may help.
    pub fn outlook(&self) -> Outlook {
        match self {
            Self::Paused
            | Self::TenantDenied
            | Self::TenantNotAllowed
            | Self::TokenNotAccepted
            | Self::OrderExpired { .. }
            | Self::RequirementsInvalid
            | Self::TierNotOffered { .. }
            | Self::AttributeMissing { .. }
            | Self::AttributeDiffers { .. }
            | Self::DurationTooLong { .. }
            | Self::PastMaintenance { .. }
            | Self::ResourceNotSold { .. }
            | Self::LimitExceeded { .. }
            | Self::GpuNotWhole
            | Self::RateTooHigh { .. }
            | Self::RateUnusable
            | Self::DepositTooSmall { .. } => Outlook::Final,
            Self::NoDefaultStorageClass
            | Self::NoCapacity
            | Self::NoStorage
            | Self::TenantUnderfunded { .. }
            | Self::TenantDoesNotSign { .. }
            | Self::ProviderInactive
            | Self::OperatorNotAuthorised
            | Self::OperatorKeyExpired { .. }
            | Self::BondBelowMinimum { .. }
            | Self::BondLocked { .. }
            | Self::TooManyOutstandingBids { .. }
            | Self::TenantDisputes { .. }
            | Self::ExposureTooHigh { .. }
            | Self::BidBudgetSpent { .. } => Outlook::Passing,
        }
    }
}
