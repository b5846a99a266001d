// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice What a corrupt arbiter can do, alone or with a party: T12.
contract ArbiterThreatsTest is AdversaryTest {
    bytes32 private other;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        bid.salt = 1;
        other = startLease(bid, DEPOSIT);
        bid.salt = 77;
    }

    /// @dev Whatever it rules: from the tenant at most what was contested and its deposit, from the provider at most what
    /// was contested and the lease's `maxSlash`; for itself nothing.
    function testFuzz_T12_a_ruling_moves_at_most_the_contested_sum_and_the_leases_slash(
        uint256 elapsed,
        uint128 award,
        uint96 slash
    ) public {
        uint128 contested = disputed(bound(elapsed, 1, 1 days), ARBITER);
        ILeaseMarket.LeaseView memory untouched = lease(other);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        bytes memory data = abi.encodeCall(ILeaseMarket.resolve, (bid, award, slash));
        bool allowed = award <= contested && slash <= bid.maxSlash;
        vm.assertEq(attempt(ARBITER, address(market), data), allowed, "within both bounds");
        if (!allowed) {
            award = uint128(bound(award, 0, contested));
            slash = uint96(bound(slash, 0, bid.maxSlash));
            resolve(ARBITER, award, slash);
        }
        uint256 deposit = award == contested ? uint256(contested) * 500 / 10_000 : 0;
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT - award - deposit, "tenant");
        vm.assertEq(account(PROVIDER), award + deposit, "provider");
        vm.assertEq(registry.providerOf(PROVIDER).bond, BOND - slash, "bond");
        vm.assertEq(registry.claimable(TENANT), min(slash, contested), "the victim's part");
        vm.assertEq(registry.claimable(TREASURY), slash - min(slash, contested), "the rest");
        vm.assertEq(account(ARBITER) + registry.claimable(ARBITER), 0, "never a share for the arbiter");
        vm.assertEq(locked(), bid.maxSlash, "the other lease's lock");
        assertSameLease(other, untouched);
    }

    /// @dev The provider signs itself, or an accomplice, into its bids as the arbiter.
    function test_T12_a_provider_that_judges_itself_takes_what_is_contested_and_the_deposit() public {
        uint128 contested = disputed(1 days, PROVIDER);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(PROVIDER, contested, 0);
        vm.assertEq(account(PROVIDER), contested + uint256(contested) * 500 / 10_000, "contested and 5 %");
        vm.assertLe(contested, capOf(1 days), "which the rate cap bounds");
    }

    /// @dev A tenant that is its own arbiter: no award, the whole slash; the part that it gets is what was contested.
    function testFuzz_T12_a_tenant_that_judges_itself_takes_the_contested_work_and_slash(uint256 elapsed) public {
        uint128 contested = disputed(bound(elapsed, 1, 1 days), TENANT);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(TENANT, 0, bid.maxSlash);
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT, "the contested work for nothing");
        vm.assertEq(registry.claimable(TENANT), min(contested, bid.maxSlash), "and at most as much of the bond");
    }

    function test_T12_no_arbiter_rules_before_the_claim_is_complete_nor_after_its_time() public {
        uint128 contested = disputed(3600, ARBITER);
        uint256 disputedAt = block.timestamp;
        bytes memory data = abi.encodeCall(ILeaseMarket.resolve, (bid, contested, uint96(0)));
        vm.warp(disputedAt + CLAIM_WINDOW);
        assertRefused(ARBITER, data, "before the claim window has passed");
        vm.warp(disputedAt + ARBITER_WINDOW);
        assertRefused(ARBITER, data, "after its own");
        resolve(STRANGER, 0, 0);
        vm.assertEq(account(PROVIDER), uint256(contested) * bid.splitBps / 10_000, "the split that both had agreed to");
    }

    /// @dev The arbiter of one lease is nobody in another, whose bid names another.
    function test_T12_an_arbiter_rules_its_own_lease_alone() public {
        disputed(3600, ARBITER);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        bytes32 mine = leaseId;
        bid.arbiter = MALLORY;
        leaseId = market.leaseIdOf(bid);
        assertRefused(MALLORY, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), "a bid with another arbiter");
        assertRefused(MALLORY, abi.encodeCall(ILeaseMarket.dispute, (bid, 0)), "is another lease");
        assertState(mine, 3);
    }

    function test_T12_without_an_arbiter_only_the_agreed_split_remains() public {
        uint128 contested = disputed(3600, address(0));
        address[5] memory others = [ARBITER, PROVIDER, OPERATOR, TENANT, TREASURY];
        vm.warp(block.timestamp + ARBITER_WINDOW - 1);
        for (uint256 i = 0; i < others.length; ++i) {
            assertRefused(others[i], abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), "nobody rules");
        }
        vm.warp(block.timestamp + 1);
        resolve(STRANGER, 0, 0);
        vm.assertEq(account(PROVIDER), uint256(contested) * bid.splitBps / 10_000, "the split");
    }

    /// @dev The provider holds back what the tenant signed, lets the arbiter award it, and submits it one transaction
    /// earlier: it must not be paid twice.
    function test_T12_a_held_back_admission_is_not_paid_on_top_of_the_award() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        ILeaseMarket.SignedStatement memory held =
            signed(makeStatement(leaseId, 500_000, START + 3600, false), SESSION_KEY);
        claim(bid, everything());
        uint128 contested = lease(leaseId).pendingCum;
        vm.assertGt(contested, 1_000_000, "more than twice what is owed");
        dispute(bid, 0);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(held)), 1, "admitted in front of the ruling");
        resolve(ARBITER, 500_000, 0);
        vm.assertEq(account(PROVIDER), 500_000, "what the arbiter awarded, once");
    }

    /// @dev Whatever is conceded, admitted and awarded, in whatever order: the larger of the last two counts, and the
    /// deposit goes with the whole sum alone.
    function testFuzz_T12_admissions_and_awards_do_not_add_up(
        uint128 conceded,
        uint128 admitted,
        uint128 award,
        uint96 slash
    ) public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, everything());
        uint128 claimed = lease(leaseId).pendingCum;
        conceded = uint128(bound(conceded, 0, claimed - 1));
        admitted = uint128(bound(admitted, conceded, claimed));
        award = uint128(bound(award, 0, claimed - conceded));
        if (award % 3 == 0) award = claimed - conceded;
        slash = uint96(bound(slash, 0, bid.maxSlash));
        dispute(bid, conceded);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        settle(leaseId, admitted, START + 3600, false);
        resolve(ARBITER, award, slash);
        uint256 owed = conceded + award > admitted ? conceded + award : admitted;
        uint256 deposit = owed == claimed ? uint256(claimed - conceded) * 500 / 10_000 : 0;
        vm.assertEq(account(PROVIDER), owed + deposit, "provider");
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT - owed - deposit, "tenant");
        vm.assertEq(registry.claimable(TENANT), min(slash, claimed - conceded), "the victim's part is not shrunk");
    }

    function disputed(uint256 elapsed, address arbiter) private returns (uint128 contested) {
        bid.arbiter = arbiter;
        vm.warp(START);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + elapsed);
        claim(bid, everything());
        contested = lease(leaseId).pendingCum;
        dispute(bid, 0);
    }
}
