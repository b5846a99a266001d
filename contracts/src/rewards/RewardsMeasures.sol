// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Programmes} from "./Programmes.sol";
import {Creating} from "./measures/Creating.sol";
import {Reports} from "./measures/Reports.sol";

/// @title RewardsMeasures
/// @notice The part of the distributor that moves no token: what programmes, providers and auditors write down.
/// @dev The distributor creates it and runs its code on the distributor's own storage, because the whole does not fit
/// one contract. Both inherit all storage from {Store} alone, so that both see the same. Called by its own address it
/// writes into a storage that nobody reads and that has no tokens.
contract RewardsMeasures is Creating, Reports {
    constructor(ILeaseMarket market_) Programmes(market_) {}
}
