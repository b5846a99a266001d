//! Amounts and prices, in a token's base units, never in floating point.

use core::fmt;
use core::str::FromStr;

/// The greatest value of Solidity's `uint96`, the width of rates, slashes and penalties on chain.
pub const MAX_UINT96: u128 = (1 << 96) - 1;

/// An amount of a token in its base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u128);

/// A price for one unit of a resource, in base units times 10^18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(pub u128);

/// A share in hundredths of a per cent, at most 10 000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasisPoints(u16);

/// More than the whole was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} basis points are more than the whole, 10000")]
pub struct BasisPointsOutOfRange(pub u16);

/// The text is not an amount of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// Something other than digits and one point.
    #[error("{0:?} is not a decimal number without sign")]
    NotDecimal(String),
    /// More digits after the point than the token has.
    #[error("{text:?} has more than {decimals} digits after the point, which the token cannot express")]
    TooPrecise {
        /// The refused text.
        text: String,
        /// Decimals of the token.
        decimals: u8,
    },
    /// The number exceeds what the chain can hold.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount the chain can hold.
    pub const MAX: Self = Self(u128::MAX);

    /// The sum, unless it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, unless it would be negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum, or the largest amount.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, or nothing.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether there is nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The amount in whole tokens of `decimals` decimals, such as `1.25`, without trailing zeros.
    pub fn to_decimal(self, decimals: u8) -> String {
        let digits = format!("{:0>width$}", self.0, width = usize::from(decimals) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }

    /// Reads whole tokens such as `1.25`, the inverse of [`Amount::to_decimal`].
    pub fn from_decimal(text: &str, decimals: u8) -> Result<Self, ParseAmountError> {
        let not_decimal = || ParseAmountError::NotDecimal(text.to_owned());
        let too_large = || ParseAmountError::TooLarge(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if ![whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(not_decimal());
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > usize::from(decimals) {
            return Err(ParseAmountError::TooPrecise { text: text.to_owned(), decimals });
        }
        let digits = format!("{whole}{fraction:0<width$}", width = usize::from(decimals));
        digits.parse().map(Self).map_err(|_| too_large())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    /// Reads base units.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_decimal(text, 0)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BasisPoints {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The whole.
    pub const WHOLE: Self = Self(10_000);

    /// A share of at most the whole.
    pub const fn new(value: u16) -> Result<Self, BasisPointsOutOfRange> {
        if value > 10_000 { Err(BasisPointsOutOfRange(value)) } else { Ok(Self(value)) }
    }

    /// The share in hundredths of a per cent.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// This share of `amount`, rounded down.
    pub fn of(self, amount: Amount) -> Amount {
        // Split before multiplying: the product of the quotient cannot exceed `amount`, that of the
        // remainder is below 10^8, so neither overflows and the result is exact.
        let (share, whole) = (u128::from(self.0), 10_000);
        Amount(amount.0 / whole * share + amount.0 % whole * share / whole)
    }
}

impl TryFrom<u16> for BasisPoints {
    type Error = BasisPointsOutOfRange;

    fn try_from(value: u16) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl fmt::Display for BasisPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_read_as_people_write_them() {
        for (text, decimals, amount) in [
            ("1.25", 6, 1_250_000),
            ("0", 6, 0),
            ("7", 0, 7),
            ("0.000001", 6, 1),
            ("12.50", 2, 1250),
            ("3.0", 0, 3),
        ] {
            assert_eq!(Amount::from_decimal(text, decimals), Ok(Amount(amount)), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_amount_names_its_fault() {
        let long = "340282366920938463463374607431768211456".to_owned();
        assert_eq!(Amount::from_decimal("-1", 6), Err(ParseAmountError::NotDecimal("-1".into())));
        assert_eq!(Amount::from_decimal("1.", 6), Err(ParseAmountError::NotDecimal("1.".into())));
        assert_eq!(Amount::from_decimal("1e3", 6), Err(ParseAmountError::NotDecimal("1e3".into())));
        assert_eq!(Amount::from_decimal(&long, 0), Err(ParseAmountError::TooLarge(long)));
        assert_eq!(
            Amount::from_decimal("0.0000001", 6),
            Err(ParseAmountError::TooPrecise { text: "0.0000001".into(), decimals: 6 })
        );
    }

    proptest! {
        #[test]
        fn to_decimal_is_the_inverse_of_from_decimal(amount: u128, decimals in 0u8..=18) {
            let text = Amount(amount).to_decimal(decimals);
            prop_assert_eq!(Amount::from_decimal(&text, decimals), Ok(Amount(amount)));
        }

        #[test]
        fn a_share_is_exact_and_rounds_down(amount: u128, share in 0u16..=10_000) {
            let exact = U256::from(amount) * U256::from(share) / U256::from(10_000);
            prop_assert_eq!(U256::from(BasisPoints(share).of(Amount(amount)).0), exact);
        }
    }
}
