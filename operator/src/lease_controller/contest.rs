//! Objects that somebody changes again and again: they are put back more and more seldom, and the lease says by whose doing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::owned::Kind;

/// Repairs in a row that are made at once.
const AT_ONCE: u32 = 5;
/// Wait after those; doubled by each further one.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(2);
/// Longest wait before an object is put back.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// An object that was left alone for so long starts anew.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(15);

/// How often an object was put back in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    count: u32,
    last: Option<Timestamp>,
}

impl Repairs {
    /// With one more of now.
    pub fn and_one(self, now: Timestamp) -> Self {
        Self { count: self.lately(now).saturating_add(1), last: Some(now) }
    }

    /// How long the next has to wait.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let doublings = self.lately(now).checked_sub(AT_ONCE)?.min(16);
        let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        let left = wait - now.duration_since(self.last?);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }

    /// How many there were since the object was left alone last.
    pub fn lately(self, now: Timestamp) -> u32 {
        match self.last {
            Some(last) if now.duration_since(last) < FORGOTTEN => self.count,
            _ => 0,
        }
    }
}

/// An object that is not put back yet, because somebody would only change it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contest {
    /// Kind of the object.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Repairs in a row so far.
    pub repairs: u32,
    /// Who changed it last, as the API server calls it. Unknown of one that was deleted.
    pub by: Option<String>,
    /// When it is put back.
    pub wait: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_changed_again_and_again_is_put_back_more_and_more_seldom() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut repairs = Repairs::default();
        let mut waits = Vec::new();
        for _ in 0..15 {
            let wait = repairs.wait(now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += SignedDuration::try_from(wait).unwrap();
            assert_eq!(repairs.wait(now), None);
            repairs = repairs.and_one(now);
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(repairs.lately(now), 15);
        now += FORGOTTEN;
        assert_eq!((repairs.wait(now), repairs.lately(now)), (None, 0));
        assert_eq!(repairs.and_one(now).lately(now), 1);
    }

    #[test]
    fn a_wait_ends_in_time_however_often_the_object_was_changed() {
        let now = Timestamp::UNIX_EPOCH;
        let repairs = Repairs { count: u32::MAX, last: Some(now) };
        assert_eq!(repairs.wait(now), Some(Duration::from_secs(300)));
        assert_eq!(repairs.and_one(now), repairs);
    }
}
