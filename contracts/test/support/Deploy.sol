// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @notice What a constructor reverts with, to the byte; forge's own `deployCode` would wrap it.
function refusedBy(string memory artifact, bytes memory arguments) returns (bytes memory why) {
    bytes memory code = bytes.concat(vm.getCode(artifact), arguments);
    address made;
    assembly ("memory-safe") {
        made := create(0, add(code, 32), mload(code))
        why := mload(0x40)
        mstore(why, returndatasize())
        returndatacopy(add(why, 32), 0, returndatasize())
        mstore(0x40, add(why, and(add(returndatasize(), 63), not(31))))
    }
    vm.assertEq(made, address(0), "deployed");
}
