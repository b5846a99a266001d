// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
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
        _requireActive(leaseId, lease);
        if (lease.state != State.CLAIMED) revert LeaseMarket_NoPending(leaseId);
        uint40 until = lease.filedAt + DISPUTE_WINDOW;
        if (_now() >= until) revert LeaseMarket_TooLate(leaseId, until - 1);
        uint128 pendingCum = lease.pendingCum;
        if (conceded < lease.paid) revert LeaseMarket_StaleStatement(leaseId);
        if (conceded >= pendingCum) revert LeaseMarket_OverCap(leaseId, conceded, pendingCum - 1);

        // Effects
        lease.state = State.DISPUTED;
        lease.disputedAt = _now();
        // Both casts hold: neither is later than the end was.
        lease.endAt = uint32(_earlier(_now(), lease.endAt));
        lease.lastAsOf = uint32(lease.pendingAt);
        if (conceded > lease.paid) _payNow(leaseId, lease, conceded, lease.pendingAt);
        uint128 contested = pendingCum - conceded;
        (uint128 held, uint128 fromBalance) = _takeDeposit(lease, bid.tenant, contested);
        _stakes[leaseId] = Stake(held, conceded);
        emit LeaseDisputed(leaseId, lease.provider, conceded, contested, held, fromBalance);
    }

    /// @inheritdoc ILeaseMarket
    function resolve(Bid calldata bid, uint128 award, uint96 slash) external nonReentrant {
        // Checks
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        _requireState(leaseId, lease, State.DISPUTED);
        Stake memory stake = _stakes[leaseId];
        uint128 paid = lease.paid;
        uint128 pendingCum = lease.pendingCum;
        uint128 contested = pendingCum - stake.conceded;
        uint128 cum;
        if (_now() < lease.disputedAt + ARBITER_WINDOW) {
            _checkRuling(leaseId, lease, bid, contested, award, slash);
            // An admission meanwhile is a part of the award: it cannot be put before a ruling to be paid twice.
            cum = stake.conceded + award;
            if (cum < paid) cum = paid;
        } else {
            if (award != 0 || slash != 0) {
                revert LeaseMarket_TooLate(leaseId, uint256(lease.disputedAt) + ARBITER_WINDOW - 1);
            }
            // The cast holds: `splitBps` is at most the whole, checked when the lease opened.
            award = uint128(Settlement.share(pendingCum - paid, bid.splitBps));
            cum = paid + award;
        }

        // Effects
        if (cum != paid) _payNow(leaseId, lease, cum, lease.lastAsOf);
        address depositTo = cum == pendingCum ? bid.provider : bid.tenant;
        delete _stakes[leaseId];
        _credit(depositTo, lease.tokenId, stake.deposit);
        emit DisputeResolved(leaseId, bid.provider, award, slash, depositTo, msg.sender);
        _close(leaseId, lease, bid.tenant, CloseReason.Resolved);

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

    /// @dev Takes the deposit from the part of the balance that nobody contests, then from the tenant's account. While
    /// intake is paused nobody can fill an account, so then only what it holds: a pause cannot stop a dispute.
    function _takeDeposit(Lease storage lease, address tenant, uint128 contested)
        private
        returns (uint128 held, uint128 fromBalance)
    {
        // All casts hold: a share is at most the whole, and the smaller of two 128-bit numbers is one.
        held = uint128(Settlement.share(contested, DISPUTE_DEPOSIT_BPS));
        uint128 balance = lease.balance;
        fromBalance = uint128(Settlement.min(held, balance - contested));
        lease.balance = balance - fromBalance;
        uint128 rest = held - fromBalance;
        if (rest == 0) return (held, fromBalance);
        uint8 tokenId = lease.tokenId;
        if (_intakePaused) rest = uint128(Settlement.min(rest, _accounts[tenant][tokenId].available));
        _debit(tenant, tokenId, rest);
        held = fromBalance + rest;
    }

    function _payNow(bytes32 leaseId, Lease storage lease, uint128 cum, uint40 asOf) private {
        Earnings memory earnings;
        _pay(leaseId, lease, earnings, cum, asOf, bytes32(0));
        _flush(earnings);
    }
}
