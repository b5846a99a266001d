//! The arithmetic of reward programmes, with no IO.
//!
//! A programme pays providers out of its sponsor's money, epoch by epoch. Whoever posts an epoch's root stakes a bond
//! on it; whoever finds a wrong leaf takes that bond. Both need to compute the same numbers from public facts alone, and
//! the contract checks the same rules leaf by leaf: they are written down here once, bit for bit as in
//! `RewardsDistributor.sol`. Integers only, nothing here may panic.
#![warn(missing_docs)]

mod capacity;
mod compute;
mod epoch;
mod factor;
mod history;
mod leaf;
mod terms;
pub mod tree;
mod verify;

pub use capacity::Bounds;
pub use compute::{ComputeError, Inputs, Previous, Purse, Root, Standing, compute, hash, proof, scaled};
pub use epoch::Epoch;
pub use factor::Factor;
pub use history::{Fact, History, HistoryError, Member};
pub use leaf::{Leaf, Measure, ProgrammeId};
pub use terms::{KAPPA_MAX, Kind, Multiplier, ProgrammeTerms, Rate, RegionCap, Unspent};
pub use verify::{Difference, Fault, Ground, Impossible, verify};
