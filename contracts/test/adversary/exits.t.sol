// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {BlockingToken, DecimalsToken} from "../mocks/Tokens.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";
import {cheats} from "./Cheats.sol";

/// @notice Everyone's money is out within the windows, whatever the others do: each state of a lease, under each
/// hostile circumstance and under all of them, with only one party left that acts.
///
/// What is asserted in each case: the party that acts alone has its money credited at exactly the latest second that
/// the windows allow, and where a window is what it waited for, not one second before.
contract ExitsTest is AdversaryTest {
    /// @dev What the others and the world may do to a lease that runs.
    uint256 private constant CIRCUMSTANCES = 11;

    BlockingToken private blocking;
    uint40 private endAt;

    function setUp() public override {
        super.setUp();
        setFee(100);
        blocking = new BlockingToken();
        market.allowToken(address(blocking));
        blocking.mint(address(this), FUNDS);
        blocking.approve(address(market), FUNDS);
        market.deposit(address(blocking), TENANT, FUNDS);
        bid = makeBid();
        bid.token = address(blocking);
        leaseId = market.leaseIdOf(bid);
        endAt = START + bid.maxDuration;
    }

    // ---- Open ----

    function test_a_tenant_alone_leaves_an_open_lease_once_the_start_window_has_passed() public {
        openLease(bid, DEPOSIT);
        inAllCircumstances(this.tenantLeavesOpen);
    }

    function tenantLeavesOpen() external {
        vm.warp(START + bid.startWindow);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "a second before");
        vm.warp(START + bid.startWindow + 1);
        vm.prank(TENANT);
        market.abort(bid);
        vm.assertEq(blocked(TENANT), FUNDS, "all of it");
    }

    function test_a_provider_alone_leaves_an_open_lease_at_any_time() public {
        openLease(bid, DEPOSIT);
        inAllCircumstances(this.providerLeavesOpen);
    }

    function providerLeavesOpen() external {
        uint256 lockedBefore = locked();
        vm.prank(PROVIDER);
        market.decline(bid);
        vm.assertEq(locked(), lockedBefore - bid.maxSlash, "the bond");
        vm.assertEq(blocked(TENANT), FUNDS, "and the tenant's money");
    }

    // ---- Active, the provider is silent ----

    function test_a_tenant_alone_has_its_refund_after_the_claim_window() public {
        startLease(bid, DEPOSIT);
        inAllCircumstances(this.tenantOutlastsTheClaimWindow);
    }

    function tenantOutlastsTheClaimWindow() external {
        vm.warp(endAt + CLAIM_WINDOW);
        finalizeAs(TENANT, 0);
        vm.warp(endAt + CLAIM_WINDOW + 1);
        finalizeAs(TENANT, 1);
        vm.assertEq(blocked(TENANT), FUNDS, "all of it");
    }

    function test_a_tenant_that_closes_brings_its_refund_nearer() public {
        startLease(bid, DEPOSIT);
        inAllCircumstances(this.tenantClosesAndOutlasts);
    }

    function tenantClosesAndOutlasts() external {
        vm.warp(START + 100);
        vm.prank(TENANT);
        market.closeLease(leaseId);
        vm.warp(START + 100 + CLAIM_WINDOW);
        finalizeAs(TENANT, 0);
        vm.warp(START + 100 + CLAIM_WINDOW + 1);
        finalizeAs(TENANT, 1);
        vm.assertEq(blocked(TENANT), FUNDS, "all of it");
    }

    // ---- Active, the provider claims as late as it can and is silent then; or the tenant is ----

    function test_the_last_claim_delays_a_refund_to_the_end_of_both_windows() public {
        startLease(bid, DEPOSIT);
        vm.warp(endAt + CLAIM_WINDOW);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "the last");
        inAllCircumstances(this.tenantOutlastsTheLastClaim);
    }

    function tenantOutlastsTheLastClaim() external {
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        finalizeAs(TENANT, 0);
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW);
        finalizeAs(TENANT, 1);
        checkPaid(HOUR);
    }

    function test_a_provider_alone_is_paid_at_the_end_of_both_windows() public {
        startLease(bid, DEPOSIT);
        inAllCircumstances(this.providerOutlastsTheTenant);
    }

    function providerOutlastsTheTenant() external {
        vm.warp(endAt + CLAIM_WINDOW);
        vm.prank(PROVIDER);
        vm.assertEq(market.claim(one(ILeaseMarket.ClaimItem(bid, makeUsage(3600)))), 1, "claimed");
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        vm.prank(PROVIDER);
        vm.assertEq(market.mature(one(leaseId)), 0, "a second before");
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW);
        uint256 snapshot = vm.snapshotState();
        vm.prank(PROVIDER);
        vm.assertEq(market.mature(one(leaseId)), 1, "matured");
        vm.assertEq(blocked(PROVIDER), HOUR - HOUR / 100, "earned");
        vm.revertToState(snapshot);
        finalizeAs(PROVIDER, 1);
        checkPaid(HOUR);
    }

    /// @dev With what the session key signed in hand, neither window is needed.
    function test_a_provider_with_the_last_statement_is_paid_at_once() public {
        startLease(bid, DEPOSIT);
        inAllCircumstances(this.providerSettlesTheLast);
    }

    function providerSettlesTheLast() external {
        vm.warp(START + 3600);
        ILeaseMarket.SignedStatement memory last = signed(makeStatement(leaseId, HOUR, START + 3600, true), SESSION_KEY);
        vm.prank(PROVIDER);
        vm.assertEq(market.settle(one(last)), 1, "settled");
        finalizeAs(PROVIDER, 1);
        checkPaid(HOUR);
    }

    /// @dev A claim in the middle, the windows passed: a second claim is filed over it, matures, and all is closed.
    function test_two_claims_and_a_silent_tenant() public {
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        inAllCircumstances(this.providerClaimsOverADueClaim);
    }

    function providerClaimsOverADueClaim() external {
        vm.warp(endAt + CLAIM_WINDOW);
        vm.prank(PROVIDER);
        vm.assertEq(market.claim(one(ILeaseMarket.ClaimItem(bid, makeUsage(7200)))), 1, "over the first");
        vm.assertEq(blocked(PROVIDER), HOUR - HOUR / 100, "the first is paid");
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        finalizeAs(PROVIDER, 0);
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW);
        finalizeAs(PROVIDER, 1);
        vm.assertEq(lease(leaseId).paid, 835_999, "both");
    }

    // ---- Disputed ----

    function test_a_silent_arbiter_delays_everything_by_its_window_and_no_more() public {
        lateDispute();
        inAllCircumstances(this.tenantOutlastsTheArbiter);
        inAllCircumstances(this.providerOutlastsTheArbiter);
    }

    function tenantOutlastsTheArbiter() external {
        outlastTheArbiter(TENANT);
    }

    function providerOutlastsTheArbiter() external {
        outlastTheArbiter(PROVIDER);
    }

    function test_so_it_is_after_a_supplementary_claim() public {
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        vm.warp(START + 7200);
        dispute(bid, 0);
        vm.assertEq(claim(bid, makeUsage(7200)), 1, "raised");
        inAllCircumstances(this.tenantOutlastsTheArbiterEarly);
    }

    function tenantOutlastsTheArbiterEarly() external {
        vm.warp(START + 7200 + ARBITER_WINDOW - 1);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), "a second before");
        vm.warp(START + 7200 + ARBITER_WINDOW);
        vm.prank(TENANT);
        market.resolve(bid, 0, 0);
        vm.assertEq(lease(leaseId).paid, uint256(835_999) * bid.splitBps / 10_000, "the split of both hours");
        checkAllCredited();
    }

    /// @dev The slashed part needs no transfer and no ability to receive.
    function test_an_arbiter_rules_whatever_the_parties_cannot_do() public {
        lateDispute();
        inAllCircumstances(this.arbiterRules);
    }

    function arbiterRules() external {
        uint256 bondBefore = registry.providerOf(PROVIDER).bond;
        uint256 lockedBefore = locked();
        vm.warp(lease(leaseId).disputedAt + CLAIM_WINDOW + 1);
        vm.prank(ARBITER);
        market.resolve(bid, 1000, bid.maxSlash);
        vm.assertEq(registry.providerOf(PROVIDER).bond, bondBefore - bid.maxSlash, "slashed");
        vm.assertEq(locked(), lockedBefore - bid.maxSlash, "released");
        checkAllCredited();
    }

    // ---- The whole range ----

    /// @dev Any times within the windows, any mixture of circumstances: the bound of the windows holds for the sum.
    function testFuzz_no_choice_of_times_outlasts_the_windows(
        uint256 circumstances,
        uint256 closed,
        uint256 filed,
        uint256 disputed,
        uint128 conceded
    ) public {
        startLease(bid, DEPOSIT);
        for (uint256 i = 0; i < CIRCUMSTANCES; ++i) {
            if (circumstances >> i & 1 == 1) circumstance(i);
        }
        closed = bound(closed, START + 60, endAt);
        vm.warp(closed);
        attempt(TENANT, address(market), abi.encodeCall(ILeaseMarket.closeLease, (leaseId)));
        filed = bound(filed, closed, closed + CLAIM_WINDOW);
        vm.warp(filed);
        vm.prank(PROVIDER);
        vm.assertEq(market.claim(one(ILeaseMarket.ClaimItem(bid, everything()))), 1, "claimed");
        disputed = bound(disputed, filed, filed + DISPUTE_WINDOW + 1 days);
        vm.warp(disputed);
        conceded = uint128(bound(conceded, 0, lease(leaseId).pendingCum - 1));
        if (attempt(TENANT, address(market), abi.encodeCall(ILeaseMarket.dispute, (bid, conceded)))) {
            vm.warp(disputed + ARBITER_WINDOW);
            vm.assertLe(block.timestamp, closed + CLAIM_WINDOW + DISPUTE_WINDOW + ARBITER_WINDOW - 1, "the bound");
            vm.prank(STRANGER);
            market.resolve(bid, 0, 0);
        } else {
            vm.warp(closed + CLAIM_WINDOW + DISPUTE_WINDOW);
            finalizeAs(STRANGER, 1);
        }
        checkAllCredited();
    }

    // ---- Circumstances ----

    /// @dev Takes the exit in no circumstance, in each alone, and in all of them together.
    function inAllCircumstances(function() external exit) private {
        uint256 time = block.timestamp;
        for (uint256 i = 0; i <= CIRCUMSTANCES + 1; ++i) {
            uint256 snapshot = vm.snapshotState();
            for (uint256 j = 0; j < CIRCUMSTANCES; ++j) {
                if (i == j || i == CIRCUMSTANCES + 1) circumstance(j);
            }
            vm.assertEq(block.timestamp, time, "circumstances take no time");
            exit();
            assertState(leaseId, 4);
            vm.assertEq(vm.revertToState(snapshot), true, "back");
        }
    }

    function circumstance(uint256 which) private {
        if (which == 0) market.setIntakePaused(true);
        if (which == 1) market.setFee(500, MALLORY);
        if (which == 2) blocking.setBlocked(TENANT);
        if (which == 3) blocking.setBlocked(PROVIDER);
        if (which == 4) blocking.setBlocked(address(market));
        if (which == 5) blocking.setBlocked(TREASURY);
        if (which == 6) market.setFee(500, address(new NoReceiver()));
        if (which == 7) rotate();
        if (which == 8) deactivate();
        if (which == 9) authority.setTargetClosed(address(market), true);
        if (which == 10) authority.updateAuthority(address(market), address(new NoReceiver()));
    }

    /// @dev The operator's key is gone and all bids are dead.
    function rotate() private {
        vm.prank(PROVIDER);
        registry.setOperator(address(0), 0);
    }

    /// @dev Everything that is not locked has left: the provider is Inactive. Its time is spent beforehand.
    function deactivate() private {
        uint256 time = block.timestamp;
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND);
        vm.warp(time + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.warp(time);
        vm.assertEq(registry.providerOf(PROVIDER).status, 2, "inactive");
    }

    // ---- Steps ----

    function lateDispute() private {
        startLease(bid, DEPOSIT);
        vm.warp(endAt + CLAIM_WINDOW);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "the last claim");
        vm.warp(endAt + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        dispute(bid, 17_999);
    }

    function outlastTheArbiter(address who) private {
        uint256 until = endAt + CLAIM_WINDOW + DISPUTE_WINDOW - 1 + ARBITER_WINDOW;
        vm.warp(until - 1);
        assertRefused(who, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), "a second before");
        vm.warp(until);
        vm.prank(who);
        market.resolve(bid, 0, 0);
        vm.assertEq(lease(leaseId).paid, 17_999 + uint256(400_000) * bid.splitBps / 10_000, "the split");
        checkAllCredited();
    }

    function finalizeAs(address who, uint256 expected) private {
        vm.prank(who);
        vm.assertEq(market.finalize(one(bid)), expected, "finalized");
    }

    function checkPaid(uint256 paid) private view {
        vm.assertEq(blocked(PROVIDER), paid - paid / 100, "the provider's");
        vm.assertEq(blocked(TENANT), FUNDS - paid, "the tenant's");
        checkAllCredited();
    }

    /// @dev Nothing is left in the lease: every unit is in somebody's account.
    function checkAllCredited() private view {
        (, address treasury) = market.feeTerms();
        uint256 fees = blocked(TREASURY) + (treasury == TREASURY ? 0 : blocked(treasury));
        vm.assertEq(blocked(TENANT) + blocked(PROVIDER) + fees, FUNDS, "every unit");
        vm.assertEq(market.disputeDepositOf(leaseId), 0, "no deposit held");
        vm.assertEq(lease(leaseId).balance, 0, "no balance held");
    }

    function blocked(address owner) private view returns (uint256) {
        return market.available(owner, address(blocking));
    }
}

/// @notice Cannot receive, answer or withdraw anything.
contract NoReceiver {
    error Refused();

    fallback() external {
        revert Refused();
    }
}

/// @notice What an exit costs does not depend on how many others there are.
contract ExitGasTest is AdversaryTest {
    uint160 private constant CROWD = 200;

    /// @dev Each call is a transaction of its own, so that its cost is what a receipt would say.
    /// forge-config: default.isolate = true
    function test_no_exit_costs_more_gas_among_200_others_than_beside_one() public {
        crowd(1);
        uint256 snapshot = vm.snapshotState();
        uint256[9] memory few = measureAll();
        vm.assertEq(vm.revertToState(snapshot), true, "back");
        crowd(CROWD);
        uint256[9] memory many = measureAll();
        string[9] memory names = [
            "withdraw",
            "abort",
            "decline",
            "closeLease",
            "reclaim",
            "mature",
            "finalize",
            "resolve",
            "withdrawClaimable"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            vm.assertGt(few[i], 20_000, names[i]);
            vm.assertEq(many[i], few[i], names[i]);
        }
    }

    /// @dev More tenants, with an account and a lease each, half of them with a provider of their own choice.
    function crowd(uint160 size) private {
        if (size != 1) register(MALLORY, OPERATOR, BOND);
        bid = makeBid();
        bid.maxSlash = 1;
        bid.noShowPenalty = 1;
        for (uint160 i = 0; i < size; ++i) {
            bid.tenant = address(0xC0000 + 1000 * size + i);
            bid.provider = i % 2 == 0 ? PROVIDER : MALLORY;
            bid.validUntil = uint40(block.timestamp);
            fund(bid.tenant, 2 * bid.minDeposit);
            bytes32 crowded = openLease(bid, bid.minDeposit);
            if (i % 3 != 0) {
                vm.prank(bid.provider);
                vm.assertEq(market.confirm(one(crowded)), 1, "confirmed");
            }
        }
    }

    function measureAll() private returns (uint256[9] memory gas) {
        gas[0] = measure(TENANT, address(market), abi.encodeCall(ILeaseMarket.withdraw, (address(token), STRANGER, 1)));
        fresh(1);
        openLease(bid, DEPOSIT);
        vm.warp(block.timestamp + bid.startWindow + 1);
        gas[1] = measure(TENANT, address(market), abi.encodeCall(ILeaseMarket.abort, (bid)));
        fresh(2);
        openLease(bid, DEPOSIT);
        gas[2] = measure(OPERATOR, address(market), abi.encodeCall(ILeaseMarket.decline, (bid)));
        fresh(3);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(block.timestamp + 3600);
        gas[3] = measure(TENANT, address(market), abi.encodeCall(ILeaseMarket.closeLease, (leaseId)));
        claim(bid, makeUsage(3600));
        vm.warp(block.timestamp + DISPUTE_WINDOW);
        gas[5] = measure(STRANGER, address(market), abi.encodeCall(ILeaseMarket.mature, (one(leaseId))));
        gas[6] = measure(STRANGER, address(market), abi.encodeCall(ILeaseMarket.finalize, (one(bid))));
        fresh(4);
        leaseId = startLease(bid, DEPOSIT);
        gas[4] = measure(OPERATOR, address(market), abi.encodeCall(ILeaseMarket.reclaim, (bid)));
        vm.warp(block.timestamp + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 0);
        vm.warp(block.timestamp + ARBITER_WINDOW);
        gas[7] = measure(STRANGER, address(market), abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)));
        gas[8] = measure(TENANT, address(registry), abi.encodeCall(registry.withdrawClaimable, (STRANGER)));
    }

    /// @dev Another bid of the same shape.
    function fresh(uint64 salt) private {
        bid = makeBid();
        bid.salt = 1000 + salt;
        bid.validUntil = uint40(block.timestamp);
    }

    function measure(address by, address target, bytes memory data) private returns (uint256 used) {
        vm.prank(by);
        (bool ok,) = target.call(data);
        used = cheats.lastCallGas().gasTotalUsed;
        vm.assertEq(ok, true, "went through");
    }
}
