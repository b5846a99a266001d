// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {Book} from "../Book.sol";
import {same} from "../Broken.sol";

/// @notice What was put into a lease is paid or still there, until it closes; then nothing is left and nothing changes.
abstract contract Conservation is Book {
    function checkInvariant2_Conservation() public view {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        for (uint256 i = 0; i < leases.length; ++i) {
            uint256 inside = uint256(leases[i].paid) + leases[i].balance;
            if (leases[i].state == 3) inside += market.disputeDepositOf(live[i]);
            same(inside, stories[live[i]].putIn, "2: paid and left is what was put in");
        }
        if (closed.length == 0) return;
        // The last one to close, and any.
        checkClosed(closed[closed.length - 1]);
        checkClosed(closed[dice("closed") % closed.length]);
    }

    function checkAllClosed() internal view {
        for (uint256 i = 0; i < closed.length; ++i) {
            checkClosed(closed[i]);
        }
    }

    function checkClosed(bytes32 leaseId) private view {
        ILeaseMarket.LeaseView memory shown = lease(leaseId);
        same(shown.state, 4, "2: a closed lease stays closed");
        same(shown.balance, 0, "2: nothing is left in a closed lease");
        same(market.disputeDepositOf(leaseId), 0, "2: no deposit is left for a closed lease");
        same(keccak256(abi.encode(shown)), stories[leaseId].ending, "2: a closed lease changes no more");
        same(shown.paid, stories[leaseId].due, "4: a closed lease paid what was due");
    }
}
