//! How many tests ran, read from the closing lines of the test runners.

/// Tests by their outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
}

impl Count {
    /// Something that should have run, and did not.
    pub(super) const ONE_FAILED: Self = Self { passed: 0, failed: 1 };
}

impl std::ops::Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

impl std::iter::Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), std::ops::Add::add)
    }
}

/// Adds up every closing line of cargo test and forge test in `text`.
pub(super) fn of_output(text: &str) -> Count {
    text.lines().filter_map(|line| of_cargo(line).or_else(|| of_forge(line))).sum()
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
fn of_cargo(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    Some(Count { passed: before(parts.next()?, " passed")?, failed: before(parts.next()?, " failed")? })
}

/// `Ran 3 test suites in 1.2s (3s CPU time): 41 tests passed, 0 failed, 0 skipped (41 total tests)`
fn of_forge(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("Ran ")?.split_once("): ")?;
    let mut parts = counts.split(", ");
    Some(Count { passed: before(parts.next()?, " tests passed")?, failed: before(parts.next()?, " failed")? })
}

fn before(text: &str, unit: &str) -> Option<u64> {
    text.strip_suffix(unit)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_both_runners_are_added_up() {
        let text = "\
running 12 tests
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
Ran 5 tests for test/market/open.t.sol:OpenTest
Ran 3 test suites in 1.20s (3.00s CPU time): 41 tests passed, 1 failed, 0 skipped (42 total tests)
";
        assert_eq!(of_output(text), Count { passed: 56, failed: 3 });
    }

    #[test]
    fn output_without_a_closing_line_counts_nothing() {
        assert_eq!(of_output("error: could not compile `market`"), Count::default());
    }
}
