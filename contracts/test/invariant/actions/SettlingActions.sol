// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {bound, vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {holds, same} from "../Broken.sol";
import {Stage} from "../Stage.sol";

/// @notice The two ways in which a provider is paid, and what must not pay.
abstract contract SettlingActions is Stage {
    function settleOne(uint256 seed) public {
        seed = mix(seed);
        bool over = (seed >> 8) % 2 == 0;
        bytes32 leaseId = over ? waiting(seed) : running(seed);
        vm.warp(block.timestamp + seed % 3600);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        (uint128 cum, uint40 asOf) = makeTerms(seed, before);
        bool last = (seed >> 12) % 2 == 0;
        moveSettle(leaseId, actorOf(before.provider, seed >> 20), cum, asOf, last);
        if (over) reach(Action.SettleOverClaim);
        if (cum - before.paid > before.balance) reach(Action.SettleUnderfunded);
        reach(last ? Action.SettleLast : Action.Settle);
    }

    /// @dev All running leases of a provider in one call, in whatever tokens, with an item that is wrong among them.
    function settleBatch(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        address provider = lease(leaseId).provider;
        if ((seed >> 8) % 2 == 0) fresh(seed);
        vm.warp(block.timestamp + seed % 3600);
        ILeaseMarket.LeaseView[] memory before = market.getLeases(live);
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](live.length);
        uint256 count = 0;
        for (uint256 i = 0; i < live.length; ++i) {
            (uint128 cum, uint40 asOf) = makeTerms(seed >> i, before[i]);
            // Those of other providers, and those that are not Active, are to be passed over.
            batch[i] = sign(live[i], cum, asOf, false);
            if (before[i].state != 2 || before[i].provider != provider) continue;
            ++count;
        }
        // Disputed leases take admissions, which this is not about.
        for (uint256 i = 0; i < live.length; ++i) {
            if (before[i].state == 3) batch[i].statement.leaseId = 0;
        }
        vm.prank(actorOf(provider, seed >> 20));
        same(market.settle(batch), count, "4: a batch carries out what is right and nothing else");
        for (uint256 i = 0; i < live.length; ++i) {
            if (before[i].state != 2 || before[i].provider != provider) continue;
            bookSettle(live[i], before[i], batch[i].statement.amountCum, batch[i].statement.asOf);
        }
        reach(Action.SettleBatch);
    }

    /// @dev One thing is wrong with a statement or its bearer, whatever the rest: nothing changes.
    function settleRefused(uint256 seed) public {
        seed = mix(seed);
        bool active = seed % 2 == 0;
        bytes32 leaseId = active ? running(seed) : disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint40 latest = uint40(least(block.timestamp, before.endAt));
        uint128 cum = active ? before.paid : before.pendingCum;
        ILeaseMarket.Statement memory statement = makeStatement(leaseId, cum, latest, active);
        (, uint256 key) = sessionOf(bids[leaseId]);
        address by = before.provider;
        uint256 kind = (seed >> 8) % 5;
        if (kind == 0) by = tenants[(seed >> 16) % 3];
        if (kind == 1) key = FOREIGN_KEY;
        if (kind == 2) key = sessionKeys[(bids[leaseId].salt + 1) % 3];
        if (kind == 3) statement.asOf = latest + 1;
        if (kind == 4) statement.amountCum += 1 + uint128(capOf(before, latest - before.lastAsOf));
        ILeaseMarket.SignedStatement[] memory batch = one(signed(statement, key));
        vm.prank(by);
        same(market.settle(batch), 0, "4: a wrong statement is not carried out");
        reach(Action.SettleRefused);
    }

    function claimOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        vm.warp(block.timestamp + (seed >> 16) % 7200);
        file(leaseId, seed);
    }

    /// @dev Banked usage: a long interval was settled at nothing, and the claim wants it all for the rest.
    function claimBanked(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = fresh(seed);
        addMoney(leaseId, 200e6);
        vm.warp(block.timestamp + 1 hours);
        moveSettle(leaseId, lease(leaseId).provider, 0, uint40(block.timestamp), false);
        vm.warp(block.timestamp + 1 + seed % 600);
        file(leaseId, seed);
    }

    function claimAgain(uint256 seed) public {
        seed = mix(seed);
        file(waiting(seed), seed);
    }

    /// @dev A lease that outlives its first claim's window, so that the second claim pays the first.
    function claimTwice(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = freshClaim(seed);
        vm.warp(block.timestamp + DISPUTE_WINDOW);
        addMoney(leaseId, 50e6);
        file(leaseId, seed);
    }

    function matureOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = waiting(seed);
        uint256 from = uint256(stories[leaseId].filedAt) + DISPUTE_WINDOW;
        if ((seed >> 8) % 2 == 0) warpTo(from);
        else if ((seed >> 9) % 2 == 0) warpTo(from - 1);
        market.setIntakePaused((seed >> 10) % 2 == 0);
        bool done = moveMature(leaseId, people[(seed >> 16) % people.length]);
        reach(done ? Action.Mature : Action.MatureRefusedEarly);
    }

    function file(bytes32 leaseId, uint256 seed) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint128[8] memory usage = makeUsage(block.timestamp - before.startedAt);
        if (seed % 3 == 0) usage[1] = type(uint128).max;
        if (seed % 7 == 0) usage[(seed >> 8) % 8] = uint128(seed >> 128);
        uint256 due = stories[leaseId].due;
        bool waits = stories[leaseId].filedAt != 0;
        bool done = moveClaim(leaseId, actorOf(before.provider, seed >> 20), usage);
        if (stories[leaseId].due != due) reach(Action.ClaimMaturingAnother);
        else if (waits) reach(Action.ClaimRefusedWaiting);
        if (!done) return;
        reach(Action.Claim);
        uint256 cum = stories[leaseId].claimed;
        if (cum == before.paid + before.balance) {
            reach(Action.ClaimCutByBalance);
        } else if (cum == worth(bids[leaseId], usage, stories[leaseId].claimedAt - before.startedAt)) {
            reach(Action.ClaimWorthUsage);
        } else {
            reach(Action.ClaimCutByRateCap);
        }
    }

    /// @dev A sum and a time within the cap, sometimes more than the lease holds.
    function makeTerms(uint256 seed, ILeaseMarket.LeaseView memory before)
        private
        view
        returns (uint128 cum, uint40 asOf)
    {
        uint256 latest = least(block.timestamp, before.endAt);
        if (before.state != 2) return (before.paid, uint40(latest));
        asOf = uint40(bound(seed >> 16, before.lastAsOf, latest));
        uint256 cap = capOf(before, asOf - before.lastAsOf);
        cum = before.paid + uint128((seed >> 14) % 4 == 0 ? cap : bound(seed >> 64, 0, cap));
    }
}
