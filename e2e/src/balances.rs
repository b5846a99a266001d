//! Every token balance before and after, and the one sum that must be zero.

use alloy::primitives::Address;
use anyhow::{Context, Result};
use market::Amount;
use serde::Serialize;

/// Who holds how much at one moment, base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Vec<(String, Address, Amount)>);

/// One holder's line in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What the holder is.
    pub holder: String,
    /// Its address.
    pub address: Address,
    /// Base units before, decimal.
    pub before: String,
    /// Base units after, decimal.
    pub after: String,
    /// `after - before`, decimal with sign.
    pub difference: String,
}

/// The comparison of two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// One row a holder.
    pub rows: Vec<Row>,
    /// Sum of all differences; anything but `0` fails the run.
    pub sum: String,
}

impl Snapshot {
    /// A snapshot from named holders.
    pub fn new(rows: Vec<(String, Address, Amount)>) -> Self {
        Self(rows)
    }

    /// Compares with a later snapshot of the same holders.
    ///
    /// # Errors
    /// When the two do not list the same holders in the same order, or an amount is beyond 2^127.
    pub fn compare(&self, after: &Self) -> Result<Comparison> {
        anyhow::ensure!(self.0.len() == after.0.len(), "the two snapshots list different holders");
        let mut sum = 0i128;
        let mut rows = Vec::with_capacity(self.0.len());
        for ((holder, address, before), (other, other_address, after)) in self.0.iter().zip(&after.0) {
            anyhow::ensure!(
                holder == other && address == other_address,
                "{holder} and {other} are not the same holder"
            );
            let difference =
                signed(*after)?.checked_sub(signed(*before)?).context("difference out of range")?;
            sum = sum.checked_add(difference).context("sum of differences out of range")?;
            rows.push(Row {
                holder: holder.clone(),
                address: *address,
                before: before.to_string(),
                after: after.to_string(),
                difference: format!("{difference:+}"),
            });
        }
        Ok(Comparison { rows, sum: sum.to_string() })
    }
}

impl Comparison {
    /// Whether no base unit appeared or vanished.
    pub fn is_zero(&self) -> bool {
        self.sum == "0"
    }
}

fn signed(amount: Amount) -> Result<i128> {
    i128::try_from(amount.0).context("balance beyond 127 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(tenant: u128, provider: u128) -> Snapshot {
        Snapshot::new(vec![
            ("tenant".into(), Address::repeat_byte(1), Amount(tenant)),
            ("provider".into(), Address::repeat_byte(2), Amount(provider)),
        ])
    }

    #[test]
    fn money_that_only_moves_sums_to_zero() {
        let comparison = snapshot(100, 5).compare(&snapshot(40, 65)).unwrap();
        assert!(comparison.is_zero());
        let differences: Vec<_> = comparison.rows.iter().map(|row| row.difference.as_str()).collect();
        assert_eq!(differences, ["-60", "+60"]);
    }

    #[test]
    fn a_lost_base_unit_is_seen() {
        let comparison = snapshot(100, 5).compare(&snapshot(40, 64)).unwrap();
        assert_eq!(comparison.sum, "-1");
        assert!(!comparison.is_zero());
    }

    #[test]
    fn snapshots_of_different_holders_do_not_compare() {
        let other = Snapshot::new(vec![("tenant".into(), Address::repeat_byte(1), Amount(0))]);
        assert!(snapshot(1, 1).compare(&other).is_err());
    }
}
