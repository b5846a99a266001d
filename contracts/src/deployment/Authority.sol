// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// A deployment needs an `AccessManager` as the authority of the market. The import has it compiled with our settings
// beside our contracts, so that whoever deploys finds its artifact.
// forge-lint: disable-next-line(unused-import)
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
