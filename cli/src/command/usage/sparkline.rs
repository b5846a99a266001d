//! Amounts over time as one line of bars. Pure.

/// Bars of a sparkline, from nothing to the most.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// How many of them cover the whole time.
const WIDTH: u64 = 32;

/// An amount that is spread evenly over the time between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) amount: u128,
}

/// Amounts from the first moment to the last as bars of equal time; none where there is nothing to see.
pub(super) fn sparkline(stretches: &[Stretch]) -> Option<String> {
    let (start, end) = (stretches.first()?.from, stretches.last()?.to);
    let width = WIDTH.min(end.saturating_sub(start));
    if width < 2 {
        return None;
    }
    // In parts of a second, so that bars begin where the one before ends.
    let edge = |bar: u64| u128::from(start) * u128::from(width) + u128::from(end - start) * u128::from(bar);
    let spent = |bar: u64| {
        let within = |stretch: &Stretch| {
            let [from, to] = [stretch.from, stretch.to].map(|at| u128::from(at) * u128::from(width));
            let shared = to.min(edge(bar + 1)).saturating_sub(from.max(edge(bar)));
            // A payment that covers no time, an admission in a dispute, is in no bar.
            let (amount, time) = (stretch.amount, to.checked_sub(from).filter(|time| *time > 0)?);
            // So large an amount has digits to lose.
            Some(amount.checked_mul(shared).map_or_else(|| amount / time * shared, |area| area / time))
        };
        stretches.iter().filter_map(within).sum::<u128>()
    };
    let bars: Vec<u128> = (0..width).map(spent).collect();
    let most = bars.iter().copied().max().filter(|most| *most > 0)?;
    let steps = BARS.len() as u128 - 1;
    let bar = |amount: u128| usize::try_from(amount.saturating_mul(steps).div_ceil(most)).ok();
    bars.into_iter().map(|amount| BARS.get(bar(amount)?).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_when_there_was_much() {
        let spark = |stretches: &[(u64, u64, u128)]| {
            let stretches =
                stretches.iter().map(|(from, to, amount)| Stretch { from: *from, to: *to, amount: *amount });
            sparkline(&stretches.collect::<Vec<_>>())
        };
        // Four seconds, four bars: half of the first for two seconds each, nothing, then the last.
        assert_eq!(spark(&[(0, 2, 200), (2, 3, 0), (3, 4, 50)]).as_deref(), Some("██▁▅"));
        assert_eq!(spark(&[(0, 3_200, 3_200)]), Some("█".repeat(32)));
        // A provider's clock is a stranger's.
        assert!(spark(&[(0, u64::MAX, u128::MAX)]).is_some());
        assert_eq!(spark(&[]), None);
        assert_eq!(spark(&[(0, 3_200, 0)]), None);
    }
}
