// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

contract PostTest is RewardsTest {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = create(makeMatched());
        fund(id, 8 * BUDGET);
        enrol(id, ALICE);
        enrol(id, BOB);
        earn(ALICE, 100e6);
        earn(BOB, 10e6);
    }

    /// @dev 0.3 of the fees.
    function right() private pure returns (IRewardsDistributor.Leaf[] memory) {
        return two(leaf(0, ALICE, 100e6, 30e6, 30e6), leaf(1, BOB, 10e6, 3e6, 3e6));
    }

    function test_the_log_and_the_view_hold_the_whole_root() public {
        vm.warp(endOf(0));
        bytes32 root = Tree.root(id, right());
        expectEvent();
        emit IRewardsDistributor.RootPosted(id, 1, 0, POSTER, 0, root, 33e6, 33e6, BUDGET, right());
        vm.assertEq(post(id, 0, right()), 1, "number");
        IRewardsDistributor.RootView memory shown =
            IRewardsDistributor.RootView(1, root, POSTER, endOf(0), 0, 2, 0, 0, 33e6, 33e6, BUDGET);
        vm.assertEq(abi.encode(rewards.rootOf(id, 1)), abi.encode(shown), "root");
        vm.assertEq(rewards.programmeOf(id).firstPending, 1, "waits");
        vm.assertEq(rewards.leafHash(id, right()[1]), Tree.leafHash(id, right()[1]), "leaf hash");
        assertSolvent();
    }

    function test_an_epoch_can_be_posted_when_it_is_over() public {
        vm.warp(endOf(0) - 1);
        postFails(id, 0, 0, right(), err1(IRewardsDistributor.RewardsDistributor_TooEarly.selector, endOf(0)));
        vm.warp(endOf(0));
        post(id, 0, right());
        vm.warp(endOf(0) + 1);
        post(id, 0, right());
    }

    function test_a_capacity_epoch_can_be_posted_when_its_reports_are_in() public {
        uint256 capacity = create(makeCapacity());
        fund(capacity, BUDGET);
        enrol(capacity, ALICE);
        vm.warp(endOf(0));
        report(capacity, ALICE, NORTH, 0, 10);
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, ALICE, 10, 100, 100));
        vm.warp(endOf(0) + WINDOW - 1);
        bytes memory err = err1(IRewardsDistributor.RewardsDistributor_TooEarly.selector, endOf(0) + WINDOW);
        postFails(capacity, 0, 0, leaves, err);
        vm.warp(endOf(0) + WINDOW);
        leaves[0].measure = 9;
        postFails(capacity, 0, 0, leaves, err1(IRewardsDistributor.RewardsDistributor_BadLeaf.selector, 0));
        leaves[0].measure = 11;
        postFails(capacity, 0, 0, leaves, err1(IRewardsDistributor.RewardsDistributor_BadLeaf.selector, 0));
        leaves[0].measure = 10;
        post(capacity, 0, leaves);
    }

    function test_posting_ends_90_days_after_the_last_epoch() public {
        uint256 end = uint256(endOf(EPOCHS - 1)) + SWEEP_DELAY;
        vm.warp(end);
        postFails(id, EPOCHS - 1, 0, right(), err1(IRewardsDistributor.RewardsDistributor_TooLate.selector, end));
        vm.warp(end - 1);
        post(id, EPOCHS - 1, right());
    }

    function test_no_epoch_twice_and_none_that_does_not_exist() public {
        vm.warp(endOf(2));
        post(id, 1, right());
        passWindow();
        bytes4 bad = IRewardsDistributor.RewardsDistributor_BadEpoch.selector;
        postFails(id, 0, 1, right(), err2(bad, 2, 0));
        postFails(id, 1, 1, right(), err2(bad, 2, 1));
        postFails(id, EPOCHS, 1, right(), err2(bad, 2, EPOCHS));
    }

    function test_the_base_is_the_newest_final_root() public {
        vm.warp(endOf(1));
        post(id, 0, right());
        vm.warp(block.timestamp + WINDOW - 1);
        postFails(id, 1, 1, right(), err1(IRewardsDistributor.RewardsDistributor_StaleBase.selector, 0));
        vm.warp(block.timestamp + 1);
        postFails(id, 1, 0, right(), err1(IRewardsDistributor.RewardsDistributor_StaleBase.selector, 1));
        IRewardsDistributor.Leaf[] memory next = right();
        (next[0].raw, next[1].raw) = (0, 0);
        postOn(id, 1, 1, next);
    }

    function test_one_leaf_for_each_provider_of_the_epoch() public {
        vm.warp(endOf(0));
        enrol(id, CAROL);
        IRewardsDistributor.Leaf[] memory leaves = new IRewardsDistributor.Leaf[](3);
        (leaves[0], leaves[1], leaves[2]) = (right()[0], right()[1], leaf(2, CAROL, 0, 0, 0));
        postFails(id, 0, 0, leaves, err2(IRewardsDistributor.RewardsDistributor_BadLeafCount.selector, 2, 3));
        postFails(id, 0, 0, one(right()[0]), err2(IRewardsDistributor.RewardsDistributor_BadLeafCount.selector, 2, 1));
        uint256 empty = create(atNow());
        fund(empty, BUDGET);
        vm.warp(block.timestamp + LENGTH);
        postFails(empty, 0, 0, none(), err2(IRewardsDistributor.RewardsDistributor_BadLeafCount.selector, 0, 0));
    }

    function atNow() private view returns (IRewardsDistributor.ProgrammeTerms memory terms) {
        terms = makeMatched();
        terms.startAt = uint40(block.timestamp);
    }

    function test_no_leaf_for_another_twice_or_above_the_counter() public {
        vm.warp(endOf(0));
        bytes4 bad = IRewardsDistributor.RewardsDistributor_BadLeaf.selector;
        IRewardsDistributor.Leaf[] memory leaves = right();
        leaves[1].account = STRANGER;
        postFails(id, 0, 0, leaves, err1(bad, 1));
        leaves = right();
        leaves[1] = leaves[0];
        postFails(id, 0, 0, leaves, err1(bad, 1));
        leaves = right();
        leaves[1].index = 2;
        postFails(id, 0, 0, leaves, err1(bad, 1));
        leaves = right();
        leaves[1].measure = 10e6 + 1;
        postFails(id, 0, 0, leaves, err1(bad, 1));
        leaves = two(right()[1], right()[0]);
        postFails(id, 0, 0, leaves, err1(bad, 0));
    }

    function test_the_counter_of_who_left_stands_still() public {
        vm.prank(BOB);
        rewards.leave(id);
        earn(BOB, 1);
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory leaves = right();
        leaves[1].measure = 10e6 + 1;
        postFails(id, 0, 0, leaves, err1(IRewardsDistributor.RewardsDistributor_BadLeaf.selector, 1));
        post(id, 0, right());
    }

    function test_no_root_spends_more_than_its_allowance_or_takes_back() public {
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory leaves = right();
        leaves[0].cumulative = BUDGET;
        bytes4 over = IRewardsDistributor.RewardsDistributor_OverAllowance.selector;
        postFails(id, 0, 0, leaves, err3(over, BUDGET, 0, BUDGET + 3e6));
        leaves[0].cumulative = BUDGET - 3e6;
        post(id, 0, leaves);
        passWindow();
        vm.warp(endOf(1));
        leaves[0].cumulative -= 1;
        postFails(id, 1, 1, leaves, err3(over, BUDGET, BUDGET, BUDGET - 1));
        leaves[0].cumulative = type(uint128).max;
        leaves[1].cumulative = type(uint128).max;
        postFails(id, 1, 1, leaves, err3(over, BUDGET, BUDGET, 2 * uint256(type(uint128).max)));
    }

    function test_a_root_of_the_most_extreme_numbers_does_not_overflow() public {
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory leaves = right();
        leaves[0].raw = type(uint128).max;
        leaves[1].raw = type(uint128).max;
        post(id, 0, leaves);
        vm.assertEq(rewards.rootOf(id, 1).rawTotal, 2 * uint256(type(uint128).max), "sum");
        refute(id, 1, leaves, 0, none());
    }

    function test_the_bond_is_taken() public {
        vm.warp(endOf(0));
        uint256 before = token.balanceOf(POSTER);
        post(id, 0, right());
        vm.assertEq(before - token.balanceOf(POSTER), POSTER_BOND, "taken");
        vm.assertEq(rewards.liabilities(address(token)), 8 * BUDGET + POSTER_BOND, "owed");
        vm.prank(STRANGER);
        vm.expectRevert();
        rewards.post(id, 0, 0, right());
    }

    function test_trees_of_every_small_size_prove_each_leaf() public {
        for (uint160 i = 2; i < 9; ++i) {
            address who = address(0xF000 + i);
            register(who);
            enrol(id, who);
            IRewardsDistributor.Leaf[] memory leaves = new IRewardsDistributor.Leaf[](i + 1);
            (leaves[0], leaves[1]) = (right()[0], right()[1]);
            for (uint32 k = 2; k <= i; ++k) {
                leaves[k] = leaf(k, address(uint160(0xF000 + k)), 0, 0, k);
            }
            uint256 state = vm.snapshotState();
            vm.warp(endOf(0));
            vm.assertEq(rewards.rootOf(id, post(id, 0, leaves)).root, Tree.root(id, leaves), "root");
            for (uint32 k = 2; k <= i; ++k) {
                uint256 again = vm.snapshotState();
                refute(id, 1, leaves, k, none());
                vm.revertToState(again);
            }
            refuteFails(id, 1, leaves, 1, none(), notRight(leaves));
            vm.revertToState(state);
        }
    }

    function notRight(IRewardsDistributor.Leaf[] memory leaves) private pure returns (bytes memory) {
        return err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, leaves[1].index);
    }
}
