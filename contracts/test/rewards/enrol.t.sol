// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {TestUSD} from "../../src/test-token/TestUSD.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";

contract EnrolTest is RewardsTest {
    uint256 private id;
    uint256 private other;

    function setUp() public override {
        super.setUp();
        id = create(makeMatched());
        other = create(makeMatched());
    }

    function test_indices_are_dense_and_fees_count_from_the_baseline() public {
        earn(BOB, 70);
        enrol(id, ALICE);
        vm.warp(endOf(0));
        expectEvent();
        emit IRewardsDistributor.ProviderEnrolled(id, BOB, 1, 1, 70);
        enrol(id, BOB);
        earn(BOB, 5);
        IRewardsDistributor.MemberView[] memory members = rewards.enrolled(id, 0, 10);
        vm.assertEq(members.length, 2, "members");
        vm.assertEq(
            abi.encode(members[0]),
            abi.encode(IRewardsDistributor.MemberView(ALICE, 0, 0, false, 0, 0, 0, 0, 0)),
            "alice"
        );
        IRewardsDistributor.MemberView memory bob = IRewardsDistributor.MemberView(BOB, 1, 1, false, 70, 75, 0, 1, 0);
        vm.assertEq(abi.encode(members[1]), abi.encode(bob), "bob");
        vm.assertEq(abi.encode(rewards.memberOf(id, BOB)), abi.encode(bob), "bob alone");
        vm.assertEq(abi.encode(rewards.enrolled(id, 1, 1)[0]), abi.encode(bob), "second page");
        vm.assertEq(rewards.enrolled(id, 2, 1).length, 0, "after the end");
        vm.assertEq(rewards.enrolledBy(id, 0), 1, "by the end of epoch 0");
        vm.assertEq(rewards.enrolledBy(id, 1), 2, "by the end of epoch 1");
        vm.assertEq(rewards.capOf(id, BOB), 3, "0.6 of 5");
        vm.assertEq(rewards.capOf(id, CAROL), 0, "not enrolled");
    }

    function test_nobody_enrols_twice_not_even_after_leaving() public {
        enrol(id, ALICE);
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_AlreadyEnrolled.selector, id, ALICE);
        vm.startPrank(ALICE);
        vm.expectRevert(err);
        rewards.enrol(id);
        rewards.leave(id);
        vm.expectRevert(err);
        rewards.enrol(id);
        vm.stopPrank();
    }

    function test_a_fee_counts_in_one_programme_of_its_token_only() public {
        enrol(id, ALICE);
        vm.assertEq(rewards.matchedProgramme(ALICE, address(token)), id, "counted here");
        vm.startPrank(ALICE);
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_EnrolledElsewhere.selector, id));
        rewards.enrol(other);
        vm.stopPrank();
        earn(ALICE, 30);
        expectEvent();
        emit IRewardsDistributor.ProviderLeft(id, ALICE, 0, 30);
        vm.prank(ALICE);
        rewards.leave(id);
        earn(ALICE, 12);
        enrol(other, ALICE);
        earn(ALICE, 8);
        vm.assertEq(rewards.counter(id, ALICE), 30, "stands still");
        vm.assertEq(rewards.memberOf(other, ALICE).baseline, 42, "counts from here");
        vm.assertEq(rewards.counter(other, ALICE), 50, "and on");
        vm.assertEq(rewards.capOf(id, ALICE) + rewards.capOf(other, ALICE), 18 + 4, "38 fees counted once");
    }

    function test_programmes_of_another_token_or_kind_do_not_exclude() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.token = address(new TestUSD());
        enrol(id, ALICE);
        enrol(create(terms), ALICE);
        enrol(create(makeCapacity()), ALICE);
        enrol(create(makeCapacity()), ALICE);
    }

    function test_only_active_providers_who_keep_the_minimum_bond_enrol() public {
        notActive(STRANGER);
        vm.startPrank(ALICE);
        registry.startUnbond(BOND - MIN_BOND + 1);
        notActive(ALICE);
        vm.startPrank(ALICE);
        registry.startUnbond(BOND - MIN_BOND);
        rewards.enrol(id);
        vm.stopPrank();
        vm.startPrank(BOB);
        registry.startUnbond(BOND);
        vm.warp(START + UNBOND_DELAY);
        registry.withdrawBond(BOB);
        notActive(BOB);
    }

    function notActive(address who) private {
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IRewardsDistributor.RewardsDistributor_NotActive.selector, who));
        vm.prank(who);
        rewards.enrol(id);
    }

    function test_enrols_until_the_last_second_of_the_last_epoch() public {
        vm.warp(endOf(EPOCHS - 1) - 1);
        enrol(id, ALICE);
        vm.warp(endOf(EPOCHS - 1));
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_Over.selector, id));
        vm.prank(BOB);
        rewards.enrol(id);
    }

    function test_a_programme_takes_1024_providers() public {
        for (uint160 i = 0; i < 1024; ++i) {
            register(address(0xF0000 + i));
            enrol(id, address(0xF0000 + i));
        }
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_Full.selector, id));
        vm.prank(ALICE);
        rewards.enrol(id);
    }

    function test_who_is_not_in_cannot_leave_or_be_noted() public {
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_NotEnrolled.selector, id, ALICE);
        vm.expectRevert(err);
        vm.prank(ALICE);
        rewards.leave(id);
        vm.expectRevert(err);
        rewards.checkpoint(id, ALICE);
        vm.expectRevert(err);
        rewards.memberOf(id, ALICE);
        vm.expectRevert(err);
        rewards.counter(id, ALICE);
        vm.expectRevert(err);
        rewards.factorAt(id, ALICE, 0);
    }

    function test_who_left_cannot_leave_again_or_be_noted() public {
        enrol(id, ALICE);
        vm.prank(ALICE);
        rewards.leave(id);
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_HasLeft.selector, id, ALICE);
        vm.expectRevert(err);
        vm.prank(ALICE);
        rewards.leave(id);
        vm.expectRevert(err);
        rewards.checkpoint(id, ALICE);
    }

    function test_checkpoints_are_kept_by_epoch_and_never_fall() public {
        enrol(id, ALICE);
        earn(ALICE, 10);
        expectEvent();
        emit IRewardsDistributor.Checkpointed(id, ALICE, 0, 10);
        rewards.checkpoint(id, ALICE);
        earn(ALICE, 1);
        vm.warp(endOf(0) - 1);
        rewards.checkpoint(id, ALICE);
        vm.warp(endOf(0));
        earn(ALICE, 5);
        rewards.checkpoint(id, ALICE);
        vm.warp(endOf(4));
        rewards.checkpoint(id, ALICE);
        vm.assertEq(rewards.checkpointAt(id, ALICE, 0), 11, "the last of epoch 0");
        vm.assertEq(rewards.checkpointAt(id, ALICE, 1), 16, "epoch 1");
        vm.assertEq(rewards.checkpointAt(id, ALICE, 4), 16, "epoch 4");
        earn(ALICE, 100);
        vm.prank(ALICE);
        rewards.leave(id);
        vm.assertEq(rewards.counterAt(id, ALICE, 5), 116, "leaving notes it too");
        vm.assertEq(rewards.checkpointAt(id, ALICE, 4), 16, "the past stays");
    }

    function test_capacity_has_no_checkpoints() public {
        uint256 capacity = create(makeCapacity());
        enrol(capacity, ALICE);
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_WrongKind.selector, capacity));
        rewards.checkpoint(capacity, ALICE);
    }
}
