// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {bound} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {Stage} from "../Stage.sol";

/// @notice What happens to a claim that the tenant does not accept.
abstract contract DisputeActions is Stage {
    function disputeOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = waiting(seed);
        uint256 until = uint256(stories[leaseId].filedAt) + DISPUTE_WINDOW;
        if (block.timestamp >= until) {
            leaseId = freshClaim(seed);
            until = uint256(stories[leaseId].filedAt) + DISPUTE_WINDOW;
        }
        if ((seed >> 12) % 4 == 0) warpTo(until - 1);
        Story storage story = stories[leaseId];
        uint128 conceded = uint128(bound(seed >> 16, story.due, story.claimed - 1));
        if ((seed >> 13) % 4 == 0) conceded = uint128(story.due);
        if (conceded != story.due) reach(Action.DisputeConceding);
        bool paused = (seed >> 8) % 2 == 0;
        market.setIntakePaused(false);
        // In a pause a dispute needs no more than the account holds.
        if (paused && (seed >> 9) % 2 == 0) emptyAccount(bids[leaseId].tenant, bids[leaseId].token);
        else moveDeposit(bids[leaseId].token, bids[leaseId].tenant, story.claimed);
        market.setIntakePaused(paused);
        if (moveDispute(leaseId, conceded)) reach(Action.DisputeDepositFromAccount);
        reach(paused ? Action.DisputePaused : Action.Dispute);
    }

    function supplementOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        bool again = stories[leaseId].supplemented;
        if (!supplement(leaseId, seed)) {
            if (again) reach(Action.SupplementRefusedTwice);
            return;
        }
        reach(Action.Supplement);
        supplement(leaseId, seed);
        reach(Action.SupplementRefusedTwice);
    }

    /// @dev What the session key signed stays owed in a dispute.
    function admitOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        Story storage story = stories[leaseId];
        if (story.claimed == story.due) return;
        uint128 cum = uint128(bound(seed >> 16, story.due + 1, story.claimed));
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint40 asOf = uint40(bound(seed >> 144, 0, before.endAt));
        moveSettle(leaseId, actorOf(before.provider, seed >> 8), cum, asOf, seed % 2 == 0);
        reach(Action.Admission);
    }

    function resolveByArbiter(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        bool early = (seed >> 150) % 2 == 0 && (stories[leaseId].supplemented || supplement(leaseId, seed));
        if (!early) warpTo(uint256(before.disputedAt) + CLAIM_WINDOW + 1);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        if (block.timestamp >= uint256(before.disputedAt) + ARBITER_WINDOW || bid.arbiter == address(0)) {
            return split(leaseId, seed);
        }
        uint128 contested = stories[leaseId].claimed - stories[leaseId].conceded;
        uint128 award = seed % 3 == 0 ? contested : uint128(bound(seed >> 16, 0, contested));
        uint96 slash = (seed >> 60) % 2 == 0 ? 0 : uint96(bound(seed >> 64, 0, bid.maxSlash));
        market.setIntakePaused((seed >> 9) % 2 == 0);
        moveResolve(leaseId, bid.arbiter, award, slash);
        if (slash != 0) reach(Action.ResolveSlashing);
        if (before.paid != stories[leaseId].conceded) reach(Action.ResolveAfterAdmission);
        if (award == contested) reach(Action.ResolveAwardingAll);
        reach(early ? Action.ResolveAfterSupplement : Action.ResolveAfterClaimWindow);
    }

    function resolveBySplit(uint256 seed) public {
        seed = mix(seed);
        split(disputed(seed), seed);
    }

    function split(bytes32 leaseId, uint256 seed) private {
        warpTo(uint256(lease(leaseId).disputedAt) + ARBITER_WINDOW);
        market.setIntakePaused((seed >> 9) % 2 == 0);
        moveResolve(leaseId, people[seed % people.length], 0, 0);
        reach(Action.Split);
    }

    function supplement(bytes32 leaseId, uint256 seed) private returns (bool) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint128[8] memory usage = makeUsage(before.endAt - before.startedAt);
        if (seed % 5 == 0) usage[1] = type(uint128).max;
        return moveSupplement(leaseId, actorOf(before.provider, seed >> 24), usage);
    }
}
