// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {bound, vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {holds, same} from "../Broken.sol";
import {Stage} from "../Stage.sol";

/// @notice Providers, their keys and their bonds, and who attests what of them.
abstract contract RegistryActions is Stage {
    function registerOne(uint256 seed) public {
        seed = mix(seed);
        if (desks.length < MAX_PROVIDERS) {
            newDesk();
            return reach(Action.Register);
        }
        vm.prank(desks[seed % desks.length].owner);
        registry.update("https://another.example:8443", bytes32(seed));
        reach(Action.UpdateProvider);
    }

    function bondActions(uint256 seed) public {
        seed = mix(seed);
        address provider = desks[seed % desks.length].owner;
        IProviderRegistry.ProviderView memory shown = registry.providerOf(provider);
        uint256 kind = (seed >> 8) % 4;
        if (kind == 0 || shown.bond == 0) raiseBond(provider, 5e6);
        else if (shown.unbonding == 0) unbond(provider, uint128(bound(seed >> 16, 1, shown.bond)));
        else if (kind <= 2) unbond(provider, 0);
        else takeBond(provider);
    }

    function withdrawCredit(uint256 seed) public {
        seed = mix(seed);
        for (uint256 i = 0; i < people.length; ++i) {
            address account = people[(i + seed % people.length) % people.length];
            uint256 credit = creditBook[account];
            if (credit == 0) continue;
            uint256 before = token.balanceOf(account);
            vm.prank(account);
            registry.withdrawClaimable(account);
            same(token.balanceOf(account), before + credit, "7: slashed bond is paid to whom it was credited");
            creditBook[account] = 0;
            return reach(Action.WithdrawClaimable);
        }
    }

    /// @dev Half of the keys live so shortly that the owner soon acts itself.
    function rotateOperator(uint256 seed) public {
        seed = mix(seed);
        address provider = desks[seed % desks.length].owner;
        lookAtExpiry(provider);
        rotate(provider, (seed >> 32) % 2 == 0 ? 10 minutes : 300 days);
    }

    function bumpEpoch(uint256 seed) public {
        seed = mix(seed);
        address provider = desks[seed % desks.length].owner;
        lookAtExpiry(provider);
        vm.prank(actorOf(provider, seed >> 8));
        registry.bumpBidEpoch(provider);
        reach(Action.BumpBidEpoch);
    }

    function lookAtExpiry(address provider) private {
        bool expired = block.timestamp > registry.providerOf(provider).operatorExpiry;
        bool acts = registry.isAuthorised(provider, deskOf(provider).operator);
        holds(acts != expired, "8: a key acts until it expires");
        if (expired) reach(Action.OperatorExpired);
    }

    function attestOrRevoke(uint256 seed) public {
        seed = mix(seed);
        address provider = desks[seed % desks.length].owner;
        (bytes32 attested,,) = registry.attestationOf(provider, AUDITOR);
        vm.prank(AUDITOR);
        if (attested == 0) registry.attest(provider, bytes32(seed | 1), uint40(block.timestamp) + 1);
        else registry.revoke(provider);
        reach(attested == 0 ? Action.Attest : Action.Revoke);
    }
}
