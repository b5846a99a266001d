// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {RegistryTest} from "../support/RegistryTest.sol";
import {vm} from "../support/Vm.sol";

contract AttestTest is RegistryTest {
    address private constant AUDITOR = address(0xB0A1);
    bytes32 private constant CLAIMS = keccak256("claims");

    function test_is_readable_until_it_is_replaced_or_revoked() public {
        vm.startPrank(AUDITOR);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.Attested(PROVIDER, AUDITOR, CLAIMS, EXPIRY);
        registry.attest(PROVIDER, CLAIMS, EXPIRY);
        assertAttested(CLAIMS, START, EXPIRY);
        vm.warp(EXPIRY + 1);
        assertAttested(CLAIMS, START, EXPIRY);

        registry.attest(PROVIDER, keccak256("others"), EXPIRY + 2);
        assertAttested(keccak256("others"), EXPIRY + 1, EXPIRY + 2);

        vm.expectEmit(address(registry));
        emit IProviderRegistry.AttestationRevoked(PROVIDER, AUDITOR);
        registry.revoke(PROVIDER);
        assertAttested(0, 0, 0);
        vm.stopPrank();
    }

    function test_each_auditor_speaks_for_itself() public {
        vm.prank(AUDITOR);
        registry.attest(PROVIDER, CLAIMS, EXPIRY);
        vm.startPrank(STRANGER);
        registry.attest(PROVIDER, keccak256("others"), EXPIRY);
        registry.revoke(PROVIDER);
        vm.stopPrank();
        assertAttested(CLAIMS, START, EXPIRY);
    }

    function test_needs_a_provider_and_an_expiry_that_lies_ahead() public {
        vm.startPrank(AUDITOR);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotRegistered.selector, STRANGER));
        registry.attest(STRANGER, CLAIMS, EXPIRY);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadExpiry.selector, START));
        registry.attest(PROVIDER, CLAIMS, START);
        registry.attest(PROVIDER, CLAIMS, START + 1);
        vm.stopPrank();
    }

    function test_only_what_was_attested_can_be_revoked() public {
        vm.startPrank(AUDITOR);
        bytes memory nothing =
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NothingAttested.selector, PROVIDER, AUDITOR);
        vm.expectRevert(nothing);
        registry.revoke(PROVIDER);
        registry.attest(PROVIDER, CLAIMS, EXPIRY);
        registry.revoke(PROVIDER);
        vm.expectRevert(nothing);
        registry.revoke(PROVIDER);
        vm.stopPrank();
    }

    function test_attestations_of_many_auditors_and_providers_stay_apart() public {
        address other = address(0xB100);
        fundFor(other, BOND);
        vm.prank(other);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        for (uint40 i = 1; i <= 20; ++i) {
            vm.startPrank(auditor(i));
            registry.attest(PROVIDER, bytes32(uint256(i)), EXPIRY + i);
            registry.attest(other, bytes32(uint256(1000 + i)), EXPIRY + 1000 + i);
            if (i % 3 == 0) registry.revoke(PROVIDER);
            vm.stopPrank();
        }
        for (uint40 i = 1; i <= 20; ++i) {
            (bytes32 claims,, uint40 expiry) = registry.attestationOf(PROVIDER, auditor(i));
            vm.assertEq(claims, i % 3 == 0 ? bytes32(0) : bytes32(uint256(i)), "claims");
            vm.assertEq(expiry, i % 3 == 0 ? 0 : EXPIRY + i, "expiry");
            (claims,, expiry) = registry.attestationOf(other, auditor(i));
            vm.assertEq(claims, bytes32(uint256(1000 + i)), "the other provider's claims");
            vm.assertEq(expiry, EXPIRY + 1000 + i, "the other provider's expiry");
        }
    }

    function test_an_attestation_gives_nobody_a_right_and_outlives_the_bond() public {
        IProviderRegistry.ProviderView memory before = provider();
        vm.prank(AUDITOR);
        registry.attest(PROVIDER, CLAIMS, EXPIRY);
        assertEq(provider(), before);
        vm.assertEq(registry.isAuthorised(PROVIDER, AUDITOR), false, "the auditor acts for nobody");
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND);
        vm.warp(START + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.assertEq(provider().status, 2, "inactive");
        assertAttested(CLAIMS, START, EXPIRY);
        vm.prank(AUDITOR);
        registry.attest(PROVIDER, CLAIMS, EXPIRY + 1);
        assertAttested(CLAIMS, START + UNBOND_DELAY, EXPIRY + 1);
    }

    function test_only_the_named_deployer_sets_the_market() public {
        IProviderRegistry other = IProviderRegistry(
            vm.deployCode("ProviderRegistry.sol:ProviderRegistry", abi.encode(token, MIN_BOND, UNBOND_DELAY, STRANGER))
        );
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotDeployer.selector, address(this)));
        other.setMarket(address(this));
        vm.prank(STRANGER);
        other.setMarket(address(this));
        vm.assertEq(other.market(), address(this), "market");
    }

    function auditor(uint40 i) private pure returns (address) {
        return address(uint160(0xB200) + i);
    }

    function assertAttested(bytes32 claimsHash, uint40 issuedAt, uint40 expiry) private view {
        (bytes32 hash, uint40 issued, uint40 until) = registry.attestationOf(PROVIDER, AUDITOR);
        vm.assertEq(hash, claimsHash, "claims");
        vm.assertEq(issued, issuedAt, "issued at");
        vm.assertEq(until, expiry, "expiry");
    }
}
