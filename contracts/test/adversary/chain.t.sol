// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {Vm, bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";
import {cheats} from "./Cheats.sol";

/// @notice What the chain between the parties, its sequencer and its observers can do: T6, T7, T10, T11, T16, T19, T23.
contract ChainThreatsTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    // ---- T6: close griefing ----

    /// @dev The provider files the dustiest claim as late as it can, again and again.
    function testFuzz_T6_endless_dust_claims_delay_a_close_by_the_two_windows_at_most(uint256 closedAt, uint256 seed)
        public
    {
        closedAt = bound(closedAt, 1, 1 days - 1);
        leaseId = startLease(bid, DEPOSIT);
        uint128[8] memory dust;
        dust[0] = 2; // one base unit
        vm.warp(START + bound(seed, 1, closedAt));
        claim(bid, dust);
        vm.warp(START + closedAt);
        vm.prank(TENANT);
        market.closeLease(leaseId);
        // The last claim that can be filed is filed in the last second, over one that has matured if there is time.
        vm.warp(START + closedAt + CLAIM_WINDOW);
        dust[0] = 4;
        claim(bid, dust);
        uint256 until = START + closedAt + CLAIM_WINDOW + DISPUTE_WINDOW;
        vm.warp(until);
        vm.assertEq(claim(bid, dust), 0, "no more claims");
        vm.prank(STRANGER);
        vm.assertEq(finalize(), 1, "closed by anyone");
        vm.assertLe(lease(leaseId).paid, 3, "for dust");
        vm.assertEq(account(TENANT), FUNDS - lease(leaseId).paid, "refund");
        vm.assertEq(locked(), 0, "bond");
    }

    function test_T6_the_bound_is_reached_and_not_passed() public {
        leaseId = startLease(bid, DEPOSIT);
        uint256 end = START + 1 days;
        vm.warp(end + CLAIM_WINDOW);
        claim(bid, everything());
        vm.warp(end + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        vm.assertEq(finalize(), 0, "one second before");
        dispute(bid, 0);
        vm.warp(end + CLAIM_WINDOW + DISPUTE_WINDOW - 1 + ARBITER_WINDOW - 1);
        assertRefused(STRANGER, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), "one second before");
        vm.warp(end + CLAIM_WINDOW + DISPUTE_WINDOW - 1 + ARBITER_WINDOW);
        resolve(STRANGER, 0, 0);
        assertState(leaseId, 4);
    }

    /// @dev A statement that changes nothing takes a pending claim back; filed anew it gets a whole new window, so that
    /// nothing is paid undisputed and the last second for claims stays where it was.
    function test_T6_filing_anew_neither_shortens_the_tenants_window_nor_lengthens_the_lease() public {
        leaseId = startLease(bid, DEPOSIT);
        uint256 end = START + 1 days;
        vm.warp(end);
        for (uint256 time = end; time <= end + CLAIM_WINDOW; time += 12 hours) {
            vm.warp(time);
            vm.assertEq(settle(leaseId, 0, START, false), 1, "taken back");
            vm.assertEq(claim(bid, everything()), 1, "filed anew");
            vm.assertEq(lease(leaseId).filedAt, time, "with a window from now");
        }
        vm.warp(end + CLAIM_WINDOW + 1);
        vm.assertEq(settle(leaseId, 0, START, false), 1, "taken back");
        vm.assertEq(claim(bid, everything()), 0, "too late for another");
        vm.assertEq(finalize(), 1, "closed");
        vm.assertEq(account(TENANT), FUNDS, "refund");
    }

    // ---- T7: front-running and copying of a bid ----

    function testFuzz_T7_a_copied_bid_is_worth_nothing_to_anyone_else(address thief, uint256 key) public {
        vm.assume(thief != TENANT && thief != address(0) && thief != address(market));
        key = bound(key, 1, type(uint128).max);
        vm.assume(vm.addr(key) != OPERATOR);
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        // As it is: not the thief's.
        vm.prank(thief);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotTenant.selector, leaseId, thief));
        market.openLease(bid, r, vs, thief, DEPOSIT);
        // Made out to the thief: not the provider's signature. Signed by the thief: not the provider's key.
        ILeaseMarket.Bid memory own = bid;
        own.tenant = thief;
        own.minDeposit = 0;
        assertRefused(thief, abi.encodeCall(ILeaseMarket.openLease, (own, r, vs, thief, 0)), "another tenant");
        (bytes32 forgedR, bytes32 forgedVs) = vm.signCompact(key, market.leaseIdOf(own));
        assertRefused(thief, abi.encodeCall(ILeaseMarket.openLease, (own, forgedR, forgedVs, thief, 0)), "forged");
        // And none of it spoils the bid for its tenant.
        openLease(bid, DEPOSIT);
        assertState(leaseId, 1);
    }

    function testFuzz_T7_no_changed_term_keeps_the_signature(uint256 word, uint256 bit) public {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        word = bound(word, 0, 30);
        bit = bound(bit, 0, 255);
        uint256 where = 4 + 32 * word + bit / 8;
        data[where] = bytes1(uint8(data[where]) ^ uint8(1 << (bit % 8)));
        assertRefused(TENANT, data, "one bit of the terms changed");
        vm.assertEq(locked(), 0, "lock");
    }

    // ---- T10: relays and gateways hold bids back ----

    /// @dev The board alone is enough: the bid that opens the lease is read from the log.
    function test_T10_a_bid_from_the_board_opens_the_same_lease() public {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.recordLogs();
        vm.prank(STRANGER);
        market.postBid(bid, r, vs);
        Vm.Log memory posted = vm.getRecordedLogs()[0];
        (ILeaseMarket.Bid memory found, bytes32 foundR, bytes32 foundVs) =
            abi.decode(posted.data, (ILeaseMarket.Bid, bytes32, bytes32));
        vm.prank(TENANT);
        market.openLease(found, foundR, foundVs, SESSION, DEPOSIT);
        assertState(posted.topics[1], 1);
        vm.assertEq(posted.topics[1], market.leaseIdOf(bid), "the same lease");
    }

    // ---- T11: wash leases ----

    /// @dev Provider, tenant, operator and session key in one hand: reputation is priced at the fees paid.
    function testFuzz_T11_a_wash_lease_costs_its_owner_exactly_the_fees_it_can_show(uint256 amount, uint16 feeBps)
        public
    {
        setFee(uint16(bound(feeBps, 0, 500)));
        amount = bound(amount, 0, capOf(1 hours));
        bid.tenant = PROVIDER;
        fund(PROVIDER, DEPOSIT);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 1 hours);
        settle(leaseId, uint128(amount), START + 1 hours, true);
        vm.assertEq(finalize(), 1, "closed");
        uint256 cost = DEPOSIT - account(PROVIDER);
        (uint16 fee,) = market.feeTerms();
        vm.assertEq(cost, amount * fee / 10_000, "the fee");
        vm.assertEq(cost, account(TREASURY), "which the treasury has");
    }

    // ---- T16: the sequencer's clock and outages ----

    /// @dev The clock runs ahead by at most an hour, once: a chain's time never goes back.
    function testFuzz_T16_a_skewed_clock_gains_the_rate_times_the_skew_once(uint256 skew, uint256 real) public {
        skew = bound(skew, 0, 1 hours);
        real = bound(real, 1, 1 days);
        bid.maxDuration = 7 days;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + real + skew);
        claim(bid, everything());
        vm.assertLe(lease(leaseId).pendingCum, capOf(real) + capOf(skew) + 1, "at most skew x R more");
        settle(leaseId, lease(leaseId).pendingCum, uint40(block.timestamp), false);
        uint256 paid = lease(leaseId).paid;
        // The real time catches up with the clock; nothing was gained by it a second time.
        uint256 later = bound(skew, 0, 1 days) + skew;
        vm.warp(START + real + later);
        claim(bid, everything());
        uint256 pending = lease(leaseId).pendingCum;
        vm.assertLe(pending == 0 ? paid : pending, capOf(real + later) + 1, "no second gain");
    }

    /// @dev A day without the sequencer, in the worst moment, costs nobody a window.
    function test_T16_every_window_outlasts_a_day_without_a_sequencer() public {
        leaseId = startLease(bid, DEPOSIT);
        uint256 end = START + 1 days;
        vm.warp(end + 1 days);
        vm.assertEq(claim(bid, everything()), 1, "a claim after an outage that began at the end");
        uint128 pending = lease(leaseId).pendingCum;
        vm.assertEq(lease(leaseId).pendingAt, end, "and the outage itself is not billed");
        vm.assertLe(pending, capOf(1 days), "nor paid");
        vm.warp(block.timestamp + 1 days);
        dispute(bid, 0);
        vm.warp(block.timestamp + 1 days);
        vm.assertEq(settle(leaseId, pending, uint40(end), false), 1, "an admission after an outage");
        vm.warp(lease(leaseId).disputedAt + CLAIM_WINDOW + 1 days);
        resolve(ARBITER, 0, 0);
        assertState(leaseId, 4);
    }

    // ---- T19: stale prices ----

    function testFuzz_T19_a_stale_price_binds_one_lease_until_its_notice_has_passed(uint256 noticed) public {
        noticed = bound(noticed, 0, 1 days - 1);
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.warp(bid.validUntil + 1);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BidExpired.selector, leaseId, bid.validUntil));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
        vm.warp(START);
        startLease(bid, FUNDS);
        vm.warp(START + noticed);
        uint256 end = min(block.timestamp + bid.noticePeriod, START + bid.maxDuration);
        attempt(OPERATOR, address(market), abi.encodeCall(ILeaseMarket.reclaim, (bid)));
        vm.assertEq(lease(leaseId).endAt, end, "at most the notice");
        vm.assertLe(end - START, bid.maxDuration, "at most the duration");
        // A tenant with a stale price does not even wait for that.
        if (block.timestamp < end) {
            vm.prank(TENANT);
            market.closeLease(leaseId);
            vm.assertEq(lease(leaseId).endAt, block.timestamp, "now");
        }
    }

    // ---- T23: spam on the board ----

    function testFuzz_T23_the_board_reads_and_writes_no_state(ILeaseMarket.Bid calldata spam, bytes32 r, bytes32 vs)
        public
    {
        ILeaseMarket.Order memory order;
        order.tenant = MALLORY;
        order.deadline = START + 1;
        bytes memory requirements = new bytes(8192);
        order.requirementsHash = keccak256(requirements);
        cheats.record();
        vm.startPrank(MALLORY);
        market.postBid(spam, r, vs);
        market.postOrder(order, requirements);
        market.cancelOrder(spam.salt);
        vm.stopPrank();
        (, bytes32[] memory writes) = cheats.accesses(address(market));
        (bytes32[] memory reads, bytes32[] memory registryWrites) = cheats.accesses(address(registry));
        vm.assertEq(writes.length + registryWrites.length + reads.length, 0, "the registry is not touched");
    }

    function test_T23_spam_is_bounded_in_size_and_in_name() public {
        ILeaseMarket.Order memory order;
        order.tenant = MALLORY;
        order.deadline = START + 1;
        bytes memory requirements = new bytes(8193);
        order.requirementsHash = keccak256(requirements);
        bytes memory data = abi.encodeCall(ILeaseMarket.postOrder, (order, requirements));
        assertRefused(MALLORY, data, "too long");
        order.requirementsHash = keccak256("");
        data = abi.encodeCall(ILeaseMarket.postOrder, (order, ""));
        assertRefused(STRANGER, data, "in the name of another");
        vm.prank(MALLORY);
        market.postOrder(order, "");
        // Somebody else's cancellation is no cancellation: the log names who cancelled.
        vm.recordLogs();
        vm.prank(STRANGER);
        market.cancelOrder(0);
        vm.assertEq(vm.getRecordedLogs()[0].topics[1], bytes32(uint256(uint160(STRANGER))), "by");
    }

    /// @dev A provider that nobody knows, a signature that is none: the log says so to whoever checks.
    function test_T23_a_forged_bid_on_the_board_opens_nothing() public {
        bid.provider = MALLORY;
        (bytes32 r, bytes32 vs) = vm.signCompact(FOREIGN_KEY, market.leaseIdOf(bid));
        vm.prank(MALLORY);
        market.postBid(bid, r, vs);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_Inactive.selector, MALLORY));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }
}
