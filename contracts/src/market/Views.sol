// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Board} from "./Board.sol";
import {Opening} from "./Opening.sol";

/// @title Views
/// @notice What others read.
abstract contract Views is Board, Opening {
    using TypedData for ILeaseMarket.Statement;

    /// @inheritdoc ILeaseMarket
    function leaseIdOf(Bid calldata bid) external view returns (bytes32) {
        return _leaseId(bid);
    }

    /// @inheritdoc ILeaseMarket
    function orderHashOf(Order calldata order) external view returns (bytes32) {
        return _orderHash(order);
    }

    /// @inheritdoc ILeaseMarket
    function statementDigest(Statement calldata statement) external view returns (bytes32) {
        return _digest(statement.hash());
    }

    /// @inheritdoc ILeaseMarket
    function getLeases(bytes32[] calldata leaseIds) external view returns (LeaseView[] memory leases) {
        leases = new LeaseView[](leaseIds.length);
        for (uint256 i = 0; i < leaseIds.length; ++i) {
            Lease storage lease = _leases[leaseIds[i]];
            if (lease.state != State.NONE) _fill(leases[i], lease);
        }
    }

    /// @inheritdoc ILeaseMarket
    function rateCap(Bid calldata bid) external view returns (uint96) {
        return _rateCap(_leaseId(bid), bid);
    }

    /// @inheritdoc ILeaseMarket
    function amountOf(Bid calldata bid, uint128[8] calldata usage, uint256 elapsed) external pure returns (uint256) {
        return Settlement.amount(bid.price, bid.limit, usage, elapsed);
    }

    /// @inheritdoc ILeaseMarket
    function fundedUntil(bytes32 leaseId) external view returns (uint40) {
        Lease storage lease = _leases[leaseId];
        if (!_isActive(lease.state)) return 0;
        uint256 until = lease.lastAsOf + Settlement.secondsFunded(lease.balance, lease.rateCapE6);
        // The cast holds: not later than `endAt`.
        return uint40(Settlement.min(until, lease.endAt));
    }

    /// @inheritdoc ILeaseMarket
    function claimable(bytes32 leaseId) external view returns (uint128) {
        Lease storage lease = _leases[leaseId];
        if (lease.state != State.CLAIMED) return 0;
        if (_now() < lease.filedAt + DISPUTE_WINDOW) return 0;
        return lease.pendingCum - lease.paid;
    }

    /// @inheritdoc ILeaseMarket
    function disputeDepositOf(bytes32 leaseId) external view returns (uint128) {
        return _stakes[leaseId].deposit;
    }

    /// @inheritdoc ILeaseMarket
    function windows() external view returns (uint40, uint40, uint40) {
        return (CLAIM_WINDOW, DISPUTE_WINDOW, ARBITER_WINDOW);
    }

    /// @inheritdoc ILeaseMarket
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    function _fill(LeaseView memory shown, Lease storage lease) private view {
        uint8 state = lease.state;
        shown.state = _shown(state);
        shown.tenant = lease.tenant;
        shown.provider = lease.provider;
        shown.signer = lease.signer;
        shown.token = _tokens[lease.tokenId - 1];
        if (lease.endAt == 0) {
            shown.endAt = lease.startedAt;
        } else {
            shown.startedAt = lease.startedAt;
            shown.endAt = lease.endAt;
        }
        shown.lastAsOf = lease.lastAsOf;
        shown.rateCapE6 = lease.rateCapE6;
        shown.feeBps = lease.feeBps;
        shown.balance = lease.balance;
        shown.paid = lease.paid;
        shown.disputedAt = lease.disputedAt;
        if (state == State.CLAIMED || state == State.DISPUTED) {
            shown.pendingCum = lease.pendingCum;
            shown.pendingAt = lease.pendingAt;
            shown.filedAt = lease.filedAt;
        }
    }
}
