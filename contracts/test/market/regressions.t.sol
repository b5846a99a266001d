// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice Mistakes that designs of this kind have made; each stays a test. Number (iv) is in `registry/bond.t.sol`.
contract RegressionsTest is MarketTest {
    uint128 private constant HOUR = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    /// @dev (i) A zero statement in the tenant's hands would move `lastAsOf` and erase the provider's unsettled hour.
    function test_i_a_tenant_cannot_burn_the_providers_clock() public {
        ILeaseMarket.SignedStatement memory nothing =
            signed(makeStatement(leaseId, 0, START + 3600, false), SESSION_KEY);
        address[2] memory tenants = [TENANT, SESSION];
        for (uint256 i = 0; i < 2; ++i) {
            expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
            vm.prank(tenants[i]);
            vm.assertEq(market.settle(one(nothing)), 0, "done");
        }
        vm.assertEq(settle(leaseId, HOUR, START + 3600, false), 1, "the hour is still payable");
    }

    /// @dev (ii) A claim filed late bills up to an end long past; its dispute window must count from its filing.
    function test_ii_a_claim_filed_late_is_disputable_for_the_whole_window() public {
        uint256 filed = START + 1 days + CLAIM_WINDOW;
        vm.warp(filed);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "filed in the last second");
        vm.warp(filed + DISPUTE_WINDOW - 1);
        vm.assertEq(market.mature(one(leaseId)), 0, "not due");
        vm.assertEq(market.finalize(one(bid)), 0, "not due");
        dispute(bid, 0);
        assertState(leaseId, 3);
    }

    /// @dev (iii) A dispute ends the lease at once; the work since the claim must still be billable.
    function test_iii_work_between_claim_and_dispute_is_billable() public {
        claim(bid, makeUsage(3600));
        vm.warp(START + 7200);
        dispute(bid, 0);
        vm.assertEq(claim(bid, makeUsage(7200)), 1, "raised");
        vm.prank(ARBITER);
        market.resolve(bid, 835_999, 0);
        vm.assertEq(lease(leaseId).paid, 835_999, "both hours");
    }

    /// @dev (v) A last-provider cache that starts at the zero address would act for unknown leases, whose provider is 0.
    function test_v_an_unknown_lease_is_nobodys() public {
        bytes32[] memory ids = new bytes32[](2);
        ids[0] = bytes32("unknown");
        ids[1] = leaseId;
        vm.startPrank(STRANGER);
        expectSkip(ids[0], ILeaseMarket.LeaseMarket_WrongState.selector);
        vm.assertEq(market.confirm(ids), 0, "confirmed");
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](2);
        batch[0] = signed(makeStatement(ids[0], 0, 0, true), SESSION_KEY);
        batch[1] = signed(makeStatement(leaseId, HOUR, START + 3600, true), SESSION_KEY);
        expectSkip(ids[0], ILeaseMarket.LeaseMarket_WrongState.selector);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_NotProvider.selector);
        vm.assertEq(market.settle(batch), 0, "settled");
        vm.stopPrank();
        assertState(ids[0], 0);
    }

    /// @dev (vi) If `last` set the end to now instead of `asOf`, the lease would wait for a claim window for nothing.
    function test_vi_the_last_statement_needs_no_wait() public {
        vm.warp(START + 5000);
        settle(leaseId, HOUR, START + 3600, true);
        vm.assertEq(lease(leaseId).endAt, START + 3600, "endAt");
        vm.assertEq(market.finalize(one(bid)), 1, "closed at once");
    }

    /// @dev (vii) A tenant must not void what it has signed by disputing a later claim.
    function test_vii_what_was_signed_before_a_dispute_is_still_paid() public {
        ILeaseMarket.SignedStatement memory held =
            signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        vm.warp(START + 7200);
        claim(bid, makeUsage(7200));
        dispute(bid, 0);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(held)), 1, "admitted");
        vm.assertEq(account(PROVIDER), HOUR, "paid at once");
    }

    /// @dev Terms are not stored: a bid with other terms must not pass for the lease's own anywhere.
    function test_a_changed_bid_never_acts_on_a_lease() public {
        claim(bid, makeUsage(3600));
        ILeaseMarket.Bid memory forged = bid;
        forged.maxSlash = 0;
        bytes32 forgedId = market.leaseIdOf(forged);
        bytes memory err = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, forgedId, 0);
        vm.prank(TENANT);
        expectError(err);
        market.dispute(forged, 0);
        vm.prank(OPERATOR);
        expectError(err);
        market.reclaim(forged);
        dispute(bid, 0);
        vm.prank(ARBITER);
        expectError(err);
        market.resolve(forged, 0, 0);
        vm.assertEq(market.finalize(one(forged)), 0, "finalized");
    }

    /// @dev A word with bits outside its type hashes to what nobody signed, or is refused when it is read.
    function test_calldata_with_dirty_bits_opens_nothing() public {
        bid.salt = 1;
        bid.validUntil = START + 1 days;
        bytes32 clean = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, clean);
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        for (uint256 word = 0; word < 31; ++word) {
            if (word == 3) continue; // `orderHash` has no bits to spare
            data[4 + 32 * word] = 0x01;
            vm.prank(TENANT);
            (bool ok,) = address(market).call(data);
            vm.assertEq(ok, false, "dirty");
            data[4 + 32 * word] = 0x00;
        }
        vm.prank(TENANT);
        (bool opened,) = address(market).call(data);
        vm.assertEq(opened, true, "clean");
        assertState(clean, 1);
    }
}
