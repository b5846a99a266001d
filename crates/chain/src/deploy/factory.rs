//! The well-known deterministic deployment proxy: the same address on every chain, by CREATE2.
//!
//! Its address follows from a transaction that nobody holds a key for, so whoever sends that transaction to a chain
//! puts the same code at the same address.

use alloy::primitives::{Address, B256, Bytes, U256, address, b256, bytes};

/// Where the proxy is.
pub const FACTORY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// The hash of its code.
pub(super) const FACTORY_CODE_HASH: B256 =
    b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");
/// The account that the presigned transaction is from. Nobody holds its key.
pub const FACTORY_SIGNER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
/// What that account must hold for the transaction: 100 000 gas at 100 gwei.
pub const FACTORY_COST: U256 = U256::from_limbs([10_000_000_000_000_000, 0, 0, 0]);
/// The presigned transaction that makes the proxy. It is not bound to a chain.
pub const FACTORY_TRANSACTION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222"
    "222222222222222222222222222222222222222222222222222222222222a0222222222222222222222222222222222222222222"
    "2222222222222222222222"
);

/// The address of what the proxy makes of `init_code`.
pub(super) fn address_of(salt: B256, init_code: &[u8]) -> Address {
    FACTORY.create2_from_code(salt, init_code)
}

/// The data of the call that makes it.
pub(super) fn creation(salt: B256, init_code: &[u8]) -> Bytes {
    [salt.as_slice(), init_code].concat().into()
}

#[cfg(test)]
mod tests {
    use alloy::consensus::transaction::SignerRecoverable;
    use alloy::consensus::{Transaction, TxEnvelope};
    use alloy::eips::eip2718::Decodable2718;
    use alloy::primitives::{hex, keccak256};

    use super::*;

    #[test]
    fn the_presigned_transaction_makes_the_proxy_at_its_address() {
        let transaction = TxEnvelope::decode_2718(&mut FACTORY_TRANSACTION.as_ref()).unwrap();
        let signer = transaction.recover_signer().unwrap();
        assert_eq!((signer, signer.create(0)), (FACTORY_SIGNER, FACTORY));
        assert_eq!((transaction.nonce(), transaction.chain_id()), (0, None));
        let cost = U256::from(transaction.gas_limit()) * U256::from(transaction.max_fee_per_gas());
        assert_eq!(cost, FACTORY_COST);
        // After its first 14 bytes the input is the code that stays.
        assert_eq!(keccak256(&transaction.input()[14..]), FACTORY_CODE_HASH);
    }

    #[test]
    fn addresses_follow_the_rule_of_create2() {
        // The sixth example of EIP-1014, with the proxy's own rule behind it.
        let expected = address!("E33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0");
        let empty = Address::ZERO.create2_from_code(B256::ZERO, []);
        assert_eq!(empty, expected);
        assert_eq!(address_of(B256::ZERO, &[]), FACTORY.create2(B256::ZERO, keccak256([])));
        assert_eq!(
            creation(B256::repeat_byte(1), &[2]),
            Bytes::from(hex!("0101010101010101010101010101010101010101010101010101010101010101 02"))
        );
    }
}
