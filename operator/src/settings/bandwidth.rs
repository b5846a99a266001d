//! How fast a pod may send and receive.

use std::{fmt, str::FromStr};

/// Bits per second, in each direction. The cluster's network plug-in enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth(u64);

/// Not a number of bits that a network plug-in takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a number of bits per second from 1k to 1000T, such as 500M or 1G")]
pub struct Error {
    /// What was given.
    text: String,
}

/// The least and the most that Kubernetes takes in its annotations.
const RANGE: std::ops::RangeInclusive<u64> = 1_000..=1_000_000_000_000_000;

impl FromStr for Bandwidth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
            Some(end) => text.split_at(end),
            None => (text, ""),
        };
        let factor = match unit {
            "" => Some(1),
            "k" => Some(1_000),
            "M" => Some(1_000_000),
            "G" => Some(1_000_000_000),
            "T" => Some(1_000_000_000_000),
            _ => None,
        };
        let bits = factor.and_then(|factor: u64| digits.parse::<u64>().ok()?.checked_mul(factor));
        bits.filter(|bits| RANGE.contains(bits)).map(Self).ok_or_else(|| Error { text: text.to_owned() })
    }
}

/// As a quantity of Kubernetes, without a unit.
impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_with_their_unit_and_nonsense_is_refused() {
        for (text, bits) in [
            ("1000", 1_000),
            ("64k", 64_000),
            ("500M", 500_000_000),
            ("1G", 1_000_000_000),
            ("1000T", *RANGE.end()),
        ] {
            assert_eq!(text.parse(), Ok(Bandwidth(bits)));
        }
        for text in
            ["", "M", "-1M", "1.5G", "1Gi", "100 M", "999", "1001T", "99999999999999999999", "99999999999G"]
        {
            assert_eq!(text.parse::<Bandwidth>(), Err(Error { text: text.into() }), "{text}");
        }
    }
}
