//! The one place that reads the clock. Everything else gets time as data.

use market::Timestamp;

/// Now.
pub fn now() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default())
}
