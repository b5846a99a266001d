//! Calls to the distributor, as data.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use market::{Amount, Signature64};
use rewards::{Epoch, Leaf, ProgrammeId, ProgrammeTerms};

use super::convert::{leaf_to_abi, terms_to_abi};
use crate::abi::{IRewardsDistributor as d, IToken};
use crate::calls::{Call, encode};
use crate::convert::ConvertError;

/// Makes calls to one distributor.
#[derive(Clone, Copy, Debug)]
pub struct RewardsCalls {
    distributor: Address,
}

impl RewardsCalls {
    /// Calls to the distributor at this address.
    pub const fn new(distributor: Address) -> Self {
        Self { distributor }
    }

    /// Lets the distributor draw funds or a bond.
    pub fn approve(&self, token: Address, amount: Amount) -> Call {
        let call = IToken::approveCall { spender: self.distributor, amount: U256::from(amount.0) };
        encode("approve", token, call)
    }

    /// Creates a programme.
    pub fn create(&self, terms: &ProgrammeTerms) -> Result<Call, ConvertError> {
        Ok(self.call("create", d::createCall { terms: terms_to_abi(terms)? }))
    }

    /// Puts money into a programme. Needs it approved.
    pub fn fund(&self, programme: ProgrammeId, amount: Amount) -> Call {
        self.call("fund", d::fundCall { programme: programme.0, amount: amount.0 })
    }

    /// Takes part, as a provider's owner.
    pub fn enrol(&self, programme: ProgrammeId) -> Call {
        self.call("enrol", d::enrolCall { programme: programme.0 })
    }

    /// Takes part no longer.
    pub fn leave(&self, programme: ProgrammeId) -> Call {
        self.call("leave", d::leaveCall { programme: programme.0 })
    }

    /// Notes a provider's counter, so that no root of this epoch can count less.
    pub fn checkpoint(&self, programme: ProgrammeId, provider: Address) -> Call {
        self.call("checkpoint", d::checkpointCall { programme: programme.0, provider })
    }

    /// Raises a provider's rate by what an auditor attested.
    pub fn prove(
        &self,
        programme: ProgrammeId,
        provider: Address,
        auditor: Address,
        attributes: Vec<d::Attribute>,
    ) -> Call {
        self.call("prove", d::proveCall { programme: programme.0, provider, auditor, attributes })
    }

    /// Hands in a report of capacity with its auditors' signatures, ascending by signer.
    pub fn report(&self, report: d::CapacityReport, signatures: &[Signature64]) -> Call {
        let r = signatures.iter().map(|signature| signature.r).collect();
        let vs = signatures.iter().map(|signature| signature.vs).collect();
        self.call("report", d::reportCall { capacity: report, r, vs })
    }

    /// Posts an epoch's root. Needs the poster's bond approved.
    pub fn post(&self, programme: ProgrammeId, epoch: Epoch, base: u32, leaves: &[Leaf]) -> Call {
        let leaves = leaves.iter().map(leaf_to_abi).collect();
        self.call("post", d::postCall { programme: programme.0, epoch: epoch.0, base, leaves })
    }

    /// Voids a root by one wrong leaf of it. `before` is the leaf of the same place in the root that it builds on.
    pub fn refute(
        &self,
        programme: ProgrammeId,
        number: u32,
        (leaf, proof): (&Leaf, Vec<B256>),
        (before, before_proof): (&Leaf, Vec<B256>),
    ) -> Call {
        let call = d::refuteCall {
            programme: programme.0,
            number,
            leaf: leaf_to_abi(leaf),
            proof,
            previous: leaf_to_abi(before),
            previousProof: before_proof,
        };
        self.call("refute", call)
    }

    /// Pays what a leaf of the newest final root entitles to.
    pub fn claim(&self, programme: ProgrammeId, leaf: &Leaf, proof: Vec<B256>, to: Address) -> Call {
        let call = d::claimCall { programme: programme.0, leaf: leaf_to_abi(leaf), proof, to };
        self.call("claim", call)
    }

    /// Takes bonds and returned funds that were credited.
    pub fn withdraw(&self, token: Address, to: Address) -> Call {
        self.call("withdraw", d::withdrawCall { token, to })
    }

    fn call(&self, name: &'static str, call: impl SolCall) -> Call {
        encode(name, self.distributor, call)
    }
}
