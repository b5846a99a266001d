//! Human units of the configuration: durations, moments, byte quantities and exact decimals. Nothing here is a float.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Why a value with a unit cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a duration.
    #[error("`{0}` is not a duration: write a whole number and s, m, h or d, for example 90s or 36h")]
    Duration(String),
    /// Not a moment.
    #[error("`{0}` is not a moment since 1970: write RFC 3339, for example 2027-03-01T06:00:00Z")]
    Moment(String),
    /// Not a byte quantity.
    #[error(
        "`{0}` is not a number of bytes: write a whole number and optionally K, M, G, T, Ki, Mi, Gi or Ti"
    )]
    Bytes(String),
    /// Not a decimal.
    #[error(
        "`{0}` is not a decimal: write digits and at most one point, for example \"0.015\", at most 30 digits"
    )]
    Decimal(String),
}

/// A duration in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u64);

/// A moment in whole seconds since 1970, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A non-negative decimal, exactly `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub mantissa: u128,
    pub scale: u32,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };
}

impl FromStr for Seconds {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let invalid = || UnitError::Duration(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(invalid)?;
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(invalid()),
        };
        // Times on chain have 32 or 40 bits; a longer duration is a mistake.
        number
            .checked_mul(factor)
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
            .map(Self)
            .ok_or_else(invalid)
    }
}

impl FromStr for Moment {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let moment = text.parse::<jiff::Timestamp>().ok();
        let seconds = moment.and_then(|moment| u64::try_from(moment.as_second()).ok());
        seconds.map(Self).ok_or_else(|| UnitError::Moment(text.to_owned()))
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let invalid = || UnitError::Bytes(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(invalid)?;
        let factor = match unit {
            "" => 1,
            "K" => 1000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(invalid()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(invalid)
    }
}

impl FromStr for Decimal {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let invalid = || UnitError::Decimal(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let pointed = text.contains('.');
        if whole.is_empty()
            || pointed && fraction.is_empty()
            || !is_number(whole)
            || !is_number(fraction)
            || whole.len() + fraction.len() > 30
        {
            return Err(invalid());
        }
        let mantissa = format!("{whole}{fraction}").parse().map_err(|_| invalid())?;
        let scale = u32::try_from(fraction.len()).map_err(|_| invalid())?;
        Ok(Self { mantissa, scale })
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit))
}

macro_rules! deserialize_from_str {
    ($($name:ty),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

deserialize_from_str!(Seconds, Moment, Bytes, Decimal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_four_units() {
        let parsed: Vec<_> = ["90s", "5m", "36h", "30d"].map(str::parse::<Seconds>).into();
        assert_eq!(
            parsed,
            vec![Ok(Seconds(90)), Ok(Seconds(300)), Ok(Seconds(129_600)), Ok(Seconds(2_592_000))]
        );
    }

    #[test]
    fn a_moment_has_an_offset() {
        let parsed = ["2027-03-01T06:00:00Z", "2027-03-01T08:00:00.9+02:00"].map(str::parse::<Moment>);
        assert_eq!(parsed, [Ok(Moment(1_803_880_800)), Ok(Moment(1_803_880_800))]);
    }

    #[test]
    fn malformed_values_are_refused() {
        for text in ["", "2027-03-01", "2027-03-01T06:00:00", "1969-12-31T23:59:59Z", "1803880800"] {
            assert_eq!(text.parse::<Moment>(), Err(UnitError::Moment(text.into())));
        }
        for text in ["", "5", "m", "-5m", "5 m", "1.5h", "99999999999999999999s", "200000d"] {
            assert_eq!(text.parse::<Seconds>(), Err(UnitError::Duration(text.into())));
        }
        for text in ["", "Gi", "-1", "1.5Gi", "1gi", "99999999999Ti"] {
            assert_eq!(text.parse::<Bytes>(), Err(UnitError::Bytes(text.into())));
        }
        for text in
            ["", ".", ".5", "5.", "-1", "1e3", "1,5", "0x1", "1.2.3", "1234567890123456789012345678901"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(UnitError::Decimal(text.into())));
        }
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!("0.015".parse(), Ok(Decimal { mantissa: 15, scale: 3 }));
        assert_eq!("12".parse(), Ok(Decimal { mantissa: 12, scale: 0 }));
        assert_eq!("1Gi".parse(), Ok(Bytes(1 << 30)));
    }
}
