// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {BlockingToken, ReentrantToken} from "../mocks/Tokens.sol";
import {RegistryTest} from "../support/RegistryTest.sol";
import {vm} from "../support/Vm.sol";

contract BondTest is RegistryTest {
    function test_adding_grows_the_bond() public {
        fundFor(PROVIDER, 5);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.BondAdded(PROVIDER, 5, BOND + 5);
        vm.startPrank(PROVIDER);
        registry.addBond(5);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAmount.selector);
        registry.addBond(0);
        vm.stopPrank();
        vm.assertEq(provider().bond, BOND + 5, "bond");
        vm.assertEq(registry.totalBond(), BOND + 5, "total");
    }

    function test_unbonding_takes_the_delay_and_what_is_asked() public {
        vm.expectEmit(address(registry));
        emit IProviderRegistry.UnbondStarted(PROVIDER, 300e6, START + UNBOND_DELAY);
        vm.startPrank(PROVIDER);
        registry.startUnbond(300e6);
        vm.assertEq(registry.freeBond(PROVIDER), BOND - 300e6, "free");
        vm.warp(START + UNBOND_DELAY - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_TooEarly.selector, START + UNBOND_DELAY)
        );
        registry.withdrawBond(STRANGER);
        vm.warp(START + UNBOND_DELAY);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.BondWithdrawn(PROVIDER, STRANGER, 300e6, BOND - 300e6);
        registry.withdrawBond(STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), 300e6, "received");
        vm.assertEq(provider().unbonding, 0, "nothing asked back any more");
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NothingUnbonding.selector, PROVIDER));
        registry.withdrawBond(STRANGER);
        vm.stopPrank();
        vm.assertEq(registry.totalBond(), BOND - 300e6, "total");
    }

    function test_asking_again_starts_the_delay_anew_and_zero_takes_it_back() public {
        vm.startPrank(PROVIDER);
        registry.startUnbond(300e6);
        vm.warp(START + 100);
        registry.startUnbond(200e6);
        vm.assertEq(provider().unbonding, 200e6, "replaced");
        vm.assertEq(provider().unbondAt, START + 100 + UNBOND_DELAY, "anew");
        registry.startUnbond(0);
        vm.assertEq(registry.freeBond(PROVIDER), BOND, "free");
        vm.stopPrank();
    }

    function test_no_more_than_the_bond_can_be_asked_back() public {
        vm.startPrank(PROVIDER);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_InsufficientBond.selector, BOND, BOND + 1)
        );
        registry.startUnbond(BOND + 1);
        registry.startUnbond(BOND);
        vm.stopPrank();
    }

    function test_locked_bond_stays_and_the_rest_of_the_request_waits() public {
        registry.lock(PROVIDER, OPERATOR, 0, 900e6);
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND);
        vm.warp(START + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.assertEq(token.balanceOf(PROVIDER), 100e6, "the unlocked part");
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondLocked.selector, 0, BOND - 100e6));
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        registry.unlock(PROVIDER, 900e6);
        vm.prank(PROVIDER);
        registry.withdrawBond(PROVIDER);
        vm.assertEq(token.balanceOf(PROVIDER), BOND, "all");
        vm.assertEq(provider().status, 2, "inactive");
    }

    function test_below_the_minimum_is_inactive_until_bond_is_added() public {
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND - MIN_BOND + 1);
        vm.warp(START + UNBOND_DELAY);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.StatusChanged(PROVIDER, 2);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_Inactive.selector, PROVIDER));
        registry.lock(PROVIDER, OPERATOR, 0, 0);
        fundFor(PROVIDER, 2);
        vm.startPrank(PROVIDER);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.StatusChanged(PROVIDER, 1);
        registry.addBond(1);
        vm.stopPrank();
        registry.lock(PROVIDER, OPERATOR, 0, 0);
    }

    function test_exactly_the_minimum_stays_active() public {
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND - MIN_BOND);
        vm.warp(START + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.assertEq(provider().status, 1, "active");
    }

    function test_bond_goes_to_no_zero_address() public {
        vm.startPrank(PROVIDER);
        registry.startUnbond(1);
        vm.warp(START + UNBOND_DELAY);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        registry.withdrawBond(address(0));
        vm.stopPrank();
    }

    function test_a_token_that_calls_back_cannot_withdraw_twice() public {
        ReentrantToken calling = new ReentrantToken();
        registry = deployRegistry(address(calling));
        calling.mint(address(calling), BOND);
        vm.startPrank(address(calling));
        calling.approve(address(registry), BOND);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        registry.startUnbond(400e6);
        vm.warp(START + UNBOND_DELAY);
        calling.arm(address(registry), abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER)));
        registry.withdrawBond(STRANGER);
        vm.stopPrank();
        vm.assertTrue(calling.called() && !calling.succeeded(), "the call was made and refused");
        vm.assertEq(calling.balanceOf(STRANGER), 400e6, "received once");
    }
}

contract MarketOnlyTest is RegistryTest {
    function test_the_deployer_sets_the_market_once() public {
        IProviderRegistry other = deployRegistry(address(token));
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotDeployer.selector, STRANGER));
        vm.prank(STRANGER);
        other.setMarket(STRANGER);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        other.setMarket(address(0));
        vm.expectEmit(address(other));
        emit IProviderRegistry.MarketSet(STRANGER);
        other.setMarket(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_MarketAlreadySet.selector, STRANGER));
        other.setMarket(VICTIM);
    }

    function test_nobody_else_locks_unlocks_or_slashes() public {
        bytes memory err = abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotMarket.selector, PROVIDER);
        vm.startPrank(PROVIDER);
        vm.expectRevert(err);
        registry.lock(PROVIDER, OPERATOR, 0, 1);
        vm.expectRevert(err);
        registry.unlock(PROVIDER, 1);
        vm.expectRevert(err);
        registry.slash(PROVIDER, 1, 1, VICTIM, 1, TREASURY);
        vm.stopPrank();
    }

    function test_before_the_market_is_set_nobody_is_the_market() public {
        IProviderRegistry other = deployRegistry(address(token));
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotMarket.selector, address(this)));
        other.lock(PROVIDER, OPERATOR, 0, 0);
    }

    function test_locks_what_is_neither_locked_nor_unbonding() public {
        registry.lock(PROVIDER, OPERATOR, 0, 400e6);
        vm.prank(PROVIDER);
        registry.startUnbond(500e6);
        vm.assertEq(registry.freeBond(PROVIDER), 100e6, "free");
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondLocked.selector, 100e6, 100e6 + 1)
        );
        registry.lock(PROVIDER, OPERATOR, 0, 100e6 + 1);
        registry.lock(PROVIDER, PROVIDER, 0, 100e6);
        vm.assertEq(provider().locked, 500e6, "locked");
    }

    function test_locks_only_for_the_epoch_and_the_keys_of_the_provider() public {
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_StaleEpoch.selector, 0, 1));
        registry.lock(PROVIDER, OPERATOR, 1, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, STRANGER)
        );
        registry.lock(PROVIDER, STRANGER, 0, 1);
        vm.expectRevert(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, address(0))
        );
        registry.lock(PROVIDER, address(0), 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_Inactive.selector, STRANGER));
        registry.lock(STRANGER, STRANGER, 0, 0);
    }

    function test_unlocking_saturates() public {
        registry.lock(PROVIDER, OPERATOR, 0, 10);
        registry.unlock(PROVIDER, 11);
        vm.assertEq(provider().locked, 0, "locked");
        registry.unlock(STRANGER, 1);
    }

    function test_slashing_credits_the_victim_and_the_rest() public {
        registry.lock(PROVIDER, OPERATOR, 0, 50e6);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.BondSlashed(PROVIDER, VICTIM, TREASURY, 10e6, 20e6);
        registry.slash(PROVIDER, 50e6, 30e6, VICTIM, 10e6, TREASURY);
        vm.assertEq(registry.claimable(VICTIM), 10e6, "victim");
        vm.assertEq(registry.claimable(TREASURY), 20e6, "rest");
        vm.assertEq(provider().bond, BOND - 30e6, "bond");
        vm.assertEq(provider().locked, 0, "locked");
        vm.assertEq(registry.totalBond(), BOND - 30e6, "total");
    }

    function test_slashing_never_takes_more_than_the_lock_it_releases() public {
        registry.lock(PROVIDER, OPERATOR, 0, 50e6);
        registry.slash(PROVIDER, 20e6, 999e6, VICTIM, 999e6, TREASURY);
        vm.assertEq(registry.claimable(VICTIM), 20e6, "victim");
        vm.assertEq(provider().bond, BOND - 20e6, "bond");
        registry.slash(PROVIDER, 99e6, 99e6, VICTIM, 0, TREASURY);
        vm.assertEq(registry.claimable(TREASURY), 30e6, "what was still locked");
    }

    function test_slashing_below_the_minimum_makes_inactive() public {
        registry.lock(PROVIDER, OPERATOR, 0, BOND);
        vm.expectEmit(address(registry));
        emit IProviderRegistry.StatusChanged(PROVIDER, 2);
        registry.slash(PROVIDER, BOND, BOND - MIN_BOND + 1, VICTIM, 0, TREASURY);
        vm.assertEq(provider().status, 2, "inactive");
    }

    function test_credited_bond_is_withdrawn_once_by_whom_it_was_credited_to() public {
        registry.lock(PROVIDER, OPERATOR, 0, 50e6);
        registry.slash(PROVIDER, 50e6, 50e6, VICTIM, 50e6, TREASURY);
        vm.startPrank(VICTIM);
        vm.expectRevert(IProviderRegistry.ProviderRegistry_ZeroAddress.selector);
        registry.withdrawClaimable(address(0));
        vm.expectEmit(address(registry));
        emit IProviderRegistry.ClaimableWithdrawn(VICTIM, STRANGER, 50e6);
        registry.withdrawClaimable(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NothingClaimable.selector, VICTIM));
        registry.withdrawClaimable(STRANGER);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(STRANGER), 50e6, "received");
    }

    /// @dev Regression (iv): pushed money would let a blocked victim stop the market from closing a lease.
    function test_a_blocked_victim_does_not_stop_a_slash() public {
        BlockingToken blocking = new BlockingToken();
        registry = deployRegistry(address(blocking));
        registry.setMarket(address(this));
        blocking.mint(PROVIDER, BOND);
        vm.startPrank(PROVIDER);
        blocking.approve(address(registry), BOND);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        vm.stopPrank();
        blocking.setBlocked(VICTIM);
        registry.lock(PROVIDER, OPERATOR, 0, 50e6);
        registry.slash(PROVIDER, 50e6, 50e6, VICTIM, 50e6, TREASURY);
        vm.startPrank(VICTIM);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, VICTIM));
        registry.withdrawClaimable(VICTIM);
        registry.withdrawClaimable(STRANGER);
        vm.stopPrank();
        vm.assertEq(blocking.balanceOf(STRANGER), 50e6, "received elsewhere");
    }
}
