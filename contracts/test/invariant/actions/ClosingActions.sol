// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {holds, same} from "../Broken.sol";
import {Stage} from "../Stage.sol";

/// @notice How an Active lease ends.
abstract contract ClosingActions is Stage {
    function closeOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        if (block.timestamp >= lease(leaseId).endAt) leaseId = fresh(seed);
        (address session,) = sessionOf(bids[leaseId]);
        bool byTenant = (seed >> 8) % 2 == 0;
        market.setIntakePaused((seed >> 9) % 2 == 0);
        vm.prank(byTenant ? bids[leaseId].tenant : session);
        market.closeLease(leaseId);
        same(lease(leaseId).endAt, block.timestamp, "6: a tenant leaves at once");
        reach(byTenant ? Action.CloseByTenant : Action.CloseBySessionKey);
    }

    function reclaimOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        bool starve = (seed >> 8) % 3 == 0;
        if (starve || block.timestamp + bids[leaseId].noticePeriod >= before.endAt) {
            leaseId = fresh(seed);
            before = lease(leaseId);
            // As long as the money lasts at the cap, and one second more.
            if (starve) warpTo(block.timestamp + uint256(before.balance) * 1e6 / before.rateCapE6 + 1);
            if (block.timestamp + bids[leaseId].noticePeriod >= before.endAt) return;
        }
        bool unfunded = capOf(before, block.timestamp - before.lastAsOf) >= before.balance;
        market.setIntakePaused((seed >> 9) % 2 == 0);
        vm.prank(actorOf(before.provider, seed >> 16));
        market.reclaim(bids[leaseId]);
        uint256 notice = unfunded ? 0 : bids[leaseId].noticePeriod;
        same(lease(leaseId).endAt, block.timestamp + notice, "6: a provider leaves after the notice");
        reach(unfunded ? Action.ReclaimUnfunded : Action.Reclaim);
    }

    function finalizeOne(uint256 seed) public {
        seed = mix(seed);
        uint256 kind = (seed >> 100) % 4;
        bytes32 leaseId = kind % 2 == 0 ? waiting(seed) : running(seed);
        uint256 endAt = lease(leaseId).endAt;
        // At once, at the end, or when both windows have passed: from then on nothing can keep the lease open.
        uint256 late = endAt + CLAIM_WINDOW + DISPUTE_WINDOW;
        if (kind >= 2) warpTo(late);
        else if ((seed >> 110) % 2 == 0) warpTo(endAt);
        market.setIntakePaused((seed >> 9) % 2 == 0);
        (bool done, bool paying) = moveFinalize(leaseId, people[(seed >> 16) % people.length]);
        holds(done || block.timestamp < late, "6: finalize works after both windows");
        if (!done) reach(Action.FinalizeRefusedEarly);
        else reach(paying ? Action.FinalizePayingClaim : Action.Finalize);
    }
}
