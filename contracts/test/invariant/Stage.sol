// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {bound, vm} from "../support/Vm.sol";
import {Action} from "./Action.sol";
import {holds} from "./Broken.sol";
import {Moves} from "./Moves.sol";
import {RegistryMoves} from "./RegistryMoves.sol";

/// @notice Leases in the state that an action needs: one that the walk has left there, or one that is made now.
abstract contract Stage is Moves, RegistryMoves {
    uint32 internal constant LONG = 6 days;
    uint64 private _salt = 1_000;

    /// @dev An Open lease.
    function unstarted(uint256 seed) internal returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pick(seed >> 208, 1);
        if (leaseId == 0) leaseId = openFor(seed, LONG);
    }

    /// @dev An Active lease without a waiting claim.
    function running(uint256 seed) internal returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pickActive(seed >> 208, false);
        if (leaseId == 0) leaseId = fresh(seed);
    }

    /// @dev An Active lease with a waiting claim.
    function waiting(uint256 seed) internal returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pickActive(seed >> 208, true);
        if (leaseId == 0) leaseId = freshClaim(seed);
    }

    /// @dev A Disputed lease.
    function disputed(uint256 seed) internal returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pick(seed >> 208, 3);
        if (leaseId == 0) leaseId = freshDispute(seed);
    }

    function openFor(uint256 seed, uint32 duration) internal returns (bytes32) {
        if (live.length >= LIVE_LEASES) retire(live[(seed >> 4) % live.length], seed);
        ILeaseMarket.Bid memory bid = makeRandomBid(seed, duration);
        uint256 amount = bound(seed >> 32, 1_000, seed % 3 == 0 ? 100_000 : 40e6) * unitOf(bid.token);
        market.setIntakePaused(false);
        moveDeposit(bid.token, bid.tenant, amount);
        reach(Action.Open);
        return moveOpen(bid, signingKey(bid.provider), uint128(amount));
    }

    function fresh(uint256 seed) internal returns (bytes32 leaseId) {
        leaseId = openFor(seed, LONG);
        moveConfirm(leaseId, actorOf(bids[leaseId].provider, seed >> 16));
        reach(Action.Confirm);
    }

    function freshClaim(uint256 seed) internal returns (bytes32 leaseId) {
        leaseId = fresh(seed);
        vm.warp(block.timestamp + 10 minutes);
        holds(moveClaim(leaseId, actorOf(bids[leaseId].provider, seed >> 17), makeUsage(10 minutes)), "4: claimed");
        reach(Action.Claim);
    }

    /// @dev With unbilled work between the claim and the dispute, and money for it.
    function freshDispute(uint256 seed) internal returns (bytes32 leaseId) {
        leaseId = freshClaim(seed);
        addMoney(leaseId, 2e6);
        vm.warp(block.timestamp + 10 minutes);
        disputeFunded(leaseId, 0);
    }

    /// @dev With money in the account for any deposit.
    function disputeFunded(bytes32 leaseId, uint128 conceded) internal {
        market.setIntakePaused(false);
        moveDeposit(bids[leaseId].token, bids[leaseId].tenant, stories[leaseId].claimed);
        if (moveDispute(leaseId, conceded)) reach(Action.DisputeDepositFromAccount);
        reach(Action.Dispute);
    }

    function addMoney(bytes32 leaseId, uint256 micros) internal {
        ILeaseMarket.Bid memory bid = bids[leaseId];
        uint256 amount = micros * unitOf(bid.token);
        market.setIntakePaused(false);
        moveDeposit(bid.token, bid.tenant, amount);
        moveTopUp(leaseId, bid.tenant, uint128(amount));
    }

    /// @dev Makes room: whatever state a lease is in, it can be closed after its windows.
    function retire(bytes32 leaseId, uint256 seed) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        market.setIntakePaused(seed % 2 == 0);
        if (before.state == 1) {
            warpTo(uint256(before.endAt) + 1);
            moveBack(leaseId, bids[leaseId].tenant);
            reach(Action.Abort);
        } else if (before.state == 2) {
            warpTo(uint256(before.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW);
            (, bool paying) = moveFinalize(leaseId, STRANGER);
            reach(paying ? Action.FinalizePayingClaim : Action.Finalize);
        } else {
            warpTo(uint256(before.disputedAt) + ARBITER_WINDOW);
            moveResolve(leaseId, STRANGER, 0, 0);
            reach(Action.Split);
        }
    }

    /// @dev The key that signs bids now.
    function signingKey(address provider) internal view returns (uint256) {
        Desk storage desk = deskOf(provider);
        return registry.isAuthorised(provider, desk.operator) ? desk.operatorKey : desk.ownerKey;
    }

    /// @dev A bid that can be accepted now.
    function makeRandomBid(uint256 seed, uint32 duration) internal returns (ILeaseMarket.Bid memory bid) {
        bid = makeBid();
        bid.provider = desks[seed % desks.length].owner;
        bid.tenant = tenants[(seed >> 8) % tenants.length];
        bid.token = traded[(seed >> 16) % traded.length];
        bid.bidEpoch = registry.providerOf(bid.provider).bidEpoch;
        bid.salt = _salt++;
        bid.validUntil = uint40(block.timestamp) + 1;
        bid.startWindow = uint32(bound(seed >> 96, 30 minutes, 2 days));
        bid.maxDuration = duration;
        bid.minDeposit = 0;
        bid.noticePeriod = uint32(bound(seed >> 24, 0, 2 hours));
        bid.maxSlash = uint96(bound(seed >> 32, 0, 20e6));
        bid.noShowPenalty = uint96(bound(seed >> 48, 0, bid.maxSlash));
        bid.splitBps = uint16(bound(seed >> 64, 0, 10_000));
        if (seed % 5 == 0) bid.arbiter = address(0);
        uint256 scale = unitOf(bid.token) * (1 + (seed >> 80) % 3);
        for (uint256 i = 0; i < 6; ++i) {
            bid.price[i] *= uint128(scale);
        }
        if (registry.providerOf(bid.provider).status != 1 || registry.freeBond(bid.provider) < bid.maxSlash) {
            raiseBond(bid.provider, BOND);
        }
    }
}
