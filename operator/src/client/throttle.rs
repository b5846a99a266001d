//! A token bucket: a burst at once, then a steady rate.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::{Duration, Instant, sleep_until};

/// How many calls to the API server are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls per second in the long run.
    pub per_second: NonZeroU32,
    /// Calls at once after a quiet time.
    pub burst: NonZeroU32,
}

/// Gives each call its turn, in the order of asking. Cloning shares.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    /// Time that one call takes from the bucket.
    cost: Duration,
    /// Time that a full bucket holds.
    depth: Duration,
    /// When the bucket is full again.
    full_at: Arc<Mutex<Option<Instant>>>,
}

impl Throttle {
    pub(super) fn new(rate: Rate) -> Self {
        let cost = Duration::from_secs(1) / rate.per_second.get();
        Self { cost, depth: cost * rate.burst.get(), full_at: Arc::default() }
    }

    /// Waits until the next call may go out.
    pub(super) async fn turn(&self) {
        sleep_until(self.reserve(Instant::now())).await;
    }

    /// When the call that is asked for now may go out.
    fn reserve(&self, now: Instant) -> Instant {
        // The one assignment cannot be left half done by a panic, so a poisoned lock is still good.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.map_or(now, |full| full.max(now)) + self.cost;
        *full_at = Some(full);
        full.checked_sub(self.depth).map_or(now, |turn| turn.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let throttle = Throttle::new(Rate { per_second: number(10), burst: number(3) });
        let began = Instant::now();
        let mut turns = Vec::new();
        for _ in 0..6 {
            throttle.turn().await;
            turns.push(began.elapsed().as_millis());
        }
        assert_eq!(turns, [0, 0, 0, 100, 200, 300]);
        tokio::time::advance(Duration::from_secs(60)).await;
        let began = Instant::now();
        let mut turns = Vec::new();
        for _ in 0..4 {
            throttle.turn().await;
            turns.push(began.elapsed().as_millis());
        }
        assert_eq!(turns, [0, 0, 0, 100], "a long quiet time saves up one burst and no more");
    }
}
