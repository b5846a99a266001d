//! Whether a cluster, and later a chain, can carry Leasehold, and what has to change first.
//!
//! [`gather`] reads, [`checks`] decide: each check is a pure function of [`facts`] and [`values`] in a file of its own.
//! Nothing is written anywhere. The one object that is created is a `SelfSubjectAccessReview`, which no cluster keeps.

#![warn(missing_docs)]

pub mod checks;
pub mod facts;
pub mod gather;
pub mod outcome;
pub mod rights;
pub mod values;

mod selector;
mod tenant_nodes;
#[cfg(test)]
mod test_support;

pub use checks::cluster;
pub use facts::ClusterFacts;
pub use outcome::{Outcome, Verdict};
pub use values::Values;
