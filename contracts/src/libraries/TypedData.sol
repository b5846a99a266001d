// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";

/// @title TypedData
/// @notice EIP-712 struct hashes of what is signed. `test/vectors/typed_data.json` holds the same from two other
/// implementations.
/// @dev The words of an all-static struct in calldata are its EIP-712 words, so they are hashed where they lie; only a
/// fixed array is first replaced by the hash of its words. A word with bits outside its type therefore hashes to what
/// nobody signed, and reading it as its type reverts.
///
/// The three `_words` functions are the only assembly of this project: Solidity has no other way to name the bytes of a
/// calldata struct, and re-encoding them costs 3000 gas in every call that takes a bid. They read nothing and write
/// nothing; the compiler has checked that the struct lies inside the calldata before it hands out the reference.
library TypedData {
    bytes32 internal constant BID_TYPEHASH = keccak256(
        "Bid(address provider,address tenant,address token,bytes32 orderHash,uint32 bidEpoch,uint64 salt,"
        "uint40 validUntil,uint32 startWindow,uint32 maxDuration,uint32 noticePeriod,uint96 maxSlash,"
        "uint96 noShowPenalty,uint128 minDeposit,uint16 splitBps,address arbiter,uint128[8] price,uint64[8] limit)"
    );
    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address tenant,address token,bytes32 requirementsHash,bytes32 manifestHash,uint96 maxRateE6,"
        "uint128 deposit,uint40 deadline,uint64 nonce)"
    );
    bytes32 internal constant STATEMENT_TYPEHASH =
        keccak256("Statement(bytes32 leaseId,uint128 amountCum,uint40 asOf,bytes32 usageHash,bool last)");

    /// @dev 15 words, then the 8 words of `price`, then the 8 words of `limit`.
    uint256 private constant BID_BYTES = 31 * 32;
    uint256 private constant PRICE_AT = 15 * 32;
    uint256 private constant LIMIT_AT = 23 * 32;
    uint256 private constant ORDER_BYTES = 8 * 32;
    uint256 private constant STATEMENT_BYTES = 5 * 32;

    function hash(ILeaseMarket.Bid calldata bid) internal pure returns (bytes32) {
        bytes calldata words = _words(bid);
        return keccak256(
            bytes.concat(
                BID_TYPEHASH, words[:PRICE_AT], keccak256(words[PRICE_AT:LIMIT_AT]), keccak256(words[LIMIT_AT:])
            )
        );
    }

    function hash(ILeaseMarket.Order calldata order) internal pure returns (bytes32) {
        return keccak256(bytes.concat(ORDER_TYPEHASH, _words(order)));
    }

    function hash(ILeaseMarket.Statement calldata statement) internal pure returns (bytes32) {
        return keccak256(bytes.concat(STATEMENT_TYPEHASH, _words(statement)));
    }

    function _words(ILeaseMarket.Bid calldata bid) private pure returns (bytes calldata words) {
        assembly ("memory-safe") {
            words.offset := bid
            words.length := BID_BYTES
        }
    }

    function _words(ILeaseMarket.Order calldata order) private pure returns (bytes calldata words) {
        assembly ("memory-safe") {
            words.offset := order
            words.length := ORDER_BYTES
        }
    }

    function _words(ILeaseMarket.Statement calldata statement) private pure returns (bytes calldata words) {
        assembly ("memory-safe") {
            words.offset := statement
            words.length := STATEMENT_BYTES
        }
    }
}
