// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

/// @notice Two epochs with a final root for the first, so that every rule has a leaf before it.
contract RefuteTest is RewardsTest {
    uint8 private constant MEASURE = 1;
    uint8 private constant RAW = 2;
    uint8 private constant CUMULATIVE = 3;

    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = create(makeMatched());
        fund(id, 8 * BUDGET);
        earn(ALICE, 7);
        enrol(id, ALICE);
        enrol(id, BOB);
        earn(ALICE, 100e6);
        earn(BOB, 10e6);
        attest(ALICE, auditors[0], attributesOf("region", "north"), endOf(5));
        prove(id, ALICE, auditors[0], attributesOf("region", "north"));
        vm.warp(endOf(0));
        post(id, 0, first());
        earn(ALICE, 50e6);
        earn(CAROL, 1_000);
        enrol(id, CAROL);
        earn(CAROL, 200e6);
        rewards.checkpoint(id, ALICE);
        vm.warp(endOf(1));
    }

    function first() private pure returns (IRewardsDistributor.Leaf[] memory) {
        return two(leaf(0, ALICE, 100e6 + 7, 30e6, 30e6), leaf(1, BOB, 10e6, 3e6, 3e6));
    }

    /// @dev Alice at 1.5 times the rate, Bob with nothing new, Carol from her baseline.
    function second() private pure returns (IRewardsDistributor.Leaf[] memory leaves) {
        leaves = new IRewardsDistributor.Leaf[](3);
        leaves[0] = leaf(0, ALICE, 150e6 + 7, 22.5e6, 52.5e6);
        leaves[1] = leaf(1, BOB, 10e6, 0, 3e6);
        leaves[2] = leaf(2, CAROL, 200e6 + 1_000, 60e6, 60e6);
    }

    function wrong(IRewardsDistributor.Leaf[] memory leaves, uint32 index, uint8 ground) private {
        uint32 number = post(id, 1, leaves);
        expectEvent();
        emit IRewardsDistributor.RootRefuted(id, number, REFUTER, index, ground);
        refute(id, number, leaves, index, first());
        vm.assertEq(rewards.rootOf(id, number).state, 2, "refuted");
        vm.assertEq(rewards.credit(REFUTER, address(token)), POSTER_BOND, "the bond is the refuter's");
        vm.assertEq(rewards.programmeOf(id).firstPending, 0, "none waits");
        assertSolvent();
    }

    function test_a_right_root_cannot_be_refuted_by_any_leaf() public {
        post(id, 1, second());
        bytes4 isRight = IRewardsDistributor.RewardsDistributor_LeafIsRight.selector;
        refuteFails(id, 2, second(), 0, first(), err1(isRight, 0));
        refuteFails(id, 2, second(), 1, first(), err1(isRight, 1));
        refuteFails(id, 2, second(), 2, first(), err1(isRight, 2));
    }

    function test_a_measure_below_the_checkpoint() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0] = leaf(0, ALICE, 150e6 + 6, 22_499_999, 52_499_999);
        wrong(leaves, 0, MEASURE);
    }

    function test_a_measure_below_the_leaf_before() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[1] = leaf(1, BOB, 10e6 - 1, 0, 3e6);
        wrong(leaves, 1, MEASURE);
    }

    function test_a_measure_below_the_baseline() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[2] = leaf(2, CAROL, 999, 0, 0);
        wrong(leaves, 2, MEASURE);
    }

    function test_without_a_checkpoint_a_later_fee_may_count_early_or_late() public {
        earn(BOB, 10e6);
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[1] = leaf(1, BOB, 20e6, 3e6, 6e6);
        leaves[2] = leaf(2, CAROL, 1_000, 0, 0);
        uint32 number = post(id, 1, leaves);
        bytes4 isRight = IRewardsDistributor.RewardsDistributor_LeafIsRight.selector;
        refuteFails(id, number, leaves, 1, first(), err1(isRight, 1));
        refuteFails(id, number, leaves, 2, first(), err1(isRight, 2));
    }

    function test_a_checkpoint_after_the_end_of_the_epoch_refutes_nothing() public {
        earn(BOB, 10e6);
        rewards.checkpoint(id, BOB);
        uint32 number = post(id, 1, second());
        bytes memory isRight = err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, 1);
        refuteFails(id, number, second(), 1, first(), isRight);
    }

    function test_a_wrong_factor() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].raw = 15e6;
        leaves[0].cumulative = 45e6;
        wrong(leaves, 0, RAW);
    }

    function test_a_factor_that_is_not_there() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        (leaves[2].raw, leaves[2].cumulative) = (90e6, 90e6);
        wrong(leaves, 2, RAW);
    }

    function test_a_raw_amount_that_is_one_too_high() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        (leaves[1].raw, leaves[1].cumulative) = (1, 3e6 + 1);
        wrong(leaves, 1, RAW);
    }

    function test_a_raw_amount_that_is_one_too_low() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        (leaves[2].raw, leaves[2].cumulative) = (60e6 - 1, 60e6 - 1);
        wrong(leaves, 2, RAW);
    }

    function test_a_cumulative_amount_that_is_one_too_high() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative += 1;
        wrong(leaves, 0, CUMULATIVE);
    }

    function test_a_cumulative_amount_that_is_one_too_low() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[1].cumulative -= 1;
        wrong(leaves, 1, CUMULATIVE);
    }

    function test_a_cumulative_amount_that_forgets_the_root_before() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative = 22.5e6;
        leaves[2].cumulative = 90e6;
        wrong(leaves, 0, CUMULATIVE);
    }

    function test_the_scaling_to_the_allowance() public {
        earn(BOB, 10_000e6);
        rewards.checkpoint(id, BOB);
        // 22.5 + 3000 + 60 raw, of which 1000 can be spent
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative = uint128(30e6 + uint256(22.5e6) * BUDGET / 3_082.5e6);
        leaves[1] = leaf(1, BOB, 10_010e6, 3_000e6, uint128(3e6 + uint256(3_000e6) * BUDGET / 3_082.5e6));
        leaves[2].cumulative = uint128(uint256(60e6) * BUDGET / 3_082.5e6);
        uint32 number = post(id, 1, leaves);
        bytes4 isRight = IRewardsDistributor.RewardsDistributor_LeafIsRight.selector;
        refuteFails(id, number, leaves, 0, first(), err1(isRight, 0));
        refuteFails(id, number, leaves, 1, first(), err1(isRight, 1));
        refuteFails(id, number, leaves, 2, first(), err1(isRight, 2));
        leaves[1].cumulative -= 1;
        leaves[0].cumulative += 1;
        refute(id, post(id, 1, leaves), leaves, 1, first());
        vm.assertEq(rewards.programmeOf(id).firstPending, number, "the right one waits");
    }

    function test_amounts_that_fit_the_allowance_exactly_are_not_scaled() public {
        earn(BOB, 3_058_333_334);
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[1] = leaf(1, BOB, 10e6 + 3_058_333_334, 917_500_000, 920_500_000);
        uint32 number = post(id, 1, leaves);
        vm.assertEq(rewards.rootOf(id, number).rawTotal, BUDGET, "to the last unit");
        bytes memory isRight = err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, 1);
        refuteFails(id, number, leaves, 1, first(), isRight);
    }

    function test_only_by_leaves_of_the_root_and_of_its_base() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative += 1;
        uint32 number = post(id, 1, leaves);
        refuteFails(
            id,
            number,
            second(),
            0,
            first(),
            err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, number, 0)
        );
        IRewardsDistributor.Leaf[] memory other = first();
        other[0].cumulative -= 1;
        refuteFails(
            id, number, leaves, 0, other, err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, 1, 0)
        );
        other = two(first()[1], first()[0]);
        refuteFails(
            id, number, leaves, 0, other, err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, 1, 1)
        );
        bytes32[] memory proof = Tree.proof(id, leaves, 0);
        vm.expectRevert(err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, 1, 0));
        rewards.refute(id, number, leaves[0], proof, noLeaf(), noProof());
    }

    function test_until_the_window_is_over() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative += 1;
        uint32 number = post(id, 1, leaves);
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_NotPending.selector, id, number);
        vm.warp(block.timestamp + WINDOW);
        refuteFails(id, number, leaves, 0, first(), err);
        vm.warp(block.timestamp + 1);
        refuteFails(id, number, leaves, 0, first(), err);
        vm.warp(block.timestamp - 2);
        refute(id, number, leaves, 0, first());
        refuteFails(id, number, leaves, 0, first(), err);
        err = err2(IRewardsDistributor.RewardsDistributor_NotPending.selector, id, 9);
        refuteFails(id, 9, leaves, 0, first(), err);
    }

    function test_a_right_root_follows_a_void_one() public {
        IRewardsDistributor.Leaf[] memory leaves = second();
        leaves[0].cumulative += 1;
        wrong(leaves, 0, CUMULATIVE);
        vm.assertEq(post(id, 1, second()), 3, "another number");
        passWindow();
        vm.assertEq(rewards.rootOf(id, 3).state, 3, "final");
        claim(id, second(), 0);
        vm.assertEq(token.balanceOf(ALICE), 52.5e6, "paid by the right one");
    }

    function test_capacity_rates_and_units() public {
        uint256 capacity = create(atNow());
        fund(capacity, BUDGET);
        enrol(capacity, ALICE);
        vm.warp(block.timestamp + LENGTH);
        report(capacity, ALICE, NORTH, 0, 50);
        vm.warp(block.timestamp + WINDOW);
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, ALICE, 50, 501, 501));
        uint32 number = post(capacity, 0, leaves);
        refute(capacity, number, leaves, 0, none());
        leaves = one(leaf(0, ALICE, 50, 500, 500));
        number = post(capacity, 0, leaves);
        bytes memory isRight = err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, 0);
        refuteFails(capacity, number, leaves, 0, none(), isRight);
    }

    function atNow() private view returns (IRewardsDistributor.ProgrammeTerms memory terms) {
        terms = makeCapacity();
        terms.startAt = uint40(block.timestamp);
    }
}
