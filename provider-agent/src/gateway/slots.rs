//! Things that stay open, such as log streams: bounded over all leases and for each, so that one tenant cannot take them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::LeaseId;

/// What may be open at a time.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    in_all: usize,
    of_a_lease: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_lease: HashMap<LeaseId, usize>,
}

/// Some slots of a lease, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    lease: LeaseId,
    count: usize,
}

impl Slots {
    pub(super) fn new(in_all: usize, of_a_lease: usize) -> Self {
        Self(Arc::new(Inner { in_all, of_a_lease, taken: Mutex::default() }))
    }

    /// Takes `count` slots for the lease, or none.
    pub(super) fn take(&self, lease: LeaseId, count: usize) -> Option<Slot> {
        let mut taken = self.lock();
        let of_lease = taken.by_lease.get(&lease).copied().unwrap_or(0).saturating_add(count);
        let in_all = taken.in_all.saturating_add(count);
        if in_all > self.0.in_all || of_lease > self.0.of_a_lease {
            return None;
        }
        taken.in_all = in_all;
        taken.by_lease.insert(lease, of_lease);
        Some(Slot { slots: self.clone(), lease, count })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Whole after every change.
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        taken.in_all = taken.in_all.saturating_sub(self.count);
        let left = taken.by_lease.get(&self.lease).copied().unwrap_or(0).saturating_sub(self.count);
        if left == 0 {
            taken.by_lease.remove(&self.lease);
        } else {
            taken.by_lease.insert(self.lease, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use market::B256;

    use super::*;

    #[test]
    fn a_lease_cannot_take_the_slots_of_the_others_and_gives_its_own_back() {
        let slots = Slots::new(5, 3);
        let (eager, other) = (LeaseId(B256::repeat_byte(1)), LeaseId(B256::repeat_byte(2)));
        let held = slots.take(eager, 2).unwrap();
        assert!(slots.take(eager, 2).is_none());
        let one_more = slots.take(eager, 1).unwrap();
        let others = slots.take(other, 2).unwrap();
        assert!(slots.take(other, 1).is_none());
        drop((held, one_more, others));
        assert!(slots.lock().by_lease.is_empty());
        assert_eq!(slots.take(other, 3).map(|slot| slot.count), Some(3));
    }
}
