// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Action} from "./Action.sol";
import {AccountActions} from "./actions/AccountActions.sol";
import {ClosingActions} from "./actions/ClosingActions.sol";
import {DisputeActions} from "./actions/DisputeActions.sol";
import {OpeningActions} from "./actions/OpeningActions.sol";
import {OtherActions} from "./actions/OtherActions.sol";
import {RegistryActions} from "./actions/RegistryActions.sol";
import {SettlingActions} from "./actions/SettlingActions.sol";
import {Administration} from "./checks/Administration.sol";
import {Bonds} from "./checks/Bonds.sol";
import {Conservation} from "./checks/Conservation.sol";
import {Disputability} from "./checks/Disputability.sol";
import {Entitlement} from "./checks/Entitlement.sol";
import {Liveness} from "./checks/Liveness.sol";
import {Pause} from "./checks/Pause.sol";
import {RateCap} from "./checks/RateCap.sol";
import {Solvency} from "./checks/Solvency.sol";
import {WrongParty} from "./checks/WrongParty.sol";

/// @notice What is done to a market, guided: every action looks for a lease in the state that it needs, makes one where
/// there is none, and goes to the time that it needs. And what must be true after each.
contract MarketWalk is
    AccountActions,
    OpeningActions,
    SettlingActions,
    ClosingActions,
    DisputeActions,
    RegistryActions,
    OtherActions,
    Solvency,
    Conservation,
    RateCap,
    Entitlement,
    Disputability,
    Liveness,
    Bonds,
    WrongParty,
    Pause,
    Administration
{
    constructor() {
        setUp();
    }

    /// @notice At a walk's end: what is tried on one lease after every step is tried on every lease that is left, and on
    /// all that have closed. Returns how often every action was reached, these attempts included.
    function finish() external returns (uint256[] memory) {
        checkAllClosed();
        for (uint256 i = 0; i < live.length; ++i) {
            tryEverything(live[i], lease(live[i]).state, i == 0);
        }
        return reached();
    }

    /// @dev With `whole`, what nothing may change is compared for all leases and accounts, and not for the lease's alone.
    function tryEverything(bytes32 leaseId, uint8 state, bool whole) private {
        if (stories[leaseId].filedAt != 0 && tryDisputing(leaseId)) reach(Action.TryDisputeInLastSecond);
        for (uint256 luck = 0; luck < 2; ++luck) {
            tryLeaving(leaseId, luck);
            reach(Action(uint256(Action.TryLeavingOpen) + state - 1));
        }
        tryWrongParty(leaseId, dice("any"), whole);
        reach(Action.TryWrongParty);
        tryAdministration(leaseId, STRANGER, whole);
        reach(Action.TryAdministration);
        for (uint256 kind = 0; kind < EXITS; ++kind) {
            if (possible(state, exitAction(kind)) && tryPaused(leaseId, exitAction(kind), whole)) {
                reach(exitAction(kind));
            }
        }
        tryAdministered(leaseId, exitAction(dice("any")), whole);
    }

    /// @dev Whether the state of a lease allows this exit. What it does not allow is tried after steps only.
    function possible(uint8 state, Action kind) private pure returns (bool) {
        if (kind == Action.TryWithdraw || kind == Action.TryWithdrawBond || kind == Action.TryWithdrawClaimable) {
            return true;
        }
        if (kind == Action.TryConfirm || kind == Action.TryAbort || kind == Action.TryDecline) return state == 1;
        if (kind == Action.TryTopUp) return state != 3;
        if (kind == Action.TryResolve || kind == Action.TrySplit) return state == 3;
        if (kind == Action.TrySettle || kind == Action.TryClaim) return state != 1;
        return state == 2;
    }
}
