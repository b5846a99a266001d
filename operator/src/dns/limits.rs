//! How much one tenant may ask, so that there is enough for all.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::{Duration, Instant};

use crate::client::Rate;

/// Buckets that are kept before the full ones are forgotten.
const BUCKETS: usize = 4096;

/// A token bucket for each address that asks.
#[derive(Debug)]
pub struct Buckets {
    /// Time that one question takes from a bucket.
    cost: Duration,
    /// Time that a full bucket holds.
    depth: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the bucket of an address is full again.
    full_at: HashMap<IpAddr, Instant>,
    clean_at: usize,
}

impl Buckets {
    /// Full buckets for everybody.
    pub fn new(rate: Rate) -> Self {
        let cost = Duration::from_secs(1) / rate.per_second.get();
        let state = State { full_at: HashMap::new(), clean_at: BUCKETS };
        Self { cost, depth: cost * rate.burst.get(), state: Mutex::new(state) }
    }

    /// Takes one question from the bucket of an address; false when it is empty.
    pub fn take(&self, address: IpAddr, now: Instant) -> bool {
        let mut state = locked(&self.state);
        let State { full_at, clean_at } = &mut *state;
        let full = full_at.get(&address).map_or(now, |full| (*full).max(now)) + self.cost;
        if full > now + self.depth {
            return false;
        }
        full_at.insert(address, full);
        if full_at.len() >= *clean_at {
            // What is full is as good as what was never there.
            full_at.retain(|_, full| *full > now);
            *clean_at = BUCKETS.max(full_at.len().saturating_mul(2));
        }
        true
    }
}

/// Counts what is going on for each of several parties. Cloning shares.
#[derive(Debug)]
pub struct Slots<K: Eq + Hash> {
    each: usize,
    total: usize,
    taken: Arc<Mutex<Taken<K>>>,
}

#[derive(Debug)]
struct Taken<K> {
    by_party: HashMap<K, usize>,
    all: usize,
}

/// A place that is given back when it is dropped.
#[derive(Debug)]
pub struct Slot<K: Eq + Hash> {
    party: K,
    taken: Arc<Mutex<Taken<K>>>,
}

impl<K: Eq + Hash + Clone> Slots<K> {
    /// So many places for each party, and so many for all together.
    pub fn new(each: usize, total: usize) -> Self {
        Self { each, total, taken: Arc::new(Mutex::new(Taken { by_party: HashMap::new(), all: 0 })) }
    }

    /// A place for a party, if it has one left.
    pub fn take(&self, party: &K) -> Option<Slot<K>> {
        let mut taken = locked(&self.taken);
        let own = taken.by_party.get(party).copied().unwrap_or_default();
        if own >= self.each || taken.all >= self.total {
            return None;
        }
        taken.by_party.insert(party.clone(), own + 1);
        taken.all += 1;
        Some(Slot { party: party.clone(), taken: self.taken.clone() })
    }
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut taken = locked(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_party.get_mut(&self.party) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_party.remove(&self.party)),
        }
    }
}

/// Counters stay good whatever panicked beside them.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn buckets(per_second: u32, burst: u32) -> Buckets {
        let number = |number| NonZeroU32::new(number).unwrap();
        Buckets::new(Rate { per_second: number(per_second), burst: number(burst) })
    }

    #[test]
    fn a_burst_is_answered_and_then_the_rate_and_others_are_not_touched() {
        let (buckets, now) = (buckets(10, 3), Instant::now());
        let (flood, calm) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let answered = |from, at: Duration| buckets.take(from, now + at);
        let at_once: Vec<bool> = (0..5).map(|_| answered(flood, Duration::ZERO)).collect();
        assert_eq!(at_once, [true, true, true, false, false]);
        assert!(answered(calm, Duration::ZERO));
        let later = Duration::from_millis(100);
        assert_eq!([answered(flood, later), answered(flood, later)], [true, false]);
        let much_later = Duration::from_secs(60);
        let saved: Vec<bool> = (0..4).map(|_| answered(flood, much_later)).collect();
        assert_eq!(saved, [true, true, true, false], "a quiet time saves up one burst and no more");
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let (buckets, now) = (buckets(1000, 10), Instant::now());
        for number in 0..20_000_u32 {
            let address = IpAddr::V4((0x0a00_0000 + number).into());
            assert!(buckets.take(address, now + Duration::from_millis(u64::from(number))));
        }
        assert!(locked(&buckets.state).full_at.len() <= BUCKETS);
    }

    #[test]
    fn slots_are_limited_for_each_and_for_all_and_come_back() {
        let slots = Slots::new(2, 3);
        let one = slots.take(&"a").unwrap();
        let _two = slots.take(&"a").unwrap();
        assert!(slots.take(&"a").is_none(), "each has two");
        let _three = slots.take(&"b").unwrap();
        assert!(slots.take(&"b").is_none(), "all have three");
        drop(one);
        let _again = slots.take(&"b").unwrap();
        assert!(slots.take(&"c").is_none());
        assert_eq!(locked(&slots.taken).by_party, HashMap::from([("a", 1), ("b", 2)]));
    }
}
