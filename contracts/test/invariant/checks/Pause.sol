// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Action} from "../Action.sol";
import {same} from "../Broken.sol";
import {Exits} from "../Exits.sol";

/// @notice Every exit gives the same result with intake paused and not: whether it works, what it answers, and what
/// everybody has after it. One exit of one live lease after every step, all of all at a walk's end.
abstract contract Pause is Exits {
    function checkInvariant9_Pause() public {
        uint256 luck = dice("pause");
        if (live.length != 0) tryPaused(live[luck % live.length], exitAction(luck >> 128), false);
    }

    function tryPaused(bytes32 leaseId, Action kind, bool whole) internal returns (bool) {
        Exit memory exit = exitFrom(leaseId, kind, whole);
        (bool open, bytes32 result) = outcome(Prelude.Nothing, exit);
        (bool paused, bytes32 pausedResult) = outcome(Prelude.Pause, exit);
        // While nobody can fill an account, a dispute's deposit is what the account holds; otherwise it would be refused.
        if (kind == Action.TryDispute && !open && paused) return false;
        same(pausedResult, result, "9: a pause of intake changes an exit");
        return open;
    }
}
