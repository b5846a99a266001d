// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";

contract ReportTest is RewardsTest {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        id = create(makeCapacity());
        enrol(id, ALICE);
        enrol(id, BOB);
    }

    function make(address provider, uint32 epoch, uint128 units)
        private
        view
        returns (IRewardsDistributor.CapacityReport memory)
    {
        return IRewardsDistributor.CapacityReport(id, provider, NORTH, epoch, units);
    }

    function test_what_a_quorum_signed_counts_by_epoch() public {
        vm.warp(endOf(0));
        expectEvent();
        emit IRewardsDistributor.ReportAccepted(id, ALICE, NORTH, 0, 100, 100, 100);
        report(id, ALICE, NORTH, 0, 100);
        vm.warp(endOf(2));
        report(id, ALICE, SOUTH, 2, 250);
        vm.assertEq(rewards.counterAt(id, ALICE, 0), 100, "epoch 0");
        vm.assertEq(rewards.counterAt(id, ALICE, 1), 100, "epoch 1");
        vm.assertEq(rewards.counterAt(id, ALICE, 2), 250, "epoch 2");
        vm.assertEq(rewards.counter(id, ALICE), 250, "now");
        vm.assertEq(rewards.capOf(id, ALICE), 5000, "20 each");
        IRewardsDistributor.MemberView memory member =
            IRewardsDistributor.MemberView(ALICE, 0, 0, false, 0, 250, 0, 3, 250);
        vm.assertEq(abi.encode(rewards.memberOf(id, ALICE)), abi.encode(member), "member");
    }

    function test_the_digest_is_the_typed_data_of_this_contract() public view {
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 3, 77);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("RewardsDistributor"),
                keccak256("1"),
                block.chainid,
                address(rewards)
            )
        );
        bytes32 typehash = keccak256(
            "CapacityReport(uint256 programme,address provider,bytes32 region,uint32 epoch,uint128 unitsCum)"
        );
        bytes32 hash = keccak256(abi.encode(typehash, id, ALICE, NORTH, uint32(3), uint128(77)));
        vm.assertEq(rewards.reportDigest(capacity), keccak256(abi.encodePacked("\x19\x01", domain, hash)), "digest");
    }

    function test_reports_are_taken_from_the_end_of_the_epoch_for_one_window() public {
        vm.warp(endOf(0) - 1);
        reportFails(make(ALICE, 0, 1), 2, err1(IRewardsDistributor.RewardsDistributor_TooEarly.selector, endOf(0)));
        vm.warp(endOf(0) + WINDOW - 1);
        report(id, ALICE, NORTH, 0, 1);
        vm.warp(endOf(0) + WINDOW);
        reportFails(
            make(BOB, 0, 1), 2, err1(IRewardsDistributor.RewardsDistributor_TooLate.selector, endOf(0) + WINDOW)
        );
    }

    function test_a_report_is_newer_than_the_last_and_of_an_epoch_of_the_programme() public {
        vm.warp(endOf(1));
        report(id, ALICE, NORTH, 1, 10);
        bytes4 bad = IRewardsDistributor.RewardsDistributor_BadEpoch.selector;
        reportFails(make(ALICE, 1, 10), 2, err2(bad, 2, 1));
        reportFails(make(ALICE, 0, 10), 2, err2(bad, 2, 0));
        reportFails(make(ALICE, EPOCHS, 10), 2, err2(bad, 2, EPOCHS));
        vm.warp(endOf(EPOCHS - 1));
        report(id, ALICE, NORTH, EPOCHS - 1, 10);
    }

    function test_time_before_enrolment_does_not_count() public {
        vm.warp(endOf(0));
        enrol(id, CAROL);
        reportFails(make(CAROL, 0, 1), 2, err2(IRewardsDistributor.RewardsDistributor_BadEpoch.selector, 1, 0));
    }

    function test_units_never_fall() public {
        vm.warp(endOf(0));
        report(id, ALICE, NORTH, 0, 10);
        vm.warp(endOf(1));
        reportFails(make(ALICE, 1, 9), 2, err2(IRewardsDistributor.RewardsDistributor_StaleReport.selector, 10, 9));
        report(id, ALICE, NORTH, 1, 10);
        vm.assertEq(rewards.counter(id, ALICE), 10, "nothing new");
    }

    function test_a_provider_gets_at_most_its_cap_in_an_epoch_and_the_rest_is_lost() public {
        vm.warp(endOf(3));
        report(id, ALICE, NORTH, 3, 601);
        vm.assertEq(rewards.counter(id, ALICE), 600, "the cap of one epoch, though four have passed");
        vm.warp(endOf(4));
        report(id, ALICE, NORTH, 4, 602);
        vm.assertEq(rewards.counter(id, ALICE), 601, "only what is new");
    }

    function test_a_region_gets_at_most_its_cap_in_an_epoch() public {
        vm.warp(endOf(0));
        report(id, ALICE, NORTH, 0, 600);
        report(id, BOB, NORTH, 0, 401);
        vm.assertEq(rewards.counter(id, BOB), 400, "what was left");
        vm.assertEq(rewards.regionUsed(id, NORTH, 0), 1000, "full");
        vm.warp(endOf(1));
        report(id, BOB, NORTH, 1, 501);
        vm.assertEq(rewards.counter(id, BOB), 500, "a new epoch");
        vm.assertEq(rewards.regionUsed(id, NORTH, 1), 100, "its own count");
    }

    function test_each_unit_needs_its_bond_that_was_not_asked_back() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.bondPerUnit = 3e6 * 1e18;
        id = create(terms);
        enrol(id, ALICE);
        enrol(id, BOB);
        vm.prank(BOB);
        registry.startUnbond(BOND - 2e6);
        vm.warp(endOf(0));
        report(id, ALICE, NORTH, 0, 400);
        report(id, BOB, NORTH, 0, 400);
        vm.assertEq(rewards.counter(id, ALICE), 333, "floor(1000 / 3)");
        vm.assertEq(rewards.counter(id, BOB), 0, "floor(2 / 3)");
        vm.prank(ALICE);
        registry.startUnbond(100e6);
        vm.warp(endOf(1));
        report(id, ALICE, NORTH, 1, 800);
        vm.assertEq(rewards.counter(id, ALICE), 633, "300 more");
    }

    function test_unlisted_regions_earn_nothing() public {
        vm.warp(endOf(0));
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 0, 1);
        capacity.region = bytes32("nowhere");
        reportFails(
            capacity,
            2,
            abi.encodeWithSelector(
                IRewardsDistributor.RewardsDistributor_UnknownRegion.selector, id, bytes32("nowhere")
            )
        );
    }

    function test_only_for_present_members_of_a_capacity_programme() public {
        vm.warp(endOf(0));
        reportFails(make(CAROL, 0, 1), 2, err2(IRewardsDistributor.RewardsDistributor_NotEnrolled.selector, id, CAROL));
        report(id, BOB, NORTH, 0, 7);
        vm.prank(BOB);
        rewards.leave(id);
        vm.warp(endOf(1));
        reportFails(make(BOB, 1, 9), 2, err2(IRewardsDistributor.RewardsDistributor_HasLeft.selector, id, BOB));
        vm.assertEq(rewards.counter(id, BOB), 7, "it keeps what it had");
        uint256 matched = create(atNow(makeMatched()));
        enrol(matched, ALICE);
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 0, 1);
        capacity.programme = matched;
        reportFails(capacity, 2, err1(IRewardsDistributor.RewardsDistributor_WrongKind.selector, matched));
    }

    function atNow(IRewardsDistributor.ProgrammeTerms memory terms)
        private
        view
        returns (IRewardsDistributor.ProgrammeTerms memory)
    {
        terms.startAt = uint40(block.timestamp);
        return terms;
    }

    function test_fewer_than_the_quorum_is_nothing_and_more_is_fine() public {
        vm.warp(endOf(0));
        reportFails(make(ALICE, 0, 1), 1, err2(IRewardsDistributor.RewardsDistributor_QuorumMissing.selector, 2, 1));
        (bytes32[] memory r, bytes32[] memory vs) = sign(make(ALICE, 0, 1), 3);
        (, bytes32[] memory fewer) = sign(make(ALICE, 0, 1), 2);
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_QuorumMissing.selector, 2, 3));
        rewards.report(make(ALICE, 0, 1), r, fewer);
        rewards.report(make(ALICE, 0, 1), r, vs);
        vm.assertEq(rewards.counter(id, ALICE), 1, "counted");
    }

    function test_signers_ascend_so_that_none_counts_twice() public {
        vm.warp(endOf(0));
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 0, 1);
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, 2);
        (r[0], r[1], vs[0], vs[1]) = (r[1], r[0], vs[1], vs[0]);
        bytes memory err = err1(IRewardsDistributor.RewardsDistributor_SignersNotAscending.selector, 1);
        vm.expectRevert(err);
        rewards.report(capacity, r, vs);
        (r[0], vs[0]) = (r[1], vs[1]);
        vm.expectRevert(err);
        rewards.report(capacity, r, vs);
    }

    function test_no_stranger_signs() public {
        vm.warp(endOf(0));
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 0, 1);
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, 2);
        uint256 key = 10;
        while (vm.addr(key) <= auditors[0]) {
            ++key;
        }
        (r[1], vs[1]) = vm.signCompact(key, rewards.reportDigest(capacity));
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NotAuditor.selector, id, vm.addr(key)));
        rewards.report(capacity, r, vs);
    }

    function test_malformed_signatures_are_refused() public {
        vm.warp(endOf(0));
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 0, 1);
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, 2);
        vs[1] = bytes32(uint256(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1));
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_InvalidSignature.selector, 1));
        rewards.report(capacity, r, vs);
    }

    function test_signatures_bind_every_field_the_chain_and_the_contract() public {
        vm.warp(endOf(1));
        IRewardsDistributor.CapacityReport memory capacity = make(ALICE, 1, 1);
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, 2);
        bytes32 digest = rewards.reportDigest(capacity);
        uint256 other = create(atNow(makeCapacity()));
        enrol(other, ALICE);
        capacity.programme = other;
        assertBound(digest, capacity);
        (capacity.programme, capacity.provider) = (id, BOB);
        assertBound(digest, capacity);
        (capacity.provider, capacity.region) = (ALICE, SOUTH);
        assertBound(digest, capacity);
        (capacity.region, capacity.epoch) = (NORTH, 0);
        assertBound(digest, capacity);
        (capacity.epoch, capacity.unitsCum) = (1, 2);
        assertBound(digest, capacity);
        vm.expectRevert();
        rewards.report(capacity, r, vs);
        capacity.unitsCum = 1;
        vm.chainId(block.chainid + 1);
        assertBound(digest, capacity);
        vm.expectRevert();
        rewards.report(capacity, r, vs);
    }

    function assertBound(bytes32 digest, IRewardsDistributor.CapacityReport memory changed) private view {
        vm.assertTrue(rewards.reportDigest(changed) != digest, "another digest");
    }
}
