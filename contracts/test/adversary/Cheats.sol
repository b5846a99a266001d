// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Cheatcodes that only these tests use, beside those of `support/Vm.sol`.
interface Cheats {
    /// @dev Makes an account's slots cold again, as they are at the start of a transaction.
    function cool(address target) external;
    function record() external;
    function accesses(address target) external returns (bytes32[] memory reads, bytes32[] memory writes);
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool done);
}

Cheats constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
