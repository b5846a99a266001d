// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {vm} from "../support/Vm.sol";
import {DisputedTest} from "./dispute.t.sol";

contract ResolveTest is DisputedTest {
    uint40 private constant DISPUTED = FILED + 1800;
    uint128 private constant CONTESTED = HOUR - 17_999;
    uint128 private constant HELD = 20_000;

    function setUp() public override {
        super.setUp();
        vm.warp(DISPUTED);
        dispute(bid, 17_999);
        vm.warp(DISPUTED + CLAIM_WINDOW + 1);
    }

    function test_the_arbiter_awards_a_part_and_the_deposit_returns() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, 100_000, 0, 117_999, FILED, bytes32(0));
        vm.expectEmit(address(market));
        emit ILeaseMarket.DisputeResolved(leaseId, PROVIDER, 100_000, 0, TENANT, ARBITER);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseClosed(leaseId, TENANT, PROVIDER, 117_999, DEPOSIT - 117_999 - HELD, 3);
        rule(100_000, 0);
        checkClosed(117_999);
        vm.assertEq(account(TENANT), FUNDS - 117_999, "tenant");
        vm.assertEq(account(PROVIDER), 117_999, "provider");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND, "bond");
    }

    function test_the_provider_who_wins_all_wins_the_deposit() public {
        rule(CONTESTED, 0);
        checkClosed(HOUR);
        vm.assertEq(account(TENANT), FUNDS - HOUR - HELD, "tenant");
        vm.assertEq(account(PROVIDER), HOUR + HELD, "provider");
    }

    function test_slashed_bond_goes_to_the_victim_up_to_the_contested_sum() public {
        rule(0, bid.maxSlash);
        checkClosed(17_999);
        vm.assertEq(registry.claimable(TENANT), CONTESTED, "victim");
        vm.assertEq(registry.claimable(TREASURY), bid.maxSlash - CONTESTED, "treasury");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - bid.maxSlash, "bond");
        vm.prank(TENANT);
        registry.withdrawClaimable(STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), CONTESTED, "withdrawn");
    }

    function test_a_small_slash_goes_to_the_victim_alone() public {
        rule(0, 5);
        vm.assertEq(registry.claimable(TENANT), 5, "victim");
        vm.assertEq(registry.claimable(TREASURY), 0, "treasury");
    }

    function test_a_victim_in_another_token_gets_no_bond() public {
        DecimalsToken other = new DecimalsToken(18);
        market.allowToken(address(other));
        other.mint(address(this), 100e18);
        other.approve(address(market), 100e18);
        market.deposit(address(other), TENANT, 100e18);
        bid.token = address(other);
        bid.salt = 1;
        bid.validUntil = START + 365 days;
        leaseId = startLease(bid, 100e18);
        vm.warp(block.timestamp + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 0);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        rule(0, 3e6);
        vm.assertEq(registry.claimable(TENANT), 0, "victim");
        vm.assertEq(registry.claimable(TREASURY), 3e6, "treasury");
    }

    function test_the_arbiter_waits_for_the_claim_window_or_the_raised_claim() public {
        uint256 until = DISPUTED + CLAIM_WINDOW;
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(until - 1 + i);
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooEarly.selector, leaseId, until + 1));
            rule(1, 0);
        }
        vm.warp(DISPUTED + 1);
        claim(bid, makeUsage(5400));
        rule(626_999 - 17_999, 0);
        checkClosed(626_999);
    }

    function test_award_and_slash_are_bounded() public {
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_OverCap.selector, leaseId, uint256(CONTESTED) + 1, uint256(CONTESTED)
            )
        );
        rule(CONTESTED + 1, 0);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_OverCap.selector, leaseId, uint256(bid.maxSlash) + 1, uint256(bid.maxSlash)
            )
        );
        rule(0, bid.maxSlash + 1);
    }

    function test_nobody_else_rules() public {
        address[4] memory others = [TENANT, PROVIDER, OPERATOR, STRANGER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotArbiter.selector, leaseId, others[i]));
            vm.prank(others[i]);
            market.resolve(bid, 0, 0);
        }
    }

    function test_after_the_arbiters_window_anyone_applies_the_split() public {
        vm.warp(DISPUTED + ARBITER_WINDOW - 1);
        vm.prank(STRANGER);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotArbiter.selector, leaseId, STRANGER));
        market.resolve(bid, 0, 0);
        vm.warp(DISPUTED + ARBITER_WINDOW);
        vm.expectEmit(address(market));
        emit ILeaseMarket.DisputeResolved(leaseId, PROVIDER, 240_000, 0, TENANT, STRANGER);
        vm.prank(STRANGER);
        market.resolve(bid, 0, 0);
        checkClosed(17_999 + 240_000);
        vm.assertEq(account(TENANT), FUNDS - 257_999, "tenant");
    }

    function test_a_late_arbiter_changes_nothing() public {
        vm.warp(DISPUTED + ARBITER_WINDOW);
        bytes memory err = abi.encodeWithSelector(
            ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, uint256(DISPUTED) + ARBITER_WINDOW - 1
        );
        expectError(err);
        rule(CONTESTED, 0);
        expectError(err);
        rule(0, 1);
    }

    function test_a_split_of_the_whole_gives_the_deposit_to_the_provider() public {
        bid.salt = 1;
        bid.splitBps = 10_000;
        bid.arbiter = address(0);
        bid.validUntil = START + 365 days;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(block.timestamp + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 17_999);
        vm.warp(block.timestamp + ARBITER_WINDOW);
        uint256 before = account(PROVIDER);
        market.resolve(bid, 0, 0);
        vm.assertEq(account(PROVIDER), before + CONTESTED + HELD, "provider");
    }

    function test_only_a_disputed_lease_is_resolved_and_only_once() public {
        rule(0, 0);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 4));
        rule(0, 0);
        bid.salt = 1;
        bid.validUntil = START + 365 days;
        leaseId = startLease(bid, DEPOSIT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 2));
        rule(0, 0);
    }

    function test_fees_are_taken_from_what_is_awarded() public {
        setFee(500);
        bid.salt = 1;
        bid.validUntil = START + 365 days;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(block.timestamp + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 0);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        uint256 before = account(PROVIDER);
        rule(100_000, 0);
        vm.assertEq(account(PROVIDER), before + 95_000, "provider");
        vm.assertEq(account(TREASURY), 5_000, "treasury");
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        rule(0, 0);
        assertState(leaseId, 4);
    }

    function rule(uint128 award, uint96 slash) private {
        vm.prank(ARBITER);
        market.resolve(bid, award, slash);
    }

    function checkClosed(uint256 paid) private view {
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.state, 4, "state");
        vm.assertEq(after_.balance, 0, "balance");
        vm.assertEq(after_.paid, paid, "paid");
        vm.assertEq(after_.pendingCum, 0, "pending");
        vm.assertEq(market.disputeDepositOf(leaseId), 0, "deposit");
        vm.assertEq(locked(), 0, "locked");
        vm.assertEq(market.liabilities(address(token)), FUNDS, "liabilities");
    }
}
