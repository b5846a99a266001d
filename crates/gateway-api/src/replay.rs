//! Nonces already used, in bounded memory.

use std::collections::{BTreeSet, HashMap, HashSet};

use alloy_primitives::{Address, B256};
use market::Timestamp;

use crate::auth::{Authenticated, MAX_SKEW_SECONDS};

/// Remembers each nonce until its request has expired by every allowed clock. When full it refuses new requests rather
/// than forget one that could still be replayed.
#[derive(Debug)]
pub struct NonceCache {
    capacity: usize,
    capacity_per_signer: usize,
    by_expiry: BTreeSet<(Timestamp, Address, B256)>,
    by_signer: HashMap<Address, HashSet<B256>>,
    /// The latest expiry of a nonce that was forgotten. What expires no later may have been used.
    forgotten: Option<Timestamp>,
}

/// Why a nonce was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NonceRefused {
    /// The same request came before.
    #[error("the request was already used; sign a new one")]
    Replayed,
    /// The request expired, and whether it came before is not known any more.
    #[error("the request expired while it arrived; sign a new one")]
    Forgotten,
    /// This signer made too many requests within a minute.
    #[error("too many requests by this signer; wait a minute")]
    SignerFull,
    /// All signers together made too many requests within a minute.
    #[error("the gateway is busy; try again in a minute")]
    Full,
}

impl NonceCache {
    /// A cache for `capacity` requests a minute, of which one signer may use `capacity_per_signer`.
    pub fn new(capacity: usize, capacity_per_signer: usize) -> Self {
        NonceCache {
            capacity,
            capacity_per_signer,
            by_expiry: BTreeSet::new(),
            by_signer: HashMap::new(),
            forgotten: None,
        }
    }

    /// Accepts the request once.
    pub fn remember(&mut self, request: &Authenticated, now: Timestamp) -> Result<(), NonceRefused> {
        self.forget_expired(now);
        // Its time was checked before, but a slow body or a clock that stepped back may lie in between.
        if self.forgotten.is_some_and(|forgotten| request.expiry <= forgotten) {
            return Err(NonceRefused::Forgotten);
        }
        if self.by_expiry.len() >= self.capacity && !self.contains(request) {
            return Err(NonceRefused::Full);
        }
        let used = self.by_signer.entry(request.signer).or_default();
        if used.contains(&request.nonce) {
            return Err(NonceRefused::Replayed);
        }
        if used.len() >= self.capacity_per_signer {
            return Err(NonceRefused::SignerFull);
        }
        used.insert(request.nonce);
        self.by_expiry.insert((request.expiry, request.signer, request.nonce));
        Ok(())
    }

    /// Nonces held.
    pub fn len(&self) -> usize {
        self.by_expiry.len()
    }

    /// Whether no nonce is held.
    pub fn is_empty(&self) -> bool {
        self.by_expiry.is_empty()
    }

    fn contains(&self, request: &Authenticated) -> bool {
        self.by_signer.get(&request.signer).is_some_and(|used| used.contains(&request.nonce))
    }

    fn forget_expired(&mut self, now: Timestamp) {
        while let Some((expiry, signer, nonce)) = self.by_expiry.first().copied() {
            if expiry.0.saturating_add(MAX_SKEW_SECONDS) >= now.0 {
                return;
            }
            self.by_expiry.pop_first();
            self.forgotten = self.forgotten.max(Some(expiry));
            if let Some(used) = self.by_signer.get_mut(&signer) {
                used.remove(&nonce);
                if used.is_empty() {
                    self.by_signer.remove(&signer);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(signer: u8, nonce: u8, expiry: u64) -> Authenticated {
        Authenticated {
            signer: Address::repeat_byte(signer),
            nonce: B256::repeat_byte(nonce),
            expiry: Timestamp(expiry),
        }
    }

    #[test]
    fn equal_nonces_of_two_signers_are_two_nonces() {
        let mut cache = NonceCache::new(10, 10);
        assert_eq!(cache.remember(&request(1, 1, 60), Timestamp(0)), Ok(()));
        assert_eq!(cache.remember(&request(2, 1, 60), Timestamp(0)), Ok(()));
        assert_eq!(cache.remember(&request(1, 1, 50), Timestamp(0)), Err(NonceRefused::Replayed));
    }

    #[test]
    fn memory_is_bounded_for_each_signer_and_for_all() {
        let mut cache = NonceCache::new(3, 2);
        for nonce in 1..=2 {
            assert_eq!(cache.remember(&request(1, nonce, 60), Timestamp(0)), Ok(()));
        }
        assert_eq!(cache.remember(&request(1, 3, 60), Timestamp(0)), Err(NonceRefused::SignerFull));
        assert_eq!(cache.remember(&request(2, 1, 60), Timestamp(0)), Ok(()));
        assert_eq!(cache.remember(&request(3, 1, 60), Timestamp(0)), Err(NonceRefused::Full));
        assert_eq!(cache.remember(&request(2, 1, 60), Timestamp(0)), Err(NonceRefused::Replayed));
        assert_eq!(cache.len(), 3);
    }

    #[test]
    fn a_request_that_arrives_after_its_nonce_was_forgotten_is_refused() {
        let mut cache = NonceCache::new(10, 10);
        assert_eq!(cache.remember(&request(1, 1, 60), Timestamp(50)), Ok(()));
        assert_eq!(cache.remember(&request(2, 1, 120), Timestamp(66)), Ok(()));
        // With the time at which its slow body began, or with a clock that stepped back.
        assert_eq!(cache.remember(&request(1, 1, 60), Timestamp(50)), Err(NonceRefused::Forgotten));
        assert_eq!(cache.remember(&request(1, 1, 61), Timestamp(66)), Ok(()));
    }

    #[test]
    fn room_returns_when_requests_have_expired_by_every_clock() {
        let mut cache = NonceCache::new(1, 1);
        assert_eq!(cache.remember(&request(1, 1, 60), Timestamp(0)), Ok(()));
        assert_eq!(cache.remember(&request(1, 2, 120), Timestamp(65)), Err(NonceRefused::Full));
        assert_eq!(cache.remember(&request(1, 2, 120), Timestamp(66)), Ok(()));
        assert_eq!(cache.remember(&request(1, 3, 200), Timestamp(126)), Ok(()));
        assert_eq!(cache.len(), 1);
    }
}
