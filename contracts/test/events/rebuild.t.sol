// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {Vm, log, vm} from "../support/Vm.sol";
import {MarketLedger} from "./MarketLedger.sol";
import {RegistryLedger} from "./RegistryLedger.sol";
import {Walk} from "./Walk.sol";

/// @notice Whoever has the logs since the deployment, and the times of their blocks, knows every number of both
/// contracts.
contract RebuildTest is Walk {
    uint256 private constant STEPS = 150;

    MarketLedger private books;
    RegistryLedger private bondBooks;

    function setUp() public override {
        books = new MarketLedger();
        bondBooks = new RegistryLedger();
        vm.recordLogs();
        super.setUp();
        setUpWalk();
        drain();
    }

    /// forge-config: default.fuzz.runs = 40
    function testFuzz_events_alone_rebuild_every_number(uint256 seed) public {
        for (uint256 i = 0; i < STEPS; ++i) {
            this.walk(uint256(keccak256(abi.encode(seed, i))));
        }
        this.compareAll();
    }

    /// @dev A walk long enough to see every event; without that the comparison would say little.
    function test_a_long_walk_sees_every_event_and_is_rebuilt() public {
        for (uint256 i = 0; i < 12 * STEPS; ++i) {
            this.walk(uint256(keccak256(abi.encode("a long walk", i))));
            if (i % STEPS == 0) this.compareAll();
        }
        this.compareAll();
        checkReach();
    }

    // ---- Reading ----

    /// @dev A call of its own, because what a call leaves in memory stays until it returns.
    function walk(uint256 seed) external {
        step(seed);
        drain();
    }

    function drain() internal override {
        Vm.Log[] memory entries = vm.getRecordedLogs();
        for (uint256 i = 0; i < entries.length; ++i) {
            if (entries[i].emitter == address(market)) books.read(entries[i], uint40(block.timestamp));
            if (entries[i].emitter == address(registry)) bondBooks.read(entries[i], uint40(block.timestamp));
        }
    }

    // ---- Comparing ----

    function compareAll() external view {
        compareTerms();
        address[] memory tokens = books.tokens();
        for (uint256 i = 0; i < tokens.length; ++i) {
            compareToken(tokens[i]);
        }
        compareLeases();
        compareProviders();
        compareCredits();
    }

    function compareTerms() private view {
        (uint16 feeBps, address treasury, bool paused) = books.terms();
        (uint16 realFee, address realTreasury) = market.feeTerms();
        vm.assertEq(feeBps, realFee, "fee");
        vm.assertEq(treasury, realTreasury, "treasury");
        vm.assertEq(paused, market.intakePaused(), "paused");
        vm.assertEq(abi.encode(books.tokens()), abi.encode(market.tokens()), "tokens");
        vm.assertEq(bondBooks.market(), registry.market(), "market");
    }

    /// @dev Every account that any event names; and that they, the leases and the deposits are all there is.
    function compareToken(address token_) private view {
        address[] memory owners = books.owners();
        uint256 sum = 0;
        for (uint256 i = 0; i < owners.length; ++i) {
            uint256 rebuilt = books.available(owners[i], token_);
            vm.assertEq(rebuilt, market.available(owners[i], token_), "account");
            vm.assertEq(books.feesPaid(owners[i], token_), market.feesPaid(owners[i], token_), "fees paid");
            sum += rebuilt;
        }
        bytes32[] memory ids = books.ids();
        for (uint256 i = 0; i < ids.length; ++i) {
            ILeaseMarket.LeaseView memory rebuilt = books.lease(ids[i]);
            if (rebuilt.token == token_) sum += rebuilt.balance + books.deposits(ids[i]);
        }
        vm.assertEq(books.liabilities(token_), market.liabilities(token_), "liabilities");
        vm.assertEq(sum, market.liabilities(token_), "nobody is missing");
        vm.assertEq(DecimalsToken(token_).balanceOf(address(market)), sum, "and the market holds it");
    }

    function compareLeases() private view {
        bytes32[] memory ids = books.ids();
        vm.assertEq(ids.length, bids.length, "leases");
        ILeaseMarket.LeaseView[] memory shown = market.getLeases(ids);
        for (uint256 i = 0; i < ids.length; ++i) {
            ILeaseMarket.LeaseView memory rebuilt = books.lease(ids[i]);
            assertEq(rebuilt, shown[i]);
            vm.assertEq(books.deposits(ids[i]), market.disputeDepositOf(ids[i]), "dispute deposit");
        }
    }

    function compareProviders() private view {
        address[] memory providers = bondBooks.providers();
        address[] memory auditors = bondBooks.auditors();
        for (uint256 i = 0; i < providers.length; ++i) {
            IProviderRegistry.ProviderView memory rebuilt = bondBooks.provider(providers[i]);
            rebuilt.locked = uint128(books.locked(providers[i]));
            vm.assertEq(abi.encode(rebuilt), abi.encode(registry.providerOf(providers[i])), "provider");
            for (uint256 j = 0; j < auditors.length; ++j) {
                (bytes32 claimsHash, uint40 issuedAt, uint40 expiry) = registry.attestationOf(providers[i], auditors[j]);
                bytes memory real = abi.encode(RegistryLedger.Attestation(claimsHash, issuedAt, expiry));
                vm.assertEq(abi.encode(bondBooks.attestation(providers[i], auditors[j])), real, "attestation");
            }
        }
        vm.assertEq(bondBooks.totalBond(), registry.totalBond(), "total bond");
    }

    function compareCredits() private view {
        address[] memory credited = bondBooks.credited();
        uint256 sum = bondBooks.totalBond();
        for (uint256 i = 0; i < credited.length; ++i) {
            vm.assertEq(bondBooks.claimable(credited[i]), registry.claimable(credited[i]), "claimable");
            sum += bondBooks.claimable(credited[i]);
        }
        vm.assertEq(token.balanceOf(address(registry)), sum, "the registry holds it");
    }

    // ---- Reach ----

    function checkReach() private view {
        bytes32[18] memory topics = [
            ILeaseMarket.Deposited.selector,
            ILeaseMarket.Withdrawn.selector,
            ILeaseMarket.LeaseOpened.selector,
            ILeaseMarket.LeaseConfirmed.selector,
            ILeaseMarket.LeaseToppedUp.selector,
            ILeaseMarket.LeaseSettled.selector,
            ILeaseMarket.ClaimFiled.selector,
            ILeaseMarket.CloseRequested.selector,
            ILeaseMarket.LeaseDisputed.selector,
            ILeaseMarket.DisputeResolved.selector,
            ILeaseMarket.LeaseClosed.selector,
            ILeaseMarket.ItemSkipped.selector,
            ILeaseMarket.TokenAllowed.selector,
            ILeaseMarket.FeeSet.selector,
            ILeaseMarket.IntakePausedSet.selector,
            ILeaseMarket.SurplusRecovered.selector,
            ILeaseMarket.OrderPosted.selector,
            ILeaseMarket.BidPosted.selector
        ];
        for (uint256 i = 0; i < topics.length; ++i) {
            log("market event", books.count(topics[i]));
            vm.assertGt(books.count(topics[i]), 2, string.concat("market event ", vm.toString(i)));
        }
        bytes32[3] memory meanings = [bytes32("admission"), "supplement", "deposit from the account"];
        for (uint256 i = 0; i < meanings.length; ++i) {
            log("meaning", books.count(meanings[i]));
            vm.assertGt(books.count(meanings[i]), 1, string.concat("meaning ", vm.toString(i)));
        }
        checkRegistryReach();
    }

    function checkRegistryReach() private view {
        bytes32[11] memory topics = [
            IProviderRegistry.ProviderRegistered.selector,
            IProviderRegistry.ProviderUpdated.selector,
            IProviderRegistry.OperatorSet.selector,
            IProviderRegistry.BidEpochBumped.selector,
            IProviderRegistry.BondAdded.selector,
            IProviderRegistry.UnbondStarted.selector,
            IProviderRegistry.BondWithdrawn.selector,
            IProviderRegistry.StatusChanged.selector,
            IProviderRegistry.BondSlashed.selector,
            IProviderRegistry.Attested.selector,
            IProviderRegistry.AttestationRevoked.selector
        ];
        for (uint256 i = 0; i < topics.length; ++i) {
            log("registry event", bondBooks.count(topics[i]));
            vm.assertGt(bondBooks.count(topics[i]), 1, string.concat("registry event ", vm.toString(i)));
        }
        vm.assertGt(bondBooks.count(IProviderRegistry.ClaimableWithdrawn.selector), 1, "registry credits");
    }
}
