//! Moments on the chain's clock.

use core::fmt;

/// A moment in whole seconds since the Unix epoch.
///
/// On chain it is a `uint40`; [`Timestamp::MAX`] is the last moment that fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The last moment that the chain can express.
    pub const MAX: Self = Self((1 << 40) - 1);

    /// Seconds from `earlier` to this moment, nothing if it lies after.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The moment `seconds` later, unless the chain cannot express it.
    pub const fn checked_add(self, seconds: u64) -> Option<Self> {
        match self.0.checked_add(seconds) {
            Some(value) if value <= Self::MAX.0 => Some(Self(value)),
            _ => None,
        }
    }

    /// The moment `seconds` later, or the last one the chain can express.
    pub const fn saturating_add(self, seconds: u64) -> Self {
        match self.checked_add(seconds) {
            Some(moment) => moment,
            None => Self::MAX,
        }
    }

    /// The moment `seconds` earlier, or the epoch.
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_past_the_end_of_the_chains_clock_do_not_exist() {
        assert_eq!(Timestamp(5).checked_add(7), Some(Timestamp(12)));
        assert_eq!(Timestamp::MAX.checked_add(1), None);
        assert_eq!(Timestamp(1).checked_add(u64::MAX), None);
        assert_eq!(Timestamp(1).saturating_add(u64::MAX), Timestamp::MAX);
    }
}
