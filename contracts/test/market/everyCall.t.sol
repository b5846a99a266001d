// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
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
    function test_a_token_that_calls_back_enters_nothing_that_moves_money_from_the_market() public {
        reenterAll(address(market));
    }

    function test_a_token_that_calls_back_enters_nothing_that_moves_money_from_the_registry() public {
        reenterAll(address(registry));
    }

    function reenterAll(address outer) private {
        vm.etch(address(token), address(new HookingToken()).code);
        for (uint256 i = 0; i < entries.length; ++i) {
            if (!entries[i].movesTokens || entries[i].call.to != outer) continue;
            bool permits = bytes4(entries[i].call.data) == ILeaseMarket.depositWithPermit.selector;
            for (uint256 j = 0; j < entries.length; ++j) {
                // By way of a call, so that each round starts with empty memory.
                this.reenter(i, j, HookingToken.When.Before);
                this.reenter(i, j, HookingToken.When.After);
                if (permits) this.reenter(i, j, HookingToken.When.InPermit);
            }
        }
    }

    function reenter(uint256 outer_, uint256 inner_, HookingToken.When when) external {
        (Entry memory outer, Entry memory inner) = (entries[outer_], entries[inner_]);
        uint256 state = vm.snapshotState();
        HookingToken hooking = HookingToken(address(token));
        string memory name = string.concat(inner.name, " within ", outer.name);
        hooking.arm(when, inner.call.by, inner.call.to, inner.call.data);
        (bool ok, bytes memory why) = tryWith(30_000_000, outer.call);
        vm.assertEq(why, "", name);
        vm.assertTrue(ok && hooking.called(), name);
        if (inner.guarded && inner.call.to == outer.call.to) {
            vm.assertEq(hooking.succeeded(), false, name);
            bytes memory refused =
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
            vm.assertEq(hooking.answer(), refused, name);
        } else {
            vm.assertEq(hooking.succeeded(), true, name);
        }
        checkSolvent(name);
        back(state);
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

/// @notice Who may make each call, and what everybody else is told.
contract EveryCallerTest is EveryCall {
    address[] private callers;

    function setUp() public override {
        super.setUp();
        callers = [
            TENANT,
            SESSION,
            PROVIDER,
            OPERATOR,
            ARBITER,
            TREASURY,
            STRANGER,
            address(this),
            address(authority),
            address(market),
            address(registry)
        ];
    }

    function test_the_tenants_calls() public {
        checkReverts("openLease", [TENANT, TENANT], notTenant("bid"));
        checkReverts("abort", [TENANT, TENANT], notTenant("late"));
        checkReverts("dispute", [TENANT, TENANT], notTenant("claimed"));
        checkReverts("closeLease", [TENANT, SESSION], notTenant("running"));
        checkReverts("postOrder", [TENANT, TENANT], abi.encode(ILeaseMarket.LeaseMarket_NotOrderOwner.selector, TENANT));
    }

    function test_the_providers_calls() public {
        checkReverts("decline", [PROVIDER, OPERATOR], notProvider("open"));
        checkReverts("reclaim", [PROVIDER, OPERATOR], notProvider("running"));
        checkSkips("confirm", idOf("open"));
        checkSkips("settle", idOf("running"));
        checkSkips("claim", idOf("running"));
    }

    function test_the_arbiters_call() public {
        bytes memory refused = abi.encode(ILeaseMarket.LeaseMarket_NotArbiter.selector, idOf("disputed"));
        checkReverts("resolve", [ARBITER, ARBITER], refused);
    }

    function test_anybodys_calls() public {
        string[5] memory names = ["mature", "finalize", "postBid", "cancelOrder", "depositWithAuthorization"];
        for (uint256 i = 0; i < names.length; ++i) {
            for (uint256 j = 0; j < callers.length; ++j) {
                vm.assertEq(outcomeBy(callers[j], entry(names[i])), DONE, names[i]);
            }
        }
    }

    function test_the_administrators_calls() public {
        string[4] memory names = ["allowToken", "setFee", "setIntakePaused", "recoverSurplus"];
        bytes memory refused = abi.encode(IAccessManaged.AccessManagedUnauthorized.selector);
        for (uint256 i = 0; i < names.length; ++i) {
            checkReverts(names[i], [address(this), address(this)], refused);
        }
        checkReverts("setAuthority", [address(authority), address(authority)], refused);
    }

    function test_the_registered_providers_calls() public {
        string[5] memory names = ["update", "setOperator", "addBond", "startUnbond", "withdrawBond"];
        bytes memory refused = abi.encode(IProviderRegistry.ProviderRegistry_NotRegistered.selector);
        for (uint256 i = 0; i < names.length; ++i) {
            checkReverts(names[i], [PROVIDER, PROVIDER], refused);
        }
        refused = abi.encode(IProviderRegistry.ProviderRegistry_NotAuthorised.selector, PROVIDER);
        checkReverts("bumpBidEpoch", [PROVIDER, OPERATOR], refused);
    }

    function test_the_auditors_call() public {
        bytes memory refused = abi.encode(IProviderRegistry.ProviderRegistry_NothingAttested.selector, PROVIDER);
        checkReverts("revoke", [ARBITER, ARBITER], refused);
    }

    function test_the_markets_calls() public {
        bytes memory refused = abi.encode(IProviderRegistry.ProviderRegistry_NotMarket.selector);
        checkReverts("lock", [address(market), address(market)], refused);
        checkReverts("unlock", [address(market), address(market)], refused);
        checkReverts("slash", [address(market), address(market)], refused);
    }

    /// @dev The refusal names the caller last: `refused` is the selector's word and the arguments before it.
    function checkReverts(string memory name, address[2] memory allowed, bytes memory refused) private {
        Entry memory e = entry(name);
        for (uint256 i = 0; i < callers.length; ++i) {
            bool may = callers[i] == allowed[0] || callers[i] == allowed[1];
            bytes memory err = bytes.concat(withoutPadding(refused), bytes32(uint256(uint160(callers[i]))));
            vm.assertEq(outcomeBy(callers[i], e), may ? DONE : err, name);
        }
    }

    function checkSkips(string memory name, bytes32 id) private {
        Entry memory e = entry(name);
        for (uint256 i = 0; i < callers.length; ++i) {
            bool may = callers[i] == PROVIDER || callers[i] == OPERATOR;
            bytes memory refused = skipped(id, ILeaseMarket.LeaseMarket_NotProvider.selector);
            vm.assertEq(outcomeBy(callers[i], e), may ? DONE : refused, name);
        }
    }

    /// @dev Refused or not, the call is undone; refused, it has changed nothing to undo.
    function outcomeBy(address who, Entry memory e) private returns (bytes memory came) {
        uint256 state = vm.snapshotState();
        bytes32 before = books();
        came = outcome(Call(who, e.call.to, e.call.data));
        if (keccak256(came) != keccak256(DONE)) vm.assertEq(books(), before, e.name);
        back(state);
    }

    function withoutPadding(bytes memory words) private pure returns (bytes memory data) {
        data = new bytes(words.length - 28);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = i < 4 ? words[i] : words[i + 28];
        }
    }

    function notTenant(string memory name) private view returns (bytes memory) {
        return abi.encode(ILeaseMarket.LeaseMarket_NotTenant.selector, idOf(name));
    }

    function notProvider(string memory name) private view returns (bytes memory) {
        return abi.encode(ILeaseMarket.LeaseMarket_NotProvider.selector, idOf(name));
    }
}
