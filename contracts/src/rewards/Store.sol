// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";
import {Guard} from "guard/Guard.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";

/// @title Store
/// @notice Everything that is remembered.
/// @dev Histories are by epoch, so that what a root of an epoch depends on can be read at any later time.
abstract contract Store is Guard {
    enum State {
        None,
        Pending,
        Refuted,
        Final,
        Returned
    }

    struct Programme {
        // slot
        address sponsor;
        uint32 nextEpoch;
        uint32 finalNumber;
        uint32 rootCount;
        // slot: the roots that wait, in the order of posting
        uint32 first;
        uint32 last;
        // slot
        uint128 committed;
        uint128 claimed;
        // slot
        uint128 returned;
        uint128 carried;
        IRewardsDistributor.ProgrammeTerms terms;
        address[] providers;
        /// @dev How many providers, and how much money, by epoch.
        Checkpoints.Trace224 enrolled;
        Checkpoints.Trace224 funded;
        mapping(address provider => Member) members;
        mapping(uint32 number => Root) roots;
        mapping(bytes32 region => mapping(uint32 epoch => uint128)) regionUsed;
    }

    struct Member {
        // slot; `place` is the index plus one, 0 for nobody
        uint128 claimed;
        uint32 place;
        uint32 enrolledIn;
        uint32 nextReport;
        bool left;
        // slot
        uint128 baseline;
        uint128 unitsCum;
        /// @dev By epoch. Capacity: the counter. Matched: its checkpoints; of a provider that left, the last is the counter.
        Checkpoints.Trace224 counts;
        /// @dev By epoch: `factorBps << 32 | untilEpoch`.
        Checkpoints.Trace224 factors;
        /// @dev The attestation that the factor rests on.
        bytes32 claimsHash;
        address auditor;
        uint40 expiry;
    }

    struct Root {
        bytes32 root;
        // slot
        address poster;
        uint40 postedAt;
        uint32 epoch;
        uint16 leafCount;
        State state;
        // slot
        uint128 cumulativeTotal;
        uint128 allowance;
        // slot; 1024 numbers of 128 bits fit 138
        uint160 rawTotal;
        uint32 base;
        uint32 before;
        uint32 next;
    }

    uint256 internal _programmeCount;
    mapping(uint256 id => Programme) internal _programmes;
    mapping(address provider => mapping(address token => uint256 id)) internal _countedIn;
    mapping(address account => mapping(address token => uint128)) internal _matchedClaimed;
    mapping(address account => mapping(address token => uint256)) internal _credit;
    mapping(address token => uint256) internal _liabilities;
}
