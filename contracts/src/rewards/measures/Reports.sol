// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {ReportDigest} from "../ReportDigest.sol";
import {Terms} from "../Terms.sol";
import {Standing} from "./Standing.sol";

/// @title Reports
/// @notice The counters of Capacity programmes, by what a quorum of auditors signed, cut to the caps.
abstract contract Reports is Standing {
    using Checkpoints for Checkpoints.Trace224;

    /// @notice See {IRewardsDistributor-report}.
    function report(IRewardsDistributor.CapacityReport calldata capacity, bytes32[] calldata r, bytes32[] calldata vs)
        external
    {
        // Checks
        uint256 id = capacity.programme;
        (Programme storage programme, Member storage member) = _present(id, capacity.provider);
        if (_isMatched(programme)) revert IRewardsDistributor.RewardsDistributor_WrongKind(id);
        _checkTime(programme, member, capacity);
        uint128 last = member.unitsCum;
        if (capacity.unitsCum < last) {
            revert IRewardsDistributor.RewardsDistributor_StaleReport(last, capacity.unitsCum);
        }
        uint128 regionCap = _regionCap(programme, id, capacity.region);
        _checkSigners(programme, id, ReportDigest.digest(capacity), r, vs);

        // Effects
        mapping(uint32 epoch => uint128) storage used = programme.regionUsed[capacity.region];
        uint256 accepted = Math.min(capacity.unitsCum - last, programme.terms.providerCap);
        accepted = Math.min(accepted, regionCap - used[capacity.epoch]);
        accepted = Math.min(accepted, _bondedUnits(programme, capacity.provider));
        // The casts hold: at most `providerCap` in each epoch, which the terms bound.
        uint128 count = uint128(member.counts.latest() + accepted);
        used[capacity.epoch] += uint128(accepted);
        member.unitsCum = capacity.unitsCum;
        member.nextReport = capacity.epoch + 1;
        member.counts.push(capacity.epoch, count);
        emit IRewardsDistributor.ReportAccepted(
            id, capacity.provider, capacity.region, capacity.epoch, capacity.unitsCum, uint128(accepted), count
        );
    }

    /// @dev Reports of an epoch are taken before roots of it can be posted, so that its counters stand still by then.
    function _checkTime(
        Programme storage programme,
        Member storage member,
        IRewardsDistributor.CapacityReport calldata capacity
    ) private view {
        if (capacity.epoch < member.nextReport || capacity.epoch >= programme.terms.epochs) {
            revert IRewardsDistributor.RewardsDistributor_BadEpoch(member.nextReport, capacity.epoch);
        }
        uint256 from = _endOf(programme, capacity.epoch);
        if (block.timestamp < from) revert IRewardsDistributor.RewardsDistributor_TooEarly(from);
        uint256 until = from + programme.terms.challengeWindow;
        if (block.timestamp >= until) revert IRewardsDistributor.RewardsDistributor_TooLate(until);
    }

    function _checkSigners(
        Programme storage programme,
        uint256 id,
        bytes32 digest,
        bytes32[] calldata r,
        bytes32[] calldata vs
    ) private view {
        uint8 quorum = programme.terms.quorum;
        if (r.length < quorum || r.length != vs.length) {
            revert IRewardsDistributor.RewardsDistributor_QuorumMissing(quorum, r.length);
        }
        address previous;
        for (uint256 i = 0; i < r.length; ++i) {
            (address signer, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, r[i], vs[i]);
            if (problem != ECDSA.RecoverError.NoError) {
                revert IRewardsDistributor.RewardsDistributor_InvalidSignature(i);
            }
            if (signer <= previous) revert IRewardsDistributor.RewardsDistributor_SignersNotAscending(i);
            if (!_isAuditor(programme, signer)) revert IRewardsDistributor.RewardsDistributor_NotAuditor(id, signer);
            previous = signer;
        }
    }

    function _regionCap(Programme storage programme, uint256 id, bytes32 region) private view returns (uint128) {
        IRewardsDistributor.RegionCap[] storage caps = programme.terms.regionCaps;
        for (uint256 i = 0; i < caps.length; ++i) {
            if (caps[i].region == region) return caps[i].unitsPerEpoch;
        }
        revert IRewardsDistributor.RewardsDistributor_UnknownRegion(id, region);
    }

    function _bondedUnits(Programme storage programme, address provider) private view returns (uint256) {
        return _keptBond(REGISTRY.providerOf(provider)) * Terms.SCALE / programme.terms.bondPerUnit;
    }
}
