// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice What a dishonest provider, or a thief of its keys, can take at most: T1, T4, T13, T14.
contract ProviderThreatsTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    // ---- T1: the provider over-reports ----

    function testFuzz_T1_over_reporting_gains_at_most_the_rate_since_the_last_settlement(
        uint256 honest,
        uint256 elapsed,
        uint256 amount
    ) public {
        honest = bound(honest, 0, 1 days - 1);
        elapsed = bound(elapsed, 1, 1 days - honest);
        amount = bound(amount, 0, FUNDS);
        bid.minDeposit = 0;
        leaseId = startLease(bid, uint128(amount));
        // The provider bills honestly for a while and then reports all the usage there is.
        uint128 worth = uint128(min(uint256(HOUR) * honest / 3600, amount));
        vm.warp(START + honest);
        vm.assertEq(settle(leaseId, worth, uint40(START + honest), false), 1, "settled");
        vm.warp(START + honest + elapsed);
        claim(bid, everything());
        vm.warp(block.timestamp + DISPUTE_WINDOW);
        mature();
        vm.assertLe(account(PROVIDER) - worth, capOf(elapsed), "at most R x time since the last settlement");
        vm.assertLe(account(PROVIDER), amount, "at most the balance");
        vm.assertEq(account(PROVIDER) + lease(leaseId).balance, amount, "no money from elsewhere");
    }

    function testFuzz_T1_a_disputed_over_report_gains_its_split_at_most(uint256 elapsed, uint128 conceded, uint16 split)
        public
    {
        elapsed = bound(elapsed, 1, 1 days);
        bid.splitBps = uint16(bound(split, 0, 10_000));
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + elapsed);
        claim(bid, everything());
        uint256 claimed = lease(leaseId).pendingCum;
        // The tenant concedes what its own samples show.
        conceded = uint128(bound(conceded, 0, claimed - 1));
        dispute(bid, conceded);
        vm.warp(block.timestamp + ARBITER_WINDOW);
        resolve(PROVIDER, 0, 0);
        uint256 split_ = (claimed - conceded) * bid.splitBps / 10_000;
        uint256 won = split_ == claimed - conceded ? (claimed - conceded) * 500 / 10_000 : 0;
        vm.assertEq(account(PROVIDER), conceded + split_ + won, "the concession and the agreed split");
        vm.assertLe(claimed, capOf(elapsed), "of at most R x time");
    }

    function test_T1_an_arbiter_leaves_nothing_of_an_over_report() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, everything());
        dispute(bid, HOUR);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(ARBITER, 0, bid.maxSlash);
        vm.assertEq(account(PROVIDER), HOUR, "what the tenant conceded");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - bid.maxSlash, "and it cost the bond");
    }

    /// @dev The greediest sequence: everything, again as soon as each claim has matured, and once more after the end.
    function testFuzz_T1_no_sequence_of_claims_beats_the_rate_cap_over_the_whole_life(uint256 seed) public {
        bid.maxDuration = uint32(bound(seed, 1, 20 days));
        leaseId = startLease(bid, FUNDS);
        uint256 end = START + uint256(bid.maxDuration);
        vm.warp(bound(seed >> 32, START + 1, end));
        while (block.timestamp <= end + CLAIM_WINDOW) {
            claim(bid, everything());
            seed = uint256(keccak256(abi.encode(seed)));
            vm.warp(block.timestamp + DISPUTE_WINDOW + seed % 3 days);
            mature();
        }
        vm.assertGt(account(PROVIDER), 0, "it was paid");
        vm.assertLe(account(PROVIDER), capOf(bid.maxDuration), "R x life");
        vm.assertEq(account(PROVIDER), lease(leaseId).paid, "paid");
    }

    /// @dev An idle month cannot be billed as a busy last day: the cap counts from the last settlement.
    function testFuzz_T1_idle_time_that_is_settled_cannot_be_banked(uint256 idle) public {
        idle = bound(idle, 1, 1 days - 60);
        leaseId = startLease(bid, FUNDS);
        vm.warp(START + idle);
        settle(leaseId, 0, uint40(START + idle), false);
        vm.warp(START + idle + 60);
        claim(bid, everything());
        vm.assertEq(lease(leaseId).pendingCum, capOf(60), "one minute's worth");
    }

    // ---- T4: the provider does not deliver ----

    function testFuzz_T4_without_a_confirmation_all_returns_after_the_start_window(uint256 amount, uint96 penalty)
        public
    {
        amount = bound(amount, bid.minDeposit, FUNDS);
        bid.noShowPenalty = uint96(bound(penalty, 0, bid.maxSlash));
        leaseId = openLease(bid, uint128(amount));
        // Nothing that the provider does before the confirmation earns a unit.
        vm.warp(START + bid.startWindow);
        vm.assertEq(settle(leaseId, 1, START + 1, false), 0, "settled");
        vm.assertEq(claim(bid, everything()), 0, "claimed");
        vm.warp(START + bid.startWindow + 1);
        vm.assertEq(confirm(leaseId), 0, "too late");
        vm.prank(TENANT);
        market.abort(bid);
        vm.assertEq(account(TENANT), FUNDS, "full refund");
        vm.assertEq(registry.claimable(TENANT), bid.noShowPenalty, "the penalty");
        vm.assertEq(account(PROVIDER), 0, "provider");
        vm.assertEq(locked(), 0, "lock");
    }

    /// @dev Confirming and delivering nothing: the tenant closes in the second in which it notices.
    function testFuzz_T4_after_the_confirmation_the_tenant_stops_the_clock_in_any_second(uint256 noticed) public {
        noticed = bound(noticed, 0, 1 days - 1);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + noticed);
        vm.prank(TENANT);
        market.closeLease(leaseId);
        vm.warp(START + noticed + CLAIM_WINDOW);
        claim(bid, everything());
        uint256 claimed = lease(leaseId).pendingCum;
        vm.assertLe(claimed, capOf(noticed), "no second after the close");
        if (claimed == 0) return;
        dispute(bid, 0);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(ARBITER, 0, bid.maxSlash);
        vm.assertEq(account(TENANT), FUNDS, "all money returned");
        vm.assertEq(
            registry.claimable(TENANT), min(claimed, bid.maxSlash), "and of the bond at most what was contested"
        );
    }

    // ---- T13: a thief has the operator key ----

    /// @dev The best the thief can do: accomplices accept its bids, it never confirms, and they collect the penalties.
    function testFuzz_T13_a_stolen_operator_key_costs_what_its_bids_may_lose(uint256 count, uint96 each) public {
        count = bound(count, 1, 8);
        bid.maxSlash = uint96(bound(each, 1, 2 * BOND / count));
        bid.noShowPenalty = bid.maxSlash;
        bid.minDeposit = 0;
        bid.tenant = ACCOMPLICE;
        uint256 opened = 0;
        for (uint256 i = 0; i < count; ++i) {
            bid.salt = uint64(i);
            opened += tryOpen() ? 1 : 0;
        }
        // The bond bounds how many can be opened at all.
        vm.assertEq(opened, min(count, BOND / bid.maxSlash), "bidding stops with the bond");
        vm.warp(START + bid.startWindow + 1);
        for (uint256 i = 0; i < opened; ++i) {
            bid.salt = uint64(i);
            vm.prank(ACCOMPLICE);
            market.abort(bid);
        }
        uint256 loot = registry.claimable(ACCOMPLICE);
        vm.assertEq(loot, opened * bid.maxSlash, "n x maxSlash");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - loot, "bond");
    }

    function test_T13_the_owner_stops_the_thief_by_rotating() public {
        bid.minDeposit = 0;
        bytes32 signedBefore = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, signedBefore);
        vm.prank(PROVIDER);
        registry.setOperator(address(0), 0);
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_StaleEpoch.selector, uint32(1), uint32(0))
        );
        market.openLease(bid, r, vs, SESSION, 0);
        bid.bidEpoch = 1;
        (r, vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, OPERATOR));
        market.openLease(bid, r, vs, SESSION, 0);
    }

    function test_T13_a_key_that_expired_signs_and_does_nothing() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 10);
        vm.warp(START + 11);
        bid.bidEpoch = 1;
        bid.salt = 1;
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, OPERATOR));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
        vm.assertEq(settle(leaseId, 1, START + 11, false), 0, "settle");
        bid.bidEpoch = 0;
        bid.salt = 77;
        vm.assertEq(claim(bid, everything()), 0, "claim");
        assertRefused(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)), "reclaim");
    }

    function test_T13_the_operator_key_moves_neither_bond_nor_earnings() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, false);
        bytes[5] memory calls = [
            abi.encodeCall(IProviderRegistry.startUnbond, (1)),
            abi.encodeCall(IProviderRegistry.withdrawBond, (MALLORY)),
            abi.encodeCall(IProviderRegistry.withdrawClaimable, (MALLORY)),
            abi.encodeCall(IProviderRegistry.setOperator, (MALLORY, START + 1 days)),
            abi.encodeCall(IProviderRegistry.update, ("https://evil.example", bytes32(0)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.assertEq(attempt(OPERATOR, address(registry), calls[i]), false, "registry");
        }
        assertRefused(OPERATOR, abi.encodeCall(ILeaseMarket.withdraw, (address(token), MALLORY, 1)), "withdraw");
        vm.assertEq(account(PROVIDER), HOUR, "earnings");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND, "bond");
    }

    // ---- T14: a thief has the owner key ----

    function testFuzz_T14_a_stolen_owner_key_takes_the_unlocked_bond_after_the_delay_and_the_earnings(uint96 slash)
        public
    {
        bid.maxSlash = uint96(bound(slash, 1, BOND));
        bid.noShowPenalty = 0;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, false);
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND);
        vm.warp(START + 3600 + UNBOND_DELAY - 1);
        expectError(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_TooEarly.selector, uint40(START + 3600 + UNBOND_DELAY)
            )
        );
        registry.withdrawBond(MALLORY);
        vm.warp(START + 3600 + UNBOND_DELAY);
        if (bid.maxSlash < BOND) registry.withdrawBond(MALLORY);
        vm.assertEq(token.balanceOf(MALLORY), BOND - bid.maxSlash, "bond - locked");
        market.withdraw(address(token), MALLORY, HOUR);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(MALLORY), BOND - bid.maxSlash + HOUR, "and earnings");
        vm.assertEq(registry.providerOf(PROVIDER).bond, bid.maxSlash, "what backs the lease stays");
    }

    function tryOpen() private returns (bool) {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        return
            attempt(
                bid.tenant, address(market), abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, uint128(0)))
            );
    }
}
