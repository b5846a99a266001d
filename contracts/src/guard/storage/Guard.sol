// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

/// @title Guard
/// @notice Against re-entrance, in ordinary storage. For chains without EIP-1153: `FOUNDRY_PROFILE=storage-guard`.
/// @dev Contracts import `guard/Guard.sol`; the build's remapping decides which of the two files that is.
abstract contract Guard is ReentrancyGuard {}
