//! Lengths of time in words, such as `36h`: parsed once, then seconds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A length of time in whole seconds. In text it is a number with one unit: `s`, `m`, `h`, `d` or `w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

/// Units, the longest first, each with its seconds.
const UNITS: [(&str, u64); 5] = [("w", 7 * 86_400), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

/// A text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a length of time is a whole number with one of the units s, m, h, d, w, such as 36h")]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or(SpanError)?;
        let digits = text.strip_suffix(unit).ok_or(SpanError)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SpanError);
        }
        let count: u64 = digits.parse().map_err(|_| SpanError)?;
        count.checked_mul(seconds).map(Self).ok_or(SpanError)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;

    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    /// The longest unit that needs no fraction, weeks aside: people say 14 days.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, seconds): &(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*seconds);
        let (unit, seconds) = UNITS.into_iter().skip(1).find(whole).unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_seconds_and_print_in_their_longest_unit() {
        for (text, seconds, printed) in [
            ("36h", 129_600, "36h"),
            ("48h", 172_800, "2d"),
            ("2w", 1_209_600, "14d"),
            ("90s", 90, "90s"),
            ("5m", 300, "5m"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span, span.to_string().as_str()), (Span(seconds), printed), "{text}");
            assert_eq!(printed.parse(), Ok(span));
        }
    }

    #[test]
    fn a_bare_number_a_fraction_a_sum_and_an_overflow_are_refused() {
        for text in [
            "36",
            "",
            "h",
            "1.5h",
            "-1h",
            "+1h",
            "1d12h",
            "36 h",
            "36H",
            "99999999999999999999s",
            "9999999999999999w",
        ] {
            assert_eq!(text.parse::<Span>(), Err(SpanError), "{text}");
        }
    }
}
