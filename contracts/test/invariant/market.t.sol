// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "../support/Vm.sol";
import {MarketWalk} from "./MarketWalk.sol";

/// @notice The ten invariants of contracts/README.md after every step of random walks over everything that can be done.
contract MarketInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    MarketWalk private walk;

    function setUp() public {
        walk = new MarketWalk();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(walk);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(walk);
        bytes4[40] memory list = [
            walk.depositSome.selector,
            walk.depositWithPermit.selector,
            walk.depositWithAuthorization.selector,
            walk.withdrawSome.selector,
            walk.donate.selector,
            walk.recoverSurplus.selector,
            walk.open.selector,
            walk.openRefused.selector,
            walk.openRefused.selector,
            walk.confirmOne.selector,
            walk.confirmOne.selector,
            walk.declineOne.selector,
            walk.abortOne.selector,
            walk.topUpOne.selector,
            walk.settleOne.selector,
            walk.settleBatch.selector,
            walk.settleRefused.selector,
            walk.claimOne.selector,
            walk.claimBanked.selector,
            walk.claimAgain.selector,
            walk.claimTwice.selector,
            walk.matureOne.selector,
            walk.closeOne.selector,
            walk.reclaimOne.selector,
            walk.finalizeOne.selector,
            walk.disputeOne.selector,
            walk.disputeOne.selector,
            walk.supplementOne.selector,
            walk.admitOne.selector,
            walk.resolveByArbiter.selector,
            walk.resolveByArbiter.selector,
            walk.resolveBySplit.selector,
            walk.registerOne.selector,
            walk.bondActions.selector,
            walk.withdrawCredit.selector,
            walk.rotateOperator.selector,
            walk.bumpEpoch.selector,
            walk.attestOrRevoke.selector,
            walk.allowToken.selector,
            walk.setFee.selector
        ];
        bytes4[3] memory more = [walk.pauseOrResume.selector, walk.post.selector, walk.passTime.selector];
        targets[0].selectors = new bytes4[](list.length + more.length);
        for (uint256 i = 0; i < list.length; ++i) {
            targets[0].selectors[i] = list[i];
        }
        for (uint256 i = 0; i < more.length; ++i) {
            targets[0].selectors[list.length + i] = more[i];
        }
    }

    /// @dev One function, because each would walk on its own.
    function invariant_money_time_and_bonds_hold() public {
        walk.checkInvariant1_Solvency();
        walk.checkInvariant2_Conservation();
        walk.checkInvariant3_RateCap();
        walk.checkInvariant4_Entitlement();
        walk.checkInvariant5_Disputability();
        walk.checkInvariant6_Liveness();
        walk.checkInvariant7_Bonds();
        walk.checkInvariant8_WrongParty();
        walk.checkInvariant9_Pause();
        walk.checkInvariant10_Administration();
    }

    /// @dev At the end of each walk. `tools/reach.mjs` adds the lines up; a walk alone reaches only some of it.
    function afterInvariant() public {
        uint256[] memory reached = walk.finish();
        string memory file = vm.envOr("REACH_FILE", string(""));
        if (bytes(file).length == 0) return;
        string memory line = "[";
        for (uint256 i = 0; i < reached.length; ++i) {
            line = string.concat(line, i == 0 ? "" : ",", vm.toString(reached[i]));
        }
        vm.writeLine(file, string.concat(line, "]"));
    }
}
