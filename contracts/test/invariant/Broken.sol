// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An invariant does not hold; `what` begins with its number in contracts/README.md. Cheaper than a cheatcode,
/// which counts where a walk compares hundreds of numbers after every step.
error Broken(string what, uint256 found, uint256 expected);

function same(uint256 found, uint256 expected, string memory what) pure {
    if (found != expected) revert Broken(what, found, expected);
}

function same(address found, address expected, string memory what) pure {
    if (found != expected) revert Broken(what, uint160(found), uint160(expected));
}

function same(bytes32 found, bytes32 expected, string memory what) pure {
    if (found != expected) revert Broken(what, uint256(found), uint256(expected));
}

function atMost(uint256 found, uint256 most, string memory what) pure {
    if (found > most) revert Broken(what, found, most);
}

function holds(bool condition, string memory what) pure {
    if (!condition) revert Broken(what, 0, 1);
}
