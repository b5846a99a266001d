// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

abstract contract DisputedTest is MarketTest {
    uint128 internal constant HOUR = 417_999;
    uint40 internal constant FILED = START + 3600;

    ILeaseMarket.Bid internal bid;
    bytes32 internal leaseId;

    function setUp() public virtual override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(FILED);
        claim(bid, makeUsage(3600));
    }
}

contract DisputeTest is DisputedTest {
    function test_pays_the_concession_ends_the_lease_and_takes_a_deposit() public {
        vm.warp(FILED + 100);
        uint128 contested = HOUR - 17_999;
        uint128 held = 20_000;
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, 17_999, 0, 17_999, FILED, bytes32(0));
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseDisputed(leaseId, PROVIDER, 17_999, contested, held, held);
        dispute(bid, 17_999);

        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.state, 3, "state");
        vm.assertEq(after_.paid, 17_999, "paid");
        vm.assertEq(after_.balance, DEPOSIT - 17_999 - held, "balance");
        vm.assertEq(after_.endAt, FILED + 100, "endAt");
        vm.assertEq(after_.lastAsOf, FILED, "lastAsOf");
        vm.assertEq(after_.disputedAt, FILED + 100, "disputedAt");
        vm.assertEq(after_.pendingCum, HOUR, "pendingCum");
        vm.assertEq(market.disputeDepositOf(leaseId), held, "deposit");
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT, "the account paid nothing");
        vm.assertEq(account(PROVIDER), 17_999, "provider");
        vm.assertEq(market.liabilities(address(token)), FUNDS, "liabilities");
    }

    function test_takes_from_the_account_what_the_lease_cannot_give() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        bid.validUntil = START + 1 days;
        leaseId = startLease(bid, 100_100);
        vm.warp(FILED + 3600);
        claim(bid, makeUsage(800)); // 92888
        vm.assertEq(lease(leaseId).pendingCum, 92_888, "claimed");
        settleAccount(0);
        // contested 92888, deposit 4644, uncontested balance 7212: enough
        dispute(bid, 0);
        vm.assertEq(lease(leaseId).balance, 100_100 - 4_644, "balance");
    }

    function test_an_account_without_the_money_for_the_deposit_cannot_dispute() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        bid.validUntil = START + 1 days;
        leaseId = startLease(bid, 100_000);
        vm.warp(FILED + 3600);
        claim(bid, makeUsage(3600)); // everything: 100000
        settleAccount(4_999);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_Insufficient.selector, TENANT, uint256(4_999), uint256(5_000)
            )
        );
        dispute(bid, 0);
        fund(TENANT, 1);
        dispute(bid, 0);
        vm.assertEq(account(TENANT), 0, "account");
        vm.assertEq(market.disputeDepositOf(leaseId), 5_000, "deposit");
    }

    function test_is_possible_until_the_dispute_window_has_passed() public {
        uint256 until = FILED + DISPUTE_WINDOW;
        for (uint256 i = 0; i < 2; ++i) {
            vm.warp(until + i);
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, until - 1));
            dispute(bid, 0);
        }
        vm.warp(until - 1);
        dispute(bid, 0);
        assertState(leaseId, 3);
        vm.assertEq(lease(leaseId).endAt, START + 1 days, "the end had passed and stays");
    }

    function test_the_concession_lies_between_paid_and_claimed() public {
        settle(leaseId, 1000, FILED, false);
        vm.warp(FILED + 3600);
        claim(bid, makeUsage(7200));
        uint128 pending = lease(leaseId).pendingCum;
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_StaleStatement.selector, leaseId));
        dispute(bid, 999);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_OverCap.selector, leaseId, uint256(pending), uint256(pending) - 1
            )
        );
        dispute(bid, pending);
        dispute(bid, pending - 1);
        vm.assertEq(lease(leaseId).paid, pending - 1, "paid");
        vm.assertEq(market.disputeDepositOf(leaseId), 0, "5 % of one unit, rounded down");
    }

    function test_only_the_tenant_disputes_a_waiting_claim_of_an_active_lease() public {
        address[3] memory others = [SESSION, PROVIDER, STRANGER];
        for (uint256 i = 0; i < others.length; ++i) {
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotTenant.selector, leaseId, others[i]));
            vm.prank(others[i]);
            market.dispute(bid, 0);
        }
        settle(leaseId, 0, FILED, false);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NoPending.selector, leaseId));
        dispute(bid, 0);
        vm.warp(FILED + 10);
        claim(bid, makeUsage(3610));
        dispute(bid, 0);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 3));
        dispute(bid, 0);
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        dispute(bid, 0);
        assertState(leaseId, 3);
    }

    /// @dev Leaves exactly `rest` in the tenant's account.
    function settleAccount(uint256 rest) private {
        uint256 all = account(TENANT);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, all - rest);
    }
}

contract SupplementTest is DisputedTest {
    uint40 private constant DISPUTED = FILED + 1800;

    function setUp() public override {
        super.setUp();
        vm.warp(DISPUTED);
        dispute(bid, 1000);
    }

    function test_bills_the_work_between_claim_and_dispute_once() public {
        vm.warp(DISPUTED + CLAIM_WINDOW);
        vm.expectEmit(address(market));
        emit ILeaseMarket.ClaimFiled(leaseId, PROVIDER, 626_999, DISPUTED, makeUsage(5400));
        vm.assertEq(claim(bid, makeUsage(5400)), 1, "done");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.pendingCum, 626_999, "cum");
        vm.assertEq(after_.pendingAt, DISPUTED, "at");
        vm.assertEq(after_.lastAsOf, DISPUTED, "lastAsOf");
        vm.assertEq(after_.paid, 1000, "paid");
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_AlreadySupplemented.selector);
        vm.assertEq(claim(bid, makeUsage(6000)), 0, "done");
    }

    function test_is_cut_to_the_rate_cap_of_the_time_between() public {
        uint128[8] memory usage;
        for (uint256 i = 0; i < 8; ++i) {
            usage[i] = type(uint128).max;
        }
        claim(bid, usage);
        vm.assertEq(lease(leaseId).pendingCum, HOUR + uint256(333_888_889) * 1800 / 1e6, "cum");
    }

    function test_is_not_possible_after_the_claim_window() public {
        vm.warp(DISPUTED + CLAIM_WINDOW + 1);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
        vm.assertEq(claim(bid, makeUsage(5400)), 0, "done");
    }

    function test_must_raise_the_claim() public {
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NothingToClaim.selector);
        vm.assertEq(claim(bid, makeUsage(3600)), 0, "done");
        vm.assertEq(claim(bid, makeUsage(3601)), 1, "a refused one does not count");
    }

    function test_is_the_providers_alone() public {
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
        vm.prank(TENANT);
        vm.assertEq(market.claim(one(ILeaseMarket.ClaimItem(bid, makeUsage(5400)))), 0, "done");
    }
}

contract AdmissionTest is DisputedTest {
    function setUp() public override {
        super.setUp();
        vm.warp(FILED + 1800);
        dispute(bid, 1000);
    }

    function test_what_was_signed_before_the_dispute_is_paid() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseSettled(leaseId, PROVIDER, 299_000, 0, 300_000, START + 3000, keccak256("usage"));
        vm.assertEq(settle(leaseId, 300_000, START + 3000, true), 1, "done");
        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        vm.assertEq(after_.state, 3, "still disputed");
        vm.assertEq(after_.paid, 300_000, "paid");
        vm.assertEq(after_.lastAsOf, FILED, "lastAsOf");
        vm.assertEq(after_.endAt, FILED + 1800, "`last` means nothing here");
        vm.warp(FILED + 1800 + ARBITER_WINDOW);
        market.resolve(bid, 0, 0);
        // 60 % of what was left contested
        vm.assertEq(lease(leaseId).paid, 300_000 + (HOUR - 300_000) * 6 / 10, "paid");
    }

    function test_it_exceeds_what_is_paid_and_stays_within_the_claim() public {
        checkSkipped(1000, ILeaseMarket.LeaseMarket_StaleStatement.selector);
        checkSkipped(HOUR + 1, ILeaseMarket.LeaseMarket_OverCap.selector);
        vm.assertEq(settle(leaseId, HOUR, FILED, false), 1, "done");
        vm.assertEq(lease(leaseId).paid, HOUR, "paid");
    }

    function test_it_does_not_bill_time_after_the_end() public {
        vm.warp(FILED + 9999);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.assertEq(settle(leaseId, HOUR, FILED + 1801, false), 0, "done");
        vm.assertEq(settle(leaseId, HOUR, FILED + 1800, false), 1, "done");
    }

    function test_it_needs_the_session_keys_signature() public {
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, HOUR, FILED, false), FOREIGN_KEY);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_BadSigner.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(s)), 0, "done");
    }

    function checkSkipped(uint128 cum, bytes4 reason) private {
        expectSkip(leaseId, reason);
        vm.assertEq(settle(leaseId, cum, FILED, false), 0, "done");
    }
}
