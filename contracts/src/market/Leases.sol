// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../interfaces/IProviderRegistry.sol";
import {Domain} from "../libraries/Domain.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Accounts} from "./Accounts.sol";

/// @title Leases
/// @notice What is stored of a lease, and the three moves that all paths share: pay, end, close.
/// @dev The terms of a lease are not stored; its id commits to them, and whoever needs them brings the bid.
abstract contract Leases is Accounts, Domain {
    using TypedData for ILeaseMarket.Bid;

    enum CloseReason {
        Finalized,
        Declined,
        NoShow,
        Resolved
    }

    struct Lease {
        // slot 0: all that decides whether something may happen now; stays when all is over, so that a bid never opens
        // twice. 32 bits hold its times: `_confirm` starts no lease that ends after them, and an end only comes nearer.
        address provider;
        uint32 endAt; // 0 for a lease that has not started
        uint32 lastAsOf;
        uint8 state; // of {State}
        uint8 tokenId;
        uint16 feeBps;
        // slot 1
        uint128 balance;
        uint128 paid;
        // slot 2
        address signer;
        uint96 rateCapE6;
        // slot 3
        address tenant;
        uint40 startedAt; // for a lease that has not started: the last second to confirm
        uint24 maxDuration; // seconds
        // slot 4; written only by claims and disputes. The first three mean nothing unless Claimed or Disputed.
        uint128 pendingCum;
        uint40 pendingAt;
        uint40 filedAt;
        uint40 disputedAt;
        bool supplemented;
    }

    /// @dev What a dispute needs beyond the claim.
    struct Stake {
        uint128 deposit;
        uint128 conceded;
    }

    /// @dev Remembers within one batch whether the caller acts for a provider. `known` is needed: a cache that starts
    /// at the zero address would wave unknown leases through.
    struct Acting {
        bool known;
        bool authorised;
        address provider;
    }

    /// @dev Sums up what consecutive payments of a batch owe one provider in one token, to write it once.
    struct Earnings {
        address provider;
        uint8 tokenId;
        uint128 net;
        uint128 fee;
    }

    IProviderRegistry internal immutable REGISTRY;
    address internal immutable BOND_TOKEN;
    uint40 internal immutable CLAIM_WINDOW;
    uint40 internal immutable DISPUTE_WINDOW;
    uint40 internal immutable ARBITER_WINDOW;

    mapping(bytes32 leaseId => Lease) internal _leases;
    mapping(bytes32 leaseId => Stake) internal _stakes;

    /// @dev Long enough for any use; keeps sums of times far inside 40 bits.
    uint40 private constant MAX_WINDOW = 365 days;

    constructor(
        IProviderRegistry registry_,
        address treasury,
        uint40 claimWindow,
        uint40 disputeWindow,
        uint40 arbiterWindow
    ) {
        if (treasury == address(0)) revert LeaseMarket_ZeroAddress();
        // The arbiter waits for the claim window and must have time left after it.
        if (claimWindow == 0 || disputeWindow == 0 || arbiterWindow <= claimWindow) revert LeaseMarket_BadWindows();
        if (disputeWindow > MAX_WINDOW || arbiterWindow > MAX_WINDOW) revert LeaseMarket_BadWindows();
        REGISTRY = registry_;
        BOND_TOKEN = registry_.bondToken();
        CLAIM_WINDOW = claimWindow;
        DISPUTE_WINDOW = disputeWindow;
        ARBITER_WINDOW = arbiterWindow;
        _treasury = treasury;
        emit FeeSet(0, treasury);
    }

    function _domainName() internal pure override returns (string memory) {
        return "LeaseMarket";
    }

    // ---- Moves ----

    /// @dev Pays up to the cumulative amount `cum`, or as far as the balance reaches. Callers have checked `cum`.
    function _pay(
        bytes32 leaseId,
        Lease storage lease,
        Earnings memory earnings,
        uint256 cum,
        uint40 asOf,
        bytes32 usageHash
    ) internal {
        uint128 paid = lease.paid;
        uint128 balance = lease.balance;
        address provider = lease.provider;
        uint8 tokenId = lease.tokenId;
        // Both casts hold: `amount <= balance` and `fee <= amount`.
        uint128 amount = uint128(Settlement.min(cum - paid, balance));
        uint128 fee = uint128(Settlement.share(amount, lease.feeBps));
        paid += amount;
        lease.balance = balance - amount;
        lease.paid = paid;
        _earn(earnings, provider, tokenId, amount - fee, fee);
        emit LeaseSettled(leaseId, provider, amount, fee, paid, asOf, usageHash);
    }

    /// @dev Pays the claim of a Claimed lease, whose dispute window has passed.
    function _payPending(bytes32 leaseId, Lease storage lease, Earnings memory earnings) internal {
        uint40 asOf = lease.pendingAt;
        lease.state = State.ACTIVE;
        // The cast holds: a claim bills up to the end at most.
        lease.lastAsOf = uint32(asOf);
        _pay(leaseId, lease, earnings, lease.pendingCum, asOf, bytes32(0));
    }

    /// @dev Ends a lease for good: what is left goes to the tenant's account. The caller releases the bond after it, and
    /// takes the tenant from the bid, which the lease's id commits to.
    function _close(bytes32 leaseId, Lease storage lease, address tenant, CloseReason reason) internal {
        uint128 refund = lease.balance;
        lease.state = State.CLOSED;
        lease.balance = 0;
        _credit(tenant, lease.tokenId, refund);
        emit LeaseClosed(leaseId, tenant, lease.provider, lease.paid, refund, uint8(reason));
    }

    function _earn(Earnings memory earnings, address provider, uint8 tokenId, uint128 net, uint128 fee) private {
        if (earnings.provider != provider || earnings.tokenId != tokenId) {
            _flush(earnings);
            earnings.provider = provider;
            earnings.tokenId = tokenId;
        }
        earnings.net += net;
        earnings.fee += fee;
    }

    /// @dev Credits what a batch has summed up. Every batch ends with it.
    function _flush(Earnings memory earnings) internal {
        if (earnings.net != 0) _creditEarnings(earnings.provider, earnings.tokenId, earnings.net, earnings.fee);
        if (earnings.fee != 0) _credit(_treasury, earnings.tokenId, earnings.fee);
        earnings.net = 0;
        earnings.fee = 0;
    }

    /// @dev The end only ever comes nearer, and never lies in the past.
    function _bringForward(bytes32 leaseId, Lease storage lease, uint40 endAt) internal {
        if (endAt >= lease.endAt) revert LeaseMarket_TooLate(leaseId, lease.endAt);
        // The cast holds: it is less than another number of this size.
        lease.endAt = uint32(endAt);
        emit CloseRequested(leaseId, lease.provider, msg.sender, endAt);
    }

    /// @dev Counts an item of a batch that was carried out, or reports the one that was not.
    function _tally(bytes32 id, bytes4 skipped) internal returns (uint256) {
        if (skipped == bytes4(0)) return 1;
        emit ItemSkipped(id, skipped);
        return 0;
    }

    // ---- Checks ----

    function _leaseId(Bid calldata bid) internal view returns (bytes32) {
        return _digest(bid.hash());
    }

    function _actsFor(Acting memory acting, address provider) internal view returns (bool) {
        if (!acting.known || acting.provider != provider) {
            acting.known = true;
            acting.provider = provider;
            acting.authorised = REGISTRY.isAuthorised(provider, msg.sender);
        }
        return acting.authorised;
    }

    function _requireProvider(bytes32 leaseId, address provider) internal view {
        if (!REGISTRY.isAuthorised(provider, msg.sender)) revert LeaseMarket_NotProvider(leaseId, msg.sender);
    }

    function _requireState(bytes32 leaseId, Lease storage lease, uint8 state) internal view {
        if (lease.state != state) revert LeaseMarket_WrongState(leaseId, _shown(lease.state));
    }

    /// @dev With or without a waiting claim.
    function _requireActive(bytes32 leaseId, Lease storage lease) internal view {
        if (!_isActive(lease.state)) revert LeaseMarket_WrongState(leaseId, _shown(lease.state));
    }

    function _isActive(uint8 state) internal pure returns (bool) {
        return state == State.ACTIVE || state == State.CLAIMED;
    }

    /// @dev The number that the interface gives a state.
    function _shown(uint8 state) internal pure returns (uint8) {
        return state == State.CLAIMED ? State.ACTIVE : state;
    }

    /// @dev The most that may have been paid in all once settled up to `asOf`.
    function _capCum(Lease storage lease, uint40 asOf) internal view returns (uint256) {
        return lease.paid + Settlement.cap(lease.rateCapE6, asOf - lease.lastAsOf);
    }

    function _now() internal view returns (uint40) {
        // The cast holds: seconds since 1970 fit 40 bits for 34 000 years.
        return uint40(block.timestamp);
    }

    function _earlier(uint40 a, uint40 b) internal pure returns (uint40) {
        return a < b ? a : b;
    }
}
