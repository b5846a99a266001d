// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A token with the decimals asked for, `permit`, and the part of ERC-3009 that receives; anyone mints.
contract WalkToken is ERC20Permit {
    bytes32 private constant RECEIVE_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    uint8 private immutable DECIMALS;
    mapping(address from => mapping(bytes32 nonce => bool)) private _used;

    error Refused();

    constructor(uint8 decimals_) ERC20("Walk", "WALK") ERC20Permit("Walk") {
        DECIMALS = decimals_;
    }

    function decimals() public view override returns (uint8) {
        return DECIMALS;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function receiveDigest(address from, address to, uint256 value, uint256 until, bytes32 nonce)
        public
        view
        returns (bytes32)
    {
        return _hashTypedDataV4(keccak256(abi.encode(RECEIVE_TYPEHASH, from, to, value, 0, until, nonce)));
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        bool inTime = validAfter == 0 && block.timestamp < validBefore;
        if (msg.sender != to || !inTime || _used[from][nonce]) revert Refused();
        if (ECDSA.recover(receiveDigest(from, to, value, validBefore, nonce), v, r, s) != from) revert Refused();
        _used[from][nonce] = true;
        _transfer(from, to, value);
    }
}
