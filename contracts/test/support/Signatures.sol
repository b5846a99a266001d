// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";

/// @notice A signature as tokens take it.
struct TokenSignature {
    uint8 v;
    bytes32 r;
    bytes32 s;
}

/// @notice What the owner of tokens signs: an EIP-2612 permit, or an ERC-3009 authorisation to receive.
/// @dev Written out here from the two standards, not taken from the token under test.
abstract contract Signatures {
    function signPermit(uint256 key, address token, address spender, uint256 amount, uint256 deadline)
        internal
        view
        returns (TokenSignature memory)
    {
        address owner = vm.addr(key);
        uint256 nonce = IERC20Permit(token).nonces(owner);
        return signTyped(
            key,
            token,
            keccak256(
                abi.encode(
                    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                    owner,
                    spender,
                    amount,
                    nonce,
                    deadline
                )
            )
        );
    }

    function signAuthorization(
        uint256 key,
        address token,
        address to,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (TokenSignature memory) {
        return signTyped(
            key,
            token,
            keccak256(
                abi.encode(
                    keccak256(
                        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    vm.addr(key),
                    to,
                    amount,
                    validAfter,
                    validBefore,
                    nonce
                )
            )
        );
    }

    function signTyped(uint256 key, address token, bytes32 structHash) private view returns (TokenSignature memory) {
        bytes32 domain = IERC20Permit(token).DOMAIN_SEPARATOR();
        (bytes32 r, bytes32 vs) = vm.signCompact(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        // EIP-2098: the highest bit of `vs` is the parity.
        return TokenSignature(uint8(27 + uint256(vs >> 255)), r, vs & bytes32(type(uint256).max >> 1));
    }
}
