// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {RewardsTest} from "../rewards/support/RewardsTest.sol";
import {Tree} from "../rewards/support/Tree.sol";
import {vm} from "../support/Vm.sol";

/// @notice What the distributor's calls cost as transactions of their own, as in `gas.t.sol`.
contract RewardsGasTest is RewardsTest {
    /// @dev What EIP-7825 lets a transaction use.
    uint256 private constant TRANSACTION = 16_777_216;
    /// @dev An amount of a token of 18 decimals, without zero bytes, which cost less.
    uint128 private constant LONG = 1_234_567_890_123_456_789_012_345;

    function snapshot(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("gas", name);
    }

    function fill(uint256 id, uint32 count) private returns (IRewardsDistributor.Leaf[] memory leaves) {
        leaves = new IRewardsDistributor.Leaf[](count);
        for (uint32 i = 0; i < count; ++i) {
            address who = address(uint160(uint256(keccak256(abi.encode(i)))));
            register(who);
            enrol(id, who);
            earn(who, 100e6);
            leaves[i] = leaf(i, who, 100e6, 30e6, 1e6);
        }
    }

    function test_programme() public {
        uint256 id = create(makeCapacity());
        snapshot("rewardsCreate");
        fund(id, BUDGET);
        snapshot("rewardsFund");
        enrol(id, ALICE);
        enrol(id, BOB);
        snapshot("rewardsEnrol");
        vm.warp(endOf(0));
        report(id, BOB, SOUTH, 0, 100);
        snapshot("rewardsReport");
    }

    function test_root_of_100() public {
        uint256 id = create(makeMatched());
        fund(id, 8 * BUDGET);
        IRewardsDistributor.Leaf[] memory leaves = fill(id, 100);
        vm.warp(endOf(0));
        uint32 number = post(id, 0, leaves);
        snapshot("rewardsPost100");
        uint256 state = vm.snapshotState();
        refute(id, number, leaves, 7, none());
        snapshot("rewardsRefute");
        vm.revertToState(state);
        passWindow();
        claim(id, leaves, 7);
        snapshot("rewardsClaimFirst");
        claim(id, leaves, 8);
        snapshot("rewardsClaim");
    }

    function test_the_largest_root_fits_a_transaction() public {
        uint256 id = create(makeMatched());
        fund(id, 8 * 1_024e6);
        IRewardsDistributor.Leaf[] memory leaves = fill(id, 1024);
        for (uint256 i = 0; i < 1024; ++i) {
            leaves[i].cumulative = 0.9e6;
        }
        vm.warp(endOf(0));
        post(id, 0, leaves);
        vm.assertLe(snapshot("rewardsPost1024"), TRANSACTION, "fits");
        vm.assertEq(rewards.rootOf(id, 1).root, Tree.root(id, leaves), "root");
    }

    /// @dev A counter that stands still is read from its history, which costs more than asking the market.
    function test_the_largest_root_fits_a_transaction_when_everybody_left() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeMatched();
        terms.budgetPerEpoch = 1024 * LONG;
        uint256 id = create(terms);
        fund(id, 1024 * LONG);
        IRewardsDistributor.Leaf[] memory leaves = fill(id, 1024);
        for (uint32 i = 0; i < 1024; ++i) {
            earn(leaves[i].account, LONG - 100e6);
            leaves[i] = leaf(i, leaves[i].account, LONG, LONG * 3 / 10, LONG * 3 / 10);
            vm.prank(leaves[i].account);
            rewards.leave(id);
        }
        vm.warp(endOf(0));
        post(id, 0, leaves);
        vm.assertLe(snapshot("rewardsPost1024Left"), TRANSACTION, "fits");
    }

    /// @dev Where the window is as long as the epoch, roots can be posted only when the next epoch's reports come in too,
    /// so that every provider's newest entry is not the one that counts.
    function test_the_largest_root_fits_a_transaction_when_the_next_reports_are_in() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.challengeWindow = LENGTH;
        terms.budgetPerEpoch = 1024 * LONG;
        terms.providerCap = LONG;
        (terms.rate, terms.maxRate, terms.bondPerUnit) = (0.3e18, 0.3e18, 1);
        terms.regionCaps[0].unitsPerEpoch = type(uint128).max;
        uint256 id = create(terms);
        fund(id, 1024 * LONG);
        IRewardsDistributor.Leaf[] memory leaves = fill(id, 1024);
        for (uint32 epoch = 0; epoch < 2; ++epoch) {
            vm.warp(endOf(epoch));
            for (uint32 i = 0; i < 1024; ++i) {
                leaves[i] = leaf(i, leaves[i].account, LONG, LONG * 3 / 10, LONG * 3 / 10);
                report(id, leaves[i].account, NORTH, epoch, LONG * (epoch + 1));
            }
        }
        post(id, 0, leaves);
        vm.assertLe(snapshot("rewardsPost1024Reported"), TRANSACTION, "fits");
    }

    /// @dev Weekly for eight years, posted as late as reports of the next epoch allow: the history is long and not the
    /// newest entry counts.
    function test_a_long_history_of_reports_does_not_make_posting_expensive() public {
        IRewardsDistributor.ProgrammeTerms memory terms = makeCapacity();
        terms.epochs = 400;
        uint256 id = create(terms);
        fund(id, BUDGET);
        enrol(id, ALICE);
        for (uint32 epoch = 0; epoch < 400; ++epoch) {
            vm.warp(endOf(epoch));
            report(id, ALICE, NORTH, epoch, epoch + 1);
        }
        post(id, 398, one(leaf(0, ALICE, 399, 3_990, 3_990)));
        vm.assertLe(snapshot("rewardsPostOneOfALongHistory"), 350_000, "a few reads");
    }
}
