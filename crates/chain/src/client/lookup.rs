//! Looking up single facts that live in logs alone.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use market::{Amount, LeaseId, OrderHash, SignedBid, Timestamp};

use super::{ChainClient, ClientError};
use crate::event::{ChainEvent, LeaseOpened, LoggedEvent, OrderPosted, topics};
use crate::rpc::At;

/// What a provider says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRecord {
    /// Where its gateway is, with the pin of its key.
    pub uri: String,
    /// Commitment to its public attributes.
    pub attributes_hash: B256,
}

/// What an auditor says of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Who says it.
    pub auditor: Address,
    /// Commitment to the attributes; see [`crate::convert::claims_hash`].
    pub claims_hash: B256,
    /// The last moment at which it counts.
    pub expiry: Timestamp,
}

/// A payment out of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// What left the lease.
    pub amount: Amount,
    /// All that has left it then.
    pub paid: Amount,
    /// Up to when the lease is settled then.
    pub as_of: Timestamp,
    /// The transaction.
    pub transaction: B256,
}

impl ChainClient {
    /// Every payment out of a lease, oldest first.
    pub async fn payments_of(&self, lease: LeaseId) -> Result<Vec<Payment>, ClientError> {
        let events =
            self.find(self.deployment().market, &[Some(topics::LEASE_SETTLED), Some(lease.0)]).await?;
        let payments = events.into_iter().filter_map(|found| match found.event {
            ChainEvent::LeaseSettled { amount, paid, as_of, .. } => {
                Some(Payment { amount, paid, as_of, transaction: found.transaction })
            }
            _ => None,
        });
        Ok(payments.collect())
    }

    /// How a lease was opened: its terms. None if it was not.
    pub async fn lease_opened(&self, lease: LeaseId) -> Result<Option<LeaseOpened>, ClientError> {
        let events =
            self.find(self.deployment().market, &[Some(topics::LEASE_OPENED), Some(lease.0)]).await?;
        // The id is the digest of the terms; a node that answers with other terms is caught here.
        let domain = self.eip712();
        Ok(events.into_iter().rev().find_map(|found| match found.event {
            ChainEvent::LeaseOpened(opened) if domain.bid_digest(&opened.bid) == Ok(lease) => Some(*opened),
            _ => None,
        }))
    }

    /// An order as it was posted. None if it was not.
    pub async fn order_posted(&self, order: OrderHash) -> Result<Option<OrderPosted>, ClientError> {
        let events =
            self.find(self.deployment().market, &[Some(topics::ORDER_POSTED), Some(order.0)]).await?;
        let domain = self.eip712();
        Ok(events.into_iter().rev().find_map(|found| match found.event {
            ChainEvent::OrderPosted(posted) if domain.order_digest(&posted.order) == Ok(order) => {
                Some(*posted)
            }
            _ => None,
        }))
    }

    /// Bids published for an order, oldest first. Nobody checked them: check signer, registry and terms.
    pub async fn bids_for(&self, order: OrderHash) -> Result<Vec<(LeaseId, SignedBid)>, ClientError> {
        let filter = [Some(topics::BID_POSTED), None, Some(order.0)];
        let events = self.find(self.deployment().market, &filter).await?;
        let domain = self.eip712();
        let bids = events.into_iter().filter_map(|found| match found.event {
            ChainEvent::BidPosted { lease_id, bid }
                if bid.bid.order_hash == order && domain.bid_digest(&bid.bid) == Ok(lease_id) =>
            {
                Some((lease_id, *bid))
            }
            _ => None,
        });
        Ok(bids.collect())
    }

    /// Leases that a tenant has opened, oldest first.
    pub async fn leases_of_tenant(&self, tenant: Address) -> Result<Vec<LeaseOpened>, ClientError> {
        self.opened(&[Some(topics::LEASE_OPENED), None, Some(tenant.into_word())]).await
    }

    /// Leases that were opened with a provider, oldest first.
    pub async fn leases_of_provider(&self, provider: Address) -> Result<Vec<LeaseOpened>, ClientError> {
        self.opened(&[Some(topics::LEASE_OPENED), None, None, Some(provider.into_word())]).await
    }

    /// What a provider last said about itself. None if it never registered.
    pub async fn provider_record(&self, provider: Address) -> Result<Option<ProviderRecord>, ClientError> {
        let mut record = None;
        let registry = self.deployment().registry;
        for topic in [topics::PROVIDER_REGISTERED, topics::PROVIDER_UPDATED] {
            for found in self.find(registry, &[Some(topic), Some(provider.into_word())]).await? {
                match found.event {
                    ChainEvent::ProviderRegistered { uri, attributes_hash, .. }
                    | ChainEvent::ProviderUpdated { uri, attributes_hash, .. } => {
                        record = Some(ProviderRecord { uri, attributes_hash });
                    }
                    _ => {}
                }
            }
        }
        Ok(record)
    }

    /// What every auditor attested of a provider last and did not take back, by auditor; expired ones too.
    pub async fn attestations_of(&self, provider: Address) -> Result<Vec<Attestation>, ClientError> {
        let mut last = BTreeMap::new();
        let registry = self.deployment().registry;
        let mut events = Vec::new();
        for topic in [topics::ATTESTED, topics::ATTESTATION_REVOKED] {
            events.extend(self.find(registry, &[Some(topic), Some(provider.into_word())]).await?);
        }
        events.sort_by_key(|found| (found.block_number, found.log_index));
        for found in events {
            match found.event {
                ChainEvent::Attested { auditor, claims_hash, expiry, .. } => {
                    last.insert(auditor, Attestation { auditor, claims_hash, expiry });
                }
                ChainEvent::AttestationRevoked { auditor, .. } => {
                    last.remove(&auditor);
                }
                _ => {}
            }
        }
        Ok(last.into_values().collect())
    }

    async fn opened(&self, topics: &[Option<B256>]) -> Result<Vec<LeaseOpened>, ClientError> {
        let events = self.find(self.deployment().market, topics).await?;
        Ok(events
            .into_iter()
            .filter_map(|found| match found.event {
                ChainEvent::LeaseOpened(opened) => Some(*opened),
                _ => None,
            })
            .collect())
    }

    async fn find(&self, address: Address, topics: &[Option<B256>]) -> Result<Vec<LoggedEvent>, ClientError> {
        let head = self.block(At::Latest).await?;
        let from = self.deployment().deployed_block.min(head.number);
        let logs = self.rpc().all_logs(&[address], topics, from, head.number).await?;
        Ok(logs.iter().filter_map(|log| LoggedEvent::read(self.deployment(), log)).collect())
    }
}
