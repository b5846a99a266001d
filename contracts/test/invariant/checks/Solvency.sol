// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {Book} from "../Book.sol";
import {atMost, same} from "../Broken.sol";
import {WalkToken} from "../WalkToken.sol";

/// @notice Per token: the market holds at least what it owes, and owes exactly the accounts, the leases' balances and the
/// dispute deposits, which is what came in less what went out. And every account holds what its owner's own books say.
abstract contract Solvency is Book {
    function checkInvariant1_Solvency() public view {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        uint256[] memory deposits = new uint256[](live.length);
        for (uint256 i = 0; i < live.length; ++i) {
            if (leases[i].state == 3) deposits[i] = market.disputeDepositOf(live[i]);
        }
        for (uint256 t = 0; t < traded.length; ++t) {
            checkToken(traded[t], leases, deposits);
        }
    }

    function checkToken(address token_, ILeaseMarket.LeaseView[] memory leases, uint256[] memory deposits)
        private
        view
    {
        uint256 owed = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 available = market.available(people[i], token_);
            same(available, accountBook[people[i]][token_], "1: an account holds what it was given and did not spend");
            owed += available;
        }
        for (uint256 i = 0; i < leases.length; ++i) {
            if (leases[i].token == token_) owed += leases[i].balance + deposits[i];
        }
        same(market.liabilities(token_), owed, "1: liabilities are what accounts, leases and deposits hold");
        same(owed, flowedIn[token_] - flowedOut[token_], "1: what came in less what went out");
        uint256 held = WalkToken(token_).balanceOf(address(market));
        same(held, owed + donated[token_], "1: the market holds what it owes, and what nobody owns");
        for (uint256 i = 0; i < desks.length; ++i) {
            address provider = desks[i].owner;
            same(market.feesPaid(provider, token_), feeBook[provider][token_], "1: fees paid are those of all payments");
        }
    }
}
