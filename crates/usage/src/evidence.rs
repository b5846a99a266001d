//! Hashes that bind a statement to the readings it was computed from.

use alloy_primitives::{B256, U256, keccak256};
use market::{Timestamp, Usage};

/// The hash of usage that a statement carries: `keccak256(abi.encode(usage, asOf, meterRoot))`.
pub fn usage_hash(usage: &Usage, as_of: Timestamp, meter_root: B256) -> B256 {
    let mut encoded = [0u8; 10 * 32];
    let words =
        usage.0.into_iter().map(U256::from).chain([U256::from(as_of.0)]).map(B256::from).chain([meter_root]);
    for (place, word) in encoded.chunks_exact_mut(32).zip(words) {
        place.copy_from_slice(word.as_slice());
    }
    keccak256(encoded)
}

/// The root of a Merkle tree over `leaves` in their order; zero for none.
///
/// Leaves and nodes are hashed under different prefixes, so that neither can be taken for the other. A node without
/// a sibling moves up unchanged.
pub fn merkle_root(leaves: &[B256]) -> B256 {
    let mut level: Vec<B256> = leaves.iter().map(|leaf| hash(0, &[*leaf])).collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash(1, &[*left, *right]),
                alone => alone.first().copied().unwrap_or_default(),
            })
            .collect();
    }
    level.first().copied().unwrap_or_default()
}

/// A leaf over named numbers. Names are length-prefixed, so that no two readings share a leaf.
pub(crate) fn leaf(names: &[&str], numbers: &[u128]) -> B256 {
    let mut encoded = Vec::new();
    for name in names {
        encoded.extend((name.len() as u64).to_be_bytes());
        encoded.extend(name.as_bytes());
    }
    for number in numbers {
        encoded.extend(number.to_be_bytes());
    }
    keccak256(encoded)
}

/// A chain of leaves that are no longer kept.
pub(crate) fn chain(retired: B256, leaf: B256) -> B256 {
    hash(2, &[retired, leaf])
}

fn hash(prefix: u8, words: &[B256]) -> B256 {
    let mut encoded = vec![prefix];
    words.iter().for_each(|word| encoded.extend(word.as_slice()));
    keccak256(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_hash_is_the_abi_encodings() {
        // keccak256 of eight words 1 to 8, the word 9, and 32 bytes of 0x0a.
        let mut encoded = Vec::new();
        for number in 1u8..=9 {
            encoded.extend([0; 31]);
            encoded.push(number);
        }
        encoded.extend([0x0a; 32]);
        let hash = usage_hash(&Usage([1, 2, 3, 4, 5, 6, 7, 8]), Timestamp(9), B256::repeat_byte(0x0a));
        assert_eq!(hash, keccak256(&encoded));
    }

    #[test]
    fn the_root_depends_on_every_leaf_and_on_their_order() {
        let [a, b, c] = [1, 2, 3].map(B256::repeat_byte);
        assert_eq!(merkle_root(&[]), B256::ZERO);
        assert_ne!(merkle_root(&[a]), a);
        let root = merkle_root(&[a, b, c]);
        for other in [&[a, c, b][..], &[a, b], &[a, b, c, c], &[b, a, c]] {
            assert_ne!(merkle_root(other), root);
        }
        let left = hash(1, &[hash(0, &[a]), hash(0, &[b])]);
        assert_eq!(root, hash(1, &[left, hash(0, &[c])]));
        // A node's preimage offered as a leaf gives another root.
        assert_ne!(merkle_root(&[left, c]), root);
    }

    #[test]
    fn the_root_of_one_leaf_is_its_prefixed_hash() {
        assert_eq!(merkle_root(&[B256::ZERO]), keccak256([0u8; 33]));
    }
}
