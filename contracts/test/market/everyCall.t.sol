// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {HookingToken} from "../mocks/HookingToken.sol";
import {EveryCall} from "../support/EveryCall.sol";
import {vm} from "../support/Vm.sol";

/// @notice What holds of every function of both contracts.
contract EveryCallTest is EveryCall {
    /// @dev `setMarket` succeeds once in a registry's life, and did in `setUp`.
    string private constant SPENT = "setMarket";

    function test_the_list_has_every_function_that_changes_anything() public view {
        string memory functions = "$[?(@.type == 'function' && @.stateMutability == 'nonpayable')].name";
        string[2] memory abis = ["abi/LeaseMarket.json", "abi/ProviderRegistry.json"];
        uint256 known = 0;
        for (uint256 i = 0; i < abis.length; ++i) {
            string[] memory names = abi.decode(vm.parseJson(vm.readFile(abis[i]), functions), (string[]));
            for (uint256 j = 0; j < names.length; ++j) {
                if (keccak256(bytes(names[j])) == keccak256(bytes(SPENT))) continue;
                vm.assertEq(entry(names[j]).name, names[j], "listed");
                ++known;
            }
        }
        vm.assertEq(known, entries.length, "and nothing else");
    }

    function test_every_call_is_possible() public {
        for (uint256 i = 0; i < entries.length; ++i) {
            uint256 state = vm.snapshotState();
            vm.assertEq(outcome(entries[i].call), DONE, entries[i].name);
            back(state);
        }
    }

    function test_a_pause_of_intake_stops_deposits_and_new_leases_and_changes_nothing_else() public {
        for (uint256 i = 0; i < entries.length; ++i) {
            uint256 state = vm.snapshotState();
            outcome(entries[i].call);
            bytes32 unpaused = books();
            back(state);
            bytes32 before = books();
            market.setIntakePaused(true);
            bytes memory stopped = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_IntakePaused.selector);
            vm.assertEq(outcome(entries[i].call), entries[i].intake ? stopped : DONE, entries[i].name);
            vm.assertEq(books(), entries[i].intake ? before : unpaused, entries[i].name);
            back(state);
        }
    }

    /// @dev The token's code is replaced by one that consumes all gas of whoever calls it: an exit that asked it
    /// anything would not come back.
    function test_only_entrances_and_withdrawals_touch_a_token() public {
        for (uint256 i = 0; i < entries.length; ++i) {
            uint256 state = vm.snapshotState();
            outcome(entries[i].call);
            bytes32 alive = books();
            back(state);
            bytes32 before = books();
            vm.etch(address(token), hex"fe");
            (bool ok,) = tryWith(3_000_000, entries[i].call);
            vm.assertEq(ok, !entries[i].movesTokens, entries[i].name);
            vm.assertEq(books(), ok ? alive : before, entries[i].name);
            back(state);
        }
    }

    /// @dev Every call that moves tokens, entered again by every call there is, before and after the tokens moved. What
    /// is guarded refuses; what is not does what it would have done alone, and the books still balance.
    function test_a_token_that_calls_back_enters_nothing_that_moves_money() public {
        vm.etch(address(token), address(new HookingToken()).code);
        for (uint256 i = 0; i < entries.length; ++i) {
            if (!entries[i].movesTokens) continue;
            for (uint256 j = 0; j < entries.length; ++j) {
                reenter(entries[i], entries[j], HookingToken.When.Before);
                reenter(entries[i], entries[j], HookingToken.When.After);
                if (isPermit(entries[i])) reenter(entries[i], entries[j], HookingToken.When.InPermit);
            }
        }
    }

    function reenter(Entry memory outer, Entry memory inner, HookingToken.When when) private {
        uint256 state = vm.snapshotState();
        HookingToken hooking = HookingToken(address(token));
        string memory name = string.concat(inner.name, " within ", outer.name);
        hooking.arm(when, inner.call.by, inner.call.to, inner.call.data);
        (bool ok, bytes memory why) = tryWith(30_000_000, outer.call);
        vm.assertTrue(hooking.called() || !ok, name);
        if (ok && inner.guarded && inner.call.to == outer.call.to) {
            vm.assertEq(hooking.succeeded(), false, name);
            bytes memory refused =
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            vm.assertEq(hooking.answer(), refused, name);
        } else {
            vm.assertEq(why, "", name);
            vm.assertEq(hooking.succeeded(), true, name);
        }
        checkSolvent(name);
        back(state);
    }

    function isPermit(Entry memory call) private pure returns (bool) {
        return bytes4(call.call.data) == ILeaseMarket.depositWithPermit.selector;
    }

    function checkSolvent(string memory name) private view {
        uint256 owed = market.liabilities(address(token));
        vm.assertTrue(token.balanceOf(address(market)) >= owed, name);
        vm.assertEq(sumOfAccounts() + sumOfLeases(), owed, name);
        uint256 credits = registry.claimable(TENANT) + registry.claimable(TREASURY);
        vm.assertEq(token.balanceOf(address(registry)), registry.totalBond() + credits, name);
    }

    function sumOfAccounts() private view returns (uint256) {
        return account(TENANT) + account(PROVIDER) + account(TREASURY) + account(STRANGER) + account(HOLDER);
    }

    function sumOfLeases() private view returns (uint256 sum) {
        for (uint256 i = 0; i < allBids.length; ++i) {
            bytes32 id = market.leaseIdOf(allBids[i]);
            sum += lease(id).balance + market.disputeDepositOf(id);
        }
    }

    function tryWith(uint256 gas_, Call memory call) private returns (bool ok, bytes memory answer) {
        vm.prank(call.by);
        (ok, answer) = call.to.call{gas: gas_}(call.data);
        if (ok) answer = "";
    }
}
