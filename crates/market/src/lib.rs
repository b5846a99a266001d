//! The words of the market and the arithmetic of its money, with no IO.
//!
//! Everything that both sides of a lease must agree on bit for bit lives here: what an order, a bid, a
//! lease and a statement say, and how much metered usage costs. The rules mirror `LeaseMarket.sol`; the
//! chain crate's differential tests hold the two together. Integers only, nothing here may panic.
#![warn(missing_docs)]

mod bid;
mod id;
mod lease;
mod money;
mod order;
mod requirements;
mod resource;
mod settlement;
mod signature;
mod statement;
mod tier;
mod time;

pub use alloy_primitives::{Address, B256, U256, address, b256};

pub use bid::{Bid, BidProblem, SignedBid};
pub use id::{LeaseId, OrderHash, ParseIdError};
pub use lease::{Lease, LeaseState, PendingClaim, UnknownLeaseState, Windows};
pub use money::{Amount, BasisPoints, BasisPointsOutOfRange, MAX_UINT96, ParseAmountError, Price};
pub use order::Order;
pub use requirements::{
    Attribute, MAX_REQUIREMENTS_BYTES, REQUIREMENTS_VERSION, Requirements, RequirementsProblem,
    ServiceRequirements,
};
pub use resource::{Dimension, Limits, Prices, Usage};
pub use settlement::{
    ArithmeticError, Payout, StatementProblem, amount, amount_exact, cap_cum, check_admission,
    check_statement, claim_cum, funded_until, funded_until_after, payout, rate_cap_e6, supplement_cum,
};
pub use signature::{ParseSignatureError, Signature64};
pub use statement::Statement;
pub use tier::{ParseTierError, Tier, UnknownTier};
pub use time::Timestamp;
