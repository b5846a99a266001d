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

/// Where to cut, at one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Oldest {
    pub(crate) five: u64,
    pub(crate) hour: u64,
    pub(crate) unsigned: u64,
}

impl Retention {
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
