// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Rates} from "./Rates.sol";

/// @title Funds
/// @notice How tokens enter and leave.
/// @dev `_liabilities` changes only where tokens enter or leave: everything between is a move from one debt to another.
abstract contract Funds is IRewardsDistributor, Rates {
    using SafeERC20 for IERC20;
    using Checkpoints for Checkpoints.Trace224;

    /// @inheritdoc IRewardsDistributor
    function fund(uint256 id, uint128 amount) external nonReentrant {
        // Checks
        Programme storage programme = _existing(id);
        if (amount == 0) revert RewardsDistributor_ZeroAmount();
        uint32 epoch = _openEpoch(programme, id);
        uint256 total = uint256(programme.funded.latest()) + amount;
        if (total > type(uint128).max) revert RewardsDistributor_FundsFull(id);

        // Effects
        // The cast holds: checked in the line above.
        programme.funded.push(epoch, uint224(total));
        emit ProgrammeFunded(id, msg.sender, amount, epoch);

        // Interactions
        _draw(programme.terms.token, amount);
    }

    /// @inheritdoc IRewardsDistributor
    function withdraw(address token, address to) external nonReentrant {
        // Checks
        if (to == address(0)) revert RewardsDistributor_ZeroAddress();
        uint256 amount = _credit[msg.sender][token];
        if (amount == 0) revert RewardsDistributor_NothingCredited(msg.sender, token);

        // Effects
        _credit[msg.sender][token] = 0;
        emit CreditWithdrawn(msg.sender, token, to, amount);

        // Interactions
        _pay(token, to, amount);
    }

    function _draw(address token, uint128 amount) internal {
        _liabilities[token] += amount;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert RewardsDistributor_FeeOnTransfer(token, amount, received);
    }

    function _pay(address token, address to, uint256 amount) internal {
        _liabilities[token] -= amount;
        IERC20(token).safeTransfer(to, amount);
    }
}
