// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Counters} from "./Counters.sol";
import {Terms} from "./Terms.sol";

/// @title Rates
/// @notice What a unit of a provider's measure earns in an epoch.
abstract contract Rates is Counters {
    using Checkpoints for Checkpoints.Trace224;

    function _factorAt(Member storage member, uint32 epoch) internal view returns (uint32) {
        uint224 entry = member.factors.upperLookup(epoch);
        // The casts hold: two 32-bit numbers were put there; without an entry both are zero.
        return epoch < uint32(entry) ? uint32(entry >> 32) : Terms.ONE_BPS;
    }

    function _rateAt(Programme storage programme, Member storage member, uint32 epoch) internal view returns (uint128) {
        IRewardsDistributor.ProgrammeTerms storage terms = programme.terms;
        uint256 rate = uint256(terms.rate) * _factorAt(member, epoch) / Terms.ONE_BPS;
        // The cast holds: not above `maxRate`.
        return uint128(Math.min(rate, terms.maxRate));
    }
}
