// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Leaves} from "./Leaves.sol";
import {Posting} from "./Posting.sol";

/// @title Refuting
/// @notice Recomputes one leaf from the leaf before and from the chain.
abstract contract Refuting is Posting {
    using Leaves for Leaf;

    uint8 private constant RIGHT = 0;
    uint8 private constant MEASURE = 1;
    uint8 private constant RAW = 2;
    uint8 private constant CUMULATIVE = 3;

    /// @inheritdoc IRewardsDistributor
    function refute(
        uint256 id,
        uint32 number,
        Leaf calldata leaf,
        bytes32[] calldata proof,
        Leaf calldata previous,
        bytes32[] calldata previousProof
    ) external nonReentrant {
        // Checks
        Programme storage programme = _existing(id);
        Root storage root = programme.roots[number];
        // A root that is due has become the base of the books, and is pending no more.
        if (root.state != State.Pending || root.base != _books(programme).finalNumber) {
            revert RewardsDistributor_NotPending(id, number);
        }
        _requireLeaf(programme, id, number, leaf, proof);
        uint8 ground = _ground(programme, id, root, leaf, previous, previousProof);
        if (ground == RIGHT) revert RewardsDistributor_LeafIsRight(leaf.index);

        // Effects
        root.state = State.Refuted;
        _remove(programme, root);
        _credit[msg.sender][programme.terms.token] += programme.terms.posterBond;
        emit RootRefuted(id, number, msg.sender, leaf.index, ground);
    }

    function _requireLeaf(
        Programme storage programme,
        uint256 id,
        uint32 number,
        Leaf calldata leaf,
        bytes32[] calldata proof
    ) internal view {
        if (!_isIn(programme, id, number, leaf, proof)) {
            revert RewardsDistributor_BadProof(id, number, leaf.index);
        }
    }

    function _isIn(Programme storage programme, uint256 id, uint32 number, Leaf calldata leaf, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        return MerkleProof.verifyCalldata(proof, programme.roots[number].root, leaf.hash(id));
    }

    /// @dev The first rule that the leaf breaks.
    function _ground(
        Programme storage programme,
        uint256 id,
        Root storage root,
        Leaf calldata leaf,
        Leaf calldata previous,
        bytes32[] calldata previousProof
    ) private view returns (uint8) {
        Member storage member = programme.members[leaf.account];
        (uint128 measure, uint128 cumulative) =
            _before(programme, id, root, leaf.index, member, previous, previousProof);
        if (leaf.measure < Math.max(measure, _countAt(member, root.epoch))) return MEASURE;
        if (leaf.raw != Leaves.raw(leaf.measure - measure, _rateAt(programme, member, root.epoch))) return RAW;
        uint256 scaled = Leaves.scaled(leaf.raw, root.rawTotal, root.allowance);
        return leaf.cumulative == cumulative + scaled ? RIGHT : CUMULATIVE;
    }

    /// @dev What the leaf builds on: the final root's leaf of this index, or the start of a provider that is not in it.
    function _before(
        Programme storage programme,
        uint256 id,
        Root storage root,
        uint32 index,
        Member storage member,
        Leaf calldata previous,
        bytes32[] calldata previousProof
    ) private view returns (uint128 measure, uint128 cumulative) {
        uint32 base = root.base;
        if (index >= programme.roots[base].leafCount) return (member.baseline, 0);
        if (previous.index != index) revert RewardsDistributor_BadProof(id, base, previous.index);
        _requireLeaf(programme, id, base, previous, previousProof);
        return (previous.measure, previous.cumulative);
    }
}
