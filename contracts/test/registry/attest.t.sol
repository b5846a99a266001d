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

    function assertAttested(bytes32 claimsHash, uint40 issuedAt, uint40 expiry) private view {
        (bytes32 hash, uint40 issued, uint40 until) = registry.attestationOf(PROVIDER, AUDITOR);
        vm.assertEq(hash, claimsHash, "claims");
        vm.assertEq(issued, issuedAt, "issued at");
        vm.assertEq(until, expiry, "expiry");
    }
}
