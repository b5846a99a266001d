//! Amounts and rates between base units and what people read.

use anyhow::Context as _;
use market::Amount;

use crate::exit::{Kind, Stop};

/// Seconds of an hour, the unit in which people compare rates.
const HOUR: u128 = 3_600;

/// The token's precision and name.
#[derive(Debug, Clone)]
pub(crate) struct Money {
    pub(crate) decimals: u8,
    pub(crate) symbol: String,
}

impl Money {
    /// From what the token says of itself.
    pub(crate) fn of(decimals: u8, symbol: &str) -> Self {
        // The name is a stranger's text: control characters in it must not reach the terminal.
        let symbol = symbol.chars().filter(|c| c.is_ascii_graphic()).take(12).collect();
        Money { decimals, symbol }
    }

    /// Reads whole tokens with a decimal point.
    pub(crate) fn parse(&self, text: &str) -> anyhow::Result<Amount> {
        let amount = Amount::from_decimal(text, self.decimals)
            .map_err(|error| Stop::new(Kind::Usage, error.to_string()))
            .context("the amount is not usable")?;
        if amount.is_zero() {
            return Err(Stop::new(Kind::Usage, "the amount must be above 0").into());
        }
        Ok(amount)
    }

    /// An amount with its token.
    pub(crate) fn show(&self, amount: Amount) -> String {
        format!("{} {}", amount.to_decimal(self.decimals), self.symbol)
    }

    /// A rate as tokens per hour, rounded up.
    pub(crate) fn show_rate(&self, rate_e6: u128) -> String {
        let hourly = rate_e6.checked_mul(HOUR).map_or(u128::MAX, |rate| rate.div_ceil(1_000_000));
        format!("{}/h", self.show(Amount(hourly)))
    }
}

/// The rate, in millionths of a base unit per second, at which `amount` lasts `seconds`. Rounded down.
pub(crate) fn rate_e6(amount: Amount, seconds: u128) -> Option<u128> {
    amount.0.checked_mul(1_000_000)?.checked_div(seconds).map(|rate| rate.min(market::MAX_UINT96))
}

/// The rate of so many tokens per hour.
pub(crate) fn hourly_rate_e6(amount: Amount) -> Option<u128> {
    rate_e6(amount, HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_shown_by_the_hour() {
        let money = Money { decimals: 6, symbol: "TEST".into() };
        let amount = money.parse("3.6").unwrap();
        assert_eq!(hourly_rate_e6(amount), Some(1_000_000_000));
        assert_eq!(money.show_rate(1_000_000_000), "3.6 TEST/h");
        assert_eq!(money.show_rate(1), "0.000001 TEST/h");
        assert_eq!(rate_e6(Amount(u128::MAX), 1), None);
        assert_eq!(rate_e6(amount, 0), None);
        assert!(money.parse("0").is_err());
        assert!(money.parse("1e3").is_err());
    }
}
