//! The stretches of time that a programme pays for.

use core::fmt;

/// One stretch of a programme, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch after this one, unless there is none.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// How many epochs a root of this one pays for when the last one paid for is `last_final`.
    pub fn since(self, last_final: Option<Epoch>) -> u32 {
        match last_final {
            Some(last) => self.0.saturating_sub(last.0),
            // An epoch is below the number of epochs, which fits 32 bits.
            None => self.0.saturating_add(1),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_pays_for_every_epoch_since_the_last_one_paid_for() {
        assert_eq!(Epoch(0).since(None), 1);
        assert_eq!(Epoch(4).since(None), 5);
        assert_eq!(Epoch(4).since(Some(Epoch(3))), 1);
        assert_eq!(Epoch(9).since(Some(Epoch(3))), 6);
        assert_eq!(Epoch(3).since(Some(Epoch(3))), 0);
        assert_eq!(Epoch(u32::MAX).next(), None);
    }
}
