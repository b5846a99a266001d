// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bytes
/// @notice Stands in for OpenZeppelin's library of this name where the chain has no MCOPY, which that one needs.
/// @dev Only `Strings.equal` asks for it, which none of our contracts calls: it is here so that `Strings` compiles.
library Bytes {
    function equal(bytes memory a, bytes memory b) internal pure returns (bool) {
        return keccak256(a) == keccak256(b);
    }
}
