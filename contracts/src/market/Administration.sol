// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";
import {Leases} from "./Leases.sol";

/// @title Administration
/// @notice The few things that an authority may do. None of them reads or writes a lease or an account.
abstract contract Administration is Leases, AccessManaged {
    using SafeERC20 for IERC20;

    uint16 private constant MAX_FEE_BPS = 500;
    uint8 private constant MIN_DECIMALS = 6;
    uint8 private constant MAX_DECIMALS = 18;

    /// @inheritdoc ILeaseMarket
    function feeTerms() external view returns (uint16 feeBps, address treasury) {
        return (_feeBps, _treasury);
    }

    /// @inheritdoc ILeaseMarket
    function allowToken(address token) external restricted {
        if (_listing[token].tokenId != 0) revert LeaseMarket_TokenAlreadyAllowed(token);
        if (_tokens.length == type(uint8).max) revert LeaseMarket_TokenListFull();
        uint8 decimals = IERC20Metadata(token).decimals();
        if (decimals < MIN_DECIMALS || decimals > MAX_DECIMALS) revert LeaseMarket_BadDecimals(token, decimals);
        _tokens.push(token);
        // The cast holds: the list is bounded above.
        uint8 tokenId = uint8(_tokens.length);
        _listing[token].tokenId = tokenId;
        emit TokenAllowed(token, tokenId);
    }

    /// @inheritdoc ILeaseMarket
    function setFee(uint16 feeBps, address treasury) external restricted {
        if (feeBps > MAX_FEE_BPS) revert LeaseMarket_FeeTooHigh(feeBps);
        if (treasury == address(0)) revert LeaseMarket_ZeroAddress();
        _feeBps = feeBps;
        _treasury = treasury;
        emit FeeSet(feeBps, treasury);
    }

    /// @inheritdoc ILeaseMarket
    function setIntakePaused(bool paused) external restricted {
        _intakePaused = paused;
        emit IntakePausedSet(paused);
    }

    /// @inheritdoc ILeaseMarket
    function recoverSurplus(address token, address to) external restricted nonReentrant {
        if (to == address(0)) revert LeaseMarket_ZeroAddress();
        uint256 held = IERC20(token).balanceOf(address(this));
        uint256 owed = _listing[token].liabilities;
        if (held <= owed) revert LeaseMarket_NothingToRecover(token);
        emit SurplusRecovered(token, to, held - owed);
        IERC20(token).safeTransfer(to, held - owed);
    }
}
