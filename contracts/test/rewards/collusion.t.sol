// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

/// @notice A quorum of auditors that signs whatever pays most, with as many providers as it likes.
contract CollusionTest is RewardsTest {
    uint32 private constant ROUNDS = 3;
    uint32 private constant SYBILS = 5;
    // 1000 in the north and 500 in the south, at no more than 20 base units each
    uint128 private constant REGIONS_MAX = 1_500 * 20;

    uint256 private id;

    function sybil(uint32 i) private pure returns (address) {
        return address(uint160(0xFB000 + i));
    }

    function begin(IRewardsDistributor.ProgrammeTerms memory terms) private {
        terms.epochs = ROUNDS;
        terms.multipliers[0].factorBps = 50_000;
        terms.multipliers[1].factorBps = 50_000;
        id = create(terms);
        fund(id, ROUNDS * terms.budgetPerEpoch);
        IRewardsDistributor.Attribute[] memory best = new IRewardsDistributor.Attribute[](2);
        best[0] = IRewardsDistributor.Attribute("region", "north");
        best[1] = IRewardsDistributor.Attribute("tier", "gold");
        vm.warp(START - 1);
        for (uint32 i = 0; i < SYBILS; ++i) {
            register(sybil(i));
            enrol(id, sybil(i));
            attest(sybil(i), auditors[0], best, START + 3650 days);
            prove(id, sybil(i), auditors[0], best);
        }
    }

    /// @dev Every sybil claims the impossible in every epoch, in both regions by turns; roots are right and all is claimed.
    function play() private returns (uint256 taken) {
        IRewardsDistributor.Leaf[] memory leaves = new IRewardsDistributor.Leaf[](SYBILS);
        for (uint32 epoch = 0; epoch < ROUNDS; ++epoch) {
            vm.warp(endOf(epoch));
            for (uint32 i = 0; i < SYBILS; ++i) {
                report(id, sybil(i), i % 2 == 0 ? NORTH : SOUTH, epoch, (epoch + 1) * 1e30);
            }
            vm.warp(endOf(epoch) + WINDOW);
            entitle(leaves, epoch);
            uint32 number = post(id, epoch, leaves);
            passWindow();
            vm.assertEq(rewards.rootOf(id, number).state, 3, "final");
            for (uint32 i = 0; i < SYBILS; ++i) {
                uint128 due = rewards.claimable(id, leaves[i], Tree.proof(id, leaves, i));
                if (due != 0) claim(id, leaves, i);
                taken += due;
            }
        }
    }

    function entitle(IRewardsDistributor.Leaf[] memory leaves, uint32 epoch) private view {
        uint256 total;
        for (uint32 i = 0; i < SYBILS; ++i) {
            uint128 count = rewards.counterAt(id, sybil(i), epoch);
            uint256 raw = uint256(count - leaves[i].measure) * rewards.rateAt(id, sybil(i), epoch) / 1e18;
            leaves[i] = leaf(i, sybil(i), count, uint128(raw), leaves[i].cumulative);
            total += raw;
        }
        uint256 allowance = rewards.allowanceOf(id, epoch);
        for (uint32 i = 0; i < SYBILS; ++i) {
            leaves[i].cumulative += uint128(
                total > allowance ? uint256(leaves[i].raw) * allowance / total : leaves[i].raw
            );
        }
    }

    function test_it_takes_exactly_the_regions_caps_at_the_highest_rate() public {
        begin(makeCapacity());
        vm.assertEq(play(), ROUNDS * REGIONS_MAX, "to the last unit, and no more");
        for (uint32 i = 0; i < SYBILS; ++i) {
            vm.assertLe(rewards.memberOf(id, sybil(i)).claimed, ROUNDS * 600 * 20, "the cap of one provider");
        }
        assertSolvent();
    }

    function test_or_the_budget_if_that_is_less() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.budgetPerEpoch = REGIONS_MAX / 2;
        begin(terms);
        uint256 taken = play();
        vm.assertLe(taken, ROUNDS * REGIONS_MAX / 2, "the budget");
        vm.assertLe(ROUNDS * (REGIONS_MAX / 2 - SYBILS), taken, "all of it but for the rounding");
    }

    function test_or_what_its_bonds_stand_for() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.bondPerUnit = 10e6 * 1e18;
        begin(terms);
        // 100 units behind 1000 of bond: five sybils, 20 each, three epochs
        vm.assertEq(play(), ROUNDS * SYBILS * 100 * 20, "bond for each unit");
    }

    function test_fewer_than_the_quorum_take_nothing() public {
        begin(makeCapacity());
        vm.warp(endOf(0));
        IRewardsDistributor.CapacityReport memory capacity =
            IRewardsDistributor.CapacityReport(id, sybil(0), NORTH, 0, 1);
        reportFails(capacity, 1, err2(IRewardsDistributor.RewardsDistributor_QuorumMissing.selector, 2, 1));
    }

    function test_with_a_poster_of_wrong_roots_that_nobody_refutes_it_takes_no_more() public {
        begin(makeCapacity());
        vm.warp(endOf(0));
        report(id, sybil(0), NORTH, 0, 1e30);
        vm.warp(endOf(0) + WINDOW);
        IRewardsDistributor.Leaf[] memory leaves = new IRewardsDistributor.Leaf[](SYBILS);
        for (uint32 i = 0; i < SYBILS; ++i) {
            leaves[i] = leaf(i, sybil(i), i == 0 ? 600 : 0, 0, BUDGET / SYBILS);
        }
        post(id, 0, leaves);
        passWindow();
        claim(id, leaves, 0);
        vm.assertEq(token.balanceOf(sybil(0)), 600 * 20, "what was reported, at the highest rate");
        for (uint32 i = 1; i < SYBILS; ++i) {
            bytes memory err = err2(IRewardsDistributor.RewardsDistributor_NothingToClaim.selector, id, sybil(i));
            claimFails(id, leaves, i, err);
        }
    }
}
