// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {Terms} from "../Terms.sol";
import {Enrolling} from "./Enrolling.sol";

/// @title Standing
/// @notice What attested attributes make of a provider's rate. A change takes effect with the next epoch, so that an
/// epoch that is over keeps the factor it had.
abstract contract Standing is Enrolling {
    using Checkpoints for Checkpoints.Trace224;

    /// @notice See {IRewardsDistributor-prove}.
    function prove(uint256 id, address provider, address auditor, IRewardsDistributor.Attribute[] calldata attributes)
        external
    {
        // Checks
        (Programme storage programme, Member storage member) = _enrolled(id, provider);
        if (!REGISTRY.isAuthorised(provider, msg.sender)) {
            revert IRewardsDistributor.RewardsDistributor_NotAuthorised(provider, msg.sender);
        }
        if (!_isAuditor(programme, auditor)) revert IRewardsDistributor.RewardsDistributor_NotAuditor(id, auditor);
        uint32 from = _nextEpoch(programme);
        if (from >= programme.terms.epochs) revert IRewardsDistributor.RewardsDistributor_Over(id);
        (bytes32 claimsHash,, uint40 expiry) = REGISTRY.attestationOf(provider, auditor);
        if (claimsHash != keccak256(abi.encode(attributes))) {
            revert IRewardsDistributor.RewardsDistributor_NotAttested(provider, auditor);
        }
        uint32 until = _epochsEndedBy(programme, expiry);
        if (until <= from) revert IRewardsDistributor.RewardsDistributor_AttestationTooShort(expiry);

        // Effects
        uint32 factor = _product(programme.terms.multipliers, attributes);
        member.claimsHash = claimsHash;
        member.auditor = auditor;
        member.expiry = expiry;
        member.factors.push(from, uint224(factor) << 32 | until);
        emit IRewardsDistributor.FactorSet(id, provider, auditor, factor, from, until);
    }

    /// @notice See {IRewardsDistributor-refresh}.
    function refresh(uint256 id, address provider) external {
        // Checks
        (Programme storage programme, Member storage member) = _enrolled(id, provider);
        address auditor = member.auditor;
        if (auditor == address(0)) revert IRewardsDistributor.RewardsDistributor_FactorHolds(id, provider);
        (bytes32 claimsHash,, uint40 expiry) = REGISTRY.attestationOf(provider, auditor);
        bool stands = claimsHash == member.claimsHash && expiry >= member.expiry && block.timestamp < expiry;
        if (stands) revert IRewardsDistributor.RewardsDistributor_FactorHolds(id, provider);

        // Effects
        uint32 from = _nextEpoch(programme);
        delete member.claimsHash;
        delete member.auditor;
        delete member.expiry;
        member.factors.push(from, uint224(Terms.ONE_BPS) << 32 | from);
        emit IRewardsDistributor.FactorSet(id, provider, auditor, Terms.ONE_BPS, from, from);
    }

    function _isAuditor(Programme storage programme, address account) internal view returns (bool) {
        address[] storage auditors = programme.terms.auditors;
        for (uint256 i = 0; i < auditors.length; ++i) {
            if (auditors[i] == account) return true;
        }
        return false;
    }

    /// @dev Each multiplier counts once, however often its attribute was attested.
    function _product(
        IRewardsDistributor.Multiplier[] storage multipliers,
        IRewardsDistributor.Attribute[] calldata attributes
    ) private view returns (uint32) {
        uint256 factor = Terms.ONE_BPS;
        uint256 used;
        for (uint256 i = 0; i < attributes.length; ++i) {
            bytes32 attribute = keccak256(abi.encode(attributes[i].key, attributes[i].value));
            for (uint256 j = 0; j < multipliers.length; ++j) {
                if (multipliers[j].attribute != attribute || used >> j & 1 == 1) continue;
                used |= 1 << j;
                factor = Math.min(factor * multipliers[j].factorBps / Terms.ONE_BPS, type(uint32).max);
            }
        }
        // The cast holds: the minimum above.
        return uint32(factor);
    }

    /// @dev The first epoch that has not begun.
    function _nextEpoch(Programme storage programme) private view returns (uint32) {
        return block.timestamp < programme.terms.startAt ? 0 : _epochNow(programme) + 1;
    }

    /// @dev How many epochs end no later than `time`.
    function _epochsEndedBy(Programme storage programme, uint40 time) private view returns (uint32) {
        IRewardsDistributor.ProgrammeTerms storage terms = programme.terms;
        // The cast holds: 40 bits of seconds by at least an hour.
        return time < terms.startAt ? 0 : uint32((time - terms.startAt) / terms.epochLength);
    }
}
