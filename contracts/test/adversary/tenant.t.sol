// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice What a dishonest tenant, or a thief of its session key, can gain or destroy at most: T2, T3, T5, T8, T9, T15.
contract TenantThreatsTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    // ---- T2: uses and never countersigns ----

    /// @dev The agent suspends after `tau` and claims; the tenant disputes all of it; the arbiter is silent.
    function testFuzz_T2_never_countersigning_costs_the_provider_R_tau_less_its_split(uint256 tau, uint256 split)
        public
    {
        tau = bound(tau, 1, 1 days);
        bid.splitBps = uint16(bound(split, 0, 10_000));
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + tau);
        claim(bid, everything());
        uint256 work = lease(leaseId).pendingCum;
        dispute(bid, 0);
        vm.warp(block.timestamp + ARBITER_WINDOW);
        resolve(PROVIDER, 0, 0);
        uint256 loss = work > account(PROVIDER) ? work - account(PROVIDER) : 0;
        vm.assertLe(loss, ceilDiv(RATE_E6 * tau * (10_000 - bid.splitBps), 1e10), "R x tau x (1 - splitBps)");
    }

    function testFuzz_T2_a_silent_tenant_costs_the_provider_nothing_but_time(uint256 tau) public {
        tau = bound(tau, 10, 1 days);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + tau);
        claim(bid, makeUsage(tau));
        vm.warp(START + tau + DISPUTE_WINDOW);
        vm.assertEq(mature(), 1, "matured");
        vm.assertEq(account(PROVIDER), market.amountOf(bid, makeUsage(tau), tau), "all of it");
    }

    /// @dev The deposit comes out of the balance that could have paid for the work since the claim; it is at most 5 %
    /// of what is contested, and so is what the provider misses by it.
    function testFuzz_T2_an_underfunded_lease_costs_the_deposit_at_most(uint256 spare, uint256 gap) public {
        uint256 tau = 3600;
        gap = bound(gap, 1, 3600);
        uint256 contested = 1_201_999; // the limits of an hour
        spare = bound(spare, 0, contested);
        bid.minDeposit = 0;
        bid.splitBps = 10_000;
        leaseId = startLease(bid, uint128(contested + spare));
        vm.warp(START + tau);
        claim(bid, everything());
        contested = lease(leaseId).pendingCum;
        vm.warp(START + tau + gap);
        uint256 work = greed(tau + gap, lease(leaseId).balance);
        dispute(bid, 0);
        claim(bid, everything());
        vm.warp(block.timestamp + ARBITER_WINDOW);
        uint256 deposit = market.disputeDepositOf(leaseId);
        vm.assertEq(deposit, contested * 500 / 10_000, "deposit");
        resolve(PROVIDER, 0, 0);
        uint256 missed = work - lease(leaseId).paid;
        vm.assertLe(missed, deposit, "at most the deposit");
    }

    // ---- T3: disputes everything ----

    function testFuzz_T3_disputing_everything_gains_one_interval_less_the_split_once(
        uint256 settled,
        uint256 elapsed,
        uint256 split
    ) public {
        settled = bound(settled, 0, 12 hours);
        elapsed = bound(elapsed, 1, 12 hours);
        bid.splitBps = uint16(bound(split, 0, 9_999));
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + settled);
        settle(leaseId, uint128(capOf(settled)), uint40(START + settled), false);
        vm.warp(START + settled + elapsed);
        claim(bid, everything());
        uint256 contested = lease(leaseId).pendingCum - lease(leaseId).paid;
        dispute(bid, lease(leaseId).paid);
        assertDisputedForGood();
        vm.warp(block.timestamp + ARBITER_WINDOW);
        resolve(TENANT, 0, 0);
        uint256 gain = account(TENANT) + capOf(settled) + contested - FUNDS;
        vm.assertEq(gain, contested - contested * bid.splitBps / 10_000, "(1 - splitBps) of the interval");
        vm.assertLe(contested, capOf(elapsed), "one unsettled interval");
        assertSpent();
    }

    function testFuzz_T3_an_arbiter_can_award_all_and_the_deposit(uint256 elapsed) public {
        elapsed = bound(elapsed, 1, 1 days);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + elapsed);
        claim(bid, everything());
        uint128 contested = lease(leaseId).pendingCum;
        dispute(bid, 0);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(ARBITER, contested, 0);
        uint256 deposit = uint256(contested) * 500 / 10_000;
        vm.assertEq(account(TENANT), FUNDS - contested - deposit, "tenant");
        vm.assertEq(account(PROVIDER), contested + deposit, "provider");
    }

    // ---- T5: burns the provider's clock ----

    /// @dev Every account but the provider's two tries every signed statement, alone and behind a lease of its own.
    function testFuzz_T5_nobody_but_the_provider_moves_the_settled_time(uint256 elapsed, uint128 cum, uint40 asOf)
        public
    {
        elapsed = bound(elapsed, 1, 1 days);
        leaseId = startLease(bid, DEPOSIT);
        bytes32 own = leaseOfMallory();
        vm.warp(START + elapsed);
        asOf = uint40(bound(asOf, START, START + elapsed));
        cum = uint128(bound(cum, 0, capOf(asOf - START)));
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](3);
        batch[0] = signed(makeStatement(own, 0, START, false), SESSION_KEY);
        batch[1] = signed(makeStatement(leaseId, cum, asOf, false), SESSION_KEY);
        batch[2] = signed(makeStatement(leaseId, cum, asOf, true), SESSION_KEY);
        address[6] memory attackers = [TENANT, SESSION, ARBITER, TREASURY, STRANGER, MALLORY];
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        for (uint256 i = 0; i < attackers.length; ++i) {
            vm.prank(attackers[i]);
            vm.assertEq(market.settle(batch), attackers[i] == MALLORY ? 1 : 0, "only its own");
            assertSameLease(leaseId, before);
        }
        vm.assertEq(settle(leaseId, uint128(capOf(elapsed)), uint40(START + elapsed), false), 1, "the whole time");
        vm.assertEq(account(PROVIDER), min(capOf(elapsed), DEPOSIT), "is still payable");
    }

    // ---- T8: reserves capacity to deny it to others ----

    function testFuzz_T8_reserving_capacity_on_chain_locks_the_minimum_deposit_each(uint256 count) public {
        count = bound(count, 1, 12);
        bid.minDeposit = 100e6;
        bid.maxSlash = 1;
        bid.noShowPenalty = 0;
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        bytes memory cheap = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, bid.minDeposit - 1));
        assertRefused(TENANT, cheap, "below the minimum deposit");
        for (uint256 i = 0; i < count; ++i) {
            bid.salt = uint64(i);
            (r, vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
            bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, bid.minDeposit));
            bool affordable = (i + 1) * bid.minDeposit <= FUNDS;
            vm.assertEq(attempt(TENANT, address(market), data), affordable, "as far as the money goes");
        }
        vm.assertEq(account(TENANT), FUNDS - min(count, 10) * bid.minDeposit, "it is locked");
        // And the provider who sees through it is free at once.
        bid.salt = 0;
        vm.prank(OPERATOR);
        market.decline(bid);
        vm.assertEq(account(TENANT), FUNDS - (min(count, 10) - 1) * bid.minDeposit, "declined");
    }

    // ---- T9: farms no-show penalties during an outage ----

    function testFuzz_T9_an_outage_costs_outstanding_bids_times_the_penalty(uint256 count, uint96 penalty) public {
        count = bound(count, 1, 10);
        bid.maxSlash = 100e6;
        bid.noShowPenalty = uint96(bound(penalty, 1, 100e6));
        bid.minDeposit = 0;
        bytes32[2][] memory signatures = new bytes32[2][](count + 1);
        for (uint256 i = 0; i <= count; ++i) {
            bid.salt = uint64(i);
            (signatures[i][0], signatures[i][1]) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        }
        for (uint256 i = 0; i < count; ++i) {
            bid.salt = uint64(i);
            vm.prank(TENANT);
            market.openLease(bid, signatures[i][0], signatures[i][1], SESSION, 0);
        }
        // The watchdog with the hot key kills what is still outstanding.
        vm.prank(OPERATOR);
        registry.bumpBidEpoch(PROVIDER);
        bid.salt = uint64(count);
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_StaleEpoch.selector, uint32(1), uint32(0))
        );
        market.openLease(bid, signatures[count][0], signatures[count][1], SESSION, 0);
        vm.warp(START + bid.startWindow + 1);
        for (uint256 i = 0; i < count; ++i) {
            bid.salt = uint64(i);
            vm.prank(TENANT);
            market.abort(bid);
            // A second time yields nothing.
            assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "twice");
        }
        vm.assertEq(registry.claimable(TENANT), count * bid.noShowPenalty, "bids x penalty");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - count * bid.noShowPenalty, "bond");
        vm.assertEq(locked(), 0, "locks");
    }

    function test_T9_a_provider_that_is_back_in_the_last_second_pays_nothing() public {
        leaseId = openLease(bid, DEPOSIT);
        vm.warp(START + bid.startWindow);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "not before the window has passed");
        vm.prank(OPERATOR);
        market.decline(bid);
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND, "bond");
    }

    // ---- T15: a thief has the session key ----

    /// @dev Even together with the provider: statements up to the rate cap until the tenant's main key closes.
    function testFuzz_T15_a_stolen_session_key_costs_the_rate_cap_until_the_tenant_closes(
        uint256 stolen,
        uint256 noticed,
        uint256 amount
    ) public {
        stolen = bound(stolen, 0, 12 hours);
        noticed = bound(noticed, stolen, 1 days - 1);
        amount = bound(amount, bid.minDeposit, FUNDS);
        leaseId = startLease(bid, uint128(amount));
        vm.warp(START + stolen);
        settle(leaseId, 0, uint40(START + stolen), false);
        vm.warp(START + noticed);
        vm.prank(TENANT);
        market.closeLease(leaseId);
        vm.warp(START + noticed + CLAIM_WINDOW);
        // Beyond the end, or beyond the cap, the key signs in vain.
        vm.assertEq(settle(leaseId, 0, uint40(START + noticed + 1), false), 0, "after the close");
        vm.assertEq(
            settle(leaseId, uint128(capOf(noticed - stolen) + 1), uint40(START + noticed), true), 0, "above the cap"
        );
        vm.assertEq(settle(leaseId, uint128(capOf(noticed - stolen)), uint40(START + noticed), true), 1, "the cap");
        vm.assertEq(finalize(), 1, "closed");
        vm.assertEq(account(PROVIDER), min(capOf(noticed - stolen), amount), "R x time, at most the balance");
        vm.assertEq(account(TENANT), FUNDS - account(PROVIDER), "the rest is the tenant's");
    }

    function test_T15_the_session_key_alone_moves_no_money() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        bytes[5] memory calls = [
            abi.encodeCall(ILeaseMarket.settle, (one(signed(makeStatement(leaseId, 1, START + 1, true), SESSION_KEY)))),
            abi.encodeCall(ILeaseMarket.dispute, (bid, 0)),
            abi.encodeCall(ILeaseMarket.abort, (bid)),
            abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1)),
            abi.encodeCall(ILeaseMarket.withdraw, (address(token), SESSION, 1))
        ];
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        for (uint256 i = 0; i < calls.length; ++i) {
            attempt(SESSION, address(market), calls[i]);
            assertSameLease(leaseId, before);
        }
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT, "account");
    }

    /// @dev What a tenant may try in a dispute to get out of it.
    function assertDisputedForGood() private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, before.paid)), "again");
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.closeLease, (leaseId)), "close");
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "abort");
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1)), "top up");
        vm.assertEq(finalize(), 0, "finalize");
        assertSameLease(leaseId, before);
    }

    /// @dev The bid is used up: the same trick needs a new bid, and thus a provider that wants it.
    function assertSpent() private {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        bid.validUntil = START + 300;
        vm.warp(START);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 4));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }

    /// @dev Mallory is a provider, and has a running lease with herself.
    function leaseOfMallory() private returns (bytes32 id) {
        register(MALLORY, ACCOMPLICE, MIN_BOND);
        ILeaseMarket.Bid memory own = bid;
        own.provider = MALLORY;
        own.tenant = MALLORY;
        own.minDeposit = 0;
        id = market.leaseIdOf(own);
        uint256 key = 0xacc;
        vm.prank(MALLORY);
        registry.setOperator(vm.addr(key), START + 365 days);
        own.bidEpoch = 1;
        id = market.leaseIdOf(own);
        (bytes32 r, bytes32 vs) = vm.signCompact(key, id);
        vm.startPrank(MALLORY);
        market.openLease(own, r, vs, SESSION, 0);
        vm.assertEq(market.confirm(one(id)), 1, "confirmed");
        vm.stopPrank();
    }
}
