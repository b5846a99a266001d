// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @notice A token whose balances are shares of a supply that the issuer changes at will, up and down.
contract RebasingToken {
    uint8 public constant decimals = 6;
    uint256 private constant WHOLE = 1e18;

    uint256 private _index = WHOLE;
    mapping(address account => uint256) private _shares;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    error Short(address account);

    /// @notice From now on every balance is `percent` of what it was at first.
    function rebaseTo(uint256 percent) external {
        _index = WHOLE * percent / 100;
    }

    function mint(address to, uint256 amount) external {
        _shares[to] += toShares(amount);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        return move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return move(from, to, amount);
    }

    function balanceOf(address account) external view returns (uint256) {
        return _shares[account] * _index / WHOLE;
    }

    function move(address from, address to, uint256 amount) private returns (bool) {
        uint256 shares = toShares(amount);
        if (_shares[from] < shares) revert Short(from);
        _shares[from] -= shares;
        _shares[to] += shares;
        return true;
    }

    function toShares(uint256 amount) private view returns (uint256) {
        return Math.ceilDiv(amount * WHOLE, _index);
    }
}
