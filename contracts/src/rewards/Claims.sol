// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Leaves} from "./Leaves.sol";
import {Refuting} from "./Refuting.sol";
import {Terms} from "./Terms.sol";

/// @title Claims
/// @notice How rewards leave, and what was never promised returns.
/// @dev The caps of this file look at counters only: they hold if every root ever posted was a lie.
abstract contract Claims is Refuting {
    using Checkpoints for Checkpoints.Trace224;

    /// @inheritdoc IRewardsDistributor
    function claim(uint256 id, Leaf calldata leaf, bytes32[] calldata proof, address to) external nonReentrant {
        // Checks
        Programme storage programme = _existing(id);
        if (to == address(0)) revert RewardsDistributor_ZeroAddress();
        Books memory books = _finalise(programme, id);
        if (books.finalNumber == 0) revert RewardsDistributor_NothingFinal(id);
        if (leaf.account != msg.sender) revert RewardsDistributor_NotLeafOwner(leaf.account, msg.sender);
        _requireLeaf(programme, id, books.finalNumber, leaf, proof);
        uint128 amount = _payable(programme, books.committed, leaf);
        if (amount == 0) revert RewardsDistributor_NothingToClaim(id, msg.sender);

        // Effects
        address token = programme.terms.token;
        Member storage member = programme.members[msg.sender];
        member.claimed += amount;
        programme.claimed += amount;
        if (_isMatched(programme)) _matchedClaimed[msg.sender][token] += amount;
        emit RewardClaimed(id, msg.sender, to, amount, member.claimed);

        // Interactions
        _pay(token, to, amount);
    }

    /// @inheritdoc IRewardsDistributor
    function sweep(uint256 id) external {
        // Checks
        Programme storage programme = _existing(id);
        Books memory books = _finalise(programme, id);
        uint256 from = _sweepAt(programme);
        if (block.timestamp < from) revert RewardsDistributor_TooEarly(from);
        if (programme.first != 0) revert RewardsDistributor_StillPending(id, programme.first);
        // The cast holds: the funds of a programme fit 128 bits.
        uint128 amount = uint128(programme.funded.latest()) - books.committed - books.returned;
        if (amount == 0) revert RewardsDistributor_NothingToSweep(id);

        // Effects
        programme.returned = books.returned + amount;
        _credit[programme.sponsor][programme.terms.token] += amount;
        emit ProgrammeSwept(id, programme.sponsor, amount);
    }

    /// @dev What a leaf of the final root still pays.
    function _payable(Programme storage programme, uint128 committed, Leaf calldata leaf)
        internal
        view
        returns (uint128)
    {
        Member storage member = programme.members[leaf.account];
        uint256 most = Math.min(leaf.cumulative, _cap(programme, member, leaf.account));
        uint256 amount = Math.saturatingSub(most, member.claimed);
        amount = Math.min(amount, committed - programme.claimed);
        if (_isMatched(programme)) {
            address token = programme.terms.token;
            uint256 overall = Leaves.raw(MARKET.feesPaid(leaf.account, token), Terms.KAPPA_MAX);
            amount = Math.min(amount, Math.saturatingSub(overall, _matchedClaimed[leaf.account][token]));
        }
        // The cast holds: at most the leaf's 128 bits.
        return uint128(amount);
    }

    /// @dev The most that an account can ever have had out of a programme by now.
    function _cap(Programme storage programme, Member storage member, address account) internal view returns (uint256) {
        if (member.place == 0) return 0;
        return Leaves.raw(_counter(programme, member, account) - member.baseline, programme.terms.maxRate);
    }
}
