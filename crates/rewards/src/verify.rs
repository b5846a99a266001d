//! Finds what is wrong with a posted root, leaf by leaf, by the rules that the contract refutes by.

use core::fmt;

use alloy_primitives::{Address, U256};
use market::Amount;

use crate::compute::{cumulative, raw};
use crate::{Inputs, Leaf, Measure, Standing};

/// The rule that a leaf breaks, and the number that the contract has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ground {
    /// The measure is below what was counted before, or below a checkpoint.
    Measure = 1,
    /// The raw reward does not follow from the measure.
    Raw = 2,
    /// The cumulative reward does not follow from the raw one.
    Cumulative = 3,
}

/// What a leaf says and what it should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The measure is too small.
    Measure {
        /// What was posted.
        posted: Measure,
        /// The least that is right.
        least: Measure,
    },
    /// The raw reward does not follow from the measure.
    Raw {
        /// What was posted.
        posted: Amount,
        /// What is right; none if nothing that fits the chain is.
        right: Option<Amount>,
    },
    /// The cumulative reward does not follow from the raw one.
    Cumulative {
        /// What was posted.
        posted: Amount,
        /// What is right; none if nothing that fits the chain is.
        right: Option<Amount>,
    },
}

/// A leaf that can be refuted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its place.
    pub index: u32,
    /// The account that it names.
    pub account: Address,
    /// What is wrong with it. Where several things are, the first that the contract looks at.
    pub fault: Fault,
}

/// The contract does not accept such a root, so the facts that it was compared with are not those of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Another number of leaves than there are providers.
    #[error("the root has {posted} leaves for {enrolled} providers")]
    Count {
        /// Leaves of the root.
        posted: usize,
        /// Providers that had enrolled by the end of the epoch.
        enrolled: usize,
    },
    /// A leaf is not of the provider at its place.
    #[error("leaf {index} is of {posted}, but the provider is {enrolled}")]
    Account {
        /// The place.
        index: u32,
        /// The account of the leaf.
        posted: Address,
        /// The provider.
        enrolled: Address,
    },
    /// A leaf counts more than the provider ever did.
    #[error("leaf {index} counts {posted}, but the counter is at {counter}")]
    AboveCounter {
        /// The place.
        index: u32,
        /// What the leaf counts.
        posted: u128,
        /// What the provider did.
        counter: u128,
    },
}

impl Ground {
    /// Every ground, in the contract's order.
    pub const ALL: [Self; 3] = [Self::Measure, Self::Raw, Self::Cumulative];

    /// The word for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Measure => "measure",
            Self::Raw => "raw",
            Self::Cumulative => "cumulative",
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Fault {
    /// The rule that is broken.
    pub const fn ground(&self) -> Ground {
        match self {
            Self::Measure { .. } => Ground::Measure,
            Self::Raw { .. } => Ground::Raw,
            Self::Cumulative { .. } => Ground::Cumulative,
        }
    }
}

/// Every leaf of `posted` that breaks a rule; none of a right root.
///
/// A leaf is judged by what it follows from as posted, as the contract does: a raw reward by its own measure, a
/// cumulative one by its own raw reward and the sum of all that were posted.
pub fn verify(inputs: &Inputs, posted: &[Leaf]) -> Result<Vec<Difference>, Impossible> {
    if posted.len() != inputs.standings.len() {
        return Err(Impossible::Count { posted: posted.len(), enrolled: inputs.standings.len() });
    }
    let raw_total = posted.iter().map(|leaf| U256::from(leaf.raw.0)).sum();
    let mut differences = Vec::new();
    for (index, (leaf, standing)) in (0..).zip(posted.iter().zip(&inputs.standings)) {
        possible(index, leaf, standing)?;
        if let Some(fault) = fault(inputs, leaf, standing, raw_total) {
            differences.push(Difference { index, account: leaf.account, fault });
        }
    }
    Ok(differences)
}

/// What the contract checks when a root is posted.
fn possible(index: u32, leaf: &Leaf, standing: &Standing) -> Result<(), Impossible> {
    if leaf.index != index || leaf.account != standing.account {
        return Err(Impossible::Account { index, posted: leaf.account, enrolled: standing.account });
    }
    if leaf.measure > standing.most {
        let (posted, counter) = (leaf.measure.0, standing.most.0);
        return Err(Impossible::AboveCounter { index, posted, counter });
    }
    Ok(())
}

/// What the contract checks when a leaf is refuted.
fn fault(inputs: &Inputs, leaf: &Leaf, standing: &Standing, raw_total: U256) -> Option<Fault> {
    if leaf.measure < standing.least {
        return Some(Fault::Measure { posted: leaf.measure, least: standing.least });
    }
    let right = raw(inputs, leaf.index, standing, leaf.measure).ok();
    if right != Some(leaf.raw) {
        return Some(Fault::Raw { posted: leaf.raw, right });
    }
    let right = cumulative(standing, leaf.raw, raw_total, inputs.allowance);
    (right != Some(leaf.cumulative)).then_some(Fault::Cumulative { posted: leaf.cumulative, right })
}

#[cfg(test)]
mod tests;
