// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {BlockingToken} from "../mocks/Tokens.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice The rest of `market/regressions.t.sol`: the mistakes that need more than one contract, or every path, to show.
contract RegressionsEndToEndTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    /// @dev (i) On every path, and with every statement that the tenant could sign, the provider's unsettled hour stays.
    function testFuzz_i_no_step_of_the_tenants_moves_the_settled_time(uint256 path, uint128 cum, uint40 asOf) public {
        asOf = uint40(bound(asOf, START, START + 3600));
        cum = uint128(bound(cum, 0, capOf(asOf - START)));
        ILeaseMarket.SignedStatement[] memory batch =
            one(signed(makeStatement(leaseId, cum, asOf, path % 5 == 0), SESSION_KEY));
        bytes[4] memory calls = [
            abi.encodeCall(ILeaseMarket.settle, (batch)),
            abi.encodeCall(ILeaseMarket.closeLease, (leaseId)),
            abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1)),
            abi.encodeCall(ILeaseMarket.mature, (one(leaseId)))
        ];
        attempt(path % 3 == 0 ? SESSION : TENANT, address(market), calls[path % 4]);
        vm.assertEq(lease(leaseId).lastAsOf, START, "lastAsOf");
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "the hour is still payable");
        vm.assertEq(lease(leaseId).pendingCum, HOUR, "whole");
    }

    /// @dev (ii) Whenever a claim is filed, it can be disputed in each second of a whole window and is not paid in any.
    function testFuzz_ii_every_claim_is_disputable_for_a_whole_window(uint256 filed, uint256 waited) public {
        filed = bound(filed, START + 3600, START + 1 days + CLAIM_WINDOW);
        waited = bound(waited, 0, DISPUTE_WINDOW - 1);
        vm.warp(filed);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "filed");
        vm.warp(filed + waited);
        vm.assertEq(mature() + finalize(), 0, "not paid");
        vm.assertEq(claim(bid, makeUsage(7200)), 0, "nor by another claim");
        dispute(bid, 0);
        assertState(leaseId, 3);
    }

    /// @dev (iii) All work up to the dispute is billable, once, and the time it covers is settled by it.
    function testFuzz_iii_all_work_up_to_the_dispute_is_billable(uint256 gap, uint256 filed) public {
        gap = bound(gap, 3, 12 hours);
        filed = bound(filed, 0, CLAIM_WINDOW);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "filed");
        vm.warp(START + 3600 + gap);
        dispute(bid, 0);
        vm.warp(START + 3600 + gap + filed);
        vm.assertEq(claim(bid, makeUsage(3600 + gap)), 1, "raised");
        ILeaseMarket.LeaseView memory shown = lease(leaseId);
        vm.assertEq(shown.pendingCum, market.amountOf(bid, makeUsage(3600 + gap), 3600 + gap), "to the last second");
        vm.assertEq(shown.lastAsOf, START + 3600 + gap, "which are settled by it");
        vm.assertEq(claim(bid, everything()), 0, "once");
        vm.warp(shown.disputedAt + CLAIM_WINDOW + 1);
        resolve(ARBITER, shown.pendingCum, 0);
        vm.assertEq(lease(leaseId).paid, shown.pendingCum, "payable");
        vm.assertEq(lease(leaseId).lastAsOf, START + 3600 + gap, "and then settled to the end");
    }

    /// @dev (iv) The issuer of the bond's token blacklists the victim, and the treasury: both are credited, the ruling
    /// and the refund need neither.
    function test_iv_a_blacklisted_victim_does_not_stop_a_ruling_or_an_abort() public {
        bid.salt = 1;
        bid.validUntil = uint40(block.timestamp);
        openLease(bid, DEPOSIT);
        claimAndDispute();
        BlockingToken blocking = block_(TENANT);
        blocking.setBlocked(TREASURY);
        blocking.setBlocked(PROVIDER);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        bid.salt = 77;
        bid.validUntil = START + 300;
        resolve(ARBITER, 0, bid.maxSlash);
        bid.salt = 1;
        bid.validUntil = START + 3600;
        vm.prank(TENANT);
        market.abort(bid);
        vm.assertEq(registry.claimable(TENANT), uint256(HOUR) + bid.noShowPenalty, "the victim's");
        vm.assertEq(registry.claimable(TREASURY), bid.maxSlash - HOUR, "the treasury's");
        vm.assertEq(account(TENANT), FUNDS, "refunds");
        vm.assertEq(locked(), 0, "locks");
        // And it can still be fetched, to an account that can receive.
        vm.prank(TENANT);
        registry.withdrawClaimable(STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), uint256(HOUR) + bid.noShowPenalty, "out");
    }

    /// @dev (v) In every batch function: unknown ids before a real one open no way to it.
    function test_v_an_unknown_id_in_front_of_a_batch_lends_nobody_a_provider() public {
        bid.salt = 1;
        bid.validUntil = uint40(block.timestamp);
        bytes32 open = openLease(bid, DEPOSIT);
        ILeaseMarket.ClaimItem[] memory items = new ILeaseMarket.ClaimItem[](2);
        items[0].bid = makeBid();
        items[0].bid.provider = address(0);
        items[0].usage = everything();
        items[1] = ILeaseMarket.ClaimItem(makeBid(), everything());
        bytes32[] memory ids = new bytes32[](3);
        ids[1] = market.leaseIdOf(items[0].bid);
        ids[2] = open;
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        address[3] memory strangers = [STRANGER, TENANT, SESSION];
        for (uint256 i = 0; i < strangers.length; ++i) {
            vm.startPrank(strangers[i]);
            for (uint256 j = 0; j < 2; ++j) {
                expectSkip(ids[j], ILeaseMarket.LeaseMarket_WrongState.selector);
            }
            expectSkip(open, ILeaseMarket.LeaseMarket_NotProvider.selector);
            vm.assertEq(market.confirm(ids), 0, "confirmed");
            vm.assertEq(market.claim(items), 0, "claimed");
            vm.assertEq(market.mature(ids), 0, "matured");
            vm.stopPrank();
            for (uint256 j = 0; j < 2; ++j) {
                assertState(ids[j], 0);
            }
            assertState(open, 1);
            assertSameLease(leaseId, before);
        }
    }

    /// @dev (vi) Whenever the last statement is submitted, the lease ends where it is settled to, and closes at once.
    function testFuzz_vi_a_last_statement_closes_at_once_whenever_it_is_submitted(uint256 asOf, uint256 later) public {
        asOf = bound(asOf, START, START + 1 days);
        later = bound(later, asOf, START + 10 days);
        vm.warp(later);
        vm.assertEq(settle(leaseId, 0, uint40(asOf), true), 1, "settled");
        vm.assertEq(lease(leaseId).endAt, asOf, "endAt");
        vm.assertEq(finalize(), 1, "closed at once");
        vm.assertEq(account(TENANT), FUNDS, "refund");
    }

    /// @dev (vii) Whatever the tenant had signed up to what was claimed is paid at once, whenever it is submitted.
    function testFuzz_vii_no_dispute_voids_what_was_signed(uint128 cum, uint256 waited, uint128 conceded) public {
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        conceded = uint128(bound(conceded, 0, HOUR - 1));
        cum = uint128(bound(cum, conceded + 1, HOUR));
        dispute(bid, conceded);
        vm.warp(block.timestamp + bound(waited, 0, 365 days));
        vm.assertEq(settle(leaseId, cum, START + 1, false), 1, "admitted");
        vm.assertEq(account(PROVIDER), cum, "paid at once");
        vm.assertEq(settle(leaseId, cum, START + 1, false), 0, "once");
    }

    function claimAndDispute() private {
        bid.salt = 77;
        bid.validUntil = START + 300;
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        dispute(bid, 0);
    }

    /// @dev Turns the bond's token into one whose issuer blacklists; balances stay.
    function block_(address account_) private returns (BlockingToken blocking) {
        vm.etch(address(token), address(new BlockingToken()).code);
        blocking = BlockingToken(address(token));
        blocking.setBlocked(account_);
    }
}
