// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract ConfirmTest is MarketTest {
    function test_starts_the_clock() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = openLease(bid, DEPOSIT);
        vm.warp(START + 60);
        ILeaseMarket.LeaseView memory expected = lease(leaseId);
        expected.state = 2;
        expected.startedAt = START + 60;
        expected.lastAsOf = START + 60;
        expected.endAt = START + 60 + 1 days;
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseConfirmed(leaseId, PROVIDER, START + 60, START + 60 + 1 days);
        vm.assertEq(confirm(leaseId), 1, "done");
        assertEq(lease(leaseId), expected);
    }

    function test_is_possible_until_start_by_and_not_after() public {
        ILeaseMarket.Bid memory bid = makeBid();
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(START);
            bid.salt = uint64(i);
            bytes32 leaseId = openLease(bid, DEPOSIT);
            vm.warp(START + bid.startWindow - 1 + i);
            if (i == 2) expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
            vm.assertEq(confirm(leaseId), i < 2 ? 1 : 0, "done");
        }
    }

    function test_the_owner_may_confirm_and_others_may_not() public {
        bytes32 leaseId = openLease(makeBid(), DEPOSIT);
        address[3] memory others = [TENANT, SESSION, STRANGER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
            vm.prank(others[i]);
            vm.assertEq(market.confirm(one(leaseId)), 0, "done");
        }
        vm.prank(PROVIDER);
        vm.assertEq(market.confirm(one(leaseId)), 1, "done");
    }

    function test_an_expired_operator_may_not_confirm() public {
        bytes32 leaseId = openLease(makeBid(), DEPOSIT);
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 5);
        vm.warp(START + 6);
        vm.assertEq(confirm(leaseId), 0, "done");
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 7);
        vm.assertEq(confirm(leaseId), 1, "done");
    }

    function test_a_batch_passes_over_what_cannot_be_confirmed() public {
        register(STRANGER, address(0x0b), BOND);
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32[] memory ids = new bytes32[](4);
        ids[0] = bytes32("unknown");
        ids[1] = openLease(bid, DEPOSIT);
        bid.salt = 2;
        ids[2] = startLease(bid, DEPOSIT);
        bid.salt = 3;
        ids[3] = openLease(bid, DEPOSIT);
        expectSkip(ids[0], ILeaseMarket.LeaseMarket_WrongState.selector);
        expectSkip(ids[2], ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.confirm(ids), 2, "done");
        assertState(ids[1], 2);
        assertState(ids[3], 2);
    }
}

contract TopUpTest is MarketTest {
    function test_adds_to_open_and_active_leases_from_the_callers_account() public {
        fund(STRANGER, 10e6);
        bytes32 leaseId = openLease(makeBid(), DEPOSIT);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseToppedUp(leaseId, STRANGER, 4e6, DEPOSIT + 4e6);
        vm.prank(STRANGER);
        market.topUp(leaseId, 4e6);
        confirm(leaseId);
        vm.prank(STRANGER);
        market.topUp(leaseId, 6e6);
        vm.assertEq(lease(leaseId).balance, DEPOSIT + 10e6, "balance");
        vm.assertEq(account(STRANGER), 0, "account");
        vm.assertEq(market.liabilities(address(token)), FUNDS + 10e6, "liabilities");
    }

    function test_refuses_zero_and_more_than_the_account_holds() public {
        bytes32 leaseId = openLease(makeBid(), DEPOSIT);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAmount.selector);
        market.topUp(leaseId, 0);
        expectError(
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_Insufficient.selector, STRANGER, uint256(0), uint256(1))
        );
        vm.prank(STRANGER);
        market.topUp(leaseId, 1);
    }

    function test_refuses_leases_that_are_not_open_or_active() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = market.leaseIdOf(bid);
        vm.startPrank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 0));
        market.topUp(leaseId, 1);
        vm.stopPrank();
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 0);
        vm.startPrank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 3));
        market.topUp(leaseId, 1);
        vm.warp(START + 3600 + ARBITER_WINDOW);
        market.resolve(bid, 0, 0);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 4));
        market.topUp(leaseId, 1);
        vm.stopPrank();
    }

    function test_works_while_intake_is_paused() public {
        bytes32 leaseId = openLease(makeBid(), DEPOSIT);
        market.setIntakePaused(true);
        vm.prank(TENANT);
        market.topUp(leaseId, 1);
        vm.assertEq(lease(leaseId).balance, DEPOSIT + 1, "balance");
    }
}

contract DeclineAndAbortTest is MarketTest {
    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = openLease(bid, DEPOSIT);
    }

    function test_declining_in_time_refunds_everything_and_costs_nothing() public {
        vm.warp(START + bid.startWindow);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseClosed(leaseId, TENANT, PROVIDER, 0, DEPOSIT, 1);
        vm.prank(OPERATOR);
        market.decline(bid);
        checkClosed(0);
    }

    function test_declining_late_costs_the_penalty() public {
        vm.warp(START + bid.startWindow + 1);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseClosed(leaseId, TENANT, PROVIDER, 0, DEPOSIT, 2);
        vm.prank(PROVIDER);
        market.decline(bid);
        checkClosed(bid.noShowPenalty);
    }

    function test_aborting_is_possible_only_after_start_by() public {
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(START + bid.startWindow - 1 + i);
            expectError(
                abi.encodeWithSelector(
                    ILeaseMarket.LeaseMarket_TooEarly.selector, leaseId, uint256(START) + bid.startWindow + 1
                )
            );
            vm.prank(TENANT);
            market.abort(bid);
        }
        vm.warp(START + bid.startWindow + 1);
        vm.prank(TENANT);
        market.abort(bid);
        checkClosed(bid.noShowPenalty);
    }

    function test_without_a_penalty_a_no_show_only_unlocks() public {
        bid.noShowPenalty = 0;
        bid.salt = 5;
        openLease(bid, DEPOSIT);
        vm.warp(START + bid.startWindow + 1);
        vm.prank(TENANT);
        market.abort(bid);
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND, "bond");
        vm.assertEq(locked(), bid.maxSlash, "only the other lease's lock is left");
    }

    function test_others_may_not() public {
        vm.warp(START + bid.startWindow + 1);
        vm.startPrank(STRANGER);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotTenant.selector, leaseId, STRANGER));
        market.abort(bid);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotProvider.selector, leaseId, STRANGER));
        market.decline(bid);
        vm.stopPrank();
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotProvider.selector, leaseId, TENANT));
        market.decline(bid);
    }

    function test_a_confirmed_lease_can_be_neither_declined_nor_aborted() public {
        confirm(leaseId);
        vm.warp(START + bid.startWindow + 1);
        bytes memory err = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 2);
        vm.prank(TENANT);
        expectError(err);
        market.abort(bid);
        vm.prank(OPERATOR);
        expectError(err);
        market.decline(bid);
    }

    function test_a_changed_bid_names_no_lease() public {
        bid.noShowPenalty = bid.maxSlash;
        vm.warp(START + bid.startWindow + 1);
        vm.startPrank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, market.leaseIdOf(bid), 0));
        market.abort(bid);
        vm.stopPrank();
    }

    function checkClosed(uint256 penalty) private view {
        assertState(leaseId, 4);
        vm.assertEq(account(TENANT), FUNDS, "account");
        vm.assertEq(locked(), 0, "locked");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - penalty, "bond");
        vm.assertEq(registry.claimable(TENANT), penalty, "penalty");
        vm.assertEq(registry.claimable(TREASURY), 0, "treasury");
        vm.assertEq(registry.totalBond(), BOND - penalty, "total bond");
    }
}
