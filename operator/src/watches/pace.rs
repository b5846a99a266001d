//! How long a watch that does not last has to wait before it is tried again.

use std::hash::{BuildHasher, Hasher, RandomState};

use tokio::time::Duration;

/// A watch that lived so long was a good one: the next may follow at once.
pub(super) const STEADY: Duration = Duration::from_secs(10);
/// Before the second try.
const FIRST: Duration = Duration::from_millis(250);
/// More doublings than any longest pause needs.
const DOUBLINGS: u32 = 16;

/// The pause after so many troubles in a row: doubled with each, and cut by up to a half at random so that not all watches of
/// all replicas come back at the same moment.
pub(super) fn pause(troubles: u32, longest: Duration) -> Duration {
    let Some(doublings) = troubles.checked_sub(1) else { return Duration::ZERO };
    let full = (FIRST * (1 << doublings.min(DOUBLINGS))).min(longest);
    full - full / 2 * u32::from(random_byte()) / 256
}

fn random_byte() -> u8 {
    // The standard library seeds every hasher differently.
    RandomState::new().build_hasher().finish().to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(15);

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_the_first_try_has_none() {
        assert_eq!(pause(0, LONGEST), Duration::ZERO);
        for (troubles, full) in [(1, 250), (2, 500), (3, 1000), (6, 8000), (7, 15_000), (u32::MAX, 15_000)] {
            for _ in 0..64 {
                let (pause, full) = (pause(troubles, LONGEST), Duration::from_millis(full));
                assert!(pause > full / 2 && pause <= full, "{troubles}: {pause:?}");
            }
        }
    }

    #[test]
    fn two_that_break_together_do_not_come_back_together() {
        let pauses: std::collections::BTreeSet<_> = (0..64).map(|_| pause(7, LONGEST)).collect();
        assert!(pauses.len() > 16, "{pauses:?}");
    }
}
