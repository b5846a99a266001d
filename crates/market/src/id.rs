//! Identifiers that are digests: they are computed from content and never assigned.

use core::fmt;
use core::str::FromStr;

use alloy_primitives::B256;

/// Names a lease: the EIP-712 digest of the bid it was opened with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub B256);

/// Names an order: the EIP-712 digest of its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderHash(pub B256);

/// The text is not `0x` followed by 64 lower-case hexadecimal digits.
///
/// Only one spelling is accepted, so that an id in a file name, a label or a path has one form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 0x and 64 lower-case hexadecimal digits, found {found:?}")]
pub struct ParseIdError {
    /// The refused text, shortened.
    pub found: String,
}

macro_rules! digest_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_digest(text).map(Self)
            }
        }

        impl From<B256> for $name {
            fn from(digest: B256) -> Self {
                Self(digest)
            }
        }
    };
}

digest_id!(LeaseId);
digest_id!(OrderHash);

fn parse_digest(text: &str) -> Result<B256, ParseIdError> {
    let refuse = || ParseIdError { found: text.chars().take(80).collect() };
    let digits = text.strip_prefix("0x").ok_or_else(refuse)?;
    let canonical = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 64 || !canonical {
        return Err(refuse());
    }
    B256::from_str(text).map_err(|_| refuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn an_id_prints_the_text_it_was_parsed_from() {
        assert_eq!(TEXT.parse::<LeaseId>().unwrap().to_string(), TEXT);
        assert_eq!(format!("{:?}", TEXT.parse::<OrderHash>().unwrap()), format!("OrderHash({TEXT})"));
    }

    #[test]
    fn any_other_spelling_of_an_id_is_refused() {
        for text in ["", "0x", &TEXT[2..], &TEXT[..65], &TEXT.to_uppercase(), &format!("{TEXT}0"), "0xé"] {
            assert_eq!(text.parse::<LeaseId>(), Err(ParseIdError { found: text.to_owned() }));
        }
    }
}
