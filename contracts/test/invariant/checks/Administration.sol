// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Action} from "../Action.sol";
import {same} from "../Broken.sol";
import {Exits} from "../Exits.sol";

/// @notice Whatever an administrator does, no number of a live lease and nobody's money changes, and every exit ends as it
/// would have ended.
abstract contract Administration is Exits {
    function checkInvariant10_Administration() public {
        if (live.length == 0) return;
        uint256 luck = dice("administration");
        bytes32 leaseId = live[(luck >> 8) % live.length];
        tryAdministration(leaseId, luck % 2 == 0 ? treasury : STRANGER, false);
        if ((luck >> 64) % 4 == 0) tryAdministered(leaseId, exitAction(luck >> 128), false);
    }

    function tryAdministration(bytes32 leaseId, address treasury_, bool whole) internal {
        undone(abi.encodeCall(this.probeAdministration, (leaseId, treasury_, whole)));
    }

    function probeAdministration(bytes32 leaseId, address treasury_, bool whole) external {
        bytes32 world = digestOf(leaseId, whole);
        administer(treasury_);
        same(digestOf(leaseId, whole), world, "10: administration changed a lease, an account or a bond");
        revert Undone("");
    }

    function tryAdministered(bytes32 leaseId, Action kind, bool whole) internal {
        Exit memory exit = exitFrom(leaseId, kind, whole);
        // The administrator can also pause; what a pause does is invariant 9.
        (, bytes32 free) = outcome(Prelude.Pause, exit);
        (, bytes32 administered) = outcome(Prelude.Administration, exit);
        same(administered, free, "10: administration changed an exit");
    }
}
