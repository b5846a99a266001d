// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";

/// @title Terms
/// @notice The bounds of a programme's rules, and what follows from rules alone.
/// @dev The bounds are what makes every later product fit its type, so that nothing on the way out of this contract can
/// overflow: see `raw` in {Leaves}.
library Terms {
    uint8 internal constant MATCHED = 1;
    uint8 internal constant CAPACITY = 2;

    /// @dev The wash-trading bound: of each unit of fee at most 0.9 come back.
    uint128 internal constant KAPPA_MAX = 0.9e18;
    uint256 internal constant SCALE = 1e18;
    uint32 internal constant ONE_BPS = 10_000;
    uint40 internal constant SWEEP_DELAY = 90 days;
    uint32 internal constant MAX_ENROLLED = 1024;

    uint256 private constant MAX_MULTIPLIERS = 32;
    uint256 private constant MAX_AUDITORS = 16;
    uint256 private constant MAX_REGIONS = 64;
    uint16 private constant MAX_FACTOR_BPS = 50_000;
    uint256 private constant MAX_AHEAD = 366 days;
    uint256 private constant MAX_DURATION = 3660 days;
    uint32 private constant MIN_WINDOW = 1 hours;
    uint32 private constant MAX_WINDOW = 30 days;

    function check(IRewardsDistributor.ProgrammeTerms memory terms) internal view {
        _require(terms.kind == MATCHED || terms.kind == CAPACITY, "kind");
        _require(terms.token != address(0), "token");
        _require(terms.startAt >= block.timestamp && terms.startAt <= block.timestamp + MAX_AHEAD, "startAt");
        _require(terms.challengeWindow >= MIN_WINDOW && terms.challengeWindow <= MAX_WINDOW, "challengeWindow");
        _require(terms.epochLength >= terms.challengeWindow, "epochLength");
        _require(terms.epochs != 0 && uint256(terms.epochs) * terms.epochLength <= MAX_DURATION, "epochs");
        _require(terms.budgetPerEpoch != 0, "budgetPerEpoch");
        _require(terms.posterBond != 0, "posterBond");
        _require(terms.rate != 0 && terms.rate <= terms.maxRate, "rate");
        _checkMultipliers(terms.multipliers);
        _checkAuditors(terms.auditors);
        if (terms.kind == MATCHED) _checkMatched(terms);
        else _checkCapacity(terms);
    }

    function _checkMatched(IRewardsDistributor.ProgrammeTerms memory terms) private pure {
        _require(terms.maxRate <= KAPPA_MAX, "maxRate");
        _require(terms.quorum == 0, "quorum");
        _require(terms.providerCap == 0, "providerCap");
        _require(terms.regionCaps.length == 0, "regionCaps");
        _require(terms.bondPerUnit == 0, "bondPerUnit");
    }

    function _checkCapacity(IRewardsDistributor.ProgrammeTerms memory terms) private pure {
        uint256 mostUnits = uint256(terms.providerCap) * terms.epochs;
        _require(mostUnits != 0 && mostUnits <= type(uint128).max, "providerCap");
        // What 1024 providers can ever earn fits 128 bits.
        _require(terms.maxRate * mostUnits / SCALE <= type(uint128).max / MAX_ENROLLED, "maxRate");
        _require(terms.quorum != 0 && terms.quorum <= terms.auditors.length, "quorum");
        _require(terms.bondPerUnit != 0, "bondPerUnit");
        uint256 regions = terms.regionCaps.length;
        _require(regions != 0 && regions <= MAX_REGIONS, "regionCaps");
        for (uint256 i = 0; i < regions; ++i) {
            _require(terms.regionCaps[i].unitsPerEpoch != 0, "regionCaps");
            _require(i == 0 || terms.regionCaps[i - 1].region < terms.regionCaps[i].region, "regionCaps");
        }
    }

    function _checkMultipliers(IRewardsDistributor.Multiplier[] memory multipliers) private pure {
        _require(multipliers.length <= MAX_MULTIPLIERS, "multipliers");
        for (uint256 i = 0; i < multipliers.length; ++i) {
            uint16 factorBps = multipliers[i].factorBps;
            _require(factorBps >= ONE_BPS && factorBps <= MAX_FACTOR_BPS, "multipliers");
            _require(i == 0 || multipliers[i - 1].attribute < multipliers[i].attribute, "multipliers");
        }
    }

    function _checkAuditors(address[] memory auditors) private pure {
        _require(auditors.length <= MAX_AUDITORS, "auditors");
        for (uint256 i = 0; i < auditors.length; ++i) {
            _require(auditors[i] > (i == 0 ? address(0) : auditors[i - 1]), "auditors");
        }
    }

    function _require(bool holds, bytes32 field) private pure {
        if (!holds) revert IRewardsDistributor.RewardsDistributor_BadTerms(field);
    }
}
