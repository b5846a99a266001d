// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

contract ClaimTest is RewardsTest {
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

    function first() private pure returns (IRewardsDistributor.Leaf[] memory) {
        return two(leaf(0, ALICE, 100e6, 30e6, 30e6), leaf(1, BOB, 10e6, 3e6, 3e6));
    }

    function second() private pure returns (IRewardsDistributor.Leaf[] memory) {
        return two(leaf(0, ALICE, 200e6, 30e6, 60e6), leaf(1, BOB, 10e6, 0, 3e6));
    }

    function finalFirst() private {
        vm.warp(endOf(0));
        post(id, 0, first());
        passWindow();
    }

    function claimable(IRewardsDistributor.Leaf[] memory leaves, uint256 index) private view returns (uint256) {
        return rewards.claimable(id, leaves[index], Tree.proof(id, leaves, index));
    }

    function test_a_claim_pays_what_is_new_to_whom_the_account_says() public {
        finalFirst();
        vm.assertEq(claimable(first(), 0), 30e6, "claimable");
        bytes32[] memory proof = Tree.proof(id, first(), 0);
        expectEvent();
        emit IRewardsDistributor.RewardClaimed(id, ALICE, STRANGER, 30e6, 30e6);
        vm.prank(ALICE);
        rewards.claim(id, first()[0], proof, STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), 30e6, "received");
        vm.assertEq(rewards.memberOf(id, ALICE).claimed, 30e6, "claimed");
        vm.assertEq(rewards.matchedClaimed(ALICE, address(token)), 30e6, "of all programmes");
        vm.assertEq(rewards.programmeOf(id).claimed, 30e6, "of the programme");
        vm.assertEq(claimable(first(), 0), 0, "nothing more");
        claimFails(id, first(), 0, err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, ALICE));
        assertSolvent();
    }

    function test_before_any_root_is_final_nothing_is_paid() public {
        vm.warp(endOf(0));
        post(id, 0, first());
        vm.warp(endOf(0) + WINDOW - 1);
        vm.assertEq(claimable(first(), 0), 0, "not yet");
        claimFails(id, first(), 0, err1(IRewardsDistributor.RewardsDistributor_NothingFinal.selector, id));
        vm.warp(endOf(0) + WINDOW);
        claim(id, first(), 0);
        vm.warp(endOf(0) + WINDOW + 1);
        claim(id, first(), 1);
    }

    function test_nobody_claims_for_another_or_to_nobody() public {
        finalFirst();
        bytes32[] memory proof = Tree.proof(id, first(), 0);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NotLeafOwner.selector, ALICE, BOB));
        vm.prank(BOB);
        rewards.claim(id, first()[0], proof, BOB);
        vm.expectRevert(IRewardsDistributor.RewardsDistributor_ZeroAddress.selector);
        vm.prank(ALICE);
        rewards.claim(id, first()[0], proof, address(0));
    }

    function test_a_leaf_of_an_older_or_foreign_root_is_refused_and_the_newest_pays_all() public {
        finalFirst();
        vm.warp(endOf(1));
        earn(ALICE, 100e6);
        post(id, 1, second());
        passWindow();
        claimFails(id, first(), 0, err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, 2, 0));
        vm.assertEq(claimable(first(), 0), 0, "an old leaf");
        IRewardsDistributor.Leaf[] memory forged = second();
        forged[0].cumulative += 1;
        claimFails(id, forged, 0, err3(IRewardsDistributor.RewardsDistributor_BadProof.selector, id, 2, 0));
        claim(id, second(), 0);
        vm.assertEq(token.balanceOf(ALICE), 60e6, "both epochs");
    }

    function test_a_claim_between_two_roots_is_not_paid_again() public {
        finalFirst();
        claim(id, first(), 0);
        vm.warp(endOf(1));
        earn(ALICE, 100e6);
        post(id, 1, second());
        passWindow();
        claim(id, second(), 0);
        vm.assertEq(token.balanceOf(ALICE), 60e6, "30 and 30");
    }

    function test_the_leaf_of_one_programme_is_worth_nothing_in_another() public {
        uint256 other = create(makeMatched());
        finalFirst();
        claimFails(other, first(), 0, err1(IRewardsDistributor.RewardsDistributor_NothingFinal.selector, other));
        vm.assertTrue(rewards.leafHash(id, first()[0]) != rewards.leafHash(other, first()[0]), "other trees");
    }

    // ---- what an unchallenged wrong root can do, and what not ----

    function test_caps_hold_under_a_root_that_gives_everything_to_one() public {
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory greedy = two(leaf(0, ALICE, 100e6, 0, BUDGET), leaf(1, BOB, 10e6, 0, 0));
        post(id, 0, greedy);
        passWindow();
        claim(id, greedy, 0);
        vm.assertEq(token.balanceOf(ALICE), 60e6, "no more than 0.6 of her fees");
        claimFails(id, greedy, 0, err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, ALICE));
        earn(ALICE, 1);
        claimFails(id, greedy, 0, err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, ALICE));
        earn(ALICE, 1);
        claim(id, greedy, 0);
        vm.assertEq(token.balanceOf(ALICE), 60e6 + 1, "floor(0.6 * 2) more");
        assertSolvent();
    }

    function test_roots_that_shuffle_entitlements_pay_no_more_than_was_committed() public {
        earn(ALICE, 10_000e6);
        earn(BOB, 10_000e6);
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory greedy = two(leaf(0, ALICE, 0, 0, BUDGET), leaf(1, BOB, 0, 0, 0));
        post(id, 0, greedy);
        passWindow();
        claim(id, greedy, 0);
        vm.warp(endOf(1));
        IRewardsDistributor.Leaf[] memory shuffled = two(leaf(0, ALICE, 0, 0, 0), leaf(1, BOB, 0, 0, 2 * BUDGET));
        post(id, 1, shuffled);
        passWindow();
        vm.assertEq(rewards.capOf(id, BOB), 6_006e6, "his own cap is above");
        claim(id, shuffled, 1);
        vm.assertEq(token.balanceOf(BOB), BUDGET, "two budgets were committed, one is gone");
        vm.assertEq(rewards.programmeOf(id).claimed, rewards.programmeOf(id).committed, "all paid");
        claimFails(id, shuffled, 0, err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, ALICE));
        assertSolvent();
    }

    function test_a_wrong_root_that_nobody_refutes_takes_back_what_was_not_claimed_yet() public {
        finalFirst();
        earn(BOB, 100e6);
        vm.warp(endOf(1));
        // Alice's 30 go to Bob; the epoch's own budget is not touched.
        IRewardsDistributor.Leaf[] memory wrong = two(leaf(0, ALICE, 100e6, 0, 0), leaf(1, BOB, 110e6, 30e6, 33e6));
        uint32 number = post(id, 1, wrong);
        vm.assertEq(rewards.rootOf(id, number).cumulativeTotal, 33e6, "no more than was committed before");
        uint256 state = vm.snapshotState();
        refute(id, number, wrong, 0, first());
        claim(id, first(), 0);
        vm.assertEq(token.balanceOf(ALICE), 30e6, "refuted, all is well");
        vm.revertToState(state);
        claim(id, first(), 0);
        passWindow();
        claim(id, wrong, 1);
        vm.assertEq(token.balanceOf(ALICE), 30e6, "what was claimed in time stays");
        vm.assertEq(token.balanceOf(BOB), 3e6, "and Bob has his own only");
        vm.revertToState(state);
        passWindow();
        claim(id, wrong, 1);
        vm.assertEq(token.balanceOf(BOB), 33e6, "what was not claimed is gone");
        claimFails(id, wrong, 0, err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, ALICE));
        assertSolvent();
    }

    function test_an_honest_root_can_follow_an_unchallenged_wrong_one() public {
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory greedy = two(leaf(0, ALICE, 50e6, 77, 900e6), leaf(1, BOB, 0, 5, 100e6));
        post(id, 0, greedy);
        passWindow();
        vm.warp(endOf(1));
        IRewardsDistributor.Leaf[] memory honest =
            two(leaf(0, ALICE, 100e6, 15e6, 915e6), leaf(1, BOB, 10e6, 3e6, 103e6));
        uint32 number = post(id, 1, honest);
        bytes4 isRight = IRewardsDistributor.RewardsDistributor_LeafIsRight.selector;
        refuteFails(id, number, honest, 0, greedy, err1(isRight, 0));
        refuteFails(id, number, honest, 1, greedy, err1(isRight, 1));
    }

    function test_programmes_of_one_token_pay_at_most_nine_tenths_of_the_fees_together() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.maxRate = 0.9e18;
        uint256[2] memory ids = [create(terms), create(terms)];
        earn(CAROL, 1);
        for (uint256 i = 0; i < 2; ++i) {
            fund(ids[i], 8 * BUDGET);
            enrol(ids[i], CAROL);
            earn(CAROL, 111);
            if (i == 0) {
                vm.prank(CAROL);
                rewards.leave(ids[i]);
            }
        }
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory greedy = one(leaf(0, CAROL, 0, 0, BUDGET));
        post(ids[0], 0, greedy);
        post(ids[1], 0, greedy);
        passWindow();
        claim(ids[0], greedy, 0);
        claim(ids[1], greedy, 0);
        vm.assertEq(rewards.matchedClaimed(CAROL, address(token)), 198, "floor(0.9 * 111) twice, of 223 paid");
    }
}
