//! Between the distributor's types and those of [`rewards`].

use alloy::sol_types::SolValue;
use market::{Amount, Price};
use rewards::{
    Epoch, Fact, Factor, Kind, Leaf, Measure, Multiplier, ProgrammeTerms, Rate, RegionCap, Unspent,
};

use crate::abi::{IRewardsDistributor as d, IRewardsDistributorEvents as E};
use crate::convert::{ConvertError, from_u40, to_u40};

/// A leaf for the contract.
pub fn leaf_to_abi(leaf: &Leaf) -> d::Leaf {
    d::Leaf {
        index: leaf.index,
        account: leaf.account,
        measure: leaf.measure.0,
        raw: leaf.raw.0,
        cumulative: leaf.cumulative.0,
    }
}

pub(super) fn leaf_from_abi(leaf: &d::Leaf) -> Leaf {
    Leaf {
        index: leaf.index,
        account: leaf.account,
        measure: Measure(leaf.measure),
        raw: Amount(leaf.raw),
        cumulative: Amount(leaf.cumulative),
    }
}

/// A programme's terms for the contract.
pub fn terms_to_abi(terms: &ProgrammeTerms) -> Result<d::ProgrammeTerms, ConvertError> {
    let multiplier = |it: &Multiplier| {
        let factor = u16::try_from(it.factor.0).map_err(|_| ConvertError::Factor(it.factor.0))?;
        Ok(d::Multiplier { attribute: it.attribute, factorBps: factor })
    };
    let region = |it: &RegionCap| d::RegionCap { region: it.region, unitsPerEpoch: it.units_per_epoch.0 };
    Ok(d::ProgrammeTerms {
        kind: match terms.kind {
            Kind::Matched => 1,
            Kind::Capacity => 2,
        },
        token: terms.token,
        startAt: to_u40(terms.start_at)?,
        epochLength: terms.epoch_length,
        epochs: terms.epochs,
        challengeWindow: terms.challenge_window,
        budgetPerEpoch: terms.budget_per_epoch.0,
        rollover: terms.unspent == Unspent::RollsOver,
        posterBond: terms.poster_bond.0,
        rate: terms.rate.0,
        maxRate: terms.max_rate.0,
        multipliers: terms.multipliers.iter().map(multiplier).collect::<Result<_, ConvertError>>()?,
        auditors: terms.auditors.clone(),
        quorum: terms.quorum,
        providerCap: terms.provider_cap.0,
        regionCaps: terms.region_caps.iter().map(region).collect(),
        bondPerUnit: terms.bond_per_unit.0,
    })
}

/// A programme's terms from the contract.
pub fn terms_from_abi(terms: &d::ProgrammeTerms) -> Result<ProgrammeTerms, ConvertError> {
    let multiplier =
        |it: &d::Multiplier| Multiplier { attribute: it.attribute, factor: Factor(u32::from(it.factorBps)) };
    let region =
        |it: &d::RegionCap| RegionCap { region: it.region, units_per_epoch: Measure(it.unitsPerEpoch) };
    Ok(ProgrammeTerms {
        kind: match terms.kind {
            1 => Kind::Matched,
            2 => Kind::Capacity,
            other => return Err(ConvertError::ProgrammeKind(other)),
        },
        token: terms.token,
        start_at: from_u40(terms.startAt),
        epoch_length: terms.epochLength,
        epochs: terms.epochs,
        challenge_window: terms.challengeWindow,
        budget_per_epoch: Amount(terms.budgetPerEpoch),
        unspent: if terms.rollover { Unspent::RollsOver } else { Unspent::Returns },
        poster_bond: Amount(terms.posterBond),
        rate: Rate(terms.rate),
        max_rate: Rate(terms.maxRate),
        multipliers: terms.multipliers.iter().map(multiplier).collect(),
        auditors: terms.auditors.clone(),
        quorum: terms.quorum,
        provider_cap: Measure(terms.providerCap),
        region_caps: terms.regionCaps.iter().map(region).collect(),
        bond_per_unit: Price(terms.bondPerUnit),
    })
}

/// What an event means for the history of its programme; none of those that change nothing there.
pub(super) fn fact(event: &E) -> Option<Fact> {
    Some(match event {
        E::ProgrammeFunded(e) => Fact::Funded { amount: Amount(e.amount), epoch: Epoch(e.epoch) },
        E::ProviderEnrolled(e) => Fact::Enrolled {
            account: e.provider,
            index: e.index,
            epoch: Epoch(e.epoch),
            baseline: Measure(e.baseline),
        },
        E::ProviderLeft(e) => {
            Fact::Left { account: e.provider, epoch: Epoch(e.epoch), counter: Measure(e.counter) }
        }
        E::Checkpointed(e) => {
            Fact::Checkpointed { account: e.provider, epoch: Epoch(e.epoch), counter: Measure(e.counter) }
        }
        E::FactorSet(e) => Fact::FactorSet {
            account: e.provider,
            factor: Factor(e.factorBps),
            from: Epoch(e.fromEpoch),
            until: Epoch(e.untilEpoch),
        },
        E::ReportAccepted(e) => {
            Fact::Reported { account: e.provider, epoch: Epoch(e.epoch), counter: Measure(e.counter) }
        }
        _ => return None,
    })
}

/// The name of an attribute in a programme's terms.
pub fn attribute_id(key: &str, value: &str) -> alloy::primitives::B256 {
    alloy::primitives::keccak256((key.to_owned(), value.to_owned()).abi_encode_params())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256};
    use market::Timestamp;

    use super::*;

    #[test]
    fn terms_survive_the_way_to_the_contract_and_back() {
        let multipliers =
            vec![Multiplier { attribute: attribute_id("region", "af"), factor: Factor(15_000) }];
        let terms = ProgrammeTerms {
            kind: Kind::Capacity,
            token: Address::repeat_byte(1),
            start_at: Timestamp(2),
            epoch_length: 3,
            epochs: 4,
            challenge_window: 5,
            budget_per_epoch: Amount(6),
            unspent: Unspent::RollsOver,
            poster_bond: Amount(7),
            rate: Rate(8),
            max_rate: Rate(9),
            multipliers,
            auditors: vec![Address::repeat_byte(10)],
            quorum: 11,
            provider_cap: Measure(12),
            region_caps: vec![RegionCap { region: B256::repeat_byte(13), units_per_epoch: Measure(14) }],
            bond_per_unit: Price(15),
        };
        let there = terms_to_abi(&terms).unwrap();
        assert_eq!(terms_from_abi(&there), Ok(terms.clone()));
        let unknown = d::ProgrammeTerms { kind: 3, ..there };
        assert_eq!(terms_from_abi(&unknown), Err(ConvertError::ProgrammeKind(3)));
        let late = ProgrammeTerms { start_at: Timestamp(1 << 40), ..terms };
        assert_eq!(terms_to_abi(&late), Err(ConvertError::Timestamp(Timestamp(1 << 40))));
    }

    #[test]
    fn a_leaf_survives_the_way_to_the_contract_and_back() {
        let leaf = Leaf {
            index: 1,
            account: Address::repeat_byte(2),
            measure: Measure(3),
            raw: Amount(4),
            cumulative: Amount(5),
        };
        assert_eq!(leaf_from_abi(&leaf_to_abi(&leaf)), leaf);
    }
}
