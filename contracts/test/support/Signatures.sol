// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureToken} from "../mocks/Tokens.sol";
import {vm} from "./Vm.sol";

/// @notice What the holder of tokens signs: an EIP-2612 permit, or an ERC-3009 authorisation to receive.
/// @dev Written out from the two standards, not taken from the token under test.
abstract contract Signatures {
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    struct Authorization {
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    uint256 internal constant HOLDER_KEY = 0x401de7;
    address internal immutable HOLDER = vm.addr(HOLDER_KEY);

    bytes32 private constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 private constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    function signPermit(address token, address spender, uint256 amount, uint256 deadline)
        internal
        view
        returns (Permit memory p)
    {
        p.deadline = deadline;
        uint256 nonce = SignatureToken(token).nonces(HOLDER);
        (p.v, p.r, p.s) = sign(token, keccak256(abi.encode(PERMIT, HOLDER, spender, amount, nonce, deadline)));
    }

    function signAuthorization(
        address token,
        address to,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce
    ) internal view returns (Authorization memory a) {
        (a.validAfter, a.validBefore, a.nonce) = (validAfter, validBefore, nonce);
        (a.v, a.r, a.s) =
            sign(token, keccak256(abi.encode(RECEIVE, HOLDER, to, amount, validAfter, validBefore, nonce)));
    }

    function sign(address token, bytes32 structHash) private view returns (uint8, bytes32, bytes32) {
        bytes32 domain = SignatureToken(token).DOMAIN_SEPARATOR();
        return vm.sign(HOLDER_KEY, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }
}
