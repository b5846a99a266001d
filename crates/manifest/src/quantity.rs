//! Quantities, parsed once into whole units. No rounding: what cannot be met exactly is refused.

use std::fmt;
use std::str::FromStr;

/// Why a quantity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantity {
    /// Not a number with a known suffix.
    #[error("{text:?} is not a quantity; write {expected}")]
    Malformed {
        /// What was written.
        text: String,
        /// Examples of what is accepted.
        expected: &'static str,
    },
    /// Not a whole number of the smallest unit.
    #[error("{text:?} is not a whole number of {unit}")]
    Fraction {
        /// What was written.
        text: String,
        /// The smallest unit.
        unit: &'static str,
    },
    /// Does not fit the number type.
    #[error("{text:?} is out of range")]
    OutOfRange {
        /// What was written.
        text: String,
    },
}

/// CPU in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuMilli(pub u64);

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub u32);

const CPU_EXPECTED: &str = "cores, such as 250m, 1 or 1.5";
const BYTES_EXPECTED: &str = "bytes, such as 128Mi, 1Gi or 1G";
const SECONDS_EXPECTED: &str = "a duration, such as 90s, 30m, 1h or 7d";

const BYTE_SUFFIXES: [(&str, u64); 11] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("", 1),
];
const SECOND_SUFFIXES: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

impl FromStr for CpuMilli {
    type Err = ParseQuantity;

    fn from_str(text: &str) -> Result<Self, ParseQuantity> {
        // In thousandths, a core is 1000 and `m` is 1, so both forms are whole numbers of the same unit.
        scaled(text, &[("m", 1), ("", 1_000)], CPU_EXPECTED, "thousandths of a core").map(CpuMilli)
    }
}

impl FromStr for Bytes {
    type Err = ParseQuantity;

    fn from_str(text: &str) -> Result<Self, ParseQuantity> {
        scaled(text, &BYTE_SUFFIXES, BYTES_EXPECTED, "bytes").map(Bytes)
    }
}

impl FromStr for Seconds {
    type Err = ParseQuantity;

    fn from_str(text: &str) -> Result<Self, ParseQuantity> {
        let seconds = scaled(text, &SECOND_SUFFIXES, SECONDS_EXPECTED, "seconds")?;
        u32::try_from(seconds).map(Seconds).map_err(|_| ParseQuantity::OutOfRange { text: text.to_owned() })
    }
}

impl fmt::Display for CpuMilli {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}m", self.0)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}s", self.0)
    }
}

/// `DIGITS[.DIGITS]SUFFIX` times the suffix's factor, exactly. At most 18 digits on either side of the point.
fn scaled(
    text: &str,
    suffixes: &[(&str, u64)],
    expected: &'static str,
    unit: &'static str,
) -> Result<u64, ParseQuantity> {
    let malformed = || ParseQuantity::Malformed { text: shorten(text), expected };
    let out_of_range = || ParseQuantity::OutOfRange { text: shorten(text) };
    let number_length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_length);
    let factor =
        suffixes.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| *factor).ok_or_else(malformed)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(malformed()),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(malformed());
    }
    if whole.len() > 18 || fraction.len() > 18 {
        return Err(out_of_range());
    }
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| malformed())?;
    let divisor = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| out_of_range())?);
    let product = digits.checked_mul(u128::from(factor)).ok_or_else(out_of_range)?;
    if product % divisor != 0 {
        return Err(ParseQuantity::Fraction { text: shorten(text), unit });
    }
    u64::try_from(product / divisor).map_err(|_| out_of_range())
}

/// Keeps an absurd input from filling the message about it.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_in_cores_and_thousandths() {
        let read = |text: &str| text.parse::<CpuMilli>().map(|cpu| cpu.0);
        assert_eq!(read("250m"), Ok(250));
        assert_eq!(read("1"), Ok(1_000));
        assert_eq!(read("1.5"), Ok(1_500));
        assert_eq!(read("0.001"), Ok(1));
        assert_eq!(
            read("0.0001"),
            Err(ParseQuantity::Fraction { text: "0.0001".into(), unit: "thousandths of a core" })
        );
    }

    #[test]
    fn bytes_are_read_with_binary_and_decimal_suffixes() {
        let read = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        assert_eq!(read("128Mi"), Ok(134_217_728));
        assert_eq!(read("1Gi"), Ok(1_073_741_824));
        assert_eq!(read("1G"), Ok(1_000_000_000));
        assert_eq!(read("1.5Ki"), Ok(1_536));
        assert_eq!(read("7"), Ok(7));
        assert_eq!(read("1.1Ki"), Err(ParseQuantity::Fraction { text: "1.1Ki".into(), unit: "bytes" }));
    }

    #[test]
    fn durations_are_read_in_seconds_minutes_hours_and_days() {
        let read = |text: &str| text.parse::<Seconds>().map(|seconds| seconds.0);
        assert_eq!(read("90s"), Ok(90));
        assert_eq!(read("1.5h"), Ok(5_400));
        assert_eq!(read("7d"), Ok(604_800));
        assert_eq!(read("49711d"), Err(ParseQuantity::OutOfRange { text: "49711d".into() }));
    }

    #[test]
    fn nonsense_is_refused_with_examples() {
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1 Gi", "1GB", "1..2", "1.2.3", "Gi", "０"] {
            assert_eq!(
                text.parse::<Bytes>(),
                Err(ParseQuantity::Malformed { text: text.into(), expected: BYTES_EXPECTED }),
                "{text:?}"
            );
        }
        assert_eq!(
            "99999999999999999999".parse::<Bytes>(),
            Err(ParseQuantity::OutOfRange { text: "99999999999999999999".into() })
        );
    }
}
