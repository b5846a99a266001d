// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Programmes} from "./Programmes.sol";

/// @title Counters
/// @notice Finding a provider in a programme, and its counter.
abstract contract Counters is Programmes {
    using Checkpoints for Checkpoints.Trace224;

    function _enrolled(uint256 id, address provider)
        internal
        view
        returns (Programme storage programme, Member storage member)
    {
        programme = _existing(id);
        member = programme.members[provider];
        if (member.place == 0) revert IRewardsDistributor.RewardsDistributor_NotEnrolled(id, provider);
    }

    function _present(uint256 id, address provider)
        internal
        view
        returns (Programme storage programme, Member storage member)
    {
        (programme, member) = _enrolled(id, provider);
        if (member.left) revert IRewardsDistributor.RewardsDistributor_HasLeft(id, provider);
    }

    function _counter(Programme storage programme, Member storage member, address provider)
        internal
        view
        returns (uint128)
    {
        if (_isMatched(programme) && !member.left) return MARKET.feesPaid(provider, programme.terms.token);
        // The cast holds: only 128-bit counters are pushed.
        return uint128(member.counts.latest());
    }

    /// @dev The newest two entries are looked at first: no report is older than that while the newest epoch of all is
    /// posted, so that a long history does not make posting expensive.
    function _countAt(Member storage member, uint32 epoch) internal view returns (uint128) {
        Checkpoints.Trace224 storage counts = member.counts;
        uint256 length = counts.length();
        for (uint256 i = length; i > 0 && i + 2 > length; --i) {
            Checkpoints.Checkpoint224 storage entry = counts._checkpoints[i - 1];
            // The cast holds: only 128-bit counters are pushed.
            if (entry._key <= epoch) return uint128(entry._value);
        }
        return uint128(counts.upperLookup(epoch));
    }
}
