// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @notice A token that anyone mints, with the decimals asked for.
contract DecimalsToken is ERC20 {
    uint8 private immutable DECIMALS;

    constructor(uint8 decimals_) ERC20("Mock", "MOCK") {
        DECIMALS = decimals_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view virtual override returns (uint8) {
        return DECIMALS;
    }
}

/// @notice A token that takes signatures: EIP-2612 and ERC-3009.
contract SignatureToken is DecimalsToken(6), ERC20Permit("Mock"), ERC3009 {
    function decimals() public view virtual override(ERC20, DecimalsToken) returns (uint8) {
        return DecimalsToken.decimals();
    }
}

/// @notice Keeps 1 % of every transfer.
contract FeeToken is DecimalsToken(6) {
    function _update(address from, address to, uint256 value) internal override {
        if (from != address(0) && to != address(0)) {
            super._update(from, address(0xFEE), value / 100);
            value -= value / 100;
        }
        super._update(from, to, value);
    }
}

/// @notice Refuses transfers from and to blocked accounts, as issuers of real tokens can.
contract BlockingToken is DecimalsToken(6) {
    mapping(address account => bool) private _blocked;

    error Blocked(address account);

    function setBlocked(address account) external {
        _blocked[account] = true;
    }

    function unblock(address account) external {
        _blocked[account] = false;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (_blocked[from]) revert Blocked(from);
        if (_blocked[to]) revert Blocked(to);
        super._update(from, to, value);
    }
}

/// @notice Calls a target with given data in the middle of each transfer, and keeps what came of it.
contract ReentrantToken is DecimalsToken(6) {
    address private _target;
    bytes private _data;
    bool public called;
    bool public succeeded;
    bytes public result;

    function arm(address target, bytes calldata data) external {
        _target = target;
        _data = data;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        called = true;
        (succeeded, result) = target.call(_data);
    }
}

/// @notice Returns nothing from transfers, as some old tokens do.
contract NoReturnToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;
    uint8 public constant decimals = 6;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Says false instead of moving anything.
contract FalseToken {
    uint8 public constant decimals = 6;

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function transfer(address, uint256) external pure returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) external pure returns (bool) {
        return false;
    }
}

/// @notice Answers a transfer with a megabyte.
contract BombToken is DecimalsToken(6) {
    function transfer(address, uint256) public pure override returns (bool) {
        assembly ("memory-safe") {
            revert(0, 1000000)
        }
    }
}
