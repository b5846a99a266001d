// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @notice An honest token of 6 decimals that moves by signatures too, EIP-2612 and ERC-3009, as the large stablecoins
/// do. Anyone mints.
contract SignedToken is ERC20Permit, ERC3009 {
    constructor() ERC20("Signed", "SIG") ERC20Permit("Signed") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view virtual override returns (uint8) {
        return 6;
    }
}
