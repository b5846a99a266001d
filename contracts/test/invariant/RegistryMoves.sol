// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {vm} from "../support/Vm.sol";
import {Action} from "./Action.sol";
import {Book} from "./Book.sol";
import {holds, same} from "./Broken.sol";

/// @notice Each call of the registry, with what it means for the books.
abstract contract RegistryMoves is Book {
    uint256 internal constant MINIMUM = MIN_BOND;

    function raiseBond(address provider, uint128 amount) internal {
        uint8 before = registry.providerOf(provider).status;
        token.mint(provider, amount);
        vm.startPrank(provider);
        token.approve(address(registry), amount);
        registry.addBond(amount);
        vm.stopPrank();
        bondBook[provider] += amount;
        reach(Action.AddBond);
        uint8 status = registry.providerOf(provider).status;
        holds(status == 1 || bondBook[provider] < MIN_BOND, "7: a bond above the minimum makes a provider Active");
        if (before == 2 && status == 1) reach(Action.Reactivate);
    }

    /// @dev 0 takes the request back.
    function unbond(address provider, uint128 amount) internal {
        vm.prank(provider);
        registry.startUnbond(amount);
        reach(amount == 0 ? Action.CancelUnbond : Action.StartUnbond);
    }

    /// @dev As far as it is unlocked, when its time has come.
    function takeBond(address provider) internal {
        IProviderRegistry.ProviderView memory before = registry.providerOf(provider);
        uint256 amount = least(before.unbonding, before.bond - before.locked);
        if (before.unbonding == 0 || amount == 0) return;
        warpTo(before.unbondAt);
        uint256 held = token.balanceOf(provider);
        vm.prank(provider);
        registry.withdrawBond(provider);
        same(token.balanceOf(provider), held + amount, "7: bond leaves as far as it is unlocked");
        bondBook[provider] -= amount;
        reach(Action.WithdrawBond);
        if (before.status == 1 && registry.providerOf(provider).status == 2) reach(Action.Deactivate);
    }

    /// @dev Takes out all that is unlocked; true if that made the provider Inactive.
    function deactivate(address provider) internal returns (bool) {
        unbond(provider, registry.providerOf(provider).bond);
        takeBond(provider);
        return registry.providerOf(provider).status == 2;
    }

    /// @dev A new operator for some time; the key before it is worth nothing from now on.
    function rotate(address provider, uint256 lifetime) internal returns (uint256 former) {
        Desk storage desk = deskOf(provider);
        (desk.former, desk.formerKey) = (desk.operator, desk.operatorKey);
        (desk.operator, desk.operatorKey) = newKey();
        uint32 epoch = registry.providerOf(provider).bidEpoch;
        vm.prank(provider);
        registry.setOperator(desk.operator, uint40(block.timestamp + lifetime));
        same(registry.providerOf(provider).bidEpoch, epoch + 1, "7: a new key kills outstanding bids");
        holds(!registry.isAuthorised(provider, desk.former), "8: a former key acts for nobody");
        reach(Action.RotateOperator);
        return desk.formerKey;
    }
}
