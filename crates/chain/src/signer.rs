//! Private keys that sign without asking: loaded once, wiped when dropped, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use market::{Bid, LeaseId, Signature64, SignedBid, Statement};
use zeroize::Zeroizing;

use crate::convert::ConvertError;
use crate::eip712::Eip712;

/// A private key in memory. The curve library wipes the secret on drop.
#[derive(Clone)]
pub struct HotKey {
    signer: PrivateKeySigner,
}

/// Why a key could not be loaded. No variant carries any part of the secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("failed to read the key file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set, or not text.
    #[error("the environment variable {0} holds no key")]
    Variable(String),
    /// The text is not 32 bytes in hexadecimal.
    #[error("a key is 64 hexadecimal digits, with or without 0x")]
    Encoding,
    /// The number is not a private key.
    #[error("the number is not a private key of the curve")]
    OutOfRange,
}

impl HotKey {
    /// Reads a key from a file that holds its hexadecimal text.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::from_hex(&Zeroizing::new(text))
    }

    /// Reads a key from an environment variable that holds its hexadecimal text.
    pub fn from_env(name: &str) -> Result<Self, KeyError> {
        let text = std::env::var(name).map_err(|_| KeyError::Variable(name.to_owned()))?;
        Self::from_hex(&Zeroizing::new(text))
    }

    /// Reads a key from its hexadecimal text. The caller wipes the text.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
        let mut bytes = Zeroizing::new([0u8; 32]);
        if digits.len() != 64 {
            return Err(KeyError::Encoding);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Self::from_bytes(&bytes)
    }

    /// A key from its 32 bytes. The caller wipes them.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        PrivateKeySigner::from_slice(bytes).map(|signer| Self { signer }).map_err(|_| KeyError::OutOfRange)
    }

    /// A new key from the operating system's randomness.
    pub fn random() -> Self {
        Self { signer: PrivateKeySigner::random() }
    }

    /// The account that the key controls.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Lends the secret bytes, for deriving another key or writing a new one to its file.
    pub fn expose<R>(&self, read: impl FnOnce(&[u8; 32]) -> R) -> R {
        let bytes = Zeroizing::new(self.signer.to_bytes().0);
        read(&bytes)
    }

    /// Signs a digest, in the form that the contracts take.
    pub fn sign_digest(&self, digest: B256) -> Signature64 {
        Signature64::from_bytes(&self.sign_raw(digest).as_erc2098())
    }

    pub(crate) fn sign_raw(&self, digest: B256) -> alloy::primitives::Signature {
        self.signer.sign_hash_sync(&digest).expect("an in-memory key signs every digest")
    }

    /// Signs a bid and names the lease that it would become.
    pub fn sign_bid(&self, domain: &Eip712, bid: Bid) -> Result<(LeaseId, SignedBid), ConvertError> {
        let id = domain.bid_digest(&bid)?;
        Ok((id, SignedBid { bid, signature: self.sign_digest(id.0) }))
    }

    /// Signs a statement.
    pub fn sign_statement(
        &self,
        domain: &Eip712,
        statement: &Statement,
    ) -> Result<Signature64, ConvertError> {
        Ok(self.sign_digest(domain.statement_digest(statement)?))
    }
}

impl fmt::Debug for HotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotKey({})", self.address())
    }
}

fn nibble(digit: u8) -> Result<u8, KeyError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(KeyError::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::address;

    use super::*;

    // The first account of the well-known test mnemonic; it guards nothing.
    const TEXT: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_key_is_read_from_its_text_with_or_without_prefix() {
        let owner = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        assert_eq!(HotKey::from_hex(TEXT).unwrap().address(), owner);
        assert_eq!(HotKey::from_hex(&format!("{}\n", &TEXT[2..])).unwrap().address(), owner);
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        assert!(matches!(HotKey::from_hex("0x12"), Err(KeyError::Encoding)));
        assert!(matches!(HotKey::from_hex(&"g".repeat(64)), Err(KeyError::Encoding)));
        assert!(matches!(HotKey::from_hex(&"0".repeat(64)), Err(KeyError::OutOfRange)));
        assert!(matches!(HotKey::from_hex(&"f".repeat(64)), Err(KeyError::OutOfRange)));
        let missing = "LEASEHOLD_TEST_NO_SUCH_KEY";
        assert!(matches!(HotKey::from_env(missing), Err(KeyError::Variable(name)) if name == missing));
    }

    #[test]
    fn printing_a_key_shows_its_address_and_nothing_else() {
        let key = HotKey::from_hex(TEXT).unwrap();
        assert_eq!(format!("{key:?}"), "HotKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
    }

    #[test]
    fn the_exposed_bytes_are_the_key() {
        let key = HotKey::random();
        assert_eq!(key.expose(HotKey::from_bytes).unwrap().address(), key.address());
    }
}
