//! From what providers did to what they are owed: every leaf of an epoch's root.

use alloy_primitives::{Address, B256, U256};
use market::Amount;

use crate::{Epoch, Factor, Leaf, Measure, ProgrammeId, ProgrammeTerms, tree};

/// What the root before says about a provider, or what counts for one that it does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Previous {
    /// Up to where its measure was paid for.
    pub measure: Measure,
    /// What it has earned in all.
    pub cumulative: Amount,
}

/// One enrolled provider at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The provider.
    pub account: Address,
    /// What the root before left it with.
    pub previous: Previous,
    /// What is counted of it: by the tool's rule, its measure at the end of the epoch.
    pub measure: Measure,
    /// The least measure that the contract accepts.
    pub least: Measure,
    /// The greatest measure that the contract accepts.
    pub most: Measure,
    /// What its attested attributes multiply its rewards by in this epoch.
    pub factor: Factor,
}

/// Everything that an epoch's root follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The programme.
    pub programme: ProgrammeId,
    /// Its terms.
    pub terms: ProgrammeTerms,
    /// The epoch.
    pub epoch: Epoch,
    /// What the root may pay in all.
    pub allowance: Amount,
    /// Every provider that had enrolled by the end of the epoch, by index.
    pub standings: Vec<Standing>,
}

/// An epoch's leaves and what the contract keeps of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Every provider's leaf, by index.
    pub leaves: Vec<Leaf>,
    /// The top of the tree over them.
    pub hash: B256,
    /// The sum of what all would earn if money were no object.
    pub raw_total: U256,
    /// The sum of what all have earned since the programme began.
    pub cumulative_total: Amount,
}

/// The inputs give no root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComputeError {
    /// A measure below what was paid for already.
    #[error("the measure of provider {index} fell from {previous} to {measure}")]
    Fell {
        /// Which provider.
        index: u32,
        /// What was paid for.
        previous: u128,
        /// What counts now.
        measure: u128,
    },
    /// A number that the chain cannot hold.
    #[error("the rewards of provider {index} do not fit 128 bits")]
    TooLarge {
        /// Which provider.
        index: u32,
    },
    /// A total that the chain cannot hold.
    #[error("the sum of the rewards does not fit 128 bits")]
    TotalTooLarge,
}

/// The money that a root may pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// The first epoch without a final root.
    pub next_epoch: Epoch,
    /// What the newest final root carried over.
    pub carried: Amount,
    /// What was put in before the end of the epoch and is neither promised to providers nor returned.
    pub uncommitted: Amount,
}

impl Purse {
    /// What a root of `epoch` may pay.
    pub fn allowance(&self, terms: &ProgrammeTerms, epoch: Epoch) -> Amount {
        let Some(epochs) = epoch.0.checked_sub(self.next_epoch.0) else { return Amount::ZERO };
        let budget = terms.budget_per_epoch.0.saturating_mul(u128::from(epochs) + 1);
        Amount(budget.saturating_add(self.carried.0).min(self.uncommitted.0))
    }
}

/// Computes an epoch's root. The same inputs give the same root, whoever computes it.
pub fn compute(inputs: &Inputs) -> Result<Root, ComputeError> {
    let mut raws = Vec::with_capacity(inputs.standings.len());
    for (index, standing) in (0..).zip(&inputs.standings) {
        raws.push(raw(inputs, index, standing, standing.measure)?);
    }
    let raw_total = raws.iter().map(|raw| U256::from(raw.0)).sum();
    let mut leaves = Vec::with_capacity(raws.len());
    for (index, (standing, raw)) in (0..).zip(inputs.standings.iter().zip(raws)) {
        let cumulative = cumulative(standing, raw, raw_total, inputs.allowance);
        leaves.push(Leaf {
            index,
            account: standing.account,
            measure: standing.measure,
            raw,
            cumulative: cumulative.ok_or(ComputeError::TooLarge { index })?,
        });
    }
    let mut cumulatives = leaves.iter().map(|leaf| leaf.cumulative);
    let cumulative_total = cumulatives.try_fold(Amount::ZERO, Amount::checked_add);
    let cumulative_total = cumulative_total.ok_or(ComputeError::TotalTooLarge)?;
    let hash = hash(inputs.programme, &leaves);
    Ok(Root { leaves, hash, raw_total, cumulative_total })
}

/// The top of the tree over `leaves`.
pub fn hash(programme: ProgrammeId, leaves: &[Leaf]) -> B256 {
    tree::root(&leaves.iter().map(|leaf| leaf.hash(programme)).collect::<Vec<_>>())
}

/// The proof of the leaf at `index`; none if there is no such leaf.
pub fn proof(programme: ProgrammeId, leaves: &[Leaf], index: u32) -> Option<Vec<B256>> {
    let hashes: Vec<_> = leaves.iter().map(|leaf| leaf.hash(programme)).collect();
    tree::proof(&hashes, usize::try_from(index).ok()?)
}

/// What `measure` would earn since the root before if money were no object.
pub(crate) fn raw(
    inputs: &Inputs,
    index: u32,
    standing: &Standing,
    measure: Measure,
) -> Result<Amount, ComputeError> {
    let previous = standing.previous.measure;
    let done = measure.0.checked_sub(previous.0).ok_or(ComputeError::Fell {
        index,
        previous: previous.0,
        measure: measure.0,
    })?;
    let rate = inputs.terms.effective_rate(standing.factor);
    rate.of(Measure(done)).ok_or(ComputeError::TooLarge { index })
}

/// What a provider has earned in all, its share of the allowance rounded down.
pub(crate) fn cumulative(
    standing: &Standing,
    raw: Amount,
    raw_total: U256,
    allowance: Amount,
) -> Option<Amount> {
    standing.previous.cumulative.checked_add(scaled(raw, raw_total, allowance))
}

/// What is paid of `raw` when all of `raw_total` must fit `allowance`, rounded down.
pub fn scaled(raw: Amount, raw_total: U256, allowance: Amount) -> Amount {
    if raw_total <= U256::from(allowance.0) {
        return raw;
    }
    // The total is above the allowance here, so it is not zero; a raw above the total is no sum's part, and saturates.
    let share = U256::from(raw.0) * U256::from(allowance.0) / raw_total;
    Amount(share.saturating_to())
}

#[cfg(test)]
pub(crate) mod tests;
