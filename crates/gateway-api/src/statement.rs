//! `GET` and `PUT /v1/leases/{id}/statement`.

use alloy_primitives::{B256, U256, keccak256};
use alloy_sol_types::SolValue;
use market::{Amount, LeaseId, Signature64, Statement, Timestamp, Usage};
use serde::{Deserialize, Serialize};

use crate::{Decimal, ResourceUsage};

/// What the provider asks the tenant to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatementProposal {
    /// Cumulative amount.
    pub amount_cum: Decimal,
    /// Moment up to which usage is counted, unix seconds.
    pub as_of: u64,
    /// Cumulative usage.
    pub usage: ResourceUsage,
    /// Root over the samples behind the usage.
    pub meter_root: B256,
    /// Commitment to usage, moment and root.
    pub usage_hash: B256,
    /// Whether it is the lease's last.
    pub last: bool,
    /// Cumulative amount settled so far, for the tenant's eyes.
    pub settled_cum: Decimal,
}

/// The usage hash of a proposal is not the hash of its usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proposal's usage hash is {found}, but its usage hashes to {expected}")]
pub struct UsageHashMismatch {
    /// Hash found.
    pub found: B256,
    /// Hash computed.
    pub expected: B256,
}

impl StatementProposal {
    /// The statement to check and sign, after its usage hash was checked.
    pub fn statement(&self, lease_id: LeaseId) -> Result<Statement, UsageHashMismatch> {
        let expected = usage_hash(&Usage::from(&self.usage), self.as_of, self.meter_root);
        if expected != self.usage_hash {
            return Err(UsageHashMismatch { found: self.usage_hash, expected });
        }
        Ok(Statement {
            lease_id,
            amount_cum: Amount(self.amount_cum.0),
            as_of: Timestamp(self.as_of),
            usage_hash: self.usage_hash,
            last: self.last,
        })
    }
}

/// `keccak256(abi.encode(uint128[8] usage, uint40 asOf, bytes32 meterRoot))`.
fn usage_hash(usage: &Usage, as_of: u64, meter_root: B256) -> B256 {
    // Every value fills a word of its own, so ten words are the ABI encoding.
    let words: [U256; 8] = usage.0.map(U256::from);
    keccak256((words, U256::from(as_of), meter_root).abi_encode())
}

/// A statement that the tenant signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedStatementBody {
    /// Cumulative amount.
    pub amount_cum: Decimal,
    /// Moment up to which usage is counted, unix seconds.
    pub as_of: u64,
    /// Commitment to usage, moment and root.
    pub usage_hash: B256,
    /// Whether it is the lease's last.
    pub last: bool,
    /// First half of the signature.
    pub r: B256,
    /// Second half of the signature.
    pub vs: B256,
}

impl SignedStatementBody {
    /// A signed statement in the form that is sent.
    pub fn new(statement: &Statement, signature: Signature64) -> Self {
        SignedStatementBody {
            amount_cum: Decimal(statement.amount_cum.0),
            as_of: statement.as_of.0,
            usage_hash: statement.usage_hash,
            last: statement.last,
            r: signature.r,
            vs: signature.vs,
        }
    }

    /// The statement and its signature.
    pub fn parts(&self, lease_id: LeaseId) -> (Statement, Signature64) {
        let statement = Statement {
            lease_id,
            amount_cum: Amount(self.amount_cum.0),
            as_of: Timestamp(self.as_of),
            usage_hash: self.usage_hash,
            last: self.last,
        };
        (statement, Signature64 { r: self.r, vs: self.vs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_with_a_wrong_usage_hash_is_refused() {
        let usage = Usage([1, 2, 3, 4, 5, 6, 7, 8]);
        let meter_root = B256::repeat_byte(3);
        let mut proposal = StatementProposal {
            amount_cum: Decimal(10),
            as_of: 99,
            usage: ResourceUsage::from(&usage),
            meter_root,
            usage_hash: usage_hash(&usage, 99, meter_root),
            last: true,
            settled_cum: Decimal(4),
        };
        let lease_id = LeaseId(B256::repeat_byte(1));
        let statement = proposal.statement(lease_id).unwrap();
        let signature = Signature64 { r: B256::repeat_byte(5), vs: B256::repeat_byte(6) };
        assert_eq!(SignedStatementBody::new(&statement, signature).parts(lease_id), (statement, signature));
        proposal.as_of = 100;
        let expected = usage_hash(&usage, 100, meter_root);
        let found = proposal.usage_hash;
        assert_eq!(proposal.statement(lease_id), Err(UsageHashMismatch { found, expected }));
    }
}
