//! Digests and signatures of what providers and tenants sign.

use alloy::primitives::{Address, B256, Signature, U256};
use alloy::sol_types::{Eip712Domain, SolStruct};
use market::{Bid, LeaseId, Order, OrderHash, Signature64, SignedBid, Statement};

use crate::convert::{ConvertError, bid_to_abi, order_to_abi, statement_to_abi};

/// The signing domain of one market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eip712 {
    domain: Eip712Domain,
}

/// Why a signature names no signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// `s` in the upper half: another signature of the same message, which contracts refuse.
    #[error("the signature's s is in the upper half of the order")]
    HighS,
    /// No public key could have made it.
    #[error("the signature matches no key")]
    Invalid,
}

impl Eip712 {
    /// The domain of `market` on the chain `chain_id`.
    pub fn new(chain_id: u64, market: Address) -> Self {
        let (name, version) = ("LeaseMarket".into(), "1".into());
        let chain_id = U256::from(chain_id);
        Self { domain: Eip712Domain::new(Some(name), Some(version), Some(chain_id), Some(market), None) }
    }

    /// What a provider signs to bid, and the id of the lease that its acceptance opens.
    pub fn bid_digest(&self, bid: &Bid) -> Result<LeaseId, ConvertError> {
        Ok(LeaseId(bid_to_abi(bid)?.eip712_signing_hash(&self.domain)))
    }

    /// The name of an order.
    pub fn order_digest(&self, order: &Order) -> Result<OrderHash, ConvertError> {
        Ok(OrderHash(order_to_abi(order)?.eip712_signing_hash(&self.domain)))
    }

    /// What a tenant's session key signs.
    pub fn statement_digest(&self, statement: &Statement) -> Result<B256, ConvertError> {
        Ok(statement_to_abi(statement)?.eip712_signing_hash(&self.domain))
    }

    /// Who signed a bid; none if it cannot be a bid or nobody could have.
    pub fn bid_signer(&self, signed: &SignedBid) -> Option<Address> {
        let digest = self.bid_digest(&signed.bid).ok()?;
        recover(digest.0, &signed.signature).ok()
    }

    /// Who signed a statement; none if it cannot be a statement or nobody could have.
    pub fn statement_signer(&self, statement: &Statement, signature: &Signature64) -> Option<Address> {
        let digest = self.statement_digest(statement).ok()?;
        recover(digest, signature).ok()
    }
}

/// The address whose key signed `digest`. Accepts exactly what the contracts accept.
pub fn recover(digest: B256, signature: &Signature64) -> Result<Address, RecoverError> {
    let signature = Signature::from_erc2098(&signature.to_bytes());
    if signature.normalize_s().is_some() {
        return Err(RecoverError::HighS);
    }
    match signature.recover_address_from_prehash(&digest) {
        Ok(address) if address != Address::ZERO => Ok(address),
        _ => Err(RecoverError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HotKey;

    #[test]
    fn a_signer_is_recovered_from_its_signature_alone() {
        let key = HotKey::random();
        let digest = B256::repeat_byte(7);
        let signature = key.sign_digest(digest);
        assert_eq!(recover(digest, &signature), Ok(key.address()));
        assert_ne!(recover(B256::repeat_byte(8), &signature), Ok(key.address()));
    }

    #[test]
    fn an_s_in_the_upper_half_is_refused() {
        // All bits below the parity: above half the order, which starts with 0x7fffffff.
        let signature = Signature64 { r: B256::repeat_byte(1), vs: B256::from(U256::MAX >> 1) };
        assert_eq!(recover(B256::repeat_byte(7), &signature), Err(RecoverError::HighS));
    }

    #[test]
    fn another_chain_or_market_gives_another_digest() {
        let order = Order {
            tenant: Address::repeat_byte(1),
            token: Address::repeat_byte(2),
            requirements_hash: B256::ZERO,
            manifest_hash: B256::ZERO,
            max_rate_e6: 1,
            deposit: market::Amount(1),
            deadline: market::Timestamp(1),
            nonce: 1,
        };
        let digest = |chain_id, market| Eip712::new(chain_id, market).order_digest(&order).unwrap();
        let (here, there) = (Address::repeat_byte(3), Address::repeat_byte(4));
        assert_ne!(digest(1, here), digest(2, here));
        assert_ne!(digest(1, here), digest(1, there));
    }

    proptest! {
        #[test]
        fn no_bytes_make_recovery_panic(bytes in prop::collection::vec(any::<u8>(), 64)) {
            let bytes: [u8; 64] = bytes.try_into().unwrap();
            let _whoever = recover(B256::repeat_byte(9), &Signature64::from_bytes(&bytes));
        }
    }
}
