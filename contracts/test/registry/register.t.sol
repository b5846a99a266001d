// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {FeeToken} from "../mocks/Tokens.sol";
import {refusedBy} from "../support/Deploy.sol";
import {RegistryTest} from "../support/RegistryTest.sol";
import {vm} from "../support/Vm.sol";

contract RegisterTest is RegistryTest {
    function test_takes_the_bond_and_announces_the_provider() public {
        fundFor(STRANGER, MIN_BOND);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.ProviderRegistered(STRANGER, OPERATOR, EXPIRY, MIN_BOND, "uri", bytes32("a"));
        vm.prank(STRANGER);
        registry.register(OPERATOR, EXPIRY, MIN_BOND, "uri", bytes32("a"));
        IProviderRegistry.ProviderView memory expected;
        expected.operator = OPERATOR;
        expected.operatorExpiry = EXPIRY;
        expected.status = 1;
        expected.bond = MIN_BOND;
        assertEq(registry.providerOf(STRANGER), expected);
        vm.assertEq(registry.totalBond(), BOND + MIN_BOND, "total bond");
        vm.assertEq(token.balanceOf(address(registry)), BOND + MIN_BOND, "held");
        vm.assertEq(registry.freeBond(STRANGER), MIN_BOND, "free");
    }

    function test_refuses_a_second_registration() public {
        vm.prank(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_AlreadyRegistered.selector, PROVIDER));
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
    }

    function test_refuses_no_operator() public {
        vm.prank(STRANGER);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        registry.register(address(0), EXPIRY, BOND, "", 0);
    }

    function test_refuses_a_bond_below_the_minimum() public {
        vm.prank(STRANGER);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BelowMinBond.selector, MIN_BOND, MIN_BOND - 1)
        );
        registry.register(OPERATOR, EXPIRY, MIN_BOND - 1, "", 0);
    }

    function test_refuses_an_expiry_that_does_not_lie_ahead() public {
        fundFor(STRANGER, BOND);
        vm.startPrank(STRANGER);
        for (uint40 i = 0; i < 2; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadExpiry.selector, START - 1 + i)
            );
            registry.register(OPERATOR, START - 1 + i, BOND, "", 0);
        }
        registry.register(OPERATOR, START + 1, BOND, "", 0);
        vm.stopPrank();
    }

    function test_takes_a_uri_of_512_bytes_and_no_longer() public {
        fundFor(STRANGER, BOND);
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_UriTooLong.selector, 513));
        registry.register(OPERATOR, EXPIRY, BOND, string(new bytes(513)), 0);
        registry.register(OPERATOR, EXPIRY, BOND, string(new bytes(512)), 0);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_UriTooLong.selector, 513));
        registry.update(string(new bytes(513)), 0);
        vm.stopPrank();
    }

    function test_refuses_a_bond_token_that_keeps_a_fee() public {
        FeeToken feeToken = new FeeToken();
        registry = deployRegistry(address(feeToken));
        feeToken.mint(STRANGER, BOND);
        vm.startPrank(STRANGER);
        feeToken.approve(address(registry), BOND);
        vm.expectRevert(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_FeeOnTransfer.selector, uint256(BOND), uint256(BOND) * 99 / 100
            )
        );
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        vm.stopPrank();
    }

    function test_the_views_tell_how_it_was_deployed() public view {
        vm.assertEq(registry.bondToken(), address(token), "token");
        vm.assertEq(uint256(registry.minBond()), MIN_BOND, "minimum");
        vm.assertEq(uint256(registry.unbondDelay()), UNBOND_DELAY, "delay");
        vm.assertEq(registry.market(), address(this), "market");
    }

    function test_the_constructor_needs_a_token_and_a_deployer() public {
        bytes memory zero = abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        bytes memory arguments = abi.encode(address(0), MIN_BOND, UNBOND_DELAY, STRANGER);
        vm.assertEq(refusedBy("ProviderRegistry.sol:ProviderRegistry", arguments), zero, "token");
        arguments = abi.encode(token, MIN_BOND, UNBOND_DELAY, address(0));
        vm.assertEq(refusedBy("ProviderRegistry.sol:ProviderRegistry", arguments), zero, "deployer");
    }
}

contract KeysTest is RegistryTest {
    function test_update_announces_and_needs_a_provider() public {
        vm.expectEmit(address(registry));
        emit IProviderRegistry.ProviderUpdated(PROVIDER, "https://new.example", bytes32("b"));
        vm.prank(PROVIDER);
        registry.update("https://new.example", bytes32("b"));
        bytes memory err = abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotRegistered.selector, OPERATOR);
        vm.startPrank(OPERATOR);
        vm.expectRevert(err);
        registry.update("", 0);
        vm.expectRevert(err);
        registry.setOperator(STRANGER, EXPIRY);
        vm.expectRevert(err);
        registry.addBond(1);
        vm.expectRevert(err);
        registry.startUnbond(1);
        vm.expectRevert(err);
        registry.withdrawBond(STRANGER);
        vm.stopPrank();
    }

    function test_a_new_operator_replaces_the_old_and_kills_its_bids() public {
        vm.expectEmit(address(registry));
        emit IProviderRegistry.OperatorSet(PROVIDER, STRANGER, EXPIRY, 1);
        vm.prank(PROVIDER);
        registry.setOperator(STRANGER, EXPIRY);
        vm.assertEq(registry.isAuthorised(PROVIDER, STRANGER), true, "new");
        vm.assertEq(registry.isAuthorised(PROVIDER, OPERATOR), false, "old");
        vm.assertEq(provider().bidEpoch, 1, "epoch");
    }

    function test_the_operator_can_be_removed() public {
        vm.startPrank(PROVIDER);
        registry.setOperator(address(0), 0);
        vm.assertEq(registry.isAuthorised(PROVIDER, OPERATOR), false, "operator");
        vm.assertEq(registry.isAuthorised(PROVIDER, address(0)), false, "nobody");
        vm.assertEq(registry.isAuthorised(PROVIDER, PROVIDER), true, "owner");
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadExpiry.selector, START));
        registry.setOperator(OPERATOR, START);
        vm.stopPrank();
    }

    function test_the_operator_acts_until_its_expiry_inclusive() public {
        vm.warp(EXPIRY);
        vm.assertEq(registry.isAuthorised(PROVIDER, OPERATOR), true, "at the expiry");
        vm.warp(EXPIRY + 1);
        vm.assertEq(registry.isAuthorised(PROVIDER, OPERATOR), false, "after it");
        vm.assertEq(registry.isAuthorised(PROVIDER, PROVIDER), true, "owner");
    }

    function test_nobody_acts_for_an_unknown_provider() public view {
        vm.assertEq(registry.isAuthorised(STRANGER, STRANGER), false, "itself");
        vm.assertEq(registry.isAuthorised(address(0), address(0)), false, "zero");
    }

    function test_owner_and_operator_bump_the_epoch_and_others_do_not() public {
        vm.expectEmit(address(registry));
        emit IProviderRegistry.BidEpochBumped(PROVIDER, OPERATOR, 1);
        vm.prank(OPERATOR);
        registry.bumpBidEpoch(PROVIDER);
        vm.prank(PROVIDER);
        registry.bumpBidEpoch(PROVIDER);
        vm.assertEq(provider().bidEpoch, 2, "epoch");
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAuthorised.selector, PROVIDER, STRANGER)
        );
        vm.prank(STRANGER);
        registry.bumpBidEpoch(PROVIDER);
        vm.warp(EXPIRY + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotAuthorised.selector, PROVIDER, OPERATOR)
        );
        vm.prank(OPERATOR);
        registry.bumpBidEpoch(PROVIDER);
    }
}
