// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../support/Vm.sol";
import {Action} from "./Action.sol";
import {Probe} from "./Probe.sol";

/// @notice Every way in which somebody gets out what is its own, so that it can be tried under one condition and under
/// another, from the same state.
abstract contract Exits is Probe {
    /// @notice What is done before an exit is taken.
    enum Prelude {
        Nothing,
        Pause,
        Administration
    }

    /// @notice One call of a party.
    struct Exit {
        address by;
        address target;
        bytes data;
        uint256 time;
        bytes32 leaseId;
        bool whole;
    }

    uint256 private constant FIRST = uint256(Action.TryWithdraw);
    uint256 internal constant EXITS = uint256(type(Action).max) - FIRST + 1;

    function exitAction(uint256 kind) internal pure returns (Action) {
        return Action(FIRST + kind % EXITS);
    }

    /// @dev What becomes of an exit after the prelude: whether it works, what it answers, and the whole world after it.
    function outcome(Prelude prelude, Exit memory exit) internal returns (bool worked, bytes32 digest) {
        return abi.decode(undone(abi.encodeCall(this.probeExit, (prelude, exit))), (bool, bytes32));
    }

    function probeExit(Prelude prelude, Exit memory exit) external {
        if (prelude != Prelude.Pause) market.setIntakePaused(false);
        if (prelude == Prelude.Pause) market.setIntakePaused(true);
        if (prelude == Prelude.Administration) administer(treasury);
        warpTo(exit.time);
        vm.prank(exit.by);
        (bool ok, bytes memory answer) = exit.target.call(exit.data);
        // A batch that carried out nothing did not work.
        bool worked = ok && (answer.length == 0 || abi.decode(answer, (uint256)) != 0);
        revert Undone(abi.encode(worked, keccak256(abi.encode(ok, answer, digestOf(exit.leaseId, exit.whole)))));
    }

    /// @dev All that an administrator can do, at its worst, to the market and to the manager of its rights.
    function administer(address treasury_) internal {
        market.setFee(500, treasury_);
        market.setIntakePaused(true);
        for (uint256 i = 0; i < traded.length; ++i) {
            if (donated[traded[i]] != 0) market.recoverSurplus(traded[i], STRANGER);
        }
        market.allowToken(unlisted);
        authority.setTargetClosed(address(market), true);
        authority.updateAuthority(address(market), address(this));
    }

    /// @dev The exit of this kind from a lease, at a time at which it is possible if it ever is.
    function exitFrom(bytes32 leaseId, Action kind, bool whole) internal view returns (Exit memory exit) {
        ILeaseMarket.LeaseView memory shown = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        (exit.leaseId, exit.whole) = (leaseId, whole);
        (exit.target, exit.by) = (address(market), bid.tenant);
        if (kind == Action.TryWithdraw) {
            exit.data =
                abi.encodeCall(market.withdraw, (bid.token, bid.tenant, market.available(bid.tenant, bid.token)));
        } else if (kind == Action.TryAbort) {
            exit.time = uint256(shown.endAt) + 1;
            exit.data = abi.encodeCall(market.abort, (bid));
        } else if (kind == Action.TryTopUp) {
            exit.data =
                abi.encodeCall(market.topUp, (leaseId, uint128(least(1, market.available(bid.tenant, bid.token)))));
        } else if (kind == Action.TryClose) {
            exit.data = abi.encodeCall(market.closeLease, (leaseId));
        } else if (kind == Action.TryDispute) {
            exit.data = abi.encodeCall(market.dispute, (bid, shown.paid));
        } else if (kind == Action.TryResolve) {
            exit.by = bid.arbiter;
            exit.time = uint256(shown.disputedAt) + CLAIM_WINDOW + 1;
            uint128 contested = shown.state == 3 ? shown.pendingCum - shown.paid : 0;
            exit.data = abi.encodeCall(market.resolve, (bid, contested / 2, bid.maxSlash / 2));
        } else if (kind == Action.TrySplit) {
            exit.time = uint256(shown.disputedAt) + ARBITER_WINDOW;
            exit.data = abi.encodeCall(market.resolve, (bid, 0, 0));
        } else {
            providersExit(exit, leaseId, kind);
        }
    }

    function providersExit(Exit memory exit, bytes32 leaseId, Action kind) private view {
        ILeaseMarket.LeaseView memory shown = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        exit.by = bid.provider;
        if (kind == Action.TryConfirm) {
            exit.data = abi.encodeCall(market.confirm, (one(leaseId)));
        } else if (kind == Action.TryDecline) {
            exit.data = abi.encodeCall(market.decline, (bid));
        } else if (kind == Action.TrySettle) {
            uint40 latest = uint40(least(block.timestamp, shown.endAt));
            uint256 cum = shown.state == 3 ? shown.pendingCum : shown.paid + capOf(shown, latest - shown.lastAsOf);
            exit.data = abi.encodeCall(market.settle, (one(sign(leaseId, uint128(cum), latest, true))));
        } else if (kind == Action.TryClaim) {
            exit.data = abi.encodeCall(market.claim, (one(ILeaseMarket.ClaimItem(bid, makeUsage(5 days)))));
        } else if (kind == Action.TryMature) {
            exit.time = uint256(shown.filedAt) + DISPUTE_WINDOW;
            exit.data = abi.encodeCall(market.mature, (one(leaseId)));
        } else if (kind == Action.TryReclaim) {
            exit.data = abi.encodeCall(market.reclaim, (bid));
        } else if (kind == Action.TryFinalize) {
            exit.time = uint256(shown.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW;
            exit.data = abi.encodeCall(market.finalize, (one(bid)));
        } else if (kind == Action.TryWithdrawBond) {
            exit.target = address(registry);
            exit.time = registry.providerOf(bid.provider).unbondAt;
            exit.data = abi.encodeCall(registry.withdrawBond, (bid.provider));
        } else {
            exit.target = address(registry);
            exit.by = bid.tenant;
            exit.data = abi.encodeCall(registry.withdrawClaimable, (bid.tenant));
        }
    }
}
