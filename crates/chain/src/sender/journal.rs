//! What is remembered of a key's transactions until they are final, so that a process that dies forgets none.
//!
//! A transaction is written down before it is broadcast for the first time, and its offer at a higher fee before that
//! is. So whatever the network may hold of this key, the journal holds too: the next process finds the fate of each
//! nonce on chain and never gives a nonce away twice. Signed transactions are no secret: they are made to be published.

use std::pin::Pin;

use alloy::consensus::transaction::SignerRecoverable;
use alloy::consensus::{TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, B256, Bytes};

/// A transaction that was signed and is not known to be final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place among the transactions of the key.
    pub nonce: u64,
    /// The function that it calls.
    pub call: String,
    /// The hashes of all offers under this nonce, the newest last. Each may still get into a block.
    pub hashes: Vec<B256>,
    /// The signed bytes of the newest offer, as they are broadcast.
    pub raw: Bytes,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It does not answer, or refuses.
    #[error("failed to reach the journal of transactions")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process has opened it since. That one sends now; this one must not.
    #[error("another process has taken over the journal of transactions")]
    TakenOver,
    /// What waits to be final is more than it holds.
    #[error("the journal of transactions is full: it holds {limit} bytes, {needed} are needed")]
    Full {
        /// What it would have to hold.
        needed: usize,
        /// What it holds.
        limit: usize,
    },
    /// What it holds is not a journal.
    #[error("the journal of transactions cannot be read: {0}")]
    Malformed(String),
}

/// The answer of a journal.
pub type JournalFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send + 'a>>;

/// A durable place for the transactions of one key.
pub trait Journal: Send + Sync {
    /// Takes the journal over from whoever had it, and reads it. From here on, writes by earlier openers fail with
    /// [`JournalError::TakenOver`].
    fn open(&mut self) -> JournalFuture<'_, Vec<JournalEntry>>;

    /// Replaces what the journal holds, durably. After an error it holds either the old entries or the new ones.
    fn write<'a>(&'a mut self, entries: &'a [JournalEntry]) -> JournalFuture<'a, ()>;
}

/// Why an entry cannot be a transaction of this key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryProblem {
    #[error("its bytes are no EIP-1559 transaction")]
    Encoding,
    #[error("it is for the chain {0}")]
    Chain(u64),
    #[error("it is signed by {0}")]
    Signer(Address),
    #[error("its bytes carry the nonce {0}")]
    Nonce(u64),
    #[error("its newest hash is not that of its bytes")]
    Hash,
}

impl JournalEntry {
    /// The transaction, if it is one of `account` on chain `chain_id` and says of itself what is true.
    pub(super) fn decode(&self, account: Address, chain_id: u64) -> Result<TxEip1559, EntryProblem> {
        let envelope = TxEnvelope::decode_2718_exact(&self.raw).map_err(|_| EntryProblem::Encoding)?;
        let signer = envelope.recover_signer().map_err(|_| EntryProblem::Encoding)?;
        let hash = *envelope.tx_hash();
        let TxEnvelope::Eip1559(signed) = envelope else { return Err(EntryProblem::Encoding) };
        let request = signed.into_parts().0;
        if request.chain_id != chain_id {
            return Err(EntryProblem::Chain(request.chain_id));
        }
        if signer != account {
            return Err(EntryProblem::Signer(signer));
        }
        if request.nonce != self.nonce {
            return Err(EntryProblem::Nonce(request.nonce));
        }
        if self.hashes.last() != Some(&hash) {
            return Err(EntryProblem::Hash);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use alloy::consensus::SignableTransaction;
    use alloy::eips::eip2718::Encodable2718;
    use alloy::primitives::{TxKind, U256};

    use super::*;
    use crate::signer::HotKey;

    fn request() -> TxEip1559 {
        TxEip1559 {
            chain_id: 7,
            nonce: 3,
            gas_limit: 50_000,
            max_fee_per_gas: 9,
            max_priority_fee_per_gas: 2,
            to: TxKind::Call(Address::repeat_byte(4)),
            value: U256::ZERO,
            access_list: Default::default(),
            input: vec![1, 2, 3].into(),
        }
    }

    fn entry(key: &HotKey) -> JournalEntry {
        let envelope = TxEnvelope::from(request().into_signed(key.sign_raw(request().signature_hash())));
        JournalEntry {
            nonce: 3,
            call: "settle".into(),
            hashes: vec![B256::repeat_byte(1), *envelope.tx_hash()],
            raw: envelope.encoded_2718().into(),
        }
    }

    #[test]
    fn an_entry_gives_back_the_transaction_that_was_signed() {
        let key = HotKey::from_bytes(&[0x11; 32]).unwrap();
        assert_eq!(entry(&key).decode(key.address(), 7), Ok(request()));
    }

    #[test]
    fn an_entry_that_is_not_what_it_says_is_refused() {
        let key = HotKey::from_bytes(&[0x11; 32]).unwrap();
        let (entry, account) = (entry(&key), key.address());
        let other = Address::repeat_byte(9);
        assert_eq!(entry.decode(other, 7), Err(EntryProblem::Signer(account)));
        assert_eq!(entry.decode(account, 8), Err(EntryProblem::Chain(7)));
        let nonce = JournalEntry { nonce: 4, ..entry.clone() };
        assert_eq!(nonce.decode(account, 7), Err(EntryProblem::Nonce(3)));
        let hash = JournalEntry { hashes: vec![], ..entry.clone() };
        assert_eq!(hash.decode(account, 7), Err(EntryProblem::Hash));
        for raw in [vec![], vec![0xff; 90], entry.raw[..entry.raw.len() - 1].to_vec()] {
            let broken = JournalEntry { raw: raw.into(), ..entry.clone() };
            assert_eq!(broken.decode(account, 7), Err(EntryProblem::Encoding));
        }
    }
}
