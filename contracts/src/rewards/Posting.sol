// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Leaves} from "./Leaves.sol";
import {Roots} from "./Roots.sol";

/// @title Posting
/// @notice Takes all entitlements of an epoch in calldata, so that no root can be posted whose leaves are not known.
/// @dev What a leaf says of its provider is checked here, so that no root whatsoever counts what is not on chain; what
/// it says in relation to the root before needs that root's leaf, and is left to `refute`.
abstract contract Posting is Roots {
    using Checkpoints for Checkpoints.Trace224;
    using Leaves for Leaf;

    /// @inheritdoc IRewardsDistributor
    function post(uint256 id, uint32 epoch, uint32 base, Leaf[] calldata leaves)
        external
        nonReentrant
        returns (uint32 number)
    {
        // Checks
        Programme storage programme = _existing(id);
        Books memory books = _finalise(programme, id);
        if (base != books.finalNumber) revert RewardsDistributor_StaleBase(books.finalNumber);
        _checkTime(programme, epoch, books.nextEpoch);
        uint256 expected = programme.enrolled.upperLookup(epoch);
        if (leaves.length != expected || expected == 0) {
            revert RewardsDistributor_BadLeafCount(expected, leaves.length);
        }
        Root memory root = _build(programme, id, epoch, leaves);
        root.base = base;
        root.allowance = _allowance(programme, books, epoch);
        root.cumulativeTotal = _total(leaves, books.committed, root.allowance);

        // Effects
        number = _append(programme, root);
        _announce(id, number, root, leaves);

        // Interactions
        _draw(programme.terms.token, programme.terms.posterBond);
    }

    function _checkTime(Programme storage programme, uint32 epoch, uint32 nextEpoch) private view {
        ProgrammeTerms storage terms = programme.terms;
        if (epoch < nextEpoch || epoch >= terms.epochs) revert RewardsDistributor_BadEpoch(nextEpoch, epoch);
        uint256 from = _endOf(programme, epoch);
        if (!_isMatched(programme)) from += terms.challengeWindow;
        if (block.timestamp < from) revert RewardsDistributor_TooEarly(from);
        uint256 until = _sweepAt(programme);
        if (block.timestamp >= until) revert RewardsDistributor_TooLate(until);
    }

    function _build(Programme storage programme, uint256 id, uint32 epoch, Leaf[] calldata leaves)
        private
        view
        returns (Root memory root)
    {
        bytes32[] memory level = new bytes32[](leaves.length);
        address[] storage providers = programme.providers;
        bool matched = _isMatched(programme);
        for (uint256 i = 0; i < leaves.length; ++i) {
            Leaf calldata leaf = leaves[i];
            if (leaf.index != i || leaf.account != providers[i] || !_isPossible(programme, epoch, leaf, matched)) {
                revert RewardsDistributor_BadLeaf(i);
            }
            level[i] = leaf.hash(id);
            root.rawTotal += leaf.raw;
        }
        root.root = Leaves.rootOf(level);
        root.poster = msg.sender;
        // The casts hold: seconds since 1970, and at most 1024.
        root.postedAt = uint40(block.timestamp);
        root.leafCount = uint16(leaves.length);
        root.epoch = epoch;
    }

    function _isPossible(Programme storage programme, uint32 epoch, Leaf calldata leaf, bool matched)
        private
        view
        returns (bool)
    {
        Member storage member = programme.members[leaf.account];
        if (matched) return leaf.measure <= _counter(programme, member, leaf.account);
        return leaf.measure == _countAt(member, epoch);
    }

    function _total(Leaf[] calldata leaves, uint128 committed, uint128 allowance) private pure returns (uint128) {
        uint256 total;
        for (uint256 i = 0; i < leaves.length; ++i) {
            total += leaves[i].cumulative;
        }
        if (total < committed || total - committed > allowance) {
            revert RewardsDistributor_OverAllowance(allowance, committed, total);
        }
        // The cast holds: what is committed or allowed is part of the funds, which fit 128 bits.
        return uint128(total);
    }

    function _announce(uint256 id, uint32 number, Root memory root, Leaf[] calldata leaves) private {
        emit RootPosted(
            id,
            number,
            root.epoch,
            root.poster,
            root.base,
            root.root,
            root.rawTotal,
            root.cumulativeTotal,
            root.allowance,
            leaves
        );
    }
}
