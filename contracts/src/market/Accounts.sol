// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Guard} from "guard/Guard.sol";

import {ILeaseMarket} from "../interfaces/ILeaseMarket.sol";

/// @title Accounts
/// @notice Who can withdraw how much of which token, and what the market owes in all.
/// @dev `liabilities` changes only where tokens enter or leave: everything between is a move from one debt to another.
/// These are the only functions with token transfers, besides `recoverSurplus`.
abstract contract Accounts is ILeaseMarket, Guard {
    using SafeERC20 for IERC20;

    /// @dev One slot, because whoever moves a token needs both.
    struct Listing {
        uint8 tokenId;
        uint128 liabilities;
    }

    /// @dev One slot, because whoever is paid pays a fee.
    struct Account {
        uint128 available;
        uint128 feesPaid;
    }

    /// @dev A token's id is its position here, from 1; 0 is no token.
    address[] internal _tokens;
    mapping(address token => Listing) internal _listing;
    mapping(address owner => mapping(uint8 tokenId => Account)) internal _accounts;

    // One slot: who opens a lease needs the first and the last, who is paid the second.
    uint16 internal _feeBps;
    address internal _treasury;
    bool internal _intakePaused;

    modifier whenIntakeOpen() {
        _requireIntakeOpen();
        _;
    }

    /// @inheritdoc ILeaseMarket
    function available(address owner, address token) external view returns (uint256) {
        return _accounts[owner][_listing[token].tokenId].available;
    }

    /// @inheritdoc ILeaseMarket
    function feesPaid(address provider, address token) external view returns (uint128) {
        return _accounts[provider][_listing[token].tokenId].feesPaid;
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
        _deposit(token, owner, amount);
    }

    /// @inheritdoc ILeaseMarket
    function depositWithPermit(
        address token,
        address owner,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenIntakeOpen {
        // Only tokens of the list are ever called.
        _requireToken(token);
        // The outcome shows in the allowance, which the transfer needs in any case.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _deposit(token, owner, amount);
    }

    /// @inheritdoc ILeaseMarket
    function depositWithAuthorization(
        address token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenIntakeOpen {
        // Checks and effects
        _bookDeposit(token, from, from, amount);

        // Interactions
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s);
        _requireReceived(token, before, amount);
    }

    /// @inheritdoc ILeaseMarket
    function withdraw(address token, address to, uint256 amount) external nonReentrant {
        // Checks
        (Listing storage listing, uint8 tokenId, uint128 owed) = _requireToken(token);
        if (to == address(0)) revert LeaseMarket_ZeroAddress();
        if (amount == 0) revert LeaseMarket_ZeroAmount();

        // Effects
        _debit(msg.sender, tokenId, amount);
        // Both hold: the account had it, and every account is part of `liabilities`.
        unchecked {
            listing.liabilities = owed - uint128(amount);
        }
        emit Withdrawn(msg.sender, token, to, amount);

        // Interactions
        IERC20(token).safeTransfer(to, amount);
    }

    function _requireIntakeOpen() private view {
        if (_intakePaused) revert LeaseMarket_IntakePaused();
    }

    function _requireToken(address token) internal view returns (Listing storage listing, uint8 tokenId, uint128 owed) {
        listing = _listing[token];
        tokenId = listing.tokenId;
        owed = listing.liabilities;
        if (tokenId == 0) revert LeaseMarket_TokenNotAllowed(token);
    }

    /// @dev Cannot overflow: all accounts together are part of `liabilities`, which fit 128 bits.
    function _credit(address owner, uint8 tokenId, uint128 amount) internal {
        if (amount != 0) _accounts[owner][tokenId].available += amount;
    }

    function _debit(address owner, uint8 tokenId, uint256 amount) internal {
        Account storage account = _accounts[owner][tokenId];
        uint128 held = account.available;
        if (held < amount) revert LeaseMarket_Insufficient(owner, held, amount);
        // Both hold: checked in the line above.
        unchecked {
            account.available = held - uint128(amount);
        }
    }

    /// @dev Credits a provider what it earned and remembers the fee that was taken off.
    function _creditEarnings(address provider, uint8 tokenId, uint128 net, uint128 fee) internal {
        Account storage account = _accounts[provider][tokenId];
        account.available += net;
        if (fee == 0) return;
        // Unlike money, fees add up for ever; a counter that is full must not stop a payment.
        uint256 total = uint256(account.feesPaid) + fee;
        account.feesPaid = total < type(uint128).max ? uint128(total) : type(uint128).max;
    }

    function _deposit(address token, address owner, uint256 amount) private {
        // Checks and effects
        _bookDeposit(token, msg.sender, owner, amount);

        // Interactions
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _requireReceived(token, before, amount);
    }

    /// @dev All that a deposit is but the transfer. The only entrance of money: what fits here fits everywhere.
    function _bookDeposit(address token, address payer, address owner, uint256 amount) private {
        // Checks
        (Listing storage listing, uint8 tokenId, uint128 owed) = _requireToken(token);
        if (owner == address(0)) revert LeaseMarket_ZeroAddress();
        if (amount == 0) revert LeaseMarket_ZeroAmount();
        uint256 room = type(uint128).max - owed;
        if (amount > room) revert LeaseMarket_DepositTooLarge(token, amount, room);

        // Effects
        // Both casts hold: checked in the line above.
        _accounts[owner][tokenId].available += uint128(amount);
        listing.liabilities = owed + uint128(amount);
        emit Deposited(payer, owner, token, amount);
    }

    function _requireReceived(address token, uint256 before, uint256 amount) private view {
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert LeaseMarket_FeeOnTransfer(token, amount, received);
    }
}
