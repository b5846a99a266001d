//! Each signer has a bucket of requests that refills steadily.

use std::collections::HashMap;
use std::sync::PoisonError;

use gateway_api::ErrorCode;
use market::{Address, Timestamp};

use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};

/// Buckets are swept when there are this many; full ones say nothing and are dropped.
const SWEEP_AT: usize = 10_000;

/// The buckets of all signers.
#[derive(Clone, Debug)]
pub(crate) struct Rates {
    per_second: u64,
    burst: u64,
    buckets: HashMap<Address, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: Timestamp,
}

impl Rates {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: per_second.into(), burst: burst.into(), buckets: HashMap::new() }
    }

    /// Takes one request from the signer's bucket; `false` when it is empty.
    fn take(&mut self, signer: Address, now: Timestamp) -> bool {
        let (per_second, burst) = (self.per_second, self.burst);
        let refill = |bucket: &Bucket| {
            let gained = now.seconds_since(bucket.at).saturating_mul(per_second);
            bucket.left.saturating_add(gained).min(burst)
        };
        if self.buckets.len() >= SWEEP_AT {
            self.buckets.retain(|_, bucket| refill(bucket) < burst);
        }
        let bucket = self.buckets.entry(signer).or_insert(Bucket { left: burst, at: now });
        let left = refill(bucket);
        *bucket = Bucket { left: left.saturating_sub(1), at: now.max(bucket.at) };
        left > 0
    }
}

pub(super) fn check(gateway: &Gateway, signer: Address, now: Timestamp) -> Result<()> {
    // Whole after every method, as the nonces are.
    let mut rates = gateway.shared().rates.lock().unwrap_or_else(PoisonError::into_inner);
    if rates.take(signer, now) {
        Ok(())
    } else {
        Err(Refused::new(ErrorCode::TooManyRequests, "too many requests by this signer; slow down"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_at_its_burst_and_refills_with_time() {
        let mut rates = Rates::new(2, 3);
        let (eager, other) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let mut take = |signer, now| rates.take(signer, Timestamp(now));
        assert_eq!(
            [take(eager, 100), take(eager, 100), take(eager, 100), take(eager, 100)],
            [true, true, true, false]
        );
        assert!(take(other, 100));
        assert_eq!([take(eager, 101), take(eager, 101), take(eager, 101)], [true, true, false]);
        // A clock that steps back gives nothing away.
        assert!(!take(eager, 50));
        assert_eq!(
            [take(eager, 1000), take(eager, 1000), take(eager, 1000), take(eager, 1000)],
            [true, true, true, false]
        );
    }
}
