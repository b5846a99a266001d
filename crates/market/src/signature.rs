//! Compact ECDSA signatures, as the contracts take them.

use core::fmt;
use core::str::FromStr;

use alloy_primitives::{B256, FixedBytes};

/// An ECDSA signature in EIP-2098 form: `r`, and `s` with the parity of `y` in its top bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature64 {
    /// The x coordinate of the nonce point.
    pub r: B256,
    /// `s` in the low half order, with the parity bit on top.
    pub vs: B256,
}

/// The text is not `0x` followed by 128 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a signature of 0x and 128 hexadecimal digits")]
pub struct ParseSignatureError;

impl Signature64 {
    /// `r` followed by `vs`.
    pub fn to_bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.r.as_slice());
        bytes[32..].copy_from_slice(self.vs.as_slice());
        bytes
    }

    /// The inverse of [`Signature64::to_bytes`].
    pub fn from_bytes(bytes: &[u8; 64]) -> Self {
        let (r, vs) = bytes.split_at(32);
        Self { r: B256::from_slice(r), vs: B256::from_slice(vs) }
    }
}

impl fmt::Display for Signature64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", FixedBytes(self.to_bytes()))
    }
}

impl FromStr for Signature64 {
    type Err = ParseSignatureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with("0x") {
            return Err(ParseSignatureError);
        }
        let bytes: FixedBytes<64> = text.parse().map_err(|_| ParseSignatureError)?;
        Ok(Self::from_bytes(&bytes.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_round_trips_through_text_and_bytes() {
        let signature = Signature64 { r: B256::repeat_byte(0x1f), vs: B256::repeat_byte(0xe2) };
        assert_eq!(signature.to_string(), format!("0x{}{}", "1f".repeat(32), "e2".repeat(32)));
        assert_eq!(signature.to_string().parse(), Ok(signature));
        assert_eq!(Signature64::from_bytes(&signature.to_bytes()), signature);
        assert_eq!("0x12".parse::<Signature64>(), Err(ParseSignatureError));
    }
}
