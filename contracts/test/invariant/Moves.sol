// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../support/Vm.sol";
import {Action} from "./Action.sol";
import {Book} from "./Book.sol";
import {atMost, holds, same} from "./Broken.sol";
import {WalkToken} from "./WalkToken.sol";

/// @notice Each call of the market that concerns a lease, with what it means for the books. Whether the contracts agree
/// is the checks' to say; here only what a call must answer is compared.
abstract contract Moves is Book {
    function moveDeposit(address token_, address owner, uint256 amount) internal {
        WalkToken(token_).mint(address(this), amount);
        WalkToken(token_).approve(address(market), amount);
        market.deposit(token_, owner, amount);
        bookDeposit(token_, owner, amount);
    }

    function bookDeposit(address token_, address owner, uint256 amount) internal {
        flowedIn[token_] += amount;
        accountBook[owner][token_] += amount;
    }

    function emptyAccount(address owner, address token_) internal {
        uint256 held = accountBook[owner][token_];
        if (held == 0) return;
        vm.prank(owner);
        market.withdraw(token_, owner, held);
        accountBook[owner][token_] = 0;
        flowedOut[token_] += held;
    }

    function moveOpen(ILeaseMarket.Bid memory bid, uint256 key, uint128 amount) internal returns (bytes32 leaseId) {
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, leaseId);
        (address session,) = sessionOf(bid);
        vm.prank(bid.tenant);
        market.openLease(bid, r, vs, session, amount);
        accountBook[bid.tenant][bid.token] -= amount;
        bids[leaseId] = bid;
        stories[leaseId].putIn = amount;
        live.push(leaseId);
    }

    function moveConfirm(bytes32 leaseId, address by) internal returns (bool done) {
        bool inTime = block.timestamp <= lease(leaseId).endAt;
        vm.prank(by);
        done = market.confirm(one(leaseId)) == 1;
        holds(done == inTime, "3: a lease starts until its last second, and not after");
        if (done) stories[leaseId].settledTo = uint40(block.timestamp);
    }

    function moveTopUp(bytes32 leaseId, address from, uint128 amount) internal {
        vm.prank(from);
        market.topUp(leaseId, amount);
        accountBook[from][bids[leaseId].token] -= amount;
        stories[leaseId].putIn += amount;
    }

    /// @dev Out of an Open lease, by the provider or, when it is late, by the tenant.
    function moveBack(bytes32 leaseId, address by) internal returns (bool late) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        late = block.timestamp > before.endAt;
        vm.prank(by);
        if (by == bid.tenant) market.abort(bid);
        else market.decline(bid);
        if (late) bookSlash(bid, bid.noShowPenalty, bid.noShowPenalty);
        bookClose(leaseId, before, before.balance);
    }

    // ---- settlement ----

    function sign(bytes32 leaseId, uint128 cum, uint40 asOf, bool last)
        internal
        view
        returns (ILeaseMarket.SignedStatement memory)
    {
        (, uint256 key) = sessionOf(bids[leaseId]);
        return signed(makeStatement(leaseId, cum, asOf, last), key);
    }

    /// @dev A statement of the session key's; paying is its right, so `due` follows it as far as the money goes.
    function moveSettle(bytes32 leaseId, address by, uint128 cum, uint40 asOf, bool last) internal {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.SignedStatement[] memory batch = one(sign(leaseId, cum, asOf, last));
        vm.prank(by);
        same(market.settle(batch), 1, "4: a statement that the session key signed is carried out");
        bookSettle(leaseId, before, cum, asOf);
    }

    function bookSettle(bytes32 leaseId, ILeaseMarket.LeaseView memory before, uint128 cum, uint40 asOf) internal {
        uint256 amount = least(cum - before.paid, before.balance);
        if (before.state == 2) {
            atMost(amount, capOf(before, asOf - before.lastAsOf), "3: a payment is within the cap of its interval");
            stories[leaseId].settledTo = asOf;
            stories[leaseId].filedAt = 0;
        }
        bookPayment(leaseId, before, amount);
    }

    /// @dev A claim on an Active lease: pays a claim that is due, and files this one unless one waits or it is too late.
    function moveClaim(bytes32 leaseId, address by, uint128[8] memory usage) internal returns (bool done) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        Story storage story = stories[leaseId];
        ILeaseMarket.Bid memory bid = bids[leaseId];
        bool inTime = block.timestamp <= uint256(before.endAt) + CLAIM_WINDOW;
        bool waits = story.filedAt != 0 && block.timestamp < uint256(story.filedAt) + DISPUTE_WINDOW;
        done = claimBy(by, bid, usage);
        if (!inTime || waits) {
            holds(!done, "5: one claim waits at most, and none is filed after the window");
            return false;
        }
        if (story.filedAt != 0) bookMature(leaseId, before);
        uint40 upTo = uint40(least(block.timestamp, before.endAt));
        uint256 cum = least(worth(bid, usage, upTo - before.startedAt), before.paid + before.balance);
        cum = least(cum, story.due + capOf(before, upTo - story.settledTo));
        holds(done == (cum > story.due), "4: a claim is filed where it is for more than what is paid, and only there");
        if (!done) return false;
        (story.claimed, story.claimedAt, story.filedAt) = (uint128(cum), upTo, uint40(block.timestamp));
    }

    /// @dev The one claim on a Disputed lease.
    function moveSupplement(bytes32 leaseId, address by, uint128[8] memory usage) internal returns (bool done) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        Story storage story = stories[leaseId];
        bool open = !story.supplemented && block.timestamp <= uint256(before.disputedAt) + CLAIM_WINDOW;
        uint256 cum = story.claimed + capOf(before, before.endAt - story.claimedAt);
        cum = least(cum, worth(bids[leaseId], usage, before.endAt - before.startedAt));
        cum = least(cum, before.paid + before.balance);
        done = claimBy(by, bids[leaseId], usage);
        holds(
            done == (open && cum > story.claimed), "4: a disputed claim is raised once, in time, and by unbilled work"
        );
        if (!done) return false;
        (story.claimed, story.claimedAt, story.settledTo) = (uint128(cum), before.endAt, before.endAt);
        story.supplemented = true;
    }

    function moveMature(bytes32 leaseId, address by) internal returns (bool done) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        bool due = block.timestamp >= uint256(stories[leaseId].filedAt) + DISPUTE_WINDOW;
        vm.prank(by);
        done = market.mature(one(leaseId)) == 1;
        holds(done == due, "5: a claim pays when its window has passed, and not before");
        if (done) bookMature(leaseId, before);
    }

    // ---- disputes ----

    function moveDispute(bytes32 leaseId, uint128 conceded) internal returns (bool fromAccount) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        Story storage story = stories[leaseId];
        vm.prank(bid.tenant);
        market.dispute(bid, conceded);
        bookPayment(leaseId, before, conceded - before.paid);
        uint256 deposit = uint256(story.claimed - conceded) * 500 / 10_000;
        uint256 uncontested = uint256(before.paid) + before.balance - story.claimed;
        if (deposit > uncontested) {
            uint256 rest = deposit - uncontested;
            uint256 held = accountBook[bid.tenant][bid.token];
            if (held < rest) reach(Action.DisputeDepositCut);
            if (market.intakePaused()) rest = least(rest, held);
            fromAccount = rest != 0;
            accountBook[bid.tenant][bid.token] -= rest;
            story.putIn += rest;
        }
        (story.settledTo, story.filedAt, story.conceded) = (story.claimedAt, 0, conceded);
    }

    /// @dev A ruling counts from what was conceded, and an admission since then is a part of it; the split counts from
    /// what is paid.
    function moveResolve(bytes32 leaseId, address by, uint128 award, uint96 slash) internal {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        Story storage story = stories[leaseId];
        uint256 contested = uint256(story.claimed) - story.conceded;
        uint256 deposit = market.disputeDepositOf(leaseId);
        bool split = block.timestamp >= uint256(before.disputedAt) + ARBITER_WINDOW;
        uint256 cum = uint256(story.conceded) + award;
        if (split) cum = story.due + (story.claimed - story.due) * bid.splitBps / 10_000;
        else if (cum < story.due) cum = story.due;
        uint256 given = cum - before.paid;
        vm.prank(by);
        market.resolve(bid, award, slash);
        bookPayment(leaseId, before, given);
        accountBook[cum == story.claimed ? bid.provider : bid.tenant][bid.token] += deposit;
        bookSlash(bid, slash, bid.token == address(token) ? contested : 0);
        bookClose(leaseId, before, before.balance - given);
    }

    // ---- the end ----

    function moveFinalize(bytes32 leaseId, address by) internal returns (bool done, bool paying) {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        Story storage story = stories[leaseId];
        paying = story.filedAt != 0;
        vm.prank(by);
        done = market.finalize(one(bids[leaseId])) == 1;
        bool late = block.timestamp > uint256(before.endAt) + CLAIM_WINDOW;
        bool billed = (paying ? story.claimedAt : story.settledTo) == before.endAt;
        bool waits = paying && block.timestamp < uint256(story.filedAt) + DISPUTE_WINDOW;
        bool due = block.timestamp >= before.endAt && (billed || late) && !waits;
        holds(done == due, "6: finalize works when everything is billed or may no longer be, and not before");
        if (!done) return (false, false);
        uint256 amount = paying ? bookMature(leaseId, before) : 0;
        bookClose(leaseId, before, before.balance - amount);
    }

    // ---- books ----

    function bookMature(bytes32 leaseId, ILeaseMarket.LeaseView memory before) private returns (uint256 amount) {
        Story storage story = stories[leaseId];
        amount = story.claimed - before.paid;
        atMost(amount, before.balance, "5: a claim is covered by the lease");
        (story.settledTo, story.filedAt) = (story.claimedAt, 0);
        bookPayment(leaseId, before, amount);
    }

    function bookPayment(bytes32 leaseId, ILeaseMarket.LeaseView memory before, uint256 amount) private {
        uint256 fee = amount * before.feeBps / 10_000;
        stories[leaseId].due += amount;
        accountBook[before.provider][before.token] += amount - fee;
        accountBook[treasury][before.token] += fee;
        feeBook[before.provider][before.token] += fee;
    }

    function bookSlash(ILeaseMarket.Bid memory bid, uint256 amount, uint256 toVictim) private {
        uint256 victims = least(amount, toVictim);
        bondBook[bid.provider] -= amount;
        creditBook[bid.tenant] += victims;
        creditBook[treasury] += amount - victims;
    }

    function bookClose(bytes32 leaseId, ILeaseMarket.LeaseView memory before, uint256 refund) private {
        accountBook[before.tenant][before.token] += refund;
        stories[leaseId].ending = keccak256(abi.encode(lease(leaseId)));
        forget(leaseId);
        closed.push(leaseId);
    }

    function claimBy(address by, ILeaseMarket.Bid memory bid, uint128[8] memory usage) private returns (bool) {
        ILeaseMarket.ClaimItem[] memory items = one(ILeaseMarket.ClaimItem(bid, usage));
        vm.prank(by);
        return market.claim(items) == 1;
    }
}
