// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice The times of a running lease have 32 bits; what does not fit them does not start, and its money goes home.
contract LatestEndTest is MarketTest {
    uint256 private constant LATEST = type(uint32).max;

    function test_a_lease_starts_whose_end_is_the_last_second_that_fits() public {
        ILeaseMarket.Bid memory bid = lateBid();
        bytes32 leaseId = openLease(bid, DEPOSIT);
        vm.warp(LATEST - bid.maxDuration);
        vm.assertEq(confirm(leaseId), 1, "done");
        vm.assertEq(lease(leaseId).endAt, LATEST, "endAt");
        vm.warp(LATEST);
        vm.assertEq(settle(leaseId, 1_000, uint40(LATEST), true), 1, "settled");
        vm.assertEq(market.finalize(one(bid)), 1, "finalized");
        vm.assertEq(account(TENANT), FUNDS - 1_000, "refund");
    }

    function test_a_lease_that_would_end_later_does_not_start_and_is_given_back() public {
        ILeaseMarket.Bid memory bid = lateBid();
        bytes32 leaseId = openLease(bid, DEPOSIT);
        vm.warp(LATEST - bid.maxDuration + 1);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
        vm.assertEq(confirm(leaseId), 0, "done");
        vm.prank(PROVIDER);
        market.decline(bid);
        vm.assertEq(account(TENANT), FUNDS, "refund");
    }

    function test_a_lease_that_runs_past_the_last_second_of_32_bits_can_still_be_claimed_disputed_and_closed() public {
        ILeaseMarket.Bid memory bid = lateBid();
        bytes32 leaseId = openLease(bid, DEPOSIT);
        vm.warp(LATEST - bid.maxDuration);
        confirm(leaseId);
        vm.warp(LATEST + 1 hours);
        vm.assertEq(claim(bid, makeUsage(bid.maxDuration)), 1, "claimed");
        dispute(bid, 0);
        ILeaseMarket.LeaseView memory disputed = lease(leaseId);
        vm.assertEq(disputed.endAt, LATEST, "endAt");
        vm.assertEq(disputed.disputedAt, LATEST + 1 hours, "disputedAt");
        vm.warp(LATEST + 1 hours + ARBITER_WINDOW);
        market.resolve(bid, 0, 0);
        vm.assertEq(lease(leaseId).state, 4, "closed");
    }

    function lateBid() private view returns (ILeaseMarket.Bid memory bid) {
        bid = makeBid();
        bid.startWindow = type(uint32).max;
    }
}
