// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
import {Leases} from "./Leases.sol";

/// @title Closing
/// @notice How an Active lease ends, and how what is left of it goes home.
abstract contract Closing is Leases {
    /// @inheritdoc ILeaseMarket
    function closeLease(bytes32 leaseId) external {
        Lease storage lease = _leases[leaseId];
        _requireActive(leaseId, lease);
        if (msg.sender != lease.tenant && msg.sender != lease.signer) {
            revert LeaseMarket_NotTenant(leaseId, msg.sender);
        }
        _bringForward(leaseId, lease, _now());
    }

    /// @inheritdoc ILeaseMarket
    function reclaim(Bid calldata bid) external {
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        _requireActive(leaseId, lease);
        _requireProvider(leaseId, bid.provider);
        bool unfunded = Settlement.cap(lease.rateCapE6, _sinceSettled(lease)) >= lease.balance;
        _bringForward(leaseId, lease, unfunded ? _now() : _now() + bid.noticePeriod);
    }

    /// @inheritdoc ILeaseMarket
    function finalize(Bid[] calldata bids) external nonReentrant returns (uint256 done) {
        Earnings memory earnings;
        for (uint256 i = 0; i < bids.length; ++i) {
            bytes32 leaseId = _leaseId(bids[i]);
            done += _tally(leaseId, _finalize(leaseId, bids[i], earnings));
        }
        _flush(earnings);
    }

    function _finalize(bytes32 leaseId, Bid calldata bid, Earnings memory earnings) private returns (bytes4) {
        // Checks
        Lease storage lease = _leases[leaseId];
        uint8 state = lease.state;
        if (!_isActive(state)) return LeaseMarket_WrongState.selector;
        uint40 endAt = lease.endAt;
        if (_now() < endAt) return LeaseMarket_TooEarly.selector;
        bool claimed = state == State.CLAIMED;
        if (claimed && _now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;
        // The provider may bill up to the end as long as the claim window is open, unless all is billed already.
        uint40 settledTo = claimed ? lease.pendingAt : lease.lastAsOf;
        if (settledTo != endAt && _now() <= endAt + CLAIM_WINDOW) return LeaseMarket_TooEarly.selector;

        // Effects
        if (claimed) _payPending(leaseId, lease, earnings);
        _close(leaseId, lease, bid.tenant, CloseReason.Finalized);

        // Interactions: the registry, whose `unlock` saturates and calls nobody
        REGISTRY.unlock(bid.provider, bid.maxSlash);
        return bytes4(0);
    }

    function _sinceSettled(Lease storage lease) private view returns (uint40) {
        return _now() - lease.lastAsOf;
    }
}
