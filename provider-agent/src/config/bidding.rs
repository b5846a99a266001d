//! Whether new bids are made: `[bidding]`.

use serde::Deserialize;

use super::Moment;

/// What stops new bids. Leases that were opened are served, metered, settled and ended as ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bidding {
    /// No new bids.
    pub paused: bool,
    /// When a planned maintenance begins: no bids for leases that could last longer.
    pub no_leases_past: Option<Moment>,
}
