// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../../interfaces/IRewardsDistributor.sol";
import {Programmes} from "../Programmes.sol";
import {Terms} from "../Terms.sol";

/// @title Creating
/// @notice How a programme comes to be.
abstract contract Creating is Programmes {
    /// @notice See {IRewardsDistributor-create}.
    function create(IRewardsDistributor.ProgrammeTerms memory terms) external returns (uint256 id) {
        // Checks
        Terms.check(terms);

        // Effects
        id = ++_programmeCount;
        Programme storage programme = _programmes[id];
        programme.sponsor = msg.sender;
        programme.terms = terms;
        emit IRewardsDistributor.ProgrammeCreated(id, msg.sender, terms.token, terms);
    }
}
