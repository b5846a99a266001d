// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// @title Guard
/// @notice Against re-entrance, in transient storage. For chains with EIP-1153; this is the default.
/// @dev Contracts import `guard/Guard.sol`; the build's remapping decides which of the two files that is.
abstract contract Guard is ReentrancyGuardTransient {}
