// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {bound, vm} from "../support/Vm.sol";

contract ClaimTest is MarketTest {
    uint128 private constant HOUR = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    function test_waits_with_the_worked_amount() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.ClaimFiled(leaseId, PROVIDER, HOUR, START + 3600, makeUsage(3600));
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "done");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.pendingCum, HOUR, "cum");
        vm.assertEq(after_.pendingAt, START + 3600, "at");
        vm.assertEq(after_.filedAt, START + 3600, "filed");
        vm.assertEq(after_.paid, 0, "paid");
        vm.assertEq(after_.lastAsOf, START, "lastAsOf");
        vm.assertEq(market.claimable(leaseId), 0, "claimable");
    }

    function test_is_cut_to_the_limits() public {
        uint128[8] memory usage;
        for (uint256 i = 0; i < 8; ++i) {
            usage[i] = type(uint128).max;
        }
        claim(bid, usage);
        // the limits of one hour, which the rate cap equals to within its rounding
        vm.assertEq(lease(leaseId).pendingCum, market.amountOf(bid, usage, 3600), "cum");
    }

    function test_is_cut_to_the_rate_cap_since_the_last_settlement() public {
        settle(leaseId, 100, START + 3590, false);
        claim(bid, makeUsage(3600));
        vm.assertEq(lease(leaseId).pendingCum, 100 + uint256(333_888_889) * 10 / 1e6, "cum");
    }

    function test_is_cut_to_the_money_in_the_lease() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        bid.validUntil = START + 3600;
        leaseId = startLease(bid, 1000);
        vm.warp(START + 7200);
        claim(bid, makeUsage(3600));
        vm.assertEq(lease(leaseId).pendingCum, 1000, "cum");
    }

    function test_time_after_the_end_is_not_counted() public {
        vm.warp(START + 1 days + 100);
        uint128[8] memory usage;
        usage[0] = type(uint128).max;
        claim(bid, usage);
        vm.assertEq(lease(leaseId).pendingAt, START + 1 days, "at");
        vm.assertEq(lease(leaseId).pendingCum, market.amountOf(bid, usage, 1 days), "cum");
    }

    function test_is_possible_until_the_claim_window_has_passed() public {
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(START + 3600);
            bid.salt = uint64(1 + i);
            bid.validUntil = START + 3600;
            leaseId = startLease(bid, DEPOSIT);
            vm.warp(START + 3600 + 1 days + CLAIM_WINDOW - 1 + i);
            if (i == 2) expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
            vm.assertEq(claim(bid, makeUsage(3600)), i < 2 ? 1 : 0, "done");
        }
    }

    function test_a_second_claim_waits_for_the_first() public {
        claim(bid, makeUsage(3600));
        vm.warp(START + 3600 + DISPUTE_WINDOW - 1);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooEarly.selector);
        vm.assertEq(claim(bid, makeUsage(7200)), 0, "done");
        vm.assertEq(lease(leaseId).paid, 0, "paid");
    }

    function test_a_claim_first_pays_one_that_is_due() public {
        claim(bid, makeUsage(3600));
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        // The lease ended after a day; the claim window is shorter than the dispute window but still open at its end.
        bid.salt = 1;
        bid.maxDuration = 7 days;
        bid.validUntil = START + 365 days;
        leaseId = startLease(bid, DEPOSIT);
        uint40 started = uint40(START + 3600 + DISPUTE_WINDOW);
        vm.warp(started + 3600);
        claim(bid, makeUsage(3600));
        vm.warp(started + 3600 + DISPUTE_WINDOW);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, HOUR, 0, HOUR, started + 3600, bytes32(0));
        vm.assertEq(claim(bid, makeUsage(7200)), 1, "done");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.paid, HOUR, "paid");
        vm.assertEq(after_.lastAsOf, started + 3600, "lastAsOf");
        vm.assertEq(after_.pendingCum, 835_999, "cum");
        vm.assertEq(account(PROVIDER), HOUR, "account");
    }

    function test_skips_usage_worth_no_more_than_is_paid() public {
        settle(leaseId, HOUR, START + 3600, false);
        vm.warp(START + 3700);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NothingToClaim.selector);
        vm.assertEq(claim(bid, makeUsage(3600)), 0, "done");
        vm.assertEq(claim(bid, makeUsage(3601)), 1, "done");
    }

    function test_a_claim_of_nothing_is_skipped() public {
        uint128[8] memory nothing;
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NothingToClaim.selector);
        vm.assertEq(claim(bid, nothing), 0, "done");
    }

    function test_skips_others_and_other_states() public {
        ILeaseMarket.ClaimItem memory item = ILeaseMarket.ClaimItem(bid, makeUsage(3600));
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
        vm.prank(STRANGER);
        vm.assertEq(market.claim(one(item)), 0, "done");
        bid.salt = 1;
        expectSkip(market.leaseIdOf(bid), ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(claim(bid, makeUsage(3600)), 0, "done");
    }

    function test_skips_terms_that_are_not_the_leases() public {
        bid.price[0] *= 2;
        expectSkip(market.leaseIdOf(bid), ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(claim(bid, makeUsage(3600)), 0, "done");
    }

    function testFuzz_never_exceeds_usage_cap_or_balance(uint128[8] memory usage, uint256 elapsed, uint256 amount)
        public
    {
        elapsed = 1 + elapsed % (1 days);
        amount = bound(amount, bid.minDeposit, FUNDS - DEPOSIT);
        bid.salt = 9;
        bid.validUntil = START + 3600;
        leaseId = startLease(bid, uint128(amount));
        vm.warp(START + 3600 + elapsed);
        uint256 worth = market.amountOf(bid, usage, elapsed);
        uint256 done = claim(bid, usage);
        uint256 expected = min(worth, min(uint256(333_888_889) * elapsed / 1e6, amount));
        vm.assertEq(done, expected == 0 ? 0 : 1, "done");
        vm.assertEq(lease(leaseId).pendingCum, expected, "cum");
    }

    function min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}

contract MatureTest is MarketTest {
    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
    }

    function test_pays_from_the_end_of_the_dispute_window_on() public {
        vm.warp(START + 3600 + DISPUTE_WINDOW - 1);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooEarly.selector);
        vm.assertEq(market.mature(one(leaseId)), 0, "done");
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        vm.assertEq(market.claimable(leaseId), 417_999, "claimable");
        vm.prank(STRANGER);
        vm.assertEq(market.mature(one(leaseId)), 1, "done");
        vm.assertEq(account(PROVIDER), 417_999, "account");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.paid, 417_999, "paid");
        vm.assertEq(after_.lastAsOf, START + 3600, "lastAsOf");
        vm.assertEq(after_.pendingCum, 0, "pending");
        vm.assertEq(market.claimable(leaseId), 0, "claimable");
    }

    function test_pays_once() public {
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        bytes32[] memory ids = new bytes32[](3);
        ids[0] = leaseId;
        ids[1] = leaseId;
        ids[2] = bytes32("unknown");
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NoPending.selector);
        expectSkip(ids[2], ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(market.mature(ids), 1, "done");
        vm.assertEq(account(PROVIDER), 417_999, "account");
    }

    function test_a_disputed_claim_does_not_mature() public {
        dispute(bid, 0);
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(market.mature(one(leaseId)), 0, "done");
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        vm.assertEq(market.mature(one(leaseId)), 1, "done");
    }
}
