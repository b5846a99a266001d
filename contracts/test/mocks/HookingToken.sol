// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "../support/Vm.sol";
import {SignatureToken} from "./Tokens.sol";

/// @notice Calls back in the middle of a transfer, as ERC-777 does: before anything moves, or after it moved; or in the
/// middle of a permit.
/// @dev The call is made in the name of whoever is armed, because a hook hands control to a party, and any party may be
/// behind it. It is made once, so that a call back that transfers in its turn does not call back again.
contract HookingToken is SignatureToken {
    enum When {
        Never,
        Before,
        After,
        InPermit
    }

    When private _when;
    address private _by;
    address private _to;
    bytes private _data;
    bool public called;
    bool public succeeded;
    bytes public answer;

    function arm(When when, address by, address to, bytes calldata data) external {
        _when = when;
        _by = by;
        _to = to;
        _data = data;
        called = false;
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        public
        override
    {
        if (_when == When.InPermit) _call();
        super.permit(owner, spender, value, deadline, v, r, s);
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_when == When.Before) _call();
        super._update(from, to, value);
        if (_when == When.After) _call();
    }

    function _call() private {
        _when = When.Never;
        called = true;
        vm.prank(_by);
        (succeeded, answer) = _to.call(_data);
    }
}
