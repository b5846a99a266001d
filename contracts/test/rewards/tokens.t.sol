// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {MoodyToken} from "../mocks/MoodyToken.sol";
import {FeeToken, NoReturnToken, ReentrantToken} from "../mocks/Tokens.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

/// @notice Anyone may create a programme of any token: a bad one hurts those who use it and nobody else.
contract TokensTest is RewardsTest {
    uint256 private good;

    function setUp() public override {
        super.setUp();
        good = create(makeMatched());
        fund(good, 8 * BUDGET);
        enrol(good, ALICE);
        earn(ALICE, 100e6);
    }

    function leavesOf(address account) private pure returns (IRewardsDistributor.Leaf[] memory) {
        return one(leaf(0, account, 100e6, 30e6, 30e6));
    }

    /// @dev A funded programme of this token, with Bob in it, his fees paid, and a root that is final.
    function begin(address bad) private returns (uint256 id) {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.token = bad;
        id = create(terms);
        give(bad, SPONSOR, BUDGET);
        give(bad, POSTER, 10 * POSTER_BOND);
        vm.prank(SPONSOR);
        rewards.fund(id, BUDGET);
        enrol(id, BOB);
        market.addFees(BOB, bad, 100e6);
        vm.warp(endOf(0));
        post(id, 0, leavesOf(BOB));
        passWindow();
    }

    function give(address bad, address owner, uint256 amount) private {
        NoReturnToken(bad).mint(owner, amount);
        vm.prank(owner);
        NoReturnToken(bad).approve(address(rewards), type(uint256).max);
    }

    function claimBob(uint256 id) private returns (bool done) {
        bytes32[] memory proof = Tree.proof(id, leavesOf(BOB), 0);
        bytes memory data = abi.encodeCall(IRewardsDistributor.claim, (id, leavesOf(BOB)[0], proof, BOB));
        vm.prank(BOB);
        (done,) = address(rewards).call{gas: 3_000_000}(data);
    }

    /// @dev The whole life of the programme with the good token, beside the bad one.
    function goodIsWell() private {
        uint256 state = vm.snapshotState();
        uint32 epoch = rewards.programmeOf(good).nextEpoch;
        vm.warp(endOf(epoch));
        post(good, epoch, leavesOf(ALICE));
        passWindow();
        claim(good, leavesOf(ALICE), 0);
        vm.assertEq(token.balanceOf(ALICE), 30e6, "paid");
        vm.prank(POSTER);
        rewards.withdraw(address(token), POSTER);
        assertSolvent();
        vm.revertToState(state);
    }

    function test_a_token_that_keeps_a_part_cannot_be_put_in() public {
        FeeToken bad = new FeeToken();
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.token = address(bad);
        uint256 id = create(terms);
        give(address(bad), SPONSOR, 1_000);
        vm.expectRevert(
            abi.encodeWithSelector(
                IRewardsDistributor.RewardsDistributor_FeeOnTransfer.selector, address(bad), 1_000, 990
            )
        );
        vm.prank(SPONSOR);
        rewards.fund(id, 1_000);
        vm.assertEq(rewards.liabilities(address(bad)), 0, "nothing owed");
        goodIsWell();
    }

    function test_a_token_that_returns_nothing_works() public {
        NoReturnToken quiet = new NoReturnToken();
        uint256 id = begin(address(quiet));
        vm.assertTrue(claimBob(id), "claimed");
        vm.assertEq(quiet.balanceOf(BOB), 30e6, "paid");
        vm.assertEq(quiet.balanceOf(address(rewards)), rewards.liabilities(address(quiet)), "holds what it owes");
    }

    function test_a_token_that_turns_bad_after_it_was_put_in_changes_nothing_until_it_is_good_again() public {
        MoodyToken bad = new MoodyToken();
        uint256 id = begin(address(bad));
        MoodyToken.Moves[3] memory moves =
            [MoodyToken.Moves.Reverts, MoodyToken.Moves.RevertsWithAMegabyte, MoodyToken.Moves.BurnsAllGas];
        for (uint256 i = 0; i < moves.length; ++i) {
            bad.behave(moves[i], MoodyToken.Answers.True);
            refused(id);
        }
        bad.behave(MoodyToken.Moves.AsAsked, MoodyToken.Answers.False);
        refused(id);
        bad.behave(MoodyToken.Moves.AsAsked, MoodyToken.Answers.Two);
        refused(id);
        bad.behave(MoodyToken.Moves.AsAsked, MoodyToken.Answers.True);
        vm.assertTrue(claimBob(id), "good again");
        vm.assertEq(bad.balanceOf(BOB), 30e6, "paid once");
        vm.assertEq(bad.balanceOf(address(rewards)), rewards.liabilities(address(bad)), "holds what it owes");
    }

    function refused(uint256 id) private {
        vm.assertTrue(!claimBob(id), "refused");
        vm.assertEq(rewards.memberOf(id, BOB).claimed, 0, "nothing written down");
        goodIsWell();
    }

    function test_what_moves_no_token_needs_no_token() public {
        MoodyToken bad = new MoodyToken();
        uint256 id = begin(address(bad));
        vm.warp(endOf(1));
        IRewardsDistributor.Leaf[] memory wrong = leavesOf(BOB);
        uint32 number = post(id, 1, wrong);
        bad.behave(MoodyToken.Moves.BurnsAllGas, MoodyToken.Answers.False);
        bad.tell(MoodyToken.Tells.Reverts);
        refute(id, number, wrong, 0, leavesOf(BOB));
        vm.prank(BOB);
        rewards.leave(id);
        vm.warp(uint256(endOf(EPOCHS - 1)) + SWEEP_DELAY);
        // The first root left 970 to the sponsor; nothing else was ever put in.
        vm.assertEq(rewards.credit(SPONSOR, address(bad)), BUDGET - 30e6, "credited, not pushed");
        vm.assertEq(rewards.credit(REFUTER, address(bad)), POSTER_BOND, "the refuter too");
    }

    function test_a_token_that_pretends_is_believed_by_its_own_programmes_only() public {
        MoodyToken bad = new MoodyToken();
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.token = address(bad);
        uint256 id = create(terms);
        give(address(bad), SPONSOR, BUDGET);
        bad.behave(MoodyToken.Moves.PretendsTo, MoodyToken.Answers.True);
        vm.prank(SPONSOR);
        rewards.fund(id, BUDGET);
        vm.assertEq(rewards.liabilities(address(bad)), BUDGET, "owed in that token");
        vm.assertEq(rewards.liabilities(address(token)), 8 * BUDGET, "nothing in the other");
        goodIsWell();
    }

    function test_a_token_that_calls_back_gets_nothing_twice() public {
        ReentrantToken bad = new ReentrantToken();
        uint256 id = begin(address(bad));
        uint256 state = vm.snapshotState();
        // The token is credited as a refuter would be, so that its withdrawal would be worth something.
        bytes[4] memory attempts = [
            abi.encodeCall(IRewardsDistributor.withdraw, (address(bad), address(bad))),
            abi.encodeCall(IRewardsDistributor.fund, (id, 1)),
            abi.encodeCall(IRewardsDistributor.claim, (id, leavesOf(BOB)[0], noProof(), BOB)),
            abi.encodeCall(IRewardsDistributor.post, (id, 1, 1, leavesOf(BOB)))
        ];
        for (uint256 i = 0; i < attempts.length; ++i) {
            bad.arm(address(rewards), attempts[i]);
            vm.assertTrue(claimBob(id), "claimed");
            vm.assertTrue(bad.called() && !bad.succeeded(), "the call was made and refused");
            vm.assertEq(bad.result(), abi.encodeWithSignature("ReentrancyGuardReentrantCall()"), "by the guard");
            vm.assertEq(bad.balanceOf(BOB), 30e6, "paid once");
            vm.assertEq(bad.balanceOf(address(rewards)), rewards.liabilities(address(bad)), "holds what it owes");
            vm.revertToState(state);
            state = vm.snapshotState();
        }
    }

    function test_a_root_cannot_be_refuted_for_its_bond_before_the_bond_came() public {
        ReentrantToken bad = new ReentrantToken();
        uint256 id = begin(address(bad));
        vm.warp(endOf(1));
        IRewardsDistributor.Leaf[] memory wrong = leavesOf(BOB);
        bytes memory attempt =
            abi.encodeCall(IRewardsDistributor.refute, (id, 2, wrong[0], noProof(), leavesOf(BOB)[0], noProof()));
        bad.arm(address(rewards), attempt);
        vm.assertEq(post(id, 1, wrong), 2, "posted");
        vm.assertTrue(bad.called() && !bad.succeeded(), "refused");
        refute(id, 2, wrong, 0, leavesOf(BOB));
    }

    function test_programmes_of_one_token_do_not_pay_for_one_another() public {
        uint256 poor = create(makeMatched());
        enrol(poor, CAROL);
        earn(CAROL, 10_000e6);
        fund(poor, 10);
        vm.warp(endOf(0));
        IRewardsDistributor.Leaf[] memory leaves = one(leaf(0, CAROL, 10_000e6, 3_000e6, 11));
        postFails(poor, 0, 0, leaves, err3(IRewardsDistributor.RewardsDistributor_OverAllowance.selector, 10, 0, 11));
        leaves[0].cumulative = 10;
        post(poor, 0, leaves);
        passWindow();
        claim(poor, leaves, 0);
        vm.assertEq(token.balanceOf(CAROL), 10, "what this programme had");
        goodIsWell();
    }

    function test_the_parts_of_the_distributor_write_nothing_when_called_by_themselves() public {
        address measures = address(uint160(uint256(keccak256(abi.encodePacked(hex"d694", rewards, hex"01")))));
        vm.assertTrue(measures.code.length != 0, "created with it");
        IRewardsDistributor(measures).create(makeMatched());
        vm.assertEq(rewards.programmeCount(), 1, "not here");
        vm.expectRevert();
        IRewardsDistributor(measures).fund(1, 1);
        vm.expectRevert();
        IRewardsDistributor(measures).withdraw(address(token), STRANGER);
        goodIsWell();
    }
}
