// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {Edges} from "../support/Edges.sol";
import {RegistryTest} from "../support/RegistryTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice Every time that decides something in the registry, one second before it, in it, and one second after it.
contract RegistryWindowsTest is RegistryTest, Edges {
    function by(address who, bytes memory data) private view returns (Call memory) {
        return Call(who, address(registry), data);
    }

    function test_register_with_an_expiry_that_lies_ahead() public {
        fundFor(STRANGER, BOND);
        bytes memory data = abi.encodeCall(IProviderRegistry.register, (OPERATOR, EXPIRY, BOND, "", 0));
        checkEdge(EXPIRY, by(STRANGER, data), DONE, badExpiry(), badExpiry());
    }

    function test_setOperator_with_an_expiry_that_lies_ahead() public {
        bytes memory data = abi.encodeCall(IProviderRegistry.setOperator, (STRANGER, EXPIRY));
        checkEdge(EXPIRY, by(PROVIDER, data), DONE, badExpiry(), badExpiry());
    }

    function test_removing_the_operator_knows_no_time() public {
        bytes memory data = abi.encodeCall(IProviderRegistry.setOperator, (address(0), EXPIRY));
        checkEdge(EXPIRY, by(PROVIDER, data), DONE, DONE, DONE);
    }

    function test_isAuthorised_until_the_operators_expiry() public {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(EXPIRY, i);
            vm.assertEq(registry.isAuthorised(PROVIDER, OPERATOR), i < 2, second(i));
            vm.assertEq(registry.isAuthorised(PROVIDER, PROVIDER), true, "the owner needs no expiry");
            back(state);
        }
    }

    function test_bumpBidEpoch_until_the_operators_expiry() public {
        bytes memory data = abi.encodeCall(IProviderRegistry.bumpBidEpoch, (PROVIDER));
        bytes memory refused =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAuthorised.selector, PROVIDER, OPERATOR);
        checkEdge(EXPIRY, by(OPERATOR, data), DONE, DONE, refused);
        checkEdge(EXPIRY, by(PROVIDER, data), DONE, DONE, DONE);
    }

    function test_lock_until_the_expiry_of_the_operator_who_signed() public {
        bytes memory refused =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, OPERATOR);
        checkEdge(EXPIRY, locking(OPERATOR), DONE, DONE, refused);
        checkEdge(EXPIRY, locking(PROVIDER), DONE, DONE, DONE);
    }

    function test_withdrawBond_from_unbond_at_on() public {
        vm.prank(PROVIDER);
        registry.startUnbond(1);
        uint40 unbondAt = START + UNBOND_DELAY;
        bytes memory early = abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_TooEarly.selector, unbondAt);
        bytes memory data = abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER));
        checkEdge(unbondAt, by(PROVIDER, data), early, DONE, DONE);
    }

    function test_asking_again_moves_unbond_at() public {
        vm.startPrank(PROVIDER);
        registry.startUnbond(1);
        vm.warp(START + UNBOND_DELAY - 1);
        registry.startUnbond(2);
        vm.stopPrank();
        uint40 unbondAt = START + 2 * UNBOND_DELAY - 1;
        bytes memory early = abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_TooEarly.selector, unbondAt);
        bytes memory data = abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER));
        checkEdge(unbondAt, by(PROVIDER, data), early, DONE, DONE);
    }

    function test_attest_with_an_expiry_that_lies_ahead() public {
        bytes memory data = abi.encodeCall(IProviderRegistry.attest, (PROVIDER, bytes32("claims"), EXPIRY));
        checkEdge(EXPIRY, by(STRANGER, data), DONE, badExpiry(), badExpiry());
    }

    function test_revoke_and_attestationOf_know_no_time() public {
        vm.prank(STRANGER);
        registry.attest(PROVIDER, bytes32("claims"), EXPIRY);
        checkEdge(EXPIRY, by(STRANGER, abi.encodeCall(IProviderRegistry.revoke, (PROVIDER))), DONE, DONE, DONE);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(EXPIRY, i);
            (bytes32 claims, uint40 issuedAt, uint40 expiry) = registry.attestationOf(PROVIDER, STRANGER);
            vm.assertEq(claims, bytes32("claims"), second(i));
            vm.assertEq(issuedAt, START, "issued");
            vm.assertEq(expiry, EXPIRY, "whoever reads it compares the expiry");
            back(state);
        }
    }

    function locking(address signer) private view returns (Call memory) {
        return by(address(this), abi.encodeCall(IProviderRegistry.lock, (PROVIDER, signer, 0, 1)));
    }

    function badExpiry() private pure returns (bytes memory) {
        return abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadExpiry.selector, EXPIRY);
    }
}
