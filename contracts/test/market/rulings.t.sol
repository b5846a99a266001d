// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {Vm, vm} from "../support/Vm.sol";

/// @notice Admissions around a ruling, and disputes while intake is paused.
contract RulingsTest is MarketTest {
    uint40 private constant FILED = START + 3600;
    uint128 private constant CLAIMED = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    function test_an_admission_put_before_a_ruling_is_not_paid_twice() public {
        disputeClaim(17_999, DEPOSIT);
        vm.warp(FILED + CLAIM_WINDOW + 1);
        vm.assertEq(settle(leaseId, 217_999, FILED, false), 1, "admitted");
        rule(200_000, 0);
        vm.assertEq(lease(leaseId).paid, 217_999, "the award was admitted already");
        vm.assertEq(account(PROVIDER), 217_999, "no deposit: the claim was not paid whole");
    }

    function test_an_award_tops_up_what_was_admitted() public {
        disputeClaim(17_999, DEPOSIT);
        vm.assertEq(settle(leaseId, 117_999, FILED, false), 1, "admitted");
        vm.warp(FILED + CLAIM_WINDOW + 1);
        rule(400_000, 0);
        vm.assertEq(lease(leaseId).paid, CLAIMED, "the whole claim");
        vm.assertEq(account(PROVIDER), CLAIMED + 20_000, "with the deposit");
    }

    function test_an_award_below_what_was_admitted_takes_nothing_back() public {
        disputeClaim(17_999, DEPOSIT);
        vm.assertEq(settle(leaseId, 217_999, FILED, false), 1, "admitted");
        vm.warp(FILED + CLAIM_WINDOW + 1);
        rule(0, 0);
        vm.assertEq(lease(leaseId).paid, 217_999, "paid");
        vm.assertEq(account(TENANT), FUNDS - 217_999, "the rest and the deposit came home");
    }

    function test_a_ruling_that_awards_nothing_announces_no_payment() public {
        disputeClaim(17_999, DEPOSIT);
        vm.warp(FILED + CLAIM_WINDOW + 1);
        vm.recordLogs();
        rule(0, 0);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 2, "events");
        vm.assertEq(logs[0].topics[0], ILeaseMarket.DisputeResolved.selector, "first");
        vm.assertEq(logs[1].topics[0], ILeaseMarket.LeaseClosed.selector, "second");
    }

    function test_a_pause_of_intake_cannot_stop_a_dispute_of_a_tenant_without_money() public {
        uint128 deposit = bid.minDeposit = 400_000;
        leaseId = startLease(bid, deposit);
        vm.startPrank(TENANT);
        market.withdraw(address(token), TENANT, account(TENANT) - 7);
        vm.stopPrank();
        vm.warp(FILED);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_Insufficient.selector, TENANT, 7, 20_000));
        market.dispute(bid, 0);

        market.setIntakePaused(true);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseDisputed(leaseId, PROVIDER, 0, deposit, 7, 0);
        dispute(bid, 0);
        vm.assertEq(market.disputeDepositOf(leaseId), 7, "what the account held");
        vm.assertEq(account(TENANT), 0, "account");
        vm.assertEq(market.liabilities(address(token)), uint256(deposit) + 7, "lease and deposit");
    }

    function disputeClaim(uint128 conceded, uint128 money) private {
        leaseId = startLease(bid, money);
        vm.warp(FILED);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        dispute(bid, conceded);
    }

    function rule(uint128 award, uint96 slash) private {
        vm.prank(ARBITER);
        market.resolve(bid, award, slash);
    }
}
