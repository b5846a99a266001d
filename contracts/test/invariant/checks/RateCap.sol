// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {Book} from "../Book.sol";
import {atMost, same} from "../Broken.sol";

/// @notice Nothing is paid before the start, and never more than the rate cap allows for the time that is settled, which
/// does not pass the end. The cap of each single interval is held against each statement in `Moves` and each claim here.
abstract contract RateCap is Book {
    function checkInvariant3_RateCap() public view {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        for (uint256 i = 0; i < leases.length; ++i) {
            ILeaseMarket.LeaseView memory shown = leases[i];
            if (shown.state == 1) {
                same(shown.paid, 0, "3: nothing is paid before the start");
                same(shown.startedAt, 0, "3: no clock runs before the start");
                continue;
            }
            atMost(shown.startedAt, shown.lastAsOf, "3: settled from the start");
            atMost(shown.lastAsOf, shown.endAt, "3: settled up to the end");
            atMost(shown.paid, capOf(shown, shown.lastAsOf - shown.startedAt), "3: paid within the rate cap");
            if (shown.filedAt == 0) continue;
            uint256 more = shown.state == 2
                ? shown.paid + capOf(shown, shown.pendingAt - shown.lastAsOf)
                : capOf(shown, shown.lastAsOf - shown.startedAt);
            atMost(shown.pendingCum, more, "3: claimed within the rate cap");
        }
    }
}
