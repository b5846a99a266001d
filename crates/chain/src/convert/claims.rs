//! What an auditor attests: the hash of a provider's attributes.

use std::collections::BTreeMap;

use alloy::primitives::{B256, keccak256};
use alloy::sol_types::SolValue;

use crate::abi;

/// keccak256 of the ABI encoding of `Attribute[]`, sorted by key, as `IProviderRegistry.attestationOf` defines it.
pub fn claims_hash(attributes: &BTreeMap<String, String>) -> B256 {
    let attributes: Vec<_> = attributes
        .iter()
        .map(|(key, value)| abi::Attribute { key: key.clone(), value: value.clone() })
        .collect();
    keccak256(attributes.abi_encode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_hash_as_solidity_encodes_them() {
        // abi.encode of no attributes: where the array begins, and its length.
        let mut empty = [0; 64];
        empty[31] = 32;
        assert_eq!(claims_hash(&BTreeMap::new()), keccak256(empty));
        let one = BTreeMap::from([("region".to_owned(), "eu".to_owned())]);
        let word = |number: u64| B256::left_padding_from(&number.to_be_bytes()).0;
        let text = |text: &str| B256::right_padding_from(text.as_bytes()).0;
        let words =
            [word(32), word(1), word(32), word(64), word(128), word(6), text("region"), word(2), text("eu")];
        assert_eq!(claims_hash(&one), keccak256(words.concat()));
    }
}
