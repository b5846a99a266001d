// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract BoardTest is MarketTest {
    function makeOrder(bytes memory requirements) private view returns (ILeaseMarket.Order memory) {
        return ILeaseMarket.Order({
            tenant: TENANT,
            token: address(token),
            requirementsHash: keccak256(requirements),
            manifestHash: keccak256("manifest"),
            maxRateE6: 400_000_000,
            deposit: 10e6,
            deadline: START + 60,
            nonce: 9
        });
    }

    function test_an_order_is_announced_with_its_digest_and_requirements() public {
        bytes memory requirements = "two small machines";
        ILeaseMarket.Order memory order = makeOrder(requirements);
        vm.expectEmit(address(market));
        emit ILeaseMarket.OrderPosted(market.orderHashOf(order), TENANT, order, requirements);
        vm.prank(TENANT);
        market.postOrder(order, requirements);
    }

    function test_an_order_of_somebody_else_is_refused() public {
        ILeaseMarket.Order memory order = makeOrder("");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotOrderOwner.selector, TENANT, address(this)));
        market.postOrder(order, "");
    }

    function test_an_order_needs_a_deadline_ahead() public {
        ILeaseMarket.Order memory order = makeOrder("");
        vm.startPrank(TENANT);
        vm.warp(order.deadline - 1);
        market.postOrder(order, "");
        for (uint256 late = 0; late < 2; ++late) {
            vm.warp(order.deadline + late);
            expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_OrderExpired.selector, order.deadline));
            market.postOrder(order, "");
        }
        vm.stopPrank();
    }

    function test_requirements_must_match_their_hash() public {
        ILeaseMarket.Order memory order = makeOrder("a");
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_RequirementsMismatch.selector, keccak256("a"), keccak256("b")
            )
        );
        market.postOrder(order, "b");
    }

    function test_requirements_may_be_8192_bytes_and_no_longer() public {
        vm.startPrank(TENANT);
        bytes memory longest = new bytes(8192);
        market.postOrder(makeOrder(longest), longest);
        bytes memory tooLong = new bytes(8193);
        ILeaseMarket.Order memory order = makeOrder(tooLong);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_RequirementsTooLong.selector, 8193));
        market.postOrder(order, tooLong);
        vm.stopPrank();
    }

    function test_a_cancellation_is_announced_for_the_caller() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.OrderCancelled(TENANT, 9);
        vm.prank(TENANT);
        market.cancelOrder(9);
    }

    function test_anyone_publishes_a_bid_unverified() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = market.leaseIdOf(bid);
        vm.expectEmit(address(market));
        emit ILeaseMarket.BidPosted(leaseId, bid.orderHash, PROVIDER, bid, bytes32("r"), bytes32("vs"));
        vm.prank(STRANGER);
        market.postBid(bid, bytes32("r"), bytes32("vs"));
        assertState(leaseId, 0);
    }
}
