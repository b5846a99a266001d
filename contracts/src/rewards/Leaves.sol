// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Terms} from "./Terms.sol";

/// @title Leaves
/// @notice The tree over a root's leaves, and the arithmetic of one leaf.
library Leaves {
    /// @dev Hashed twice, so that no inner node of a tree (64 bytes hashed once) can be taken for a leaf. The same as
    /// `keccak256(bytes.concat(keccak256(abi.encode(programme, leaf))))`, but over and over in the same memory: that of
    /// 1024 leaves would cost more than hashing them.
    function hash(IRewardsDistributor.Leaf calldata leaf, uint256 programme) internal pure returns (bytes32 twice) {
        // Read here and not in assembly, so that numbers too large for their type are refused.
        (uint256 index, address account) = (leaf.index, leaf.account);
        (uint256 measure, uint256 raw_, uint256 cumulative) = (leaf.measure, leaf.raw, leaf.cumulative);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, programme)
            mstore(add(free, 0x20), index)
            mstore(add(free, 0x40), account)
            mstore(add(free, 0x60), measure)
            mstore(add(free, 0x80), raw_)
            mstore(add(free, 0xa0), cumulative)
            mstore(0x00, keccak256(free, 0xc0))
            twice := keccak256(0x00, 0x20)
        }
    }

    /// @dev Reduces the level in place; `level` is not empty and is worth nothing afterwards.
    function rootOf(bytes32[] memory level) internal pure returns (bytes32) {
        uint256 size = level.length;
        while (size > 1) {
            uint256 pairs = size / 2;
            for (uint256 i = 0; i < pairs; ++i) {
                level[i] = Hashes.commutativeKeccak256(level[2 * i], level[2 * i + 1]);
            }
            // The node without partner moves up as it is.
            if (size % 2 == 1) level[pairs] = level[size - 1];
            size = pairs + size % 2;
        }
        return level[0];
    }

    /// @dev Fits 128 bits: Matched rates are below 1e18, and the terms of Capacity bound the product.
    function raw(uint128 units, uint128 rate) internal pure returns (uint256) {
        return uint256(units) * rate / Terms.SCALE;
    }

    /// @dev What is paid of `raw_` when `rawTotal` has to fit `allowance`.
    function scaled(uint128 raw_, uint256 rawTotal, uint128 allowance) internal pure returns (uint256) {
        return rawTotal <= allowance ? raw_ : uint256(raw_) * allowance / rawTotal;
    }
}
