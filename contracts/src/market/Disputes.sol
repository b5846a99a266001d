// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {Leases} from "./Leases.sol";

/// @title Disputes
/// @notice What happens to a claim that the tenant does not accept.
/// @dev The claim between dispute and decision (`claim`, `settle` in state Disputed) is in {Settling}.
abstract contract Disputes is Leases {
    uint256 private constant DISPUTE_DEPOSIT_BPS = 500;

    /// @inheritdoc ILeaseMarket
    function dispute(Bid calldata bid, uint128 conceded) external {
        // Checks
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        if (msg.sender != bid.tenant) revert LeaseMarket_NotTenant(leaseId, msg.sender);
        _requireState(leaseId, lease, State.Active);
        if (!lease.hasPending) revert LeaseMarket_NoPending(leaseId);
        uint40 until = lease.filedAt + DISPUTE_WINDOW;
        if (_now() >= until) revert LeaseMarket_TooLate(leaseId, until - 1);
        uint128 pendingCum = lease.pendingCum;
        if (conceded < lease.paid) revert LeaseMarket_StaleStatement(leaseId);
        if (conceded >= pendingCum) revert LeaseMarket_OverCap(leaseId, conceded, pendingCum - 1);

        // Effects
        lease.state = State.Disputed;
        lease.disputedAt = _now();
        lease.endAt = _earlier(_now(), lease.endAt);
        lease.lastAsOf = lease.pendingAt;
        if (conceded > lease.paid) _payNow(leaseId, lease, conceded, lease.pendingAt);
        uint128 contested = pendingCum - conceded;
        (uint128 held, uint128 fromLease) = _takeDeposit(leaseId, lease, contested);
        emit LeaseDisputed(leaseId, lease.provider, conceded, contested, held, fromLease);
    }

    /// @inheritdoc ILeaseMarket
    function resolve(Bid calldata bid, uint128 award, uint96 slash) external nonReentrant {
        // Checks
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        _requireState(leaseId, lease, State.Disputed);
        uint128 contested = lease.pendingCum - lease.paid;
        if (_now() < lease.disputedAt + ARBITER_WINDOW) {
            _checkRuling(leaseId, lease, bid, contested, award, slash);
        } else {
            if (award != 0 || slash != 0) {
                revert LeaseMarket_TooLate(leaseId, uint256(lease.disputedAt) + ARBITER_WINDOW - 1);
            }
            // The cast holds: `splitBps` is at most the whole, checked when the lease opened.
            award = uint128(Settlement.share(contested, bid.splitBps));
        }

        // Effects
        if (award != 0) _payNow(leaseId, lease, lease.paid + award, lease.lastAsOf);
        address depositTo = _returnDeposit(leaseId, lease, award == contested);
        emit DisputeResolved(leaseId, lease.provider, award, slash, depositTo, msg.sender);
        _close(leaseId, lease, CloseReason.Resolved);

        // Interactions: the registry, which saturates and calls nobody
        if (slash == 0) {
            REGISTRY.unlock(bid.provider, bid.maxSlash);
        } else {
            uint128 toVictim = bid.token == BOND_TOKEN ? contested : 0;
            REGISTRY.slash(bid.provider, bid.maxSlash, slash, bid.tenant, toVictim, _treasury);
        }
    }

    function _checkRuling(
        bytes32 leaseId,
        Lease storage lease,
        Bid calldata bid,
        uint128 contested,
        uint128 award,
        uint96 slash
    ) private view {
        if (msg.sender != bid.arbiter) revert LeaseMarket_NotArbiter(leaseId, msg.sender);
        uint40 supplementUntil = lease.disputedAt + CLAIM_WINDOW;
        if (!lease.supplemented && _now() <= supplementUntil) {
            revert LeaseMarket_TooEarly(leaseId, uint256(supplementUntil) + 1);
        }
        if (award > contested) revert LeaseMarket_OverCap(leaseId, award, contested);
        if (slash > bid.maxSlash) revert LeaseMarket_OverCap(leaseId, slash, bid.maxSlash);
    }

    /// @dev Takes the deposit from the part of the balance that nobody contests, then from the tenant's account. The
    /// first needs no further deposit into the market, so that a pause of intake cannot stop a dispute.
    function _takeDeposit(bytes32 leaseId, Lease storage lease, uint128 contested)
        private
        returns (uint128 held, uint128 fromLease)
    {
        // Both casts hold: a share is at most the whole, and the smaller of two 128-bit numbers is one.
        held = uint128(Settlement.share(contested, DISPUTE_DEPOSIT_BPS));
        uint128 balance = lease.balance;
        fromLease = uint128(Settlement.min(held, balance - contested));
        lease.balance = balance - fromLease;
        if (held != fromLease) _debit(lease.tenant, lease.tokenId, held - fromLease);
        _disputeDeposit[leaseId] = held;
    }

    function _returnDeposit(bytes32 leaseId, Lease storage lease, bool wonByProvider) private returns (address to) {
        to = wonByProvider ? lease.provider : lease.tenant;
        uint128 held = _disputeDeposit[leaseId];
        delete _disputeDeposit[leaseId];
        _credit(to, lease.tokenId, held);
    }

    function _payNow(bytes32 leaseId, Lease storage lease, uint128 cum, uint40 asOf) private {
        Earnings memory earnings;
        _pay(leaseId, lease, earnings, cum, asOf, bytes32(0));
        _flush(earnings);
    }
}
