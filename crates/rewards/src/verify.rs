//! Finds what is wrong with a posted root, leaf by leaf, by the rules that the contract refutes by.

use core::fmt;

use alloy_primitives::Address;
use market::Amount;

use crate::compute::{cumulative, raw};
use crate::{Inputs, Leaf, Measure, Standing};

/// The rule that a leaf breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ground {
    /// The provider at this place is another.
    Account,
    /// The measure is outside what the contract accepts.
    Measure,
    /// The raw reward does not follow from the measure.
    Raw,
    /// The cumulative reward does not follow from the raw one.
    Cumulative,
}

/// What a leaf says and what it should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another account stands at this place.
    Account {
        /// What was posted.
        posted: Address,
        /// What is right.
        right: Address,
    },
    /// The measure is too small or too great.
    Measure {
        /// What was posted.
        posted: Measure,
        /// The least that is right.
        least: Measure,
        /// The greatest that is right.
        most: Measure,
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

/// A posted root has another number of leaves than there are providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the root has {posted} leaves for {enrolled} providers")]
pub struct CountDiffers {
    /// Leaves of the root.
    pub posted: usize,
    /// Providers that had enrolled by the end of the epoch.
    pub enrolled: usize,
}

impl Ground {
    /// The word for people and scripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
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
            Self::Account { .. } => Ground::Account,
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
pub fn verify(inputs: &Inputs, posted: &[Leaf]) -> Result<Vec<Difference>, CountDiffers> {
    if posted.len() != inputs.standings.len() {
        return Err(CountDiffers { posted: posted.len(), enrolled: inputs.standings.len() });
    }
    let raw_total = Amount(posted.iter().fold(0, |total, leaf| leaf.raw.0.saturating_add(total)));
    let faults = (0..).zip(posted.iter().zip(&inputs.standings)).filter_map(|(index, (leaf, standing))| {
        let fault = fault(inputs, index, leaf, standing, raw_total)?;
        Some(Difference { index, account: leaf.account, fault })
    });
    Ok(faults.collect())
}

fn fault(inputs: &Inputs, index: u32, leaf: &Leaf, standing: &Standing, raw_total: Amount) -> Option<Fault> {
    if leaf.index != index || leaf.account != standing.account {
        return Some(Fault::Account { posted: leaf.account, right: standing.account });
    }
    let Standing { least, most, .. } = *standing;
    if leaf.measure < least || leaf.measure > most {
        return Some(Fault::Measure { posted: leaf.measure, least, most });
    }
    let right = raw(inputs, index, standing, leaf.measure).ok();
    if right != Some(leaf.raw) {
        return Some(Fault::Raw { posted: leaf.raw, right });
    }
    let right = cumulative(standing, leaf.raw, raw_total, inputs.allowance);
    (right != Some(leaf.cumulative)).then_some(Fault::Cumulative { posted: leaf.cumulative, right })
}

#[cfg(test)]
mod tests;
