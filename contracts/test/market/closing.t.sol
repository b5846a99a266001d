// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract CloseLeaseTest is MarketTest {
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        leaseId = startLease(makeBid(), DEPOSIT);
    }

    function test_the_tenant_and_the_session_key_end_the_lease_now() public {
        address[2] memory closers = [TENANT, SESSION];
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(START + 200 - 100 * i);
            vm.expectEmit(address(market));
            emit ILeaseMarket.CloseRequested(leaseId, PROVIDER, closers[i], uint40(START + 200 - 100 * i));
            vm.prank(closers[i]);
            market.closeLease(leaseId);
            vm.assertEq(lease(leaseId).endAt, START + 200 - 100 * i, "endAt");
        }
    }

    function test_others_may_not() public {
        address[3] memory others = [PROVIDER, OPERATOR, STRANGER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotTenant.selector, leaseId, others[i]));
            vm.prank(others[i]);
            market.closeLease(leaseId);
        }
    }

    function test_is_possible_until_the_end_exclusive() public {
        uint256 endAt = START + 1 days;
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(endAt + i);
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, endAt));
            vm.prank(TENANT);
            market.closeLease(leaseId);
        }
        vm.warp(endAt - 1);
        vm.prank(TENANT);
        market.closeLease(leaseId);
        vm.assertEq(lease(leaseId).endAt, endAt - 1, "endAt");
    }

    function test_an_open_or_unknown_lease_cannot_be_closed() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.salt = 1;
        bytes32 open = openLease(bid, DEPOSIT);
        vm.startPrank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, open, 1));
        market.closeLease(open);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, bytes32("unknown"), 0));
        market.closeLease(bytes32("unknown"));
        vm.stopPrank();
    }

    function test_the_balance_lasts_until_the_rate_cap_has_eaten_it() public view {
        // 50e6 * 1e6 / 333888889 = 149750 s, more than the day that is left
        vm.assertEq(market.fundedUntil(leaseId), START + 1 days, "funded");
        vm.assertEq(market.fundedUntil(bytes32("unknown")), 0, "unknown");
    }
}

contract ReclaimTest is MarketTest {
    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    function test_ends_a_funded_lease_after_the_notice_period() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.CloseRequested(leaseId, PROVIDER, OPERATOR, START + 7200);
        vm.prank(OPERATOR);
        market.reclaim(bid);
        vm.assertEq(lease(leaseId).endAt, START + 7200, "endAt");
    }

    function test_ends_an_unfunded_lease_now() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        bid.validUntil = START + 3600;
        uint128 tenSeconds = 3338; // floor(333888889 * 10 / 1e6)
        leaseId = startLease(bid, tenSeconds);
        vm.assertEq(market.fundedUntil(leaseId), START + 3600 + 9, "funded");
        vm.warp(START + 3609);
        vm.prank(OPERATOR);
        market.reclaim(bid);
        vm.assertEq(lease(leaseId).endAt, START + 3609 + 1 hours, "one second before: with notice");
        vm.warp(START + 3610);
        vm.prank(OPERATOR);
        market.reclaim(bid);
        vm.assertEq(lease(leaseId).endAt, START + 3610, "endAt");
    }

    function test_cannot_put_the_end_off() public {
        vm.startPrank(OPERATOR);
        market.reclaim(bid);
        bytes memory err =
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, uint256(START) + 7200);
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(START + 3600 + i);
            expectError(err);
            market.reclaim(bid);
        }
        vm.stopPrank();
    }

    function test_the_owner_may_and_others_may_not() public {
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotProvider.selector, leaseId, TENANT));
        vm.prank(TENANT);
        market.reclaim(bid);
        vm.prank(PROVIDER);
        market.reclaim(bid);
    }

    function test_needs_an_active_lease() public {
        bid.salt = 1;
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, market.leaseIdOf(bid), 0));
        vm.prank(OPERATOR);
        market.reclaim(bid);
    }
}

contract FinalizeTest is MarketTest {
    uint128 private constant HOUR = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
    }

    function test_refunds_and_unlocks_at_once_when_all_is_settled() public {
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, true);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseClosed(leaseId, TENANT, PROVIDER, HOUR, DEPOSIT - HOUR, 0);
        vm.prank(STRANGER);
        vm.assertEq(market.finalize(one(bid)), 1, "done");
        checkClosed(HOUR);
    }

    function test_waits_for_the_end() public {
        vm.warp(START + 1 days - 1);
        settle(leaseId, HOUR, START + 1 days - 1, false);
        checkTooEarly();
        vm.warp(START + 1 days);
        settle(leaseId, HOUR, START + 1 days, false);
        vm.assertEq(market.finalize(one(bid)), 1, "done");
        checkClosed(HOUR);
    }

    function test_waits_for_the_claim_window_when_not_all_is_settled() public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(START + 1 days + CLAIM_WINDOW - 1 + i);
            checkTooEarly();
        }
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        vm.assertEq(market.finalize(one(bid)), 1, "done");
        checkClosed(0);
    }

    function test_waits_for_a_claim_and_pays_it_when_due() public {
        vm.warp(START + 1 days + 100);
        claim(bid, makeUsage(3600));
        vm.warp(START + 1 days + 100 + DISPUTE_WINDOW - 1);
        checkTooEarly();
        vm.warp(START + 1 days + 100 + DISPUTE_WINDOW);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, HOUR, 0, HOUR, START + 1 days, bytes32(0));
        vm.assertEq(market.finalize(one(bid)), 1, "done");
        checkClosed(HOUR);
    }

    function test_a_due_claim_of_a_part_leaves_the_claim_window_open() public {
        bid.salt = 1;
        bid.maxDuration = 1 hours;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 1800);
        claim(bid, makeUsage(1800));
        // The end comes at 1 h; the claim is due before the claim window of 36 h closes only if the windows say so.
        vm.warp(START + 1 hours + CLAIM_WINDOW);
        checkTooEarly();
        vm.warp(START + 1800 + DISPUTE_WINDOW);
        vm.assertEq(market.finalize(one(bid)), 1, "done");
        vm.assertEq(lease(leaseId).paid, 208_999, "paid");
    }

    function test_a_batch_passes_over_what_cannot_be_closed() public {
        ILeaseMarket.Bid[] memory bids = new ILeaseMarket.Bid[](3);
        bids[0] = makeBid();
        bids[0].salt = 1;
        bids[1] = bid;
        bids[2] = bid;
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        expectSkip(market.leaseIdOf(bids[0]), ILeaseMarket.LeaseMarket_WrongState.selector);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(market.finalize(bids), 1, "done");
        checkClosed(0);
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        vm.assertEq(market.finalize(one(bid)), 1, "done");
    }

    function test_a_closed_lease_keeps_its_story() public {
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, true);
        ILeaseMarket.LeaseView memory expected = lease(leaseId);
        market.finalize(one(bid));
        expected.state = 4;
        expected.balance = 0;
        assertEq(lease(leaseId), expected);
    }

    function checkTooEarly() private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooEarly.selector);
        vm.assertEq(market.finalize(one(bid)), 0, "done");
        assertEq(lease(leaseId), before);
    }

    function checkClosed(uint256 paid) private view {
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.state, 4, "state");
        vm.assertEq(after_.balance, 0, "balance");
        vm.assertEq(after_.paid, paid, "paid");
        vm.assertEq(account(TENANT), FUNDS - paid, "tenant");
        vm.assertEq(account(PROVIDER), paid, "provider");
        vm.assertEq(locked(), 0, "locked");
    }
}
