// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {bound, vm} from "../support/Vm.sol";
import {Ghosts} from "./Ghosts.sol";

/// @notice Every action of the market, guided: it looks for a lease in the state that it needs, makes one where there is
/// none, and goes to the time that it needs. So each action is reached in each walk, whatever the seed. What must succeed
/// is asserted to succeed, whether intake is paused or not.
contract MarketHandler is Ghosts {
    uint256 private steps;

    constructor() {
        super.setUp();
        second = new DecimalsToken(18);
        market.allowToken(address(second));
        register(providers[1], OPERATOR, BOND);
        flowedIn[address(token)] = FUNDS;
    }

    /// @dev Nothing to set up again: the walk starts from the constructor.
    function setUp() public override {}

    function contracts() external view returns (address, address, address, address) {
        return (address(market), address(registry), address(token), address(second));
    }

    // ---- accounts ----

    function depositSome(uint256 seed, uint256 amount) public {
        seed = mix(seed);
        market.setIntakePaused(false);
        amount = bound(mix(amount), 1, 500e6);
        DecimalsToken token_ = DecimalsToken(tokenOf(seed));
        token_.mint(address(this), amount);
        token_.approve(address(market), amount);
        market.deposit(address(token_), tenants[seed % 2], amount);
        flowedIn[address(token_)] += amount;
        reach("deposit");
    }

    function withdrawSome(uint256 seed, uint256 amount) public {
        seed = mix(seed);
        address owner = people[seed % 5];
        address token_ = tokenOf(seed >> 8);
        uint256 held = accountOf(owner, token_);
        if (held == 0) return;
        amount = bound(mix(amount), 1, 1 + held / 4);
        if (amount > held) amount = held;
        vm.prank(owner);
        market.withdraw(token_, owner, amount);
        flowedOut[token_] += amount;
        reach("withdraw");
    }

    // ---- opening ----

    function open(uint256 seed) public {
        seed = mix(seed);
        openFor(seed, uint32(bound(seed >> 8, 1 hours, 6 days)));
    }

    function openFor(uint256 seed, uint32 duration) private returns (bytes32) {
        if (live.length >= LIVE_LEASES) retire(live[(seed >> 4) % live.length], seed);
        market.setIntakePaused(false);
        ILeaseMarket.Bid memory bid = randomBid(seed);
        bid.maxDuration = duration;
        uint128 amount = uint128(bound(seed >> 32, 1_000, seed % 3 == 0 ? 100_000 : 40e6));
        fundTenant(bid, amount);
        bytes32 leaseId = openLease(bid, amount);
        live.push(leaseId);
        stories[leaseId].bid = bid;
        stories[leaseId].putIn = amount;
        reach("open");
        return leaseId;
    }

    function confirmOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = unstarted(seed);
        uint256 startBy = lease(leaseId).endAt;
        uint256 done = confirm(leaseId);
        vm.assertEq(done, block.timestamp <= startBy ? 1 : 0, "confirmed in time only");
        if (done == 1) reach("confirm");
    }

    function declineOne(uint256 seed) public {
        seed = mix(seed);
        bool punctual = (seed >> 16) % 2 == 0;
        bytes32 leaseId = punctual ? openFor(seed, 6 days) : unstarted(seed);
        if (!punctual) warpTo(uint256(lease(leaseId).endAt) + 1);
        uint256 credited = registry.claimable(stories[leaseId].bid.tenant);
        bool late = block.timestamp > lease(leaseId).endAt;
        expectRefund(leaseId);
        vm.prank(OPERATOR);
        market.decline(stories[leaseId].bid);
        checkClosed(leaseId);
        uint256 penalty = registry.claimable(stories[leaseId].bid.tenant) - credited;
        vm.assertEq(penalty, late ? stories[leaseId].bid.noShowPenalty : 0, "penalty");
        reach(late ? "decline late" : "decline");
    }

    function abortOne(uint256 seed) public {
        seed = mix(seed);
        giveUp(unstarted(seed));
    }

    function topUpOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = seed % 2 == 0 ? unstarted(seed) : running(seed);
        address token_ = stories[leaseId].bid.token;
        address from = people[(seed >> 4) % 4];
        uint256 held = accountOf(from, token_);
        if (held == 0) return;
        uint128 amount = uint128(bound(seed >> 16, 1, held < 1e6 ? held : 1e6));
        vm.prank(from);
        market.topUp(leaseId, amount);
        stories[leaseId].putIn += amount;
        reach("topUp");
    }

    // ---- settlement ----

    function settleOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = (seed >> 8) % 2 == 0 ? waiting(seed) : running(seed);
        vm.warp(block.timestamp + seed % 3600);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint256 latest = block.timestamp < before.endAt ? block.timestamp : before.endAt;
        uint40 asOf = uint40(bound(seed >> 16, before.lastAsOf, latest));
        uint256 cap = uint256(before.rateCapE6) * (asOf - before.lastAsOf) / 1e6;
        uint128 cum = before.paid + uint128(bound(seed >> 64, 0, cap));
        bool last = (seed >> 12) % 2 == 0;
        vm.assertEq(settle(leaseId, cum, asOf, last), 1, "settled");
        vm.assertLe(lease(leaseId).paid, cum, "never more than signed");
        if (before.filedAt != 0) reach("settle over a claim");
        reach(last ? "settle last" : "settle");
    }

    /// @dev Whatever is wrong with a statement or its bearer, nothing changes.
    function settleWrong(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = seed % 2 == 0 ? running(seed) : disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Statement memory statement = makeStatement(leaseId, before.paid, before.lastAsOf, true);
        uint256 key = SESSION_KEY;
        address caller = OPERATOR;
        uint256 kind = (seed >> 8) % 4;
        if (kind == 0) caller = people[(seed >> 16) % 2];
        if (kind == 1) (key, statement.amountCum) = (FOREIGN_KEY, before.paid + 1);
        if (kind == 2) statement.asOf = uint40(block.timestamp) + 1;
        if (kind == 3) {
            uint256 cap = uint256(before.rateCapE6) * (block.timestamp - before.startedAt) / 1e6;
            statement.amountCum = before.paid + before.pendingCum + uint128(cap) + 1;
        }
        ILeaseMarket.SignedStatement[] memory batch = one(signed(statement, key));
        vm.prank(caller);
        vm.assertEq(market.settle(batch), 0, "settled a wrong statement");
        assertEq(lease(leaseId), before);
        reach("settle wrong");
    }

    function claimOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        vm.warp(block.timestamp + (seed >> 16) % 7200);
        file(leaseId, seed);
    }

    /// @dev A second claim: refused while the first waits.
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
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        if ((seed >> 8) % 2 == 0) warpTo(uint256(before.filedAt) + DISPUTE_WINDOW);
        bool due = block.timestamp >= uint256(before.filedAt) + DISPUTE_WINDOW;
        vm.prank(people[(seed >> 16) % 5]);
        vm.assertEq(market.mature(one(leaseId)), due ? 1 : 0, "matured when due and only then");
        vm.assertEq(lease(leaseId).paid, due ? before.pendingCum : before.paid, "paid");
        if (due) reach("mature");
    }

    // ---- the end ----

    function closeOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        if (block.timestamp >= lease(leaseId).endAt) leaseId = fresh(seed);
        vm.prank((seed >> 8) % 2 == 0 ? SESSION : stories[leaseId].bid.tenant);
        market.closeLease(leaseId);
        reach("close");
    }

    function reclaimOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = running(seed);
        if (block.timestamp + stories[leaseId].bid.noticePeriod >= lease(leaseId).endAt) leaseId = fresh(seed);
        vm.prank(OPERATOR);
        market.reclaim(stories[leaseId].bid);
        reach("reclaim");
    }

    function finalizeOne(uint256 seed) public {
        seed = mix(seed);
        if (seed % 3 == 0) return finish(freshClaim(seed), true);
        if (seed % 3 == 1) return finish(running(seed), true);
        bytes32 leaseId = pick(seed, 2);
        if (leaseId != 0) finish(leaseId, false);
    }

    // ---- disputes ----

    function disputeOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = waiting(seed);
        if (block.timestamp >= uint256(lease(leaseId).filedAt) + DISPUTE_WINDOW) leaseId = freshClaim(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        uint128 conceded = uint128(bound(seed >> 16, before.paid, before.pendingCum - 1));
        fundTenant(bid, before.pendingCum); // enough for any deposit
        uint256 tenantBefore = accountOf(bid.tenant, bid.token);
        market.setIntakePaused((seed >> 8) % 2 == 0);
        dispute(bid, conceded);
        stories[leaseId].conceded = conceded;
        stories[leaseId].putIn += tenantBefore - accountOf(bid.tenant, bid.token);
        vm.assertEq(lease(leaseId).paid, conceded, "the concession is paid");
        reach("dispute");
    }

    function supplementOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        if (claim(stories[leaseId].bid, randomUsage(seed, before)) == 0) return assertEq(lease(leaseId), before);
        vm.assertLe(block.timestamp, uint256(before.disputedAt) + CLAIM_WINDOW, "in time");
        vm.assertEq(lease(leaseId).lastAsOf, before.endAt, "lastAsOf");
        vm.assertEq(claim(stories[leaseId].bid, randomUsage(seed, before)), 0, "once");
        reach("supplement");
    }

    function admitOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        if (before.pendingCum == before.paid) return;
        uint128 cum = uint128(bound(seed >> 16, uint256(before.paid) + 1, before.pendingCum));
        vm.assertEq(settle(leaseId, cum, uint40(bound(seed, 0, before.endAt)), seed % 2 == 0), 1, "admitted");
        vm.assertEq(lease(leaseId).paid, cum, "paid");
        reach("admission");
    }

    function resolveByArbiter(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = disputed(seed);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        warpTo(uint256(before.disputedAt) + CLAIM_WINDOW + 1);
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        if (block.timestamp >= uint256(before.disputedAt) + ARBITER_WINDOW || bid.arbiter == address(0)) {
            return split(leaseId, seed);
        }
        // An award counts from what was conceded; an admission meanwhile is a part of it.
        uint128 conceded = stories[leaseId].conceded;
        uint128 contested = before.pendingCum - conceded;
        uint128 award = seed % 3 == 0 ? contested : uint128(bound(seed >> 16, 0, contested));
        uint96 slash = uint96(bound(seed >> 64, 0, bid.maxSlash));
        uint256 bondBefore = registry.totalBond();
        vm.prank(ARBITER);
        market.resolve(bid, award, slash);
        uint128 ruled = conceded + award;
        vm.assertEq(lease(leaseId).paid, ruled > before.paid ? ruled : before.paid, "paid");
        vm.assertEq(bondBefore - registry.totalBond(), slash, "7: slashed as ruled");
        checkClosed(leaseId);
        reach("resolve");
    }

    function resolveBySplit(uint256 seed) public {
        seed = mix(seed);
        split(disputed(seed), seed);
    }

    // ---- bonds and administration ----

    function bondActions(uint256 seed) public {
        seed = mix(seed);
        address provider = providers[seed % 2];
        if ((seed >> 40) % 2 == 0) warpTo(registry.providerOf(provider).unbondAt);
        vm.startPrank(provider);
        if ((seed >> 8) % 3 == 0) {
            token.mint(provider, 5e6);
            token.approve(address(registry), 5e6);
            registry.addBond(5e6);
            reach("addBond");
        } else if (registry.providerOf(provider).unbonding == 0) {
            registry.startUnbond(uint128(bound(seed >> 16, 1, 4e6)));
            reach("startUnbond");
        } else if (block.timestamp >= registry.providerOf(provider).unbondAt) {
            registry.withdrawBond(provider);
            reach("withdrawBond");
        }
        vm.stopPrank();
        address victim = tenants[(seed >> 48) % 2];
        if (registry.claimable(victim) != 0) {
            vm.prank(victim);
            registry.withdrawClaimable(victim);
            reach("withdrawClaimable");
        }
    }

    function administer(uint256 seed) public {
        seed = mix(seed);
        market.setFee(uint16(seed % 501), TREASURY);
        market.setIntakePaused((seed >> 16) % 2 == 0);
        reach("administer");
    }

    function passTime(uint256 seed) public {
        vm.warp(block.timestamp + mix(seed) % 6 hours);
    }

    // ---- parts ----

    /// @dev Fuzzers prefer edge values and repeat themselves; choices need even bits.
    function mix(uint256 seed) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++steps)));
    }

    /// @dev An Open lease: any that there is, or one made now.
    function unstarted(uint256 seed) private returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pick(seed >> 208, 1);
        if (leaseId == 0) leaseId = openFor(seed, 6 days);
    }

    /// @dev An Active lease without a waiting claim: any that there is, or one with time ahead.
    function running(uint256 seed) private returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pickActive(seed >> 208, false);
        if (leaseId == 0) leaseId = fresh(seed);
    }

    /// @dev An Active lease with a waiting claim: any that there is, or one with its whole window ahead.
    function waiting(uint256 seed) private returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pickActive(seed >> 208, true);
        if (leaseId == 0) leaseId = freshClaim(seed);
    }

    /// @dev A Disputed lease: any that there is, or one with unbilled work.
    function disputed(uint256 seed) private returns (bytes32 leaseId) {
        if ((seed >> 200) % 2 == 0) leaseId = pick(seed >> 208, 3);
        if (leaseId == 0) leaseId = freshDispute(seed);
    }

    function fresh(uint256 seed) private returns (bytes32 leaseId) {
        leaseId = openFor(seed, 6 days);
        vm.assertEq(confirm(leaseId), 1, "confirmed");
        reach("confirm");
    }

    function freshClaim(uint256 seed) private returns (bytes32 leaseId) {
        leaseId = fresh(seed);
        vm.warp(block.timestamp + 10 minutes);
        vm.assertEq(claim(stories[leaseId].bid, makeUsage(10 minutes)), 1, "claimed");
        reach("claim");
    }

    /// @dev A disputed lease with unbilled work between the claim and the dispute, and money for it.
    function freshDispute(uint256 seed) private returns (bytes32 leaseId) {
        leaseId = freshClaim(seed);
        addMoney(leaseId, 2e6);
        vm.warp(block.timestamp + 10 minutes);
        dispute(stories[leaseId].bid, 0);
        reach("dispute");
    }

    function addMoney(bytes32 leaseId, uint128 amount) private {
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        fundTenant(bid, amount);
        vm.prank(bid.tenant);
        market.topUp(leaseId, amount);
        stories[leaseId].putIn += amount;
    }

    /// @dev Invariants 6 and 9: whatever state a lease is in, somebody can close it now or after its windows.
    function retire(bytes32 leaseId, uint256 seed) private {
        uint8 state = lease(leaseId).state;
        market.setIntakePaused(seed % 2 == 0);
        if (state == 1) giveUp(leaseId);
        else if (state == 2) finish(leaseId, true);
        else split(leaseId, seed);
    }

    function giveUp(bytes32 leaseId) private {
        warpTo(uint256(lease(leaseId).endAt) + 1);
        expectRefund(leaseId);
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        vm.prank(bid.tenant);
        market.abort(bid);
        checkClosed(leaseId);
        reach("abort");
    }

    /// @dev With `must`, after the end and both windows: then nothing can keep the lease open.
    function finish(bytes32 leaseId, bool must) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        if (must) warpTo(uint256(before.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW + 1);
        address token_ = stories[leaseId].bid.token;
        uint256 tenantBefore = accountOf(stories[leaseId].bid.tenant, token_);
        uint256 done = market.finalize(one(stories[leaseId].bid));
        if (must) vm.assertEq(done, 1, "6: finalize after both windows");
        if (done == 0) return;
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        uint256 refund = before.balance - (after_.paid - before.paid);
        vm.assertEq(accountOf(stories[leaseId].bid.tenant, token_), tenantBefore + refund, "8: refund to the tenant");
        if (after_.paid != before.paid) {
            vm.assertEq(after_.paid, before.pendingCum, "only the claim");
            vm.assertLe(uint256(before.filedAt) + DISPUTE_WINDOW, block.timestamp, "5: disputable for its window");
            reach("finalize paying a claim");
        }
        checkClosed(leaseId);
        reach("finalize");
    }

    function split(bytes32 leaseId, uint256 seed) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        warpTo(uint256(before.disputedAt) + ARBITER_WINDOW);
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        vm.prank(people[seed % 5]);
        market.resolve(bid, 0, 0); // invariant 6: it must succeed
        uint256 award = uint256(before.pendingCum - before.paid) * bid.splitBps / 10_000;
        vm.assertEq(lease(leaseId).paid, before.paid + award, "the agreed split");
        checkClosed(leaseId);
        reach("split");
    }

    function file(bytes32 leaseId, uint256 seed) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint128[8] memory usage = randomUsage(seed, before);
        bool due = before.filedAt != 0 && block.timestamp >= uint256(before.filedAt) + DISPUTE_WINDOW;
        uint256 done = claim(stories[leaseId].bid, usage);
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        if (after_.paid != before.paid) vm.assertTrue(due && after_.paid == before.pendingCum, "5: paid when due");
        if (done == 0) return;
        uint256 upTo = block.timestamp < before.endAt ? block.timestamp : before.endAt;
        uint256 worth = market.amountOf(stories[leaseId].bid, usage, upTo - before.startedAt);
        vm.assertLe(after_.pendingCum, worth, "4: no more than the usage is worth");
        vm.assertEq(after_.filedAt, block.timestamp, "filed now");
        reach(due ? "claim maturing another" : "claim");
    }

    function fundTenant(ILeaseMarket.Bid memory bid, uint256 amount) private {
        DecimalsToken token_ = DecimalsToken(bid.token);
        market.setIntakePaused(false);
        token_.mint(address(this), amount);
        token_.approve(address(market), amount);
        market.deposit(address(token_), bid.tenant, amount);
        flowedIn[address(token_)] += amount;
    }

    function randomBid(uint256 seed) private returns (ILeaseMarket.Bid memory bid) {
        bid = makeBid();
        bid.provider = providers[seed % 2];
        bid.tenant = tenants[(seed >> 1) % 2];
        bid.token = tokenOf(seed >> 2);
        bid.salt = nextSalt++;
        bid.validUntil = uint40(block.timestamp) + 1;
        bid.minDeposit = 0;
        bid.noticePeriod = uint32(bound(seed >> 16, 0, 2 hours));
        bid.maxSlash = uint96(bound(seed >> 24, 0, 20e6));
        bid.noShowPenalty = uint96(bound(seed >> 40, 0, bid.maxSlash));
        bid.splitBps = uint16(bound(seed >> 48, 0, 10_000));
        if (seed % 5 == 0) bid.arbiter = address(0);
        // A bid that the bond does not cover would only be refused.
        uint128 free = registry.freeBond(bid.provider);
        if (bid.maxSlash > free) (bid.maxSlash, bid.noShowPenalty) = (0, 0);
        if (registry.providerOf(bid.provider).status != 1) addBondFor(bid.provider);
    }

    function addBondFor(address provider) private {
        token.mint(provider, BOND);
        vm.startPrank(provider);
        token.approve(address(registry), BOND);
        registry.addBond(BOND);
        vm.stopPrank();
    }

    function randomUsage(uint256 seed, ILeaseMarket.LeaseView memory shown)
        private
        view
        returns (uint128[8] memory usage)
    {
        usage = makeUsage(block.timestamp - shown.startedAt);
        if (seed % 5 == 0) usage[1] = type(uint128).max;
        if (seed % 7 == 0) usage[(seed >> 8) % 8] = uint128(seed >> 128);
    }

    bytes32 private refundOf;
    uint256 private refundDue;

    function expectRefund(bytes32 leaseId) private {
        ILeaseMarket.Bid memory bid = stories[leaseId].bid;
        refundOf = leaseId;
        refundDue = accountOf(bid.tenant, bid.token) + lease(leaseId).balance;
    }

    /// @dev A closed lease holds nothing and leaves the walk.
    function checkClosed(bytes32 leaseId) private {
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.state, 4, "closed");
        vm.assertEq(after_.balance, 0, "2: nothing left in a closed lease");
        vm.assertEq(market.disputeDepositOf(leaseId), 0, "no deposit left");
        if (refundOf == leaseId) {
            ILeaseMarket.Bid memory bid = stories[leaseId].bid;
            vm.assertEq(accountOf(bid.tenant, bid.token), refundDue, "8: refund to the tenant");
        }
        forget(leaseId);
    }
}
