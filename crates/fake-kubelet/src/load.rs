//! How much CPU a pod burns while it runs, and the integral of it.

/// Thousandths of a CPU over time, counted in milliseconds since the pod was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Always the same.
    Constant(u64),
    /// High for a part of each period, low for the rest.
    Square {
        /// While high.
        high: u64,
        /// While low.
        low: u64,
        /// Length of a period.
        period: u64,
        /// How much of it is high.
        on: u64,
    },
    /// Low but for one burst.
    Burst {
        /// During the burst.
        high: u64,
        /// Before and after.
        low: u64,
        /// When it begins.
        from: u64,
        /// How long it takes.
        length: u64,
    },
}

impl Load {
    /// CPU nanoseconds in the first `millis` milliseconds. A thousandth of a CPU is a thousand of them in each.
    pub fn integral(self, millis: u64) -> u64 {
        let mixed = |high: u64, low: u64, at_high: u64| 1000 * (high * at_high + low * (millis - at_high));
        match self {
            Self::Constant(milli) => 1000 * milli * millis,
            Self::Square { high, low, period, on } => {
                mixed(high, low, millis / period * on + (millis % period).min(on))
            }
            Self::Burst { high, low, from, length } => {
                mixed(high, low, millis.saturating_sub(from).min(length))
            }
        }
    }

    /// The most that it ever is.
    pub fn peak(self) -> u64 {
        match self {
            Self::Constant(milli) => milli,
            Self::Square { high, low, .. } | Self::Burst { high, low, .. } => high.max(low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integral_is_the_sum_of_every_millisecond() {
        let square = Load::Square { high: 900, low: 100, period: 7, on: 3 };
        let burst = Load::Burst { high: 900, low: 100, from: 5, length: 4 };
        let slow = |high: fn(u64) -> bool, millis: u64| -> u64 {
            (0..millis).map(|at| if high(at) { 900_000 } else { 100_000 }).sum()
        };
        for millis in 0..40 {
            assert_eq!(Load::Constant(5).integral(millis), 5_000 * millis);
            assert_eq!(square.integral(millis), slow(|at| at % 7 < 3, millis));
            assert_eq!(burst.integral(millis), slow(|at| (5..9).contains(&at), millis));
        }
    }
}
