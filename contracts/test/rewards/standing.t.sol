// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";

contract StandingTest is RewardsTest {
    uint256 private id;
    IRewardsDistributor.Attribute[] private attributes;

    function setUp() public override {
        super.setUp();
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.startAt = START + 1 days;
        id = create(terms);
        enrol(id, ALICE);
        attributes.push(IRewardsDistributor.Attribute("region", "north"));
    }

    function endAt(uint32 epoch) private pure returns (uint40) {
        return endOf(epoch) + 1 days;
    }

    function test_a_factor_holds_for_whole_epochs_from_the_next_to_the_last_covered() public {
        vm.warp(endAt(0) - 1);
        attest(ALICE, auditors[1], attributes, endAt(3));
        expectEvent();
        emit IRewardsDistributor.FactorSet(id, ALICE, auditors[1], 15_000, 1, 4);
        prove(id, ALICE, auditors[1], attributes);
        assertFactors([uint32(10_000), 15_000, 15_000, 15_000, 10_000]);
        vm.assertEq(rewards.rateAt(id, ALICE, 1), 0.45e18, "rate");
        vm.assertEq(rewards.rateAt(id, ALICE, 4), 0.3e18, "and after");
    }

    function test_an_epoch_that_the_attestation_does_not_outlive_does_not_count() public {
        attest(ALICE, auditors[0], attributes, endAt(2) - 1);
        prove(id, ALICE, auditors[0], attributes);
        assertFactors([uint32(15_000), 15_000, 10_000, 10_000, 10_000]);
    }

    function test_before_the_start_it_counts_from_epoch_0_and_at_the_start_from_1() public {
        attest(ALICE, auditors[0], attributes, endAt(1));
        vm.warp(START + 1 days - 1);
        prove(id, ALICE, auditors[0], attributes);
        assertFactors([uint32(15_000), 15_000, 10_000, 10_000, 10_000]);
        attest(BOB, auditors[0], attributes, endAt(1));
        enrol(id, BOB);
        vm.warp(START + 1 days);
        prove(id, BOB, auditors[0], attributes);
        vm.assertEq(rewards.factorAt(id, BOB, 0), 10_000, "bob 0");
        vm.assertEq(rewards.factorAt(id, BOB, 1), 15_000, "bob 1");
    }

    function test_too_short_an_attestation_is_refused() public {
        attest(ALICE, auditors[0], attributes, endAt(0) - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IRewardsDistributor.RewardsDistributor_AttestationTooShort.selector, endAt(0) - 1)
        );
        prove(id, ALICE, auditors[0], attributes);
        attest(ALICE, auditors[0], attributes, endAt(0));
        prove(id, ALICE, auditors[0], attributes);
        vm.assertEq(rewards.factorAt(id, ALICE, 0), 15_000, "just long enough");
        attest(ALICE, auditors[0], attributes, START + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IRewardsDistributor.RewardsDistributor_AttestationTooShort.selector, START + 1)
        );
        prove(id, ALICE, auditors[0], attributes);
    }

    function test_listed_attributes_multiply_once_each_and_the_rate_stops_at_its_maximum() public {
        attributes.push(IRewardsDistributor.Attribute("shoe", "size"));
        attributes.push(IRewardsDistributor.Attribute("tier", "gold"));
        attributes.push(IRewardsDistributor.Attribute("tier", "gold"));
        attest(ALICE, auditors[0], attributes, endAt(5));
        prove(id, ALICE, auditors[0], attributes);
        vm.assertEq(rewards.factorAt(id, ALICE, 2), 18_517, "floor(15000 * 1.2345)");
        vm.assertEq(rewards.rateAt(id, ALICE, 2), 0.55551e18, "rate");
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.multipliers[0].factorBps = 50_000;
        terms.multipliers[1].factorBps = 50_000;
        uint256 steep = create(terms);
        enrol(steep, BOB);
        attest(BOB, auditors[0], attributes, endAt(5));
        prove(steep, BOB, auditors[0], attributes);
        vm.assertEq(rewards.factorAt(steep, BOB, 1), 250_000, "25 times");
        vm.assertEq(rewards.rateAt(steep, BOB, 1), MAX_RATE, "but no more than the maximum");
    }

    function test_a_factor_that_no_longer_grows_stops_at_32_bits() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.multipliers = new IRewardsDistributor.Multiplier[](32);
        bytes32[] memory hashes = new bytes32[](32);
        for (uint256 i = 0; i < 32; ++i) {
            attributes.push(IRewardsDistributor.Attribute("n", vm.toString(i)));
            hashes[i] = attributeHash("n", vm.toString(i));
            for (uint256 j = i; j > 0 && hashes[j] < hashes[j - 1]; --j) {
                (hashes[j], hashes[j - 1]) = (hashes[j - 1], hashes[j]);
            }
        }
        for (uint256 i = 0; i < 32; ++i) {
            terms.multipliers[i] = IRewardsDistributor.Multiplier(hashes[i], 50_000);
        }
        uint256 steep = create(terms);
        enrol(steep, BOB);
        attest(BOB, auditors[0], attributes, endAt(5));
        prove(steep, BOB, auditors[0], attributes);
        vm.assertEq(rewards.factorAt(steep, BOB, 1), type(uint32).max, "factor");
        vm.assertEq(rewards.rateAt(steep, BOB, 1), MAX_RATE, "rate");
    }

    function test_only_the_provider_and_its_operator_prove() public {
        attest(ALICE, auditors[0], attributes, endAt(5));
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NotAuthorised.selector, ALICE, STRANGER));
        vm.prank(STRANGER);
        rewards.prove(id, ALICE, auditors[0], attributes);
        vm.prank(OPERATOR);
        rewards.prove(id, ALICE, auditors[0], attributes);
    }

    function test_only_for_enrolled_providers_auditors_of_the_programme_and_what_they_attest() public {
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NotEnrolled.selector, id, BOB));
        prove(id, BOB, auditors[0], attributes);
        attest(ALICE, STRANGER, attributes, endAt(5));
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_NotAuditor.selector, id, STRANGER));
        prove(id, ALICE, STRANGER, attributes);
        bytes memory err = err2(IRewardsDistributor.RewardsDistributor_NotAttested.selector, ALICE, auditors[0]);
        vm.expectRevert(err);
        prove(id, ALICE, auditors[0], attributes);
        attest(ALICE, auditors[0], attributesOf("region", "south"), endAt(5));
        vm.expectRevert(err);
        prove(id, ALICE, auditors[0], attributes);
    }

    function test_nothing_is_proved_for_epochs_that_do_not_exist() public {
        attest(ALICE, auditors[0], attributes, endAt(EPOCHS + 5));
        vm.warp(endAt(EPOCHS - 2) - 1);
        prove(id, ALICE, auditors[0], attributes);
        vm.warp(endAt(EPOCHS - 2));
        vm.expectRevert(err1(IRewardsDistributor.RewardsDistributor_Over.selector, id));
        prove(id, ALICE, auditors[0], attributes);
    }

    function test_a_revoked_attestation_ends_with_the_epoch_in_which_somebody_says_so() public {
        attest(ALICE, auditors[0], attributes, endAt(7));
        prove(id, ALICE, auditors[0], attributes);
        holds();
        vm.warp(endAt(1));
        vm.prank(auditors[0]);
        registry.revoke(ALICE);
        expectEvent();
        emit IRewardsDistributor.FactorSet(id, ALICE, auditors[0], 10_000, 3, 3);
        vm.prank(STRANGER);
        rewards.refresh(id, ALICE);
        assertFactors([uint32(15_000), 15_000, 15_000, 10_000, 10_000]);
        holds();
    }

    function test_a_changed_or_shortened_attestation_can_be_refreshed_and_a_longer_one_not() public {
        attest(ALICE, auditors[0], attributes, endAt(4));
        prove(id, ALICE, auditors[0], attributes);
        attest(ALICE, auditors[0], attributes, endAt(4) + 1);
        holds();
        attest(ALICE, auditors[0], attributes, endAt(4) - 1);
        rewards.refresh(id, ALICE);
        prove(id, ALICE, auditors[0], attributes);
        attest(ALICE, auditors[0], attributesOf("region", "south"), endAt(7));
        rewards.refresh(id, ALICE);
        assertFactors([uint32(10_000), 10_000, 10_000, 10_000, 10_000]);
    }

    function test_an_expired_attestation_can_be_refreshed_from_its_last_second_on() public {
        attest(ALICE, auditors[0], attributes, endAt(2));
        prove(id, ALICE, auditors[0], attributes);
        vm.warp(endAt(2) - 1);
        holds();
        vm.warp(endAt(2));
        rewards.refresh(id, ALICE);
        assertFactors([uint32(15_000), 15_000, 15_000, 10_000, 10_000]);
    }

    function test_a_later_proof_leaves_the_past_alone() public {
        attest(ALICE, auditors[0], attributes, endAt(6));
        prove(id, ALICE, auditors[0], attributes);
        attest(ALICE, auditors[1], attributesOf("tier", "gold"), endAt(3));
        vm.warp(endAt(0));
        prove(id, ALICE, auditors[1], attributesOf("tier", "gold"));
        assertFactors([uint32(15_000), 15_000, 12_345, 12_345, 10_000]);
        prove(id, ALICE, auditors[0], attributes);
        assertFactors([uint32(15_000), 15_000, 15_000, 15_000, 15_000]);
    }

    function holds() private {
        vm.expectRevert(err2(IRewardsDistributor.RewardsDistributor_FactorHolds.selector, id, ALICE));
        rewards.refresh(id, ALICE);
    }

    function assertFactors(uint32[5] memory expected) private view {
        for (uint32 epoch = 0; epoch < 5; ++epoch) {
            vm.assertEq(rewards.factorAt(id, ALICE, epoch), expected[epoch], "factor");
        }
    }
}
