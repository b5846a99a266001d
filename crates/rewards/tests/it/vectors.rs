//! The vectors that the contract and a JavaScript library agree with.

use alloy_primitives::{Address, B256, U256};
use market::{Amount, Price, Timestamp};
use rewards::{
    Bounds, Epoch, Factor, Inputs, KAPPA_MAX, Kind, Leaf, Measure, Previous, ProgrammeId, ProgrammeTerms,
    Rate, Standing, Unspent, compute, proof, tree, verify,
};
use serde_json::Value;

const VECTORS: &str = include_str!("../../../../contracts/test/vectors/rewards.json");

fn vectors(list: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    vectors[list].as_array().unwrap().clone()
}

fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

fn factor(value: &Value) -> Factor {
    Factor(value.as_str().unwrap().parse().unwrap())
}

fn hash(value: &Value) -> B256 {
    value.as_str().unwrap().parse().unwrap()
}

fn hashes(value: &Value) -> Vec<B256> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn account(value: &Value) -> Address {
    value.as_str().unwrap().parse().unwrap()
}

fn terms(rate: &Value, max_rate: &Value) -> ProgrammeTerms {
    ProgrammeTerms {
        kind: Kind::Matched,
        token: Address::ZERO,
        start_at: Timestamp(0),
        epoch_length: 1,
        epochs: 1,
        challenge_window: 1,
        budget_per_epoch: Amount::ZERO,
        unspent: Unspent::Returns,
        poster_bond: Amount(1),
        rate: Rate(number(rate)),
        max_rate: Rate(number(max_rate)),
        multipliers: Vec::new(),
        auditors: Vec::new(),
        quorum: 0,
        provider_cap: Measure(0),
        region_caps: Vec::new(),
        bond_per_unit: Price(0),
    }
}

fn column(vector: &Value, name: &str) -> Vec<Value> {
    vector[name].as_array().unwrap().clone()
}

fn standing(vector: &Value, place: usize) -> Standing {
    let measure = Measure(number(&vector["measures"][place]));
    Standing {
        account: account(&vector["accounts"][place]),
        previous: Previous {
            measure: Measure(number(&vector["previousMeasures"][place])),
            cumulative: Amount(number(&vector["previousCumulatives"][place])),
        },
        measure,
        least: measure,
        most: measure,
        factor: factor(&vector["factors"][place]),
    }
}

fn leaf(vector: &Value, place: usize) -> Leaf {
    Leaf {
        index: u32::try_from(place).unwrap(),
        account: account(&vector["accounts"][place]),
        measure: Measure(number(&vector["measures"][place])),
        raw: Amount(number(&vector["raws"][place])),
        cumulative: Amount(number(&vector["cumulatives"][place])),
    }
}

#[test]
fn rates_and_factors_match_the_vectors() {
    let rates = vectors("rates");
    assert_eq!(rates.len(), 15);
    for vector in rates {
        let product =
            vector["factors"].as_array().unwrap().iter().map(factor).fold(Factor::ONE, Factor::times);
        assert_eq!(product, factor(&vector["factor"]), "{vector}");
        let effective = terms(&vector["rate"], &vector["maxRate"]).effective_rate(product);
        assert_eq!(effective, Rate(number(&vector["effective"])), "{vector}");
    }
}

#[test]
fn accepted_units_match_the_vectors() {
    let reports = vectors("reports");
    assert_eq!(reports.len(), 15);
    for vector in reports {
        let bounds = Bounds {
            provider_cap: Measure(number(&vector["providerCap"])),
            region_left: Measure(number(&vector["regionLeft"])),
            bond: Amount(number(&vector["bond"])),
            bond_per_unit: Price(number(&vector["bondPerUnit"])),
        };
        let accepted = bounds.accepted(Measure(number(&vector["units"])));
        assert_eq!(accepted, Measure(number(&vector["accepted"])), "{vector}");
    }
}

#[test]
fn whole_epochs_match_the_vectors() {
    let epochs = vectors("epochs");
    assert_eq!(epochs.len(), 17);
    for vector in epochs {
        let name = vector["name"].as_str().unwrap();
        let count = column(&vector, "accounts").len();
        let programme: U256 = vector["programme"].as_str().unwrap().parse().unwrap();
        let inputs = Inputs {
            programme: ProgrammeId(programme),
            terms: terms(&vector["rate"], &vector["maxRate"]),
            epoch: Epoch(0),
            allowance: Amount(number(&vector["allowance"])),
            standings: (0..count).map(|place| standing(&vector, place)).collect(),
        };
        let leaves: Vec<_> = (0..count).map(|place| leaf(&vector, place)).collect();
        let root = compute(&inputs).unwrap();
        assert_eq!(root.leaves, leaves, "{name}");
        let totals = (U256::from(number(&vector["rawTotal"])), Amount(number(&vector["cumulativeTotal"])));
        assert_eq!((root.raw_total, root.cumulative_total), totals, "{name}");
        assert_eq!(root.hash, hash(&vector["root"]), "{name}");
        assert_eq!(verify(&inputs, &leaves), Ok(Vec::new()), "{name}");
        let leaf_hashes: Vec<_> = leaves.iter().map(|leaf| leaf.hash(inputs.programme)).collect();
        assert_eq!(leaf_hashes, hashes(&vector["leafHashes"]), "{name}");
        for (leaf, expected) in leaves.iter().zip(&column(&vector, "proofs")) {
            let found = proof(inputs.programme, &leaves, leaf.index).unwrap();
            assert_eq!(found, hashes(expected), "{name}");
            assert!(tree::verify(root.hash, leaf.hash(inputs.programme), &found), "{name}");
        }
    }
}

#[test]
fn the_highest_rate_is_that_of_the_vectors() {
    assert_eq!(KAPPA_MAX, Rate(number(&vectors("rates")[0]["maxRate"])));
}
