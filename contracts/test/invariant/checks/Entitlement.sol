// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {Book} from "../Book.sol";
import {same} from "../Broken.sol";

/// @notice A provider is paid by right and not otherwise: what the session key signed, what its claims' usage is worth
/// once nobody may dispute them, what a tenant conceded, and what was ruled. `due` adds these up from the specification.
abstract contract Entitlement is Book {
    function checkInvariant4_Entitlement() public view {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        for (uint256 i = 0; i < leases.length; ++i) {
            same(leases[i].paid, stories[live[i]].due, "4: paid is what was signed, undisputed, conceded or ruled");
        }
    }
}
