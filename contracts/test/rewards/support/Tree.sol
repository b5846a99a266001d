// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../../src/interfaces/IRewardsDistributor.sol";

/// @notice Trees and proofs as the specification says, written apart from the contract: by recursion over ranges.
library Tree {
    function leafHash(uint256 programme, IRewardsDistributor.Leaf memory leaf) internal pure returns (bytes32) {
        bytes memory words = abi.encodePacked(
            programme,
            uint256(leaf.index),
            uint256(uint160(leaf.account)),
            uint256(leaf.measure),
            uint256(leaf.raw),
            uint256(leaf.cumulative)
        );
        return keccak256(abi.encodePacked(keccak256(words)));
    }

    function root(uint256 programme, IRewardsDistributor.Leaf[] memory leaves) internal pure returns (bytes32) {
        return _node(_hashes(programme, leaves), 0, _height(leaves.length));
    }

    function proof(uint256 programme, IRewardsDistributor.Leaf[] memory leaves, uint256 index)
        internal
        pure
        returns (bytes32[] memory path)
    {
        bytes32[] memory hashes = _hashes(programme, leaves);
        uint256 height = _height(leaves.length);
        uint256 found;
        bytes32[] memory all = new bytes32[](height);
        for (uint256 level = 0; level < height; ++level) {
            uint256 sibling = (index >> level) ^ 1;
            // The sibling's first leaf does not exist: this node had no partner.
            if (sibling << level >= hashes.length) continue;
            all[found++] = _node(hashes, sibling, level);
        }
        path = new bytes32[](found);
        for (uint256 i = 0; i < found; ++i) {
            path[i] = all[i];
        }
    }

    /// @dev The node over leaves `[position << level, (position + 1) << level)`.
    function _node(bytes32[] memory hashes, uint256 position, uint256 level) private pure returns (bytes32) {
        if (level == 0) return hashes[position];
        bytes32 left = _node(hashes, 2 * position, level - 1);
        if ((2 * position + 1) << (level - 1) >= hashes.length) return left;
        bytes32 right = _node(hashes, 2 * position + 1, level - 1);
        return left < right ? keccak256(abi.encodePacked(left, right)) : keccak256(abi.encodePacked(right, left));
    }

    function _height(uint256 count) private pure returns (uint256 height) {
        while (uint256(1) << height < count) {
            ++height;
        }
    }

    function _hashes(uint256 programme, IRewardsDistributor.Leaf[] memory leaves)
        private
        pure
        returns (bytes32[] memory hashes)
    {
        hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            hashes[i] = leafHash(programme, leaves[i]);
        }
    }
}
