//! The Merkle tree over a root's leaves.
//!
//! Level by level from the left, each pair of neighbours becomes the hash of both in ascending order; the last node of
//! a level with an odd number moves up unchanged. Proofs are the siblings from the bottom to the top, as OpenZeppelin's
//! `MerkleProof` takes them; a node that moves up has no sibling there.

use alloy_primitives::{B256, keccak256};

/// The root of no leaves at all.
pub const EMPTY: B256 = B256::ZERO;

/// The tree's top.
pub fn root(leaves: &[B256]) -> B256 {
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = above(&level);
    }
    level.first().copied().unwrap_or(EMPTY)
}

/// The proof of the leaf at `index`; none if there is no such leaf.
pub fn proof(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    leaves.get(index)?;
    let (mut level, mut index, mut proof) = (leaves.to_vec(), index, Vec::new());
    while level.len() > 1 {
        proof.extend(level.get(index ^ 1));
        level = above(&level);
        index /= 2;
    }
    Some(proof)
}

/// Whether `proof` leads from `leaf` to `root`.
pub fn verify(root: B256, leaf: B256, proof: &[B256]) -> bool {
    proof.iter().fold(leaf, |node, sibling| parent(node, *sibling)) == root
}

fn above(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => parent(*left, *right),
            odd => odd.first().copied().unwrap_or(EMPTY),
        })
        .collect()
}

fn parent(a: B256, b: B256) -> B256 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    keccak256([low.0, high.0].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves() -> impl Strategy<Value = Vec<B256>> {
        prop::collection::vec(any::<[u8; 32]>().prop_map(B256::from), 1..40)
    }

    #[test]
    fn a_tree_of_one_leaf_is_the_leaf() {
        let leaf = B256::repeat_byte(7);
        assert_eq!(root(&[leaf]), leaf);
        assert_eq!(proof(&[leaf], 0), Some(Vec::new()));
        assert_eq!(proof(&[leaf], 1), None);
        assert_eq!(root(&[]), EMPTY);
        assert_eq!(proof(&[], 0), None);
    }

    #[test]
    fn the_odd_leaf_moves_up_unchanged() {
        let [a, b, c] = [1, 2, 3].map(B256::repeat_byte);
        assert_eq!(root(&[a, b, c]), parent(parent(a, b), c));
        assert_eq!(proof(&[a, b, c], 2), Some(vec![parent(a, b)]));
        assert_eq!(proof(&[a, b, c], 0), Some(vec![b, c]));
    }

    proptest! {
        #[test]
        fn every_leaf_has_a_proof_and_no_other_leaf_has_it(leaves in leaves(), other: [u8; 32]) {
            let top = root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = proof(&leaves, index).unwrap();
                prop_assert!(verify(top, *leaf, &proof));
                prop_assert_eq!(verify(top, B256::from(other), &proof), B256::from(other) == *leaf);
            }
        }
    }
}
