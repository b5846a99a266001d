// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";

contract CreateTest is RewardsTest {
    function test_the_log_and_the_view_tell_all_rules() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        expectEvent();
        emit IRewardsDistributor.ProgrammeCreated(1, SPONSOR, address(token), terms);
        vm.assertEq(create(terms), 1, "the first");
        vm.assertEq(create(makeMatched()), 2, "the second");
        vm.assertEq(abi.encode(rewards.termsOf(1)), abi.encode(terms), "capacity");
        vm.assertEq(abi.encode(rewards.termsOf(2)), abi.encode(makeMatched()), "matched");
        IRewardsDistributor.ProgrammeView memory books;
        books.sponsor = SPONSOR;
        vm.assertEq(abi.encode(rewards.programmeOf(1)), abi.encode(books), "empty books");
        vm.assertEq(rewards.programmeCount(), 2, "count");
    }

    function test_what_does_not_exist_is_refused_everywhere() public {
        bytes memory err = err1(IRewardsDistributor.RewardsDistributor_UnknownProgramme.selector, 1);
        vm.expectRevert(err);
        rewards.termsOf(1);
        vm.expectRevert(err);
        rewards.programmeOf(1);
        vm.expectRevert(err);
        rewards.rootOf(1, 0);
        vm.expectRevert(err);
        rewards.fund(1, 1);
        vm.expectRevert(err);
        rewards.enrol(1);
        vm.expectRevert(err);
        rewards.leave(1);
        vm.expectRevert(err);
        rewards.checkpoint(1, ALICE);
        vm.expectRevert(err);
        rewards.post(1, 0, 0, none());
        vm.expectRevert(err);
        rewards.refute(1, 1, noLeaf(), noProof(), noLeaf(), noProof());
        vm.expectRevert(err);
        rewards.finalise(1);
        vm.expectRevert(err);
        rewards.returnBond(1, 1);
        vm.expectRevert(err);
        rewards.claim(1, noLeaf(), noProof(), ALICE);
        vm.expectRevert(err);
        rewards.sweep(1);
    }

    function test_constants_are_what_the_documents_say() public view {
        vm.assertEq(rewards.kappaMax(), 0.9e18, "kappa");
        vm.assertEq(rewards.maxEnrolled(), 1024, "enrolled");
        vm.assertEq(rewards.sweepDelay(), 90 days, "sweep");
        vm.assertEq(rewards.market(), address(market), "market");
        vm.assertEq(rewards.registry(), address(registry), "registry");
    }

    function test_bounds_of_kind_token_and_time() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.kind = 0;
        createFails(terms, "kind");
        terms.kind = 3;
        createFails(terms, "kind");
        terms = makeMatched();
        terms.token = address(0);
        createFails(terms, "token");
        terms = makeMatched();
        terms.startAt = START - 1;
        createFails(terms, "startAt");
        terms.startAt = START + 366 days + 1;
        createFails(terms, "startAt");
        terms.startAt = START + 366 days;
        create(terms);
        terms = makeMatched();
        terms.epochs = 0;
        createFails(terms, "epochs");
        (terms.epochs, terms.epochLength) = (61, 60 days);
        create(terms);
        terms.epochLength += 1;
        createFails(terms, "epochs");
    }

    function test_bounds_of_windows() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.challengeWindow = 1 hours - 1;
        createFails(terms, "challengeWindow");
        terms.challengeWindow = 1 hours;
        create(terms);
        terms.epochLength = 1 hours;
        create(terms);
        terms.epochLength = 1 hours - 1;
        createFails(terms, "epochLength");
        (terms.epochLength, terms.challengeWindow) = (31 days, 30 days + 1);
        createFails(terms, "challengeWindow");
        terms.challengeWindow = 30 days;
        create(terms);
    }

    function test_bounds_of_money() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.budgetPerEpoch = 0;
        createFails(terms, "budgetPerEpoch");
        terms = makeMatched();
        terms.posterBond = 0;
        createFails(terms, "posterBond");
        terms = makeMatched();
        terms.rate = 0;
        createFails(terms, "rate");
        terms.rate = terms.maxRate + 1;
        createFails(terms, "rate");
        terms.rate = terms.maxRate;
        create(terms);
        terms.maxRate = 0.9e18 + 1;
        createFails(terms, "maxRate");
        terms.maxRate = 0.9e18;
        create(terms);
    }

    function test_multipliers_are_at_most_32_between_one_and_five_and_ascend() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.multipliers = new IRewardsDistributor.Multiplier[](33);
        for (uint256 i = 0; i < 33; ++i) {
            terms.multipliers[i] = IRewardsDistributor.Multiplier(bytes32(i), uint16(i % 2 == 0 ? 10_000 : 50_000));
        }
        createFails(terms, "multipliers");
        terms.multipliers = cut(terms.multipliers);
        create(terms);
        terms.multipliers[31].factorBps = 9_999;
        createFails(terms, "multipliers");
        terms.multipliers[31].factorBps = 50_001;
        createFails(terms, "multipliers");
        terms.multipliers[31] = terms.multipliers[30];
        createFails(terms, "multipliers");
    }

    function test_auditors_are_at_most_16_ascend_and_are_not_zero() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.auditors = new address[](17);
        for (uint160 i = 0; i < 17; ++i) {
            terms.auditors[i] = address(i + 1);
        }
        createFails(terms, "auditors");
        terms.auditors = cut(terms.auditors);
        create(terms);
        terms.auditors[15] = terms.auditors[14];
        createFails(terms, "auditors");
        terms.auditors = new address[](1);
        createFails(terms, "auditors");
        terms.auditors = new address[](0);
        create(terms);
    }

    function test_a_matched_programme_has_nothing_of_capacity() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.quorum = 1;
        createFails(terms, "quorum");
        terms = makeMatched();
        terms.providerCap = 1;
        createFails(terms, "providerCap");
        terms = makeMatched();
        terms.regionCaps = makeCapacity().regionCaps;
        createFails(terms, "regionCaps");
        terms = makeMatched();
        terms.bondPerUnit = 1;
        createFails(terms, "bondPerUnit");
    }

    function test_bounds_of_capacity() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.quorum = 0;
        createFails(terms, "quorum");
        terms.quorum = 4;
        createFails(terms, "quorum");
        terms.quorum = 3;
        create(terms);
        terms.bondPerUnit = 0;
        createFails(terms, "bondPerUnit");
        terms = makeCapacity();
        terms.providerCap = 0;
        createFails(terms, "providerCap");
        (terms.providerCap, terms.rate, terms.maxRate) = (type(uint128).max / EPOCHS, 1, 1);
        create(terms);
        terms.providerCap += 1;
        createFails(terms, "providerCap");
    }

    function test_what_1024_providers_can_earn_fits_128_bits() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        (terms.providerCap, terms.epochs) = (1e18, 1);
        terms.maxRate = type(uint128).max / 1024;
        create(terms);
        terms.maxRate += 1;
        createFails(terms, "maxRate");
    }

    function test_regions_are_1_to_64_ascend_and_have_a_cap() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.regionCaps[1].unitsPerEpoch = 0;
        createFails(terms, "regionCaps");
        terms.regionCaps[1] = terms.regionCaps[0];
        createFails(terms, "regionCaps");
        terms.regionCaps = new IRewardsDistributor.RegionCap[](0);
        createFails(terms, "regionCaps");
        terms.regionCaps = regions(65);
        createFails(terms, "regionCaps");
        terms.regionCaps = regions(64);
        create(terms);
    }

    function test_a_word_outside_its_type_is_no_term() public {
        bytes memory data = abi.encodeCall(IRewardsDistributor.create, (makeMatched()));
        // The eighth word of the struct, after the selector and the struct's place: `rollover`.
        data[4 + 32 + 8 * 32 - 1] = 0x02;
        (bool done, bytes memory answer) = address(rewards).call(data);
        vm.assertTrue(!done, "refused");
        vm.assertEq(answer, abi.encodeWithSelector(Errors.FailedCall.selector), "without a reason");
    }

    function regions(uint256 count) private pure returns (IRewardsDistributor.RegionCap[] memory caps) {
        caps = new IRewardsDistributor.RegionCap[](count);
        for (uint256 i = 0; i < count; ++i) {
            caps[i] = IRewardsDistributor.RegionCap(bytes32(i), 1);
        }
    }

    /// @dev All but the last.
    function cut(IRewardsDistributor.Multiplier[] memory long)
        private
        pure
        returns (IRewardsDistributor.Multiplier[] memory short)
    {
        short = new IRewardsDistributor.Multiplier[](long.length - 1);
        for (uint256 i = 0; i < short.length; ++i) {
            short[i] = long[i];
        }
    }

    function cut(address[] memory long) private pure returns (address[] memory short) {
        short = new address[](long.length - 1);
        for (uint256 i = 0; i < short.length; ++i) {
            short[i] = long[i];
        }
    }
}

contract FundTest is RewardsTest {
    uint256 private id;

    function setUp() public override {
        super.setUp();
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.startAt = START + 1 days;
        id = create(terms);
    }

    function test_money_counts_from_the_epoch_in_which_it_comes() public {
        expectEvent();
        emit IRewardsDistributor.ProgrammeFunded(id, SPONSOR, 100, 0);
        fund(id, 100);
        vm.warp(START + 1 days + LENGTH - 1);
        fund(id, 10);
        vm.warp(START + 1 days + LENGTH);
        expectEvent();
        emit IRewardsDistributor.ProgrammeFunded(id, SPONSOR, 1, 1);
        fund(id, 1);
        vm.assertEq(rewards.fundedBy(id, 0), 110, "epoch 0");
        vm.assertEq(rewards.fundedBy(id, 1), 111, "epoch 1");
        vm.assertEq(rewards.fundedBy(id, EPOCHS - 1), 111, "last");
        vm.assertEq(rewards.programmeOf(id).funded, 111, "funded");
        vm.assertEq(rewards.allowanceOf(id, 0), 110, "only what came in time can be spent");
        vm.assertEq(rewards.allowanceOf(id, 1), 111, "both");
        assertSolvent();
    }

    function test_zero_is_no_amount() public {
        vm.expectRevert(IRewardsDistributor.RewardsDistributor_ZeroAmount.selector);
        rewards.fund(id, 0);
    }

    function test_takes_money_until_the_last_second_of_the_last_epoch() public {
        mint(SPONSOR, 2, address(rewards));
        vm.warp(START + 1 days + EPOCHS * LENGTH - 1);
        vm.prank(SPONSOR);
        rewards.fund(id, 1);
        vm.warp(START + 1 days + EPOCHS * LENGTH);
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_Over.selector, id));
        vm.prank(SPONSOR);
        rewards.fund(id, 1);
    }

    function test_a_programme_holds_at_most_128_bits() public {
        fund(id, type(uint128).max);
        mint(SPONSOR, 1, address(rewards));
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_FundsFull.selector, id));
        vm.prank(SPONSOR);
        rewards.fund(id, 1);
    }
}
