// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract SettleTest is MarketTest {
    uint128 private constant HOUR = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        setFee(250);
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    function test_pays_the_provider_and_the_fee() public {
        uint128 fee = 10_449; // 2.5 % of 417999, rounded down
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, HOUR, fee, HOUR, START + 3600, keccak256("usage"));
        vm.assertEq(settle(leaseId, HOUR, START + 3600, false), 1, "done");
        vm.assertEq(account(PROVIDER), HOUR - fee, "provider");
        vm.assertEq(account(TREASURY), fee, "treasury");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.paid, HOUR, "paid");
        vm.assertEq(after_.balance, DEPOSIT - HOUR, "balance");
        vm.assertEq(after_.lastAsOf, START + 3600, "lastAsOf");
        vm.assertEq(after_.endAt, START + 1 days, "endAt");
        vm.assertEq(market.liabilities(address(token)), FUNDS, "liabilities");
    }

    function test_pays_only_the_difference_to_what_is_paid() public {
        settle(leaseId, HOUR, START + 3600, false);
        vm.warp(START + 7200);
        settle(leaseId, HOUR + 1000, START + 7200, false);
        vm.assertEq(lease(leaseId).paid, HOUR + 1000, "paid");
        vm.assertEq(account(PROVIDER) + account(TREASURY), HOUR + 1000, "earned");
    }

    function test_replaying_the_newest_statement_changes_nothing() public {
        settle(leaseId, HOUR, START + 3600, false);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint256 earned = account(PROVIDER);
        vm.assertEq(settle(leaseId, HOUR, START + 3600, false), 1, "done");
        assertEq(lease(leaseId), before);
        vm.assertEq(account(PROVIDER), earned, "account");
    }

    function test_skips_statements_older_or_for_less_than_settled() public {
        settle(leaseId, HOUR, START + 3600, false);
        checkSkipped(HOUR, START + 3599, ILeaseMarket.LeaseMarket_StaleStatement.selector);
        checkSkipped(HOUR - 1, START + 3600, ILeaseMarket.LeaseMarket_StaleStatement.selector);
    }

    function test_skips_time_that_has_not_passed() public {
        checkSkipped(HOUR, START + 3601, ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.warp(START + 3601);
        vm.assertEq(settle(leaseId, HOUR, START + 3601, false), 1, "done");
    }

    function test_skips_time_after_the_end() public {
        vm.warp(START + 1 days + 10);
        checkSkipped(HOUR, START + 1 days + 1, ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.assertEq(settle(leaseId, HOUR, START + 1 days, false), 1, "done");
    }

    function test_pays_up_to_the_rate_cap_and_not_one_more() public {
        uint128 cap = uint128(uint256(333_888_889) * 3600 / 1e6);
        checkSkipped(cap + 1, START + 3600, ILeaseMarket.LeaseMarket_OverCap.selector);
        vm.assertEq(settle(leaseId, cap, START + 3600, false), 1, "done");
        vm.assertEq(lease(leaseId).paid, cap, "paid");
    }

    function test_time_settled_for_less_cannot_be_billed_again() public {
        settle(leaseId, 0, START + 3600, false);
        vm.warp(START + 3610);
        checkSkipped(3_339, START + 3610, ILeaseMarket.LeaseMarket_OverCap.selector);
        vm.assertEq(settle(leaseId, 3_338, START + 3610, false), 1, "done");
    }

    function test_pays_what_is_left_when_the_balance_is_short() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        bid.validUntil = START + 3600;
        leaseId = startLease(bid, 1000);
        vm.warp(START + 7200);
        vm.assertEq(settle(leaseId, HOUR, START + 7200, false), 1, "done");
        vm.assertEq(lease(leaseId).paid, 1000, "paid");
        vm.assertEq(lease(leaseId).balance, 0, "balance");
    }

    function test_the_last_statement_ends_the_lease_where_it_ends() public {
        settle(leaseId, HOUR, START + 3500, true);
        vm.assertEq(lease(leaseId).endAt, START + 3500, "endAt");
        vm.assertEq(market.finalize(one(bid)), 1, "finalized at once");
        vm.assertEq(account(TENANT), FUNDS - HOUR, "refund");
    }

    function test_supersedes_a_waiting_claim() public {
        claim(bid, makeUsage(3600));
        settle(leaseId, 1000, START + 3600, false);
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.pendingCum, 0, "pending");
        vm.assertEq(after_.filedAt, 0, "filed");
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NoPending.selector);
        vm.assertEq(market.mature(one(leaseId)), 0, "matured");
    }

    function test_skips_a_foreign_or_malformed_signature() public {
        ILeaseMarket.Statement memory statement = makeStatement(leaseId, HOUR, START + 3600, false);
        uint256[3] memory keys = [FOREIGN_KEY, OPERATOR_KEY, 0xc01d];
        for (uint256 i = 0; i < keys.length; ++i) {
            checkSkipped(signed(statement, keys[i]), ILeaseMarket.LeaseMarket_BadSigner.selector);
        }
        ILeaseMarket.SignedStatement memory good = signed(statement, SESSION_KEY);
        checkSkipped(
            ILeaseMarket.SignedStatement(statement, good.r, bytes32(type(uint256).max >> 1)),
            ILeaseMarket.LeaseMarket_BadSigner.selector
        );
        good.statement.amountCum += 1;
        checkSkipped(good, ILeaseMarket.LeaseMarket_BadSigner.selector);
    }

    function test_skips_callers_who_are_not_the_provider() public {
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        address[3] memory others = [TENANT, SESSION, STRANGER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
            vm.prank(others[i]);
            vm.assertEq(market.settle(one(s)), 0, "done");
        }
        vm.prank(PROVIDER);
        vm.assertEq(market.settle(one(s)), 1, "done");
    }

    function test_skips_leases_that_are_open_or_closed_or_unknown() public {
        bid.salt = 1;
        leaseId = openLease2();
        checkSkipped(0, START, ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.prank(OPERATOR);
        market.decline(bid);
        checkSkipped(0, START, ILeaseMarket.LeaseMarket_WrongState.selector);
        leaseId = bytes32("unknown");
        checkSkipped(0, START, ILeaseMarket.LeaseMarket_WrongState.selector);
    }

    function test_a_batch_pays_each_provider_once_and_passes_over_the_bad() public {
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](4);
        batch[0] = signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        batch[1] = signed(makeStatement(leaseId, HOUR, START + 9999, false), SESSION_KEY);
        bid.salt = 1;
        bid.validUntil = START + 3600;
        bytes32 second = startLease(bid, DEPOSIT);
        bid.salt = 2;
        bid.provider = STRANGER;
        register(STRANGER, OPERATOR, BOND);
        bytes32 third = startLease(bid, DEPOSIT);
        vm.warp(START + 3600 + 60);
        batch[2] = signed(makeStatement(second, 1000, START + 3660, false), SESSION_KEY);
        batch[3] = signed(makeStatement(third, 2000, START + 3660, false), SESSION_KEY);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(batch), 3, "done");
        vm.assertEq(account(PROVIDER), HOUR - 10_449 + 1000 - 25, "provider");
        vm.assertEq(account(STRANGER), 2000 - 50, "other provider");
        vm.assertEq(account(TREASURY), 10_449 + 25 + 50, "treasury");
    }

    function test_an_operator_of_one_provider_settles_nothing_of_another() public {
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](2);
        bid.salt = 2;
        bid.provider = STRANGER;
        bid.validUntil = START + 3600;
        register(STRANGER, vm.addr(0x0b0b), BOND);
        bytes32 other = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(0x0b0b, other);
        vm.prank(TENANT);
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
        vm.prank(STRANGER);
        market.confirm(one(other));
        batch[0] = signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        batch[1] = signed(makeStatement(other, 0, START + 3600, false), SESSION_KEY);
        expectSkip(other, ILeaseMarket.LeaseMarket_NotProvider.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(batch), 1, "done");
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        vm.assertEq(settle(leaseId, HOUR, START + 3600, false), 1, "done");
    }

    function openLease2() private returns (bytes32) {
        bid.validUntil = START + 3600;
        return openLease(bid, DEPOSIT);
    }

    function checkSkipped(uint128 cum, uint40 asOf, bytes4 reason) private {
        checkSkipped(signed(makeStatement(leaseId, cum, asOf, false), SESSION_KEY), reason);
    }

    function checkSkipped(ILeaseMarket.SignedStatement memory s, bytes4 reason) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        expectSkip(leaseId, reason);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(s)), 0, "done");
        assertEq(lease(leaseId), before);
    }
}
