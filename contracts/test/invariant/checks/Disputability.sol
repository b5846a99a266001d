// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {atMost, same} from "../Broken.sol";
import {Probe} from "../Probe.sol";

/// @notice A lease has one waiting claim at most, it is the one that was filed, the lease's money covers it, and up to
/// the last second of its window nobody can have it paid and the tenant can dispute it.
abstract contract Disputability is Probe {
    function checkInvariant5_Disputability() public {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        for (uint256 i = 0; i < leases.length; ++i) {
            checkClaim(leases[i], stories[live[i]]);
        }
        bytes32 leaseId = pickActive(dice("claim"), true);
        if (leaseId != 0) tryDisputing(leaseId);
    }

    function checkClaim(ILeaseMarket.LeaseView memory shown, Story storage story) private view {
        bool contested = shown.state == 3;
        if (!contested) same(shown.filedAt, story.filedAt, "5: the claim that waits is the one that was filed");
        if (shown.filedAt == 0) return;
        same(shown.pendingCum, story.claimed, "5: a claim is for what was filed");
        same(shown.pendingAt, story.claimedAt, "5: a claim bills up to what was filed");
        atMost(shown.pendingCum, uint256(shown.paid) + shown.balance, "5: a claim is covered by the lease");
        atMost(shown.pendingAt, shown.endAt, "5: a claim bills up to the end");
        if (contested) atMost(shown.paid, shown.pendingCum, "5: no more is paid than was claimed");
    }

    function tryDisputing(bytes32 leaseId) internal returns (bool) {
        uint256 until = uint256(stories[leaseId].filedAt) + DISPUTE_WINDOW;
        if (block.timestamp >= until) return false;
        undone(abi.encodeCall(this.probeLastSecond, (leaseId, until - 1)));
        return true;
    }

    function probeLastSecond(bytes32 leaseId, uint256 time) external {
        vm.warp(time);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        same(market.mature(one(leaseId)), 0, "5: matured within the window");
        same(market.finalize(one(bid)), 0, "5: finalized within the window");
        (, bytes memory answer) =
            tryAs(before.provider, abi.encodeCall(market.claim, (one(ILeaseMarket.ClaimItem(bid, makeUsage(1 days))))));
        same(abi.decode(answer, (uint256)), 0, "5: a second claim within the first's window");
        same(lease(leaseId).paid, before.paid, "5: paid within the window");
        // Nobody can fill an account in a pause, and nobody has to.
        market.setIntakePaused(true);
        mustAs(bid.tenant, abi.encodeCall(market.dispute, (bid, before.paid)), "5: not disputable in its last second");
        same(lease(leaseId).state, 3, "5: disputed");
        revert Undone("");
    }
}
