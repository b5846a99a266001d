// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureToken} from "../mocks/Tokens.sol";
import {MarketTest} from "./MarketTest.sol";
import {vm} from "./Vm.sol";

/// @notice A holder of a token that takes signatures, and the signatures.
abstract contract SignedDepositTest is MarketTest {
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    struct Authorization {
        uint256 before;
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

    SignatureToken internal signatures;

    function setUp() public virtual override {
        super.setUp();
        signatures = new SignatureToken();
        market.allowToken(address(signatures));
        signatures.mint(HOLDER, 100e6);
    }

    function permit(uint256 amount) internal view returns (Permit memory p) {
        p.deadline = block.timestamp + 60;
        uint256 nonce = signatures.nonces(HOLDER);
        (p.v, p.r, p.s) = sign(keccak256(abi.encode(PERMIT, HOLDER, market, amount, nonce, p.deadline)));
    }

    function depositWithPermit(Permit memory p, address owner, uint256 amount) internal {
        vm.prank(HOLDER);
        market.depositWithPermit(address(signatures), owner, amount, p.deadline, p.v, p.r, p.s);
    }

    function authorization(uint256 amount, bytes32 nonce) internal view returns (Authorization memory a) {
        a.before = block.timestamp + 60;
        a.nonce = nonce;
        (a.v, a.r, a.s) = sign(keccak256(abi.encode(RECEIVE, HOLDER, market, amount, 0, a.before, nonce)));
    }

    function depositWithAuthorization(Authorization memory a, uint256 amount) internal {
        market.depositWithAuthorization(address(signatures), HOLDER, amount, 0, a.before, a.nonce, a.v, a.r, a.s);
    }

    function sign(bytes32 structHash) private view returns (uint8, bytes32, bytes32) {
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", signatures.DOMAIN_SEPARATOR(), structHash));
        return vm.sign(HOLDER_KEY, digest);
    }
}
