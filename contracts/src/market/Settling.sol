// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Settlement} from "../libraries/Settlement.sol";
import {State} from "../libraries/State.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Leases} from "./Leases.sol";

/// @title Settling
/// @notice The two ways in which a provider is paid: countersigned statements, and claims that nobody disputed.
/// @dev Functions that work on one item return the selector of the error that stops it, or zero.
abstract contract Settling is Leases {
    using TypedData for ILeaseMarket.Statement;

    /// @inheritdoc ILeaseMarket
    function settle(SignedStatement[] calldata statements) external returns (uint256 done) {
        Acting memory acting;
        Earnings memory earnings;
        for (uint256 i = 0; i < statements.length; ++i) {
            done += _tally(statements[i].statement.leaseId, _settle(statements[i], acting, earnings));
        }
        _flush(earnings);
    }

    /// @inheritdoc ILeaseMarket
    function claim(ClaimItem[] calldata items) external returns (uint256 done) {
        Acting memory acting;
        Earnings memory earnings;
        for (uint256 i = 0; i < items.length; ++i) {
            bytes32 leaseId = _leaseId(items[i].bid);
            done += _tally(leaseId, _claim(leaseId, items[i], acting, earnings));
        }
        _flush(earnings);
    }

    /// @inheritdoc ILeaseMarket
    function mature(bytes32[] calldata leaseIds) external returns (uint256 done) {
        Earnings memory earnings;
        for (uint256 i = 0; i < leaseIds.length; ++i) {
            done += _tally(leaseIds[i], _mature(leaseIds[i], earnings));
        }
        _flush(earnings);
    }

    function _settle(SignedStatement calldata signed, Acting memory acting, Earnings memory earnings)
        private
        returns (bytes4)
    {
        // Checks
        Statement calldata statement = signed.statement;
        Lease storage lease = _leases[statement.leaseId];
        bool active = _isActive(lease.state);
        if (!active && lease.state != State.DISPUTED) return LeaseMarket_WrongState.selector;
        if (!_actsFor(acting, lease.provider)) return LeaseMarket_NotProvider.selector;
        bytes4 refused = active ? _checkStatement(lease, statement) : _checkAdmission(lease, statement);
        if (refused != bytes4(0)) return refused;
        (address signer,,) = ECDSA.tryRecover(_digest(statement.hash()), signed.r, signed.vs);
        // A malformed signature gives the zero address, which no lease has for a signer.
        if (signer != lease.signer) return LeaseMarket_BadSigner.selector;

        // Effects
        uint40 asOf = statement.asOf;
        if (active) {
            // Also where a claim waited: what both signed supersedes it.
            if (lease.state == State.CLAIMED) lease.state = State.ACTIVE;
            // The cast holds: `asOf` is not later than the end.
            lease.lastAsOf = uint32(asOf);
            if (statement.last && asOf != lease.endAt) _bringForward(statement.leaseId, lease, asOf);
        }
        _pay(statement.leaseId, lease, earnings, statement.amountCum, asOf, statement.usageHash);
        return bytes4(0);
    }

    function _checkStatement(Lease storage lease, Statement calldata statement) private view returns (bytes4) {
        uint40 asOf = statement.asOf;
        if (asOf < lease.lastAsOf || statement.amountCum < lease.paid) return LeaseMarket_StaleStatement.selector;
        if (asOf > _earlier(_now(), lease.endAt)) return LeaseMarket_FutureStatement.selector;
        if (statement.amountCum > _capCum(lease, asOf)) return LeaseMarket_OverCap.selector;
        return bytes4(0);
    }

    /// @dev What the tenant signed before it disputed stays owed. `pendingCum` was inside the caps when it was claimed,
    /// and `lastAsOf` has moved to where it bills, so that no cap is needed here and `asOf` needs no lower bound.
    function _checkAdmission(Lease storage lease, Statement calldata statement) private view returns (bytes4) {
        if (statement.amountCum <= lease.paid) return LeaseMarket_StaleStatement.selector;
        if (statement.asOf > lease.endAt) return LeaseMarket_FutureStatement.selector;
        if (statement.amountCum > lease.pendingCum) return LeaseMarket_OverCap.selector;
        return bytes4(0);
    }

    function _claim(bytes32 leaseId, ClaimItem calldata item, Acting memory acting, Earnings memory earnings)
        private
        returns (bytes4)
    {
        Lease storage lease = _leases[leaseId];
        bool active = _isActive(lease.state);
        if (!active && lease.state != State.DISPUTED) return LeaseMarket_WrongState.selector;
        if (!_actsFor(acting, lease.provider)) return LeaseMarket_NotProvider.selector;
        return active ? _file(leaseId, lease, item, earnings) : _supplement(leaseId, lease, item);
    }

    /// @dev Files a claim on an Active lease. A due claim that is paid on the way stays paid even if this one is refused.
    function _file(bytes32 leaseId, Lease storage lease, ClaimItem calldata item, Earnings memory earnings)
        private
        returns (bytes4)
    {
        // Checks
        if (_now() > lease.endAt + CLAIM_WINDOW) return LeaseMarket_TooLate.selector;
        if (lease.state == State.CLAIMED) {
            if (_now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;
            _payPending(leaseId, lease, earnings);
        }
        uint40 asOf = _earlier(_now(), lease.endAt);
        uint256 cum = Settlement.min(_amount(lease, item, asOf), _capCum(lease, asOf));
        cum = Settlement.min(cum, uint256(lease.paid) + lease.balance);
        if (cum <= lease.paid) return LeaseMarket_NothingToClaim.selector;

        // Effects
        lease.state = State.CLAIMED;
        // The cast holds: a rate cap of 96 bits, over at most 2^24 seconds.
        lease.pendingCum = uint128(cum);
        lease.pendingAt = asOf;
        lease.filedAt = _now();
        emit ClaimFiled(leaseId, lease.provider, uint128(cum), asOf, item.usage);
        return bytes4(0);
    }

    /// @dev Raises the claim of a Disputed lease, once, by the work between the claim and the dispute.
    function _supplement(bytes32 leaseId, Lease storage lease, ClaimItem calldata item) private returns (bytes4) {
        // Checks
        if (lease.supplemented) return LeaseMarket_AlreadySupplemented.selector;
        if (_now() > lease.disputedAt + CLAIM_WINDOW) return LeaseMarket_TooLate.selector;
        uint40 asOf = lease.endAt;
        uint256 pending = lease.pendingCum;
        uint256 cum = pending + Settlement.cap(lease.rateCapE6, asOf - lease.pendingAt);
        cum = Settlement.min(cum, _amount(lease, item, asOf));
        cum = Settlement.min(cum, uint256(lease.paid) + lease.balance);
        if (cum <= pending) return LeaseMarket_NothingToClaim.selector;

        // Effects
        lease.supplemented = true;
        // The cast holds: as in `_file`.
        lease.pendingCum = uint128(cum);
        lease.pendingAt = asOf;
        // The cast holds: it is the end.
        lease.lastAsOf = uint32(asOf);
        emit ClaimFiled(leaseId, lease.provider, uint128(cum), asOf, item.usage);
        return bytes4(0);
    }

    function _mature(bytes32 leaseId, Earnings memory earnings) private returns (bytes4) {
        Lease storage lease = _leases[leaseId];
        if (!_isActive(lease.state)) return LeaseMarket_WrongState.selector;
        if (lease.state != State.CLAIMED) return LeaseMarket_NoPending.selector;
        if (_now() < lease.filedAt + DISPUTE_WINDOW) return LeaseMarket_TooEarly.selector;
        _payPending(leaseId, lease, earnings);
        return bytes4(0);
    }

    function _amount(Lease storage lease, ClaimItem calldata item, uint40 asOf) private view returns (uint256) {
        return Settlement.amount(item.bid.price, item.bid.limit, item.usage, asOf - lease.startedAt);
    }
}
