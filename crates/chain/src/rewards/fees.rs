//! The fees that leases paid in one token, out of the market's logs.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::Address;
use alloy::sol_types::SolEvent;
use market::{Amount, LeaseId};
use rewards::Fact;

use super::{RewardsClient, RewardsError};
use crate::abi::ILeaseMarket as m;
use crate::event::{ChainEvent, LoggedEvent};
use crate::rpc::{At, Block};

/// Leases that the contract is asked about at once; a node bounds the gas of a call.
const LEASES_AT_ONCE: usize = 200;

impl RewardsClient {
    /// Every fee in `token` from block `from` to `head`, with its place in the chain.
    pub(super) async fn fees(
        &self,
        token: Address,
        from: u64,
        head: &Block,
    ) -> Result<Vec<((u64, u64), Fact)>, RewardsError> {
        let deployment = self.chain.deployment();
        let topics = [Some(m::LeaseSettled::SIGNATURE_HASH)];
        let logs = self.chain.rpc().all_logs(&[deployment.market], &topics, from, head.number).await?;
        let paid: Vec<_> = logs
            .iter()
            .filter_map(|log| LoggedEvent::read(deployment, log))
            .filter_map(|found| match found.event {
                ChainEvent::LeaseSettled { lease_id, provider, fee, .. } if !fee.is_zero() => {
                    Some(((found.block_number, found.log_index), lease_id, provider, fee))
                }
                _ => None,
            })
            .collect();
        let tokens = self.tokens(paid.iter().map(|(_, lease, ..)| *lease).collect(), head).await?;
        let ours = paid.into_iter().filter(|(_, lease, ..)| tokens.get(lease) == Some(&token));
        Ok(ours.map(|(place, _, account, fee)| (place, fee_paid(place, account, fee))).collect())
    }

    /// The token of each lease. It stays readable after the lease has closed.
    async fn tokens(
        &self,
        leases: BTreeSet<LeaseId>,
        head: &Block,
    ) -> Result<BTreeMap<LeaseId, Address>, RewardsError> {
        let leases: Vec<_> = leases.into_iter().collect();
        let mut tokens = BTreeMap::new();
        for some in leases.chunks(LEASES_AT_ONCE) {
            let views = self.chain.get_leases(some, At::Block(head.hash)).await?;
            tokens.extend(some.iter().copied().zip(views.iter().map(|lease| lease.token)));
        }
        Ok(tokens)
    }
}

fn fee_paid((block, _): (u64, u64), account: Address, fee: Amount) -> Fact {
    Fact::FeePaid { account, fee, block }
}
