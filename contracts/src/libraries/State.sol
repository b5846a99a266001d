// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title State
/// @notice The states of a lease; the first five are the numbers that {ILeaseMarket} shows.
/// @dev Numbers and not an enum, whose range the compiler would check again at every look: 500 bytes of code.
library State {
    uint8 internal constant NONE = 0;
    uint8 internal constant OPEN = 1;
    uint8 internal constant ACTIVE = 2;
    uint8 internal constant DISPUTED = 3;
    uint8 internal constant CLOSED = 4;
    /// @dev Active with a waiting claim, and shown as Active.
    uint8 internal constant CLAIMED = 5;
}
