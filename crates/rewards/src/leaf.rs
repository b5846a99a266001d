//! What a root says about one provider, and the hash that the contract makes of it.

use alloy_primitives::{Address, B256, U256, keccak256};
use market::Amount;

/// Names a programme of one distributor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgrammeId(pub U256);

/// What a provider did since ever: base units of fees its leases paid, or units of capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measure(pub u128);

/// One provider's line of a root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// The provider's place in the programme, in the order of enrolment.
    pub index: u32,
    /// The provider.
    pub account: Address,
    /// What it did, as the root counts it.
    pub measure: Measure,
    /// What it earned since the root before, if money were no object.
    pub raw: Amount,
    /// What it is entitled to since ever.
    pub cumulative: Amount,
}

impl Leaf {
    /// The leaf's hash in the tree of `programme`.
    ///
    /// It is hashed twice, so that no inner node can pass for a leaf.
    pub fn hash(&self, programme: ProgrammeId) -> B256 {
        let words = [
            programme.0,
            U256::from(self.index),
            U256::from_be_slice(self.account.as_slice()),
            U256::from(self.measure.0),
            U256::from(self.raw.0),
            U256::from(self.cumulative.0),
        ];
        let encoded: Vec<u8> = words.iter().flat_map(U256::to_be_bytes::<32>).collect();
        keccak256(keccak256(encoded))
    }
}
