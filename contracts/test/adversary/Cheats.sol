// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Cheatcodes that only these tests use, beside those of `support/Vm.sol`.
interface Cheats {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    /// @dev What the last call cost; with `isolate`, what its receipt would say.
    function lastCallGas() external view returns (Gas memory);
    function record() external;
    function accesses(address target) external returns (bytes32[] memory reads, bytes32[] memory writes);
}

Cheats constant cheats = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));
