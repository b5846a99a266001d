// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {log, vm} from "../support/Vm.sol";
import {Ghosts} from "./Ghosts.sol";
import {MarketHandler} from "./MarketHandler.sol";

/// @notice The numbered invariants of contracts/README.md after every step of random walks over every action.
contract MarketInvariantTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// @dev How often each walk does each thing at least. Chance alone gives several times as many.
    uint256 private constant MIN_REACHED = 5;

    MarketHandler private handler;
    ILeaseMarket private market;
    IProviderRegistry private registry;
    address[2] private tokens;
    address[5] private people = [address(0xA002), address(0xA102), address(0xA001), address(0xA101), address(0xA004)];
    address[2] private providers = [address(0xA001), address(0xA101)];

    string[] private expected = [
        "deposit",
        "withdraw",
        "open",
        "confirm",
        "decline",
        "decline late",
        "abort",
        "topUp",
        "settle",
        "settle last",
        "settle over a claim",
        "settle wrong",
        "claim",
        "claim maturing another",
        "mature",
        "close",
        "reclaim",
        "finalize",
        "finalize paying a claim",
        "dispute",
        "supplement",
        "admission",
        "resolve",
        "split",
        "addBond",
        "startUnbond",
        "withdrawBond",
        "withdrawClaimable",
        "administer"
    ];

    function setUp() public {
        handler = new MarketHandler();
        (address market_, address registry_, address first, address second) = handler.contracts();
        market = ILeaseMarket(market_);
        registry = IProviderRegistry(registry_);
        tokens = [first, second];
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(handler);
        bytes4[25] memory list = [
            MarketHandler.depositSome.selector,
            MarketHandler.withdrawSome.selector,
            MarketHandler.open.selector,
            MarketHandler.confirmOne.selector,
            MarketHandler.confirmOne.selector,
            MarketHandler.declineOne.selector,
            MarketHandler.abortOne.selector,
            MarketHandler.topUpOne.selector,
            MarketHandler.settleOne.selector,
            MarketHandler.settleWrong.selector,
            MarketHandler.claimOne.selector,
            MarketHandler.claimAgain.selector,
            MarketHandler.claimTwice.selector,
            MarketHandler.matureOne.selector,
            MarketHandler.closeOne.selector,
            MarketHandler.reclaimOne.selector,
            MarketHandler.finalizeOne.selector,
            MarketHandler.disputeOne.selector,
            MarketHandler.supplementOne.selector,
            MarketHandler.admitOne.selector,
            MarketHandler.resolveByArbiter.selector,
            MarketHandler.resolveBySplit.selector,
            MarketHandler.bondActions.selector,
            MarketHandler.administer.selector,
            MarketHandler.passTime.selector
        ];
        targets[0].selectors = new bytes4[](list.length);
        for (uint256 i = 0; i < list.length; ++i) {
            targets[0].selectors[i] = list[i];
        }
    }

    /// @dev One function, because each would be a campaign of its own.
    function invariant_money_time_and_bonds_hold() public view {
        bytes32[] memory ids = handler.liveLeases();
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(ids);
        for (uint256 t = 0; t < 2; ++t) {
            checkSolvency(tokens[t], ids, leases);
        }
        uint256[2] memory locks;
        for (uint256 i = 0; i < ids.length; ++i) {
            Ghosts.Story memory story = handler.storyOf(ids[i]);
            checkLease(ids[i], leases[i], story);
            locks[story.bid.provider == providers[0] ? 0 : 1] += story.bid.maxSlash;
        }
        checkBonds(locks);
    }

    /// @dev At the end of each walk: it must have been everywhere, often. `-vv` prints how often.
    function afterInvariant() public view {
        for (uint256 i = 0; i < expected.length; ++i) {
            log(expected[i], handler.reached(expected[i]));
            vm.assertGt(handler.reached(expected[i]), MIN_REACHED - 1, string.concat("hardly reached: ", expected[i]));
        }
    }

    function checkSolvency(address token, bytes32[] memory ids, ILeaseMarket.LeaseView[] memory leases) private view {
        uint256 owed = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            owed += market.available(people[i], token);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            if (leases[i].token == token) owed += leases[i].balance + market.disputeDepositOf(ids[i]);
        }
        (uint256 into, uint256 out) = handler.flows(token);
        vm.assertEq(market.liabilities(token), owed, "1: liabilities are what accounts, leases and deposits hold");
        vm.assertEq(owed, into - out, "1: what came in less what went out");
        vm.assertEq(DecimalsToken(token).balanceOf(address(market)), owed, "1: the market holds it");
    }

    function checkLease(bytes32 id, ILeaseMarket.LeaseView memory lease, Ghosts.Story memory story) private view {
        uint256 inside = uint256(lease.paid) + lease.balance;
        vm.assertEq(inside + market.disputeDepositOf(id), story.putIn, "2: paid and left is what was put in");
        if (lease.state == 1) {
            vm.assertEq(lease.paid, 0, "3: nothing is paid before the start");
            return;
        }
        uint256 cap = uint256(lease.rateCapE6) * (lease.lastAsOf - lease.startedAt) / 1e6;
        vm.assertLe(lease.paid, cap, "3: paid within the rate cap");
        vm.assertLe(lease.startedAt, lease.lastAsOf, "3: settled from the start");
        vm.assertLe(lease.lastAsOf, lease.endAt, "3: settled up to the end");
        vm.assertLe(lease.pendingCum, inside, "5: a claim is covered");
        vm.assertLe(lease.pendingAt, lease.endAt, "5: a claim bills up to the end");
        if (lease.state == 3) {
            vm.assertLe(lease.pendingCum, cap, "3: contested within the rate cap");
            vm.assertLe(lease.paid, lease.pendingCum, "5: no more than was claimed");
        }
    }

    function checkBonds(uint256[2] memory locks) private view {
        uint256 bonds = 0;
        for (uint256 i = 0; i < 2; ++i) {
            IProviderRegistry.ProviderView memory provider = registry.providerOf(providers[i]);
            vm.assertEq(provider.locked, locks[i], "7: locked is what open leases may lose");
            vm.assertLe(provider.locked, provider.bond, "7: locked within the bond");
            bonds += provider.bond;
        }
        uint256 credited = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            credited += registry.claimable(people[i]);
        }
        vm.assertEq(registry.totalBond(), bonds, "7: the sum of bonds");
        vm.assertEq(DecimalsToken(tokens[0]).balanceOf(address(registry)), bonds + credited, "7: the registry holds it");
    }
}
