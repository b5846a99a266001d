// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureToken} from "../mocks/Tokens.sol";
import {MarketTest} from "./MarketTest.sol";
import {Signatures} from "./Signatures.sol";
import {vm} from "./Vm.sol";

/// @notice A holder of a token that takes signatures, and the signatures.
abstract contract SignedDepositTest is MarketTest, Signatures {
    SignatureToken internal signatures;

    function setUp() public virtual override {
        super.setUp();
        signatures = new SignatureToken();
        market.allowToken(address(signatures));
        signatures.mint(HOLDER, 100e6);
    }

    function permit(uint256 amount) internal view returns (Permit memory) {
        return signPermit(address(signatures), address(market), amount, block.timestamp + 60);
    }

    function depositWithPermit(Permit memory p, address owner, uint256 amount) internal {
        vm.prank(HOLDER);
        market.depositWithPermit(address(signatures), owner, amount, p.deadline, p.v, p.r, p.s);
    }

    function authorization(uint256 amount, bytes32 nonce) internal view returns (Authorization memory) {
        return signAuthorization(address(signatures), address(market), amount, 0, block.timestamp + 60, nonce);
    }

    function depositWithAuthorization(Authorization memory a, uint256 amount) internal {
        market.depositWithAuthorization(
            address(signatures), HOLDER, amount, a.validAfter, a.validBefore, a.nonce, a.v, a.r, a.s
        );
    }
}
