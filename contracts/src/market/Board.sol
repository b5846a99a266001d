// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Leases} from "./Leases.sol";

/// @title Board
/// @notice Orders and bids as events. Nothing here reads or writes state.
abstract contract Board is Leases {
    using TypedData for ILeaseMarket.Order;

    uint256 private constant MAX_REQUIREMENTS_BYTES = 8192;

    /// @inheritdoc ILeaseMarket
    function postOrder(Order calldata order, bytes calldata requirements) external {
        if (msg.sender != order.tenant) revert LeaseMarket_NotOrderOwner(order.tenant, msg.sender);
        if (order.deadline <= block.timestamp) revert LeaseMarket_OrderExpired(order.deadline);
        if (requirements.length > MAX_REQUIREMENTS_BYTES) {
            revert LeaseMarket_RequirementsTooLong(requirements.length);
        }
        bytes32 actual = keccak256(requirements);
        if (actual != order.requirementsHash) {
            revert LeaseMarket_RequirementsMismatch(order.requirementsHash, actual);
        }
        emit OrderPosted(_orderHash(order), msg.sender, order, requirements);
    }

    /// @inheritdoc ILeaseMarket
    function cancelOrder(uint64 nonce) external {
        emit OrderCancelled(msg.sender, nonce);
    }

    /// @inheritdoc ILeaseMarket
    function postBid(Bid calldata bid, bytes32 r, bytes32 vs) external {
        emit BidPosted(_leaseId(bid), bid.orderHash, bid.provider, bid, r, vs);
    }

    function _orderHash(Order calldata order) internal view returns (bytes32) {
        return _digest(order.hash());
    }
}
