// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";

/// @notice A programme with one provider, whose only right leaf is known.
abstract contract OneProviderTest is RewardsTest {
    uint256 internal id;

    function setUp() public override {
        super.setUp();
        begin(false);
    }

    function begin(bool rollover) internal {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.rollover = rollover;
        id = create(terms);
        fund(id, 8 * BUDGET);
        address who = rollover ? BOB : ALICE;
        enrol(id, who);
        earn(who, 1_000e6);
    }

    function right() internal pure returns (IRewardsDistributor.Leaf[] memory) {
        return one(leaf(0, ALICE, 1_000e6, 300e6, 300e6));
    }

    function wrong() internal pure returns (IRewardsDistributor.Leaf[] memory) {
        return one(leaf(0, ALICE, 1_000e6, 300e6, 301e6));
    }
}

/// @notice What time decides: which root is final, whose bond is whose, and what became of the budget.
contract FinalityTest is OneProviderTest {
    function assertStates(uint8[4] memory expected) internal view {
        for (uint32 i = 0; i < 4; ++i) {
            vm.assertEq(rewards.rootOf(id, i + 1).state, expected[i], "state");
        }
    }

    function test_a_root_is_final_by_time_alone_in_all_views() public {
        vm.warp(endOf(0));
        post(id, 0, right());
        vm.warp(endOf(0) + WINDOW - 1);
        vm.assertEq(rewards.programmeOf(id).finalNumber, 0, "not yet");
        assertStates([1, 0, 0, 0]);
        vm.assertEq(rewards.allowanceOf(id, 0), BUDGET, "epoch 0 can be posted");
        vm.warp(endOf(0) + WINDOW);
        IRewardsDistributor.ProgrammeView memory due = rewards.programmeOf(id);
        vm.assertEq(due.finalNumber, 1, "final");
        vm.assertEq(due.nextEpoch, 1, "next");
        vm.assertEq(due.firstPending, 0, "none waits");
        vm.assertEq(due.committed, 300e6, "committed");
        vm.assertEq(due.returned, 700e6, "returned");
        assertStates([3, 0, 0, 0]);
        vm.assertEq(rewards.allowanceOf(id, 0), 0, "epoch 0 is done");
        vm.assertEq(rewards.allowanceOf(id, 1), BUDGET, "epoch 1");
        expectEvent();
        emit IRewardsDistributor.RootFinalised(id, 1, 0, 300e6, 0, 700e6);
        rewards.finalise(id);
        vm.assertEq(abi.encode(rewards.programmeOf(id)), abi.encode(due), "the same, written down");
        vm.assertEq(rewards.credit(POSTER, address(token)), POSTER_BOND, "bond");
        vm.assertEq(rewards.credit(SPONSOR, address(token)), 700e6, "unspent");
        rewards.finalise(id);
        vm.assertEq(rewards.credit(POSTER, address(token)), POSTER_BOND, "once");
        assertSolvent();
    }

    function test_unspent_budget_rolls_over() public {
        begin(true);
        vm.warp(endOf(0));
        post(id, 0, one(leaf(0, BOB, 1_000e6, 300e6, 300e6)));
        passWindow();
        vm.assertEq(rewards.programmeOf(id).carried, 700e6, "carried");
        vm.assertEq(rewards.programmeOf(id).returned, 0, "not returned");
        vm.assertEq(rewards.allowanceOf(id, 1), BUDGET + 700e6, "next epoch");
        vm.assertEq(rewards.allowanceOf(id, 3), 3 * BUDGET + 700e6, "three epochs at once");
        rewards.finalise(id);
        vm.assertEq(rewards.credit(SPONSOR, address(token)), 0, "nothing for the sponsor");
        vm.assertEq(rewards.allowanceOf(id, 1), BUDGET + 700e6, "the same, written down");
    }

    function test_skipped_epochs_keep_their_budget() public {
        vm.warp(endOf(2));
        earn(ALICE, 9_000e6);
        vm.assertEq(rewards.allowanceOf(id, 2), 3 * BUDGET, "three");
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, ALICE, 10_000e6, 3_000e6, 3_000e6));
        post(id, 2, leaves);
        refuteFails(id, 1, leaves, 0, none(), err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, 0));
        passWindow();
        claim(id, leaves, 0);
        vm.assertEq(token.balanceOf(ALICE), 3_000e6, "paid");
        vm.assertEq(rewards.allowanceOf(id, 3), BUDGET, "one");
    }

    function test_no_more_is_allowed_than_was_put_in() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        id = create(terms);
        enrol(id, CAROL);
        earn(CAROL, 1_000e6);
        fund(id, 100e6);
        vm.warp(endOf(0));
        fund(id, 500e6);
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, CAROL, 1_000e6, 300e6, 100e6));
        post(id, 0, leaves);
        vm.assertEq(rewards.rootOf(id, 1).allowance, 100e6, "what came later counts later");
        passWindow();
        vm.assertEq(rewards.allowanceOf(id, 1), 500e6, "next");
        claim(id, leaves, 0);
        vm.assertEq(rewards.allowanceOf(id, 1), 500e6, "claims change nothing");
    }

    function test_a_wrong_root_in_front_keeps_no_right_one_out() public {
        vm.warp(endOf(0));
        post(id, 0, wrong());
        post(id, 0, wrong());
        post(id, 0, right());
        post(id, 0, wrong());
        vm.assertEq(rewards.rootOf(id, 1).next, 2, "they wait in order");
        vm.assertEq(rewards.rootOf(id, 2).next, 3, "they wait in order");
        vm.warp(endOf(0) + WINDOW - 1);
        refute(id, 2, wrong(), 0, none());
        refute(id, 1, wrong(), 0, none());
        vm.assertEq(rewards.programmeOf(id).firstPending, 3, "the right one is first");
        assertStates([2, 2, 1, 1]);
        vm.warp(endOf(0) + WINDOW);
        assertStates([2, 2, 3, 4]);
        claim(id, right(), 0);
        vm.assertEq(token.balanceOf(ALICE), 300e6, "paid");
        vm.assertEq(rewards.credit(REFUTER, address(token)), 2 * POSTER_BOND, "two bonds");
        assertSolvent();
    }

    function test_whoever_posts_and_refutes_itself_again_and_again_delays_nothing() public {
        vm.warp(endOf(0));
        uint32 number = post(id, 0, right());
        for (uint256 i = 0; i < 20; ++i) {
            vm.warp(block.timestamp + 1 hours);
            refute(id, post(id, 0, wrong()), wrong(), 0, none());
        }
        vm.warp(endOf(0) + WINDOW);
        vm.assertEq(rewards.programmeOf(id).finalNumber, number, "after its own window");
    }

    function test_each_root_has_its_own_window() public {
        vm.warp(endOf(0));
        post(id, 0, wrong());
        vm.warp(endOf(0) + WINDOW - 1);
        post(id, 0, right());
        refute(id, 1, wrong(), 0, none());
        vm.warp(endOf(0) + 2 * WINDOW - 2);
        vm.assertEq(rewards.programmeOf(id).finalNumber, 0, "not yet");
        vm.warp(endOf(0) + 2 * WINDOW - 1);
        vm.assertEq(rewards.programmeOf(id).finalNumber, 2, "now");
    }

    function test_a_right_root_of_a_skipped_epoch_in_front_delays_a_later_one_by_a_window() public {
        vm.warp(endOf(2));
        post(id, 0, right());
        post(id, 2, right());
        refuteFails(id, 1, right(), 0, none(), err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, 0));
        passWindow();
        assertStates([3, 4, 0, 0]);
        claim(id, right(), 0);
        vm.assertEq(token.balanceOf(ALICE), 300e6, "what both roots gave");
        post(id, 2, one(leaf(0, ALICE, 1_000e6, 0, 300e6)));
        passWindow();
        vm.assertEq(rewards.programmeOf(id).nextEpoch, 3, "a window later");
        rewards.returnBond(id, 2);
        vm.assertEq(rewards.credit(POSTER, address(token)), 3 * POSTER_BOND, "no bond is lost");
    }

    function test_the_last_and_a_middle_one_can_leave_the_queue() public {
        vm.warp(endOf(0));
        post(id, 0, right());
        post(id, 0, wrong());
        post(id, 0, wrong());
        refute(id, 2, wrong(), 0, none());
        vm.assertEq(rewards.rootOf(id, 1).next, 3, "the middle is gone");
        refute(id, 3, wrong(), 0, none());
        vm.assertEq(rewards.rootOf(id, 1).next, 0, "the last is gone");
        vm.assertEq(post(id, 0, wrong()), 4, "another");
        vm.assertEq(rewards.rootOf(id, 1).next, 4, "behind the first");
    }

    function test_posters_of_superseded_roots_get_their_bond_back_once() public {
        vm.warp(endOf(0));
        post(id, 0, right());
        post(id, 0, wrong());
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_NothingToReturn.selector, id, 2);
        vm.expectRevert(err);
        rewards.returnBond(id, 2);
        vm.warp(endOf(0) + WINDOW - 1);
        vm.expectRevert(err);
        rewards.returnBond(id, 2);
        vm.warp(endOf(0) + WINDOW);
        refuteFails(id, 2, wrong(), 0, none(), err2(IRewardsDistributor.RewardsDistributor_NotPending.selector, id, 2));
        expectEvent();
        emit IRewardsDistributor.RootFinalised(id, 1, 0, 300e6, 0, 700e6);
        expectEvent();
        emit IRewardsDistributor.BondReturned(id, 2, POSTER);
        rewards.returnBond(id, 2);
        vm.assertEq(rewards.credit(POSTER, address(token)), 2 * POSTER_BOND, "both");
        assertStates([3, 5, 0, 0]);
        vm.expectRevert(err);
        rewards.returnBond(id, 2);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NothingToReturn.selector, id, 1));
        rewards.returnBond(id, 1);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NothingToReturn.selector, id, 3));
        rewards.returnBond(id, 3);
    }

    function test_a_refuted_bond_is_never_returned() public {
        vm.warp(endOf(0));
        post(id, 0, wrong());
        post(id, 0, right());
        refute(id, 1, wrong(), 0, none());
        passWindow();
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NothingToReturn.selector, id, 1));
        rewards.returnBond(id, 1);
    }

    function test_credits_are_withdrawn_by_their_owner() public {
        vm.warp(endOf(0));
        post(id, 0, wrong());
        refute(id, 1, wrong(), 0, none());
        vm.startPrank(REFUTER);
        vm.expectRevert(IRewardsDistributor.RewardsDistributor_ZeroAddress.selector);
        rewards.withdraw(address(token), address(0));
        expectEvent();
        emit IRewardsDistributor.CreditWithdrawn(REFUTER, address(token), STRANGER, POSTER_BOND);
        rewards.withdraw(address(token), STRANGER);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NothingCredited.selector, REFUTER, address(token)));
        rewards.withdraw(address(token), STRANGER);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(STRANGER), POSTER_BOND, "received");
        assertSolvent();
    }
}

contract SweepTest is OneProviderTest {
    function end() private pure returns (uint256) {
        return uint256(endOf(EPOCHS - 1)) + SWEEP_DELAY;
    }

    function test_what_was_never_committed_is_the_sponsors_90_days_after_the_end() public {
        vm.warp(endOf(0));
        post(id, 0, right());
        vm.warp(end() - 1);
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_TooEarly.selector, end()));
        rewards.sweep(id);
        vm.warp(end());
        expectEvent();
        emit IRewardsDistributor.RootFinalised(id, 1, 0, 300e6, 0, 700e6);
        expectEvent();
        emit IRewardsDistributor.ProgrammeSwept(id, SPONSOR, 7 * BUDGET);
        vm.prank(STRANGER);
        rewards.sweep(id);
        vm.assertEq(rewards.credit(SPONSOR, address(token)), 7 * BUDGET + 700e6, "with what was returned before");
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_NothingToSweep.selector, id));
        rewards.sweep(id);
        vm.assertEq(rewards.allowanceOf(id, 3), 0, "nothing left to allow");
        vm.warp(end() + 3650 days);
        claim(id, right(), 0);
        vm.assertEq(token.balanceOf(ALICE), 300e6, "committed rewards stay claimable for ever");
        assertSolvent();
    }

    function test_a_root_that_waits_is_decided_first() public {
        vm.warp(end() - 1);
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, ALICE, 1_000e6, 300e6, 300e6));
        post(id, EPOCHS - 1, leaves);
        post(id, EPOCHS - 1, leaves);
        vm.warp(end() - 1 + WINDOW - 1);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_StillPending.selector, id, 1));
        rewards.sweep(id);
        vm.warp(end() - 1 + WINDOW);
        // All eight budgets were allowed to this root: what it left was returned when it became final.
        rewards.finalise(id);
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_NothingToSweep.selector, id));
        rewards.sweep(id);
        rewards.returnBond(id, 2);
        vm.assertEq(rewards.credit(SPONSOR, address(token)), 8 * BUDGET - 300e6, "the rest");
        vm.assertEq(rewards.credit(POSTER, address(token)), 2 * POSTER_BOND, "and the bonds");
        claim(id, leaves, 0);
        assertSolvent();
    }

    function test_with_no_root_ever_everything_returns() public {
        vm.warp(end());
        rewards.sweep(id);
        vm.prank(SPONSOR);
        rewards.withdraw(address(token), STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), 8 * BUDGET, "everything");
        vm.assertEq(token.balanceOf(address(rewards)), 0, "nothing stays");
    }
}
