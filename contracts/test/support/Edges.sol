// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice The three seconds around the edge of a window: what one and the same call comes to in the second before, in
/// it, and in the second after. Each second starts from the same state.
/// @dev An outcome is `DONE`; or what the call reverted with; or, for a batch of one that passed over its item, what
/// {skipped} makes of the reason.
abstract contract Edges {
    bytes internal constant DONE = "done";

    /// @notice A call, with who makes it.
    struct Call {
        address by;
        address to;
        bytes data;
    }

    /// @notice The outcomes in the three seconds.
    function checkEdge(uint256 edge, Call memory call, bytes memory before, bytes memory on, bytes memory later)
        internal
    {
        bytes[3] memory expected = [before, on, later];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(edge, i);
            vm.assertEq(outcome(call), expected[i], second(i));
            back(state);
        }
    }

    /// @dev Moves to the second before (0), in (1) or after (2) the edge, for tests that look at more than an outcome.
    function toSecond(uint256 edge, uint256 i) internal returns (uint256 state) {
        state = vm.snapshotState();
        vm.warp(edge + i - 1);
    }

    function back(uint256 state) internal {
        vm.assertTrue(vm.revertToState(state), "the state is back");
    }

    function second(uint256 i) internal pure returns (string memory) {
        return i == 0 ? "one second before" : i == 1 ? "in that second" : "one second after";
    }

    /// @dev What a batch of one comes to when it passes over its item.
    function skipped(bytes32 id, bytes4 reason) internal pure returns (bytes memory) {
        return abi.encode("skipped", id, reason);
    }

    /// @dev Makes the call. A batch says twice what became of its item, in its answer and in its log; both must agree.
    function outcome(Call memory call) internal returns (bytes memory) {
        vm.recordLogs();
        vm.prank(call.by);
        (bool ok, bytes memory answer) = call.to.call(call.data);
        if (!ok) return answer;
        bytes memory passedOver = skippedItem();
        bool isDone = passedOver.length == 0;
        if (answer.length == 32) {
            vm.assertEq(abi.decode(answer, (uint256)), isDone ? 1 : 0, "how many were carried out");
        }
        return isDone ? DONE : passedOver;
    }

    function skippedItem() private returns (bytes memory) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ILeaseMarket.ItemSkipped.selector) {
                return skipped(logs[i].topics[1], abi.decode(logs[i].data, (bytes4)));
            }
        }
        return "";
    }
}
