// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
import {Leases} from "./Leases.sol";

/// @title Opening
/// @notice From a signed bid to a running lease, or back out of an unconfirmed one.
abstract contract Opening is Leases {
    /// @inheritdoc ILeaseMarket
    function openLease(Bid calldata bid, bytes32 r, bytes32 vs, address signer, uint128 amount)
        external
        nonReentrant
        whenIntakeOpen
    {
        // Checks
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        if (msg.sender != bid.tenant) revert LeaseMarket_NotTenant(leaseId, msg.sender);
        _requireState(leaseId, lease, State.NONE);
        if (block.timestamp > bid.validUntil) revert LeaseMarket_BidExpired(leaseId, bid.validUntil);
        if (signer == address(0)) revert LeaseMarket_ZeroAddress();
        _checkBid(leaseId, bid);
        if (amount < bid.minDeposit) revert LeaseMarket_BelowMinDeposit(leaseId, bid.minDeposit, amount);
        (, uint8 tokenId,) = _requireToken(bid.token);
        uint96 rateCapE6 = _rateCap(leaseId, bid);
        (address bidder,,) = ECDSA.tryRecover(leaseId, r, vs);
        if (bidder == address(0)) revert LeaseMarket_InvalidSignature(leaseId);

        // Effects
        uint40 startBy = _now() + bid.startWindow;
        uint16 feeBps = _feeBps;
        lease.provider = bid.provider;
        lease.state = State.OPEN;
        lease.tokenId = tokenId;
        lease.feeBps = feeBps;
        lease.balance = amount;
        lease.signer = signer;
        lease.rateCapE6 = rateCapE6;
        lease.tenant = msg.sender;
        lease.startedAt = startBy;
        // The cast holds: `_checkBid` bounds it.
        lease.maxDuration = uint24(bid.maxDuration);
        _debit(msg.sender, tokenId, amount);
        emit LeaseOpened(leaseId, msg.sender, bid.provider, signer, amount, rateCapE6, startBy, bid);

        // Interactions: the registry, which checks the bidder's key and epoch
        REGISTRY.lock(bid.provider, bidder, bid.bidEpoch, bid.maxSlash);
    }

    /// @inheritdoc ILeaseMarket
    function confirm(bytes32[] calldata leaseIds) external returns (uint256 done) {
        Acting memory acting;
        for (uint256 i = 0; i < leaseIds.length; ++i) {
            done += _tally(leaseIds[i], _confirm(leaseIds[i], acting));
        }
    }

    /// @inheritdoc ILeaseMarket
    function topUp(bytes32 leaseId, uint128 amount) external {
        Lease storage lease = _leases[leaseId];
        if (lease.state != State.OPEN) _requireActive(leaseId, lease);
        if (amount == 0) revert LeaseMarket_ZeroAmount();
        _debit(msg.sender, lease.tokenId, amount);
        uint128 balance = lease.balance + amount;
        lease.balance = balance;
        emit LeaseToppedUp(leaseId, msg.sender, amount, balance);
    }

    /// @inheritdoc ILeaseMarket
    function decline(Bid calldata bid) external nonReentrant {
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        _requireState(leaseId, lease, State.OPEN);
        _requireProvider(leaseId, bid.provider);
        if (block.timestamp > lease.startedAt) _closeNoShow(leaseId, lease, bid);
        else _closeDeclined(leaseId, lease, bid);
    }

    /// @inheritdoc ILeaseMarket
    function abort(Bid calldata bid) external nonReentrant {
        bytes32 leaseId = _leaseId(bid);
        Lease storage lease = _leases[leaseId];
        if (msg.sender != bid.tenant) revert LeaseMarket_NotTenant(leaseId, msg.sender);
        _requireState(leaseId, lease, State.OPEN);
        uint256 startBy = lease.startedAt;
        if (block.timestamp <= startBy) revert LeaseMarket_TooEarly(leaseId, startBy + 1);
        _closeNoShow(leaseId, lease, bid);
    }

    /// @dev Confirms one lease, or says why not.
    function _confirm(bytes32 leaseId, Acting memory acting) private returns (bytes4) {
        // Checks
        Lease storage lease = _leases[leaseId];
        if (lease.state != State.OPEN) return LeaseMarket_WrongState.selector;
        address provider = lease.provider;
        if (!_actsFor(acting, provider)) return LeaseMarket_NotProvider.selector;
        uint40 startedAt = _now();
        uint40 endAt = startedAt + lease.maxDuration;
        // In the year 2106 nothing starts any more, so that a running lease's times fit their 32 bits.
        if (startedAt > lease.startedAt || endAt > type(uint32).max) return LeaseMarket_TooLate.selector;

        // Effects
        lease.startedAt = startedAt;
        lease.state = State.ACTIVE;
        // Both casts hold: checked above, and the start is not after the end.
        lease.endAt = uint32(endAt);
        lease.lastAsOf = uint32(startedAt);
        emit LeaseConfirmed(leaseId, provider, startedAt, endAt);
        return bytes4(0);
    }

    function _closeDeclined(bytes32 leaseId, Lease storage lease, Bid calldata bid) private {
        _close(leaseId, lease, bid.tenant, CloseReason.Declined);
        REGISTRY.unlock(bid.provider, bid.maxSlash);
    }

    function _closeNoShow(bytes32 leaseId, Lease storage lease, Bid calldata bid) private {
        _close(leaseId, lease, bid.tenant, CloseReason.NoShow);
        uint96 penalty = bid.noShowPenalty;
        if (penalty == 0) REGISTRY.unlock(bid.provider, bid.maxSlash);
        else REGISTRY.slash(bid.provider, bid.maxSlash, penalty, bid.tenant, penalty, _treasury);
    }

    function _checkBid(bytes32 leaseId, Bid calldata bid) private pure {
        if (bid.noShowPenalty > bid.maxSlash) revert LeaseMarket_BadBid(leaseId, "noShowPenalty");
        if (bid.splitBps > Settlement.BPS_SCALE) revert LeaseMarket_BadBid(leaseId, "splitBps");
        if (bid.maxDuration == 0 || bid.maxDuration > type(uint24).max) {
            revert LeaseMarket_BadBid(leaseId, "maxDuration");
        }
    }

    function _rateCap(bytes32 leaseId, Bid calldata bid) internal pure returns (uint96) {
        uint256 rateCapE6 = Settlement.rateCapE6(bid.price, bid.limit);
        if (rateCapE6 == 0 || rateCapE6 > type(uint96).max) revert LeaseMarket_BadBid(leaseId, "rateCap");
        // The cast holds: checked in the line above.
        return uint96(rateCapE6);
    }
}
