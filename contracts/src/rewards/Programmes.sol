// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../interfaces/IProviderRegistry.sol";
import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Store} from "./Store.sol";
import {Terms} from "./Terms.sol";

/// @title Programmes
/// @notice Finding a programme, and its time.
abstract contract Programmes is Store {
    ILeaseMarket internal immutable MARKET;
    IProviderRegistry internal immutable REGISTRY;

    constructor(ILeaseMarket market_) {
        MARKET = market_;
        REGISTRY = IProviderRegistry(market_.registry());
    }

    /// @dev The present epoch; 0 before the start, `epochs` or more after the end.
    function _epochNow(Programme storage programme) internal view returns (uint32) {
        uint256 startAt = programme.terms.startAt;
        if (block.timestamp < startAt) return 0;
        // The cast holds: seconds by at least an hour, until 40-bit time ends.
        return uint32((block.timestamp - startAt) / programme.terms.epochLength);
    }

    function _openEpoch(Programme storage programme, uint256 id) internal view returns (uint32 epoch) {
        epoch = _epochNow(programme);
        if (epoch >= programme.terms.epochs) revert IRewardsDistributor.RewardsDistributor_Over(id);
    }

    function _endOf(Programme storage programme, uint32 epoch) internal view returns (uint256) {
        return programme.terms.startAt + (uint256(epoch) + 1) * programme.terms.epochLength;
    }

    function _sweepAt(Programme storage programme) internal view returns (uint256) {
        return _endOf(programme, programme.terms.epochs - 1) + Terms.SWEEP_DELAY;
    }

    function _existing(uint256 id) internal view returns (Programme storage programme) {
        programme = _programmes[id];
        if (programme.sponsor == address(0)) revert IRewardsDistributor.RewardsDistributor_UnknownProgramme(id);
    }

    function _isMatched(Programme storage programme) internal view returns (bool) {
        return programme.terms.kind == Terms.MATCHED;
    }
}
