// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title TestUSD
/// @notice FOR TEST CHAINS ONLY. Anyone can mint any amount: it is worth nothing. Never allow it on a real market.
contract TestUSD is ERC20 {
    constructor() ERC20("Leasehold Test USD", "tUSD") {}

    /// @notice Creates `amount` out of nothing for `to`.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
