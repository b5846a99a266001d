// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";

/// @title TypedData
/// @notice EIP-712 struct hashes of what is signed. `test/vectors/typed_data.json` holds the same from two other
/// implementations.
/// @dev Values are read from calldata; the decoder rejects any word with bits outside its type, so that there is one
/// encoding per value and one digest per encoding. A fixed array hashes as the concatenation of its 32-byte words,
/// which is what `abi.encode` of it gives.
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

    function hash(ILeaseMarket.Bid calldata bid) internal pure returns (bytes32) {
        return keccak256(
            bytes.concat(
                abi.encode(
                    BID_TYPEHASH,
                    bid.provider,
                    bid.tenant,
                    bid.token,
                    bid.orderHash,
                    bid.bidEpoch,
                    bid.salt,
                    bid.validUntil,
                    bid.startWindow
                ),
                abi.encode(
                    bid.maxDuration,
                    bid.noticePeriod,
                    bid.maxSlash,
                    bid.noShowPenalty,
                    bid.minDeposit,
                    bid.splitBps,
                    bid.arbiter,
                    keccak256(abi.encode(bid.price)),
                    keccak256(abi.encode(bid.limit))
                )
            )
        );
    }

    function hash(ILeaseMarket.Order calldata order) internal pure returns (bytes32) {
        return keccak256(abi.encode(ORDER_TYPEHASH, order));
    }

    function hash(ILeaseMarket.Statement calldata statement) internal pure returns (bytes32) {
        return keccak256(abi.encode(STATEMENT_TYPEHASH, statement));
    }
}
