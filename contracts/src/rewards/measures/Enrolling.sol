// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IProviderRegistry} from "../../interfaces/IProviderRegistry.sol";
import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {Rates} from "../Rates.sol";
import {Terms} from "../Terms.sol";

/// @title Enrolling
/// @notice How providers come and go, and how a counter is noted.
abstract contract Enrolling is Rates {
    using Checkpoints for Checkpoints.Trace224;

    uint8 private constant ACTIVE = 1;

    /// @notice See {IRewardsDistributor-enrol}.
    function enrol(uint256 id) external {
        // Checks
        Programme storage programme = _existing(id);
        uint32 epoch = _openEpoch(programme, id);
        Member storage member = programme.members[msg.sender];
        if (member.place != 0) revert IRewardsDistributor.RewardsDistributor_AlreadyEnrolled(id, msg.sender);
        IProviderRegistry.ProviderView memory provider = REGISTRY.providerOf(msg.sender);
        if (provider.status != ACTIVE || _keptBond(provider) < REGISTRY.minBond()) {
            revert IRewardsDistributor.RewardsDistributor_NotActive(msg.sender);
        }
        uint256 index = programme.providers.length;
        if (index == Terms.MAX_ENROLLED) revert IRewardsDistributor.RewardsDistributor_Full(id);

        // Effects
        if (_isMatched(programme)) {
            address token = programme.terms.token;
            uint256 other = _countedIn[msg.sender][token];
            if (other != 0) revert IRewardsDistributor.RewardsDistributor_EnrolledElsewhere(other);
            _countedIn[msg.sender][token] = id;
            member.baseline = MARKET.feesPaid(msg.sender, token);
        }
        programme.providers.push(msg.sender);
        programme.enrolled.push(epoch, uint224(index + 1));
        // The casts hold: at most 1024.
        member.place = uint32(index + 1);
        member.enrolledIn = epoch;
        member.nextReport = epoch;
        emit IRewardsDistributor.ProviderEnrolled(id, msg.sender, uint32(index), epoch, member.baseline);
    }

    /// @notice See {IRewardsDistributor-leave}.
    function leave(uint256 id) external {
        // Checks
        (Programme storage programme, Member storage member) = _present(id, msg.sender);

        // Effects
        uint32 epoch = _epochNow(programme);
        uint128 count = _counter(programme, member, msg.sender);
        if (_isMatched(programme)) {
            member.counts.push(epoch, count);
            delete _countedIn[msg.sender][programme.terms.token];
        }
        member.left = true;
        emit IRewardsDistributor.ProviderLeft(id, msg.sender, epoch, count);
    }

    /// @notice See {IRewardsDistributor-checkpoint}.
    function checkpoint(uint256 id, address provider) external {
        // Checks
        (Programme storage programme, Member storage member) = _present(id, provider);
        if (!_isMatched(programme)) revert IRewardsDistributor.RewardsDistributor_WrongKind(id);

        // Effects
        uint32 epoch = _epochNow(programme);
        uint128 count = _counter(programme, member, provider);
        member.counts.push(epoch, count);
        emit IRewardsDistributor.Checkpointed(id, provider, epoch, count);
    }

    /// @dev The bond that has not been asked back; a slashed bond can be smaller than what was asked.
    function _keptBond(IProviderRegistry.ProviderView memory provider) internal pure returns (uint128) {
        return provider.bond > provider.unbonding ? provider.bond - provider.unbonding : 0;
    }
}
