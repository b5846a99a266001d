//! How long what is kept.

/// How long what is kept, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Five-minute rollups. Hours hold their sums and their hashes for longer.
    pub fives: u64,
    /// Hours, what the tenant signed, and leases of which nothing is written any more.
    pub hours: u64,
    /// What was published and never signed.
    pub unsigned: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { fives: 48 * 3600, hours: 90 * 24 * 3600, unsigned: 6 * 3600 }
    }
}

/// A retention under which what is kept would prove nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRetention {
    /// What may still be signed would have lost its five minutes.
    #[error("five-minute rollups must be kept at least as long as what is unsigned: they prove it")]
    FivesBelowUnsigned,
    /// What is newer would go first.
    #[error("hours must be kept at least as long as five-minute rollups")]
    HoursBelowFives,
}

/// Where to cut, at one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oldest {
    pub(crate) five: u64,
    pub(crate) hour: u64,
    pub(crate) unsigned: u64,
}

impl Retention {
    /// Whether all that is kept can be proved: every publication that may still be signed, and the newest before the
    /// oldest.
    pub fn check(&self) -> Result<(), InvalidRetention> {
        // Five minutes are dropped by whole hours, so those of a publication's own hour are there as long as it is.
        if self.fives < self.unsigned {
            return Err(InvalidRetention::FivesBelowUnsigned);
        }
        if self.hours < self.fives {
            return Err(InvalidRetention::HoursBelowFives);
        }
        Ok(())
    }

    pub(crate) fn oldest(&self, now: u64) -> Oldest {
        // A five-minute rollup is dropped with its whole hour: what is left of an hour must be all of it.
        let five = now.saturating_sub(self.fives);
        Oldest {
            five: five - five % 3600,
            hour: now.saturating_sub(self.hours),
            unsigned: now.saturating_sub(self.unsigned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_finer_is_not_kept_longer_and_what_proves_not_shorter() {
        let check = |fives, hours, unsigned| Retention { fives, hours, unsigned }.check();
        assert_eq!(Retention::default().check(), Ok(()));
        assert_eq!(check(3, 3, 3), Ok(()));
        assert_eq!(check(2, 3, 3), Err(InvalidRetention::FivesBelowUnsigned));
        assert_eq!(check(4, 3, 3), Err(InvalidRetention::HoursBelowFives));
    }

    #[test]
    fn the_five_minutes_of_a_publication_are_there_while_it_may_be_signed() {
        let retention = Retention { fives: 600, hours: 7200, unsigned: 600 };
        // Published in the last second of an hour, and kept until a moment before it goes.
        let (published, begin) = (2 * 3600 - 1, 3600);
        assert!(retention.oldest(published + retention.unsigned).five <= begin);
    }
}
