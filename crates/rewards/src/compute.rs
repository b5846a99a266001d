//! From what providers did to what they are owed: every leaf of an epoch's root.

use alloy_primitives::{Address, B256, U256};
use market::Amount;

use crate::{Epoch, Factor, Leaf, Measure, ProgrammeId, ProgrammeTerms, tree};

/// What the last final root says about a provider, or what counts for one that it does not name.
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
    /// What the last final root left it with.
    pub previous: Previous,
    /// Its measure at the end of the epoch.
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
    pub raw_total: Amount,
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
        /// What is claimed now.
        measure: u128,
    },
    /// A number that the chain cannot hold.
    #[error("the rewards of provider {index} do not fit 128 bits")]
    TooLarge {
        /// Which provider.
        index: u32,
    },
    /// The totals do not fit the chain.
    #[error("the sum of the rewards does not fit 128 bits")]
    TotalTooLarge,
}

/// The money that a root may pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// The last epoch with a final root.
    pub last_final: Option<Epoch>,
    /// What earlier epochs did not earn and later ones may.
    pub carried: Amount,
    /// The programme's money that no final root has promised to anybody.
    pub uncommitted: Amount,
}

impl Purse {
    /// What a root of `epoch` may pay.
    pub fn allowance(&self, terms: &ProgrammeTerms, epoch: Epoch) -> Amount {
        let budget = terms.budget_per_epoch.0.saturating_mul(u128::from(epoch.since(self.last_final)));
        Amount(budget.saturating_add(self.carried.0).min(self.uncommitted.0))
    }
}

/// Computes an epoch's root. The same inputs give the same root, whoever computes it.
pub fn compute(inputs: &Inputs) -> Result<Root, ComputeError> {
    let measures: Vec<_> = inputs.standings.iter().map(|standing| standing.measure).collect();
    root_of(inputs, &measures)
}

/// The root that follows from these measures.
fn root_of(inputs: &Inputs, measures: &[Measure]) -> Result<Root, ComputeError> {
    let mut raws = Vec::with_capacity(measures.len());
    for (index, (standing, measure)) in (0..).zip(inputs.standings.iter().zip(measures)) {
        raws.push(raw(inputs, index, standing, *measure)?);
    }
    let raw_total = sum(raws.iter().copied()).ok_or(ComputeError::TotalTooLarge)?;
    let mut leaves = Vec::with_capacity(raws.len());
    for (index, ((standing, measure), raw)) in (0..).zip(inputs.standings.iter().zip(measures).zip(&raws)) {
        let cumulative = cumulative(standing, *raw, raw_total, inputs.allowance);
        leaves.push(Leaf {
            index,
            account: standing.account,
            measure: *measure,
            raw: *raw,
            cumulative: cumulative.ok_or(ComputeError::TooLarge { index })?,
        });
    }
    let cumulative_total =
        sum(leaves.iter().map(|leaf| leaf.cumulative)).ok_or(ComputeError::TotalTooLarge)?;
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

/// What `measure` would earn since the last final root if money were no object.
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
    raw_total: Amount,
    allowance: Amount,
) -> Option<Amount> {
    standing.previous.cumulative.checked_add(scaled(raw, raw_total, allowance))
}

/// What is paid of `raw` when all of `raw_total` must fit `allowance`, rounded down.
pub fn scaled(raw: Amount, raw_total: Amount, allowance: Amount) -> Amount {
    if raw_total <= allowance {
        return raw;
    }
    // The total is above the allowance here, so it is not zero; a raw above the total is no sum's part, and saturates.
    let share = U256::from(raw.0) * U256::from(allowance.0) / U256::from(raw_total.0);
    Amount(share.saturating_to())
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
}

#[cfg(test)]
pub(crate) mod tests;
