// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {bound, vm} from "../support/Vm.sol";
import {RewardsTest} from "./support/RewardsTest.sol";
import {Tree} from "./support/Tree.sol";

/// @notice Random providers, fees, factors, funds, budgets and gaps. The right root is computed here from what this test
/// did, not from what the contract says; no leaf of it can be refuted, and every other one can.
contract RightRootFuzzTest is RewardsTest {
    uint256 private constant ROUNDS = 3;

    struct Story {
        address account;
        uint256 feesAtEnd;
        uint256 paidFor;
        uint256 entitled;
        uint256 factor;
        uint256 nextFactor;
        bool gone;
    }

    uint256 private id;
    uint256 private budget;
    uint256 private rate;
    uint256 private maxRate;
    bool private rollover;
    bytes32 private firstAttribute;
    uint16[2] private factors;
    Story[] private stories;
    IRewardsDistributor.Leaf[] private previous;
    uint256 private funds;
    uint256 private committed;
    uint256 private returned;
    uint256 private carried;
    uint256 private random;

    function draw(uint256 low, uint256 high) private returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return bound(random, low, high);
    }

    function testFuzz_a_right_root_cannot_be_refuted_and_any_other_can(uint256 seed) public {
        random = seed;
        id = create(randomTerms());
        uint32 epoch;
        uint32 done;
        for (uint256 round = 0; round < ROUNDS; ++round) {
            uint32 last = epoch + uint32(draw(0, 1));
            for (; epoch <= last; ++epoch) {
                live(epoch);
                vm.warp(endOf(epoch));
                epochEnds();
            }
            // What happens after the end of the epoch changes nothing in its root.
            if (draw(0, 1) == 0) meddle();
            check(last, last + 1 - done);
            done = last + 1;
        }
    }

    function randomTerms() private returns (IRewardsDistributor.ProgrammeTerms memory made) {
        made = makeMatched();
        made.maxRate = uint128(draw(1, 0.9e18));
        made.rate = uint128(draw(1, made.maxRate));
        made.budgetPerEpoch = uint128(draw(1, 10 ** draw(1, 12)));
        made.rollover = draw(0, 1) == 0;
        made.multipliers[0].factorBps = uint16(draw(10_000, 50_000));
        made.multipliers[1].factorBps = uint16(draw(10_000, 50_000));
        (rate, maxRate, budget, rollover) = (made.rate, made.maxRate, made.budgetPerEpoch, made.rollover);
        factors = [made.multipliers[0].factorBps, made.multipliers[1].factorBps];
        firstAttribute = made.multipliers[0].attribute;
    }

    /// @dev One epoch: somebody may come, fees are paid, factors change, money is added, somebody may leave.
    function live(uint32 epoch) private {
        vm.warp((epoch == 0 ? START : endOf(epoch - 1)) + draw(0, LENGTH / 2));
        if (draw(0, 2) != 0) {
            uint128 amount = uint128(draw(1, 10 ** draw(1, 12)));
            fund(id, amount);
            funds += amount;
        }
        uint256 arrivals = stories.length == 0 ? draw(1, 4) : draw(0, 2);
        for (uint256 i = 0; i < arrivals; ++i) {
            arrive();
        }
        for (uint256 i = 0; i < stories.length; ++i) {
            stories[i].factor = stories[i].nextFactor;
            act(stories[i]);
        }
    }

    function arrive() private {
        address account = address(uint160(0xFA000 + stories.length));
        register(account);
        earn(account, uint128(draw(0, 1e9)));
        enrol(id, account);
        uint256 baseline = market.feesPaid(account, address(token));
        stories.push(Story(account, baseline, baseline, 0, 10_000, 10_000, false));
    }

    function act(Story storage story) private {
        earn(story.account, uint128(draw(0, 10 ** draw(0, 12))));
        if (draw(0, 2) == 0) promote(story);
        if (draw(0, 2) == 0 && !story.gone) rewards.checkpoint(id, story.account);
        if (draw(0, 7) == 0 && !story.gone) {
            vm.prank(story.account);
            rewards.leave(id);
            (story.gone, story.feesAtEnd) = (true, market.feesPaid(story.account, address(token)));
        }
    }

    function promote(Story storage story) private {
        bool gold = draw(0, 1) == 0;
        IRewardsDistributor.Attribute[] memory attributes =
            gold ? attributesOf("tier", "gold") : attributesOf("region", "north");
        attest(story.account, auditors[0], attributes, START + 3650 days);
        prove(id, story.account, auditors[0], attributes);
        bytes32 hash = gold ? attributeHash("tier", "gold") : attributeHash("region", "north");
        story.nextFactor = factors[firstAttribute == hash ? 0 : 1];
    }

    function epochEnds() private {
        for (uint256 i = 0; i < stories.length; ++i) {
            Story storage story = stories[i];
            if (!story.gone) story.feesAtEnd = market.feesPaid(story.account, address(token));
        }
    }

    function meddle() private {
        Story storage story = stories[draw(0, stories.length - 1)];
        earn(story.account, uint128(draw(1, 1e9)));
        if (!story.gone) rewards.checkpoint(id, story.account);
    }

    function check(uint32 epoch, uint32 covered) private {
        uint256 allowance = budget * covered + carried;
        if (allowance > funds - committed - returned) allowance = funds - committed - returned;
        vm.assertEq(rewards.allowanceOf(id, epoch), allowance, "allowance");
        (IRewardsDistributor.Leaf[] memory leaves, uint256 spent) = compute(allowance);
        uint32 number = post(id, epoch, leaves);
        vm.assertEq(rewards.rootOf(id, number).root, Tree.root(id, leaves), "root");
        noneWrong(number, leaves);
        otherwiseWrong(epoch, leaves, allowance - spent);
        passWindow();
        settle(leaves, allowance, spent);
    }

    function compute(uint256 allowance) private view returns (IRewardsDistributor.Leaf[] memory leaves, uint256 spent) {
        leaves = new IRewardsDistributor.Leaf[](stories.length);
        uint256 total;
        for (uint32 i = 0; i < leaves.length; ++i) {
            Story storage story = stories[i];
            uint256 each = rate * story.factor / 10_000;
            if (each > maxRate) each = maxRate;
            uint256 raw = (story.feesAtEnd - story.paidFor) * each / 1e18;
            total += raw;
            leaves[i] = leaf(i, story.account, uint128(story.feesAtEnd), uint128(raw), 0);
        }
        for (uint256 i = 0; i < leaves.length; ++i) {
            uint256 share = leaves[i].raw;
            if (total > allowance) share = share * allowance / total;
            spent += share;
            leaves[i].cumulative = uint128(stories[i].entitled + share);
        }
        vm.assertLe(spent, allowance, "within the allowance");
    }

    function noneWrong(uint32 number, IRewardsDistributor.Leaf[] memory leaves) private {
        IRewardsDistributor.Leaf[] memory before = previous;
        for (uint32 i = 0; i < leaves.length; ++i) {
            bytes memory isRight = err1(IRewardsDistributor.RewardsDistributor_LeafIsRight.selector, i);
            refuteFails(id, number, leaves, i, before, isRight);
        }
    }

    /// @dev Any other raw or cumulative amount of any leaf can be refuted by that leaf.
    function otherwiseWrong(uint32 epoch, IRewardsDistributor.Leaf[] memory leaves, uint256 left) private {
        IRewardsDistributor.Leaf[] memory before = previous;
        uint256 k = draw(0, leaves.length - 1);
        uint256 state = vm.snapshotState();
        (uint128 raw, uint128 cumulative) = (leaves[k].raw, leaves[k].cumulative);
        bool ofRaw = draw(0, 1) == 0;
        if (ofRaw) {
            leaves[k].raw = uint128(draw(0, 1) == 0 && leaves[k].raw > 0 ? leaves[k].raw - 1 : leaves[k].raw + 1);
        } else if (left > 0) {
            leaves[k].cumulative += uint128(draw(1, left));
        }
        if (ofRaw || left > 0) refute(id, post(id, epoch, leaves), leaves, k, before);
        vm.revertToState(state);
        (leaves[k].raw, leaves[k].cumulative) = (raw, cumulative);
    }

    function settle(IRewardsDistributor.Leaf[] memory leaves, uint256 allowance, uint256 spent) private {
        committed += spent;
        carried = rollover ? allowance - spent : 0;
        if (!rollover) returned += allowance - spent;
        delete previous;
        for (uint256 i = 0; i < stories.length; ++i) {
            (stories[i].paidFor, stories[i].entitled) = (stories[i].feesAtEnd, leaves[i].cumulative);
            previous.push(leaves[i]);
        }
        IRewardsDistributor.ProgrammeView memory books = rewards.programmeOf(id);
        vm.assertEq(books.committed, committed, "committed");
        vm.assertEq(books.returned, returned, "returned");
        vm.assertEq(books.carried, carried, "carried");
        uint256 k = draw(0, leaves.length - 1);
        if (leaves[k].cumulative > rewards.memberOf(id, leaves[k].account).claimed) {
            claim(id, leaves, k);
            vm.assertEq(rewards.memberOf(id, leaves[k].account).claimed, leaves[k].cumulative, "all, uncapped");
        }
        assertSolvent();
    }
}
