// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";

/// @title Accounts
/// @notice Who can withdraw how much of which token, and what the market owes in all.
/// @dev `liabilities` changes only where tokens enter or leave: everything between is a move from one debt to another.
/// These are the only functions with token transfers, besides `recoverSurplus`.
abstract contract Accounts is ILeaseMarket, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev One slot, because whoever moves a token needs both.
    struct Listing {
        uint8 tokenId;
        uint248 liabilities;
    }

    /// @dev A token's id is its position here, from 1; 0 is no token.
    address[] internal _tokens;
    mapping(address token => Listing) internal _listing;
    mapping(address owner => mapping(uint8 tokenId => uint256)) internal _available;
    bool internal _intakePaused;

    modifier whenIntakeOpen() {
        if (_intakePaused) revert LeaseMarket_IntakePaused();
        _;
    }

    /// @inheritdoc ILeaseMarket
    function available(address owner, address token) external view returns (uint256) {
        return _available[owner][_listing[token].tokenId];
    }

    /// @inheritdoc ILeaseMarket
    function liabilities(address token) external view returns (uint256) {
        return _listing[token].liabilities;
    }

    /// @inheritdoc ILeaseMarket
    function tokens() external view returns (address[] memory) {
        return _tokens;
    }

    /// @inheritdoc ILeaseMarket
    function intakePaused() external view returns (bool) {
        return _intakePaused;
    }

    /// @inheritdoc ILeaseMarket
    function deposit(address token, address owner, uint256 amount) external nonReentrant whenIntakeOpen {
        // Checks
        uint8 tokenId = _requireToken(token);
        if (owner == address(0)) revert LeaseMarket_ZeroAddress();
        if (amount == 0) revert LeaseMarket_ZeroAmount();

        // Effects
        _available[owner][tokenId] += amount;
        _listing[token].liabilities += SafeCast.toUint248(amount);
        emit Deposited(msg.sender, owner, token, amount);

        // Interactions
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert LeaseMarket_FeeOnTransfer(token, amount, received);
    }

    /// @inheritdoc ILeaseMarket
    function withdraw(address token, address to, uint256 amount) external nonReentrant {
        // Checks
        uint8 tokenId = _requireToken(token);
        if (to == address(0)) revert LeaseMarket_ZeroAddress();
        if (amount == 0) revert LeaseMarket_ZeroAmount();

        // Effects
        _debit(msg.sender, tokenId, amount);
        // The cast holds: all accounts together are part of `liabilities`.
        _listing[token].liabilities -= uint248(amount);
        emit Withdrawn(msg.sender, token, to, amount);

        // Interactions
        IERC20(token).safeTransfer(to, amount);
    }

    function _requireToken(address token) internal view returns (uint8 tokenId) {
        tokenId = _listing[token].tokenId;
        if (tokenId == 0) revert LeaseMarket_TokenNotAllowed(token);
    }

    function _credit(address owner, uint8 tokenId, uint256 amount) internal {
        if (amount != 0) _available[owner][tokenId] += amount;
    }

    function _debit(address owner, uint8 tokenId, uint256 amount) internal {
        uint256 held = _available[owner][tokenId];
        if (held < amount) revert LeaseMarket_Insufficient(owner, held, amount);
        // Cannot underflow: checked in the line above.
        unchecked {
            _available[owner][tokenId] = held - amount;
        }
    }
}
