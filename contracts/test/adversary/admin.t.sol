// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {BlockingToken, DecimalsToken} from "../mocks/Tokens.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice A market whose administrators have a delay and a guardian, as a real one does.
abstract contract DelayedAdminTest is AdversaryTest {
    uint32 internal constant DELAY = 3 days;
    uint64 internal constant KEEPER = 1;
    uint64 internal constant GUARDIANS = 2;

    address internal constant ADMIN = address(0xAD01);
    address internal constant GUARDIAN = address(0xAD02);

    bytes4 internal constant PAUSE = ILeaseMarket.setIntakePaused.selector;

    function setUp() public virtual override {
        super.setUp();
        bid = makeBid();
        authority.grantRole(KEEPER, ADMIN, DELAY);
        authority.grantRole(GUARDIANS, GUARDIAN, 0);
        authority.setRoleGuardian(KEEPER, GUARDIANS);
        bytes4[] memory slow = new bytes4[](3);
        slow[0] = ILeaseMarket.allowToken.selector;
        slow[1] = ILeaseMarket.setFee.selector;
        slow[2] = ILeaseMarket.recoverSurplus.selector;
        authority.setTargetFunctionRole(address(market), slow, KEEPER);
        bytes4[] memory quick = new bytes4[](1);
        quick[0] = PAUSE;
        authority.setTargetFunctionRole(address(market), quick, GUARDIANS);
    }

    /// @dev What the role behind the delay can do, in calls that would all succeed.
    function slowCalls() internal returns (bytes[3] memory calls) {
        token.mint(address(market), 5);
        calls = [
            abi.encodeCall(ILeaseMarket.allowToken, (address(new DecimalsToken(6)))),
            abi.encodeCall(ILeaseMarket.setFee, (500, MALLORY)),
            abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), MALLORY))
        ];
    }

    function schedule(bytes memory data) internal {
        vm.prank(ADMIN);
        authority.schedule(address(market), data, 0);
    }
}

/// @notice Delays: every restricted function, before, in and after its time, by everybody.
contract AdminDelayTest is DelayedAdminTest {
    function test_each_restricted_function_waits_its_delay_to_the_second() public {
        bytes[3] memory calls = slowCalls();
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.warp(START);
            bytes32 id = authority.hashOperation(ADMIN, address(market), calls[i]);
            expectError(abi.encodeWithSelector(IAccessManager.AccessManagerNotScheduled.selector, id));
            vm.prank(ADMIN);
            (bool ok,) = address(market).call(calls[i]);
            ok; // the expected error is what is checked
            schedule(calls[i]);
            vm.warp(START + DELAY - 1);
            vm.assertEq(attempt(ADMIN, address(market), calls[i]), false, "one second before");
            vm.warp(START + DELAY);
            vm.assertEq(attempt(ADMIN, address(market), calls[i]), true, "then");
            vm.assertEq(attempt(ADMIN, address(market), calls[i]), false, "once");
        }
    }

    function test_a_schedule_that_nobody_used_expires() public {
        bytes memory data = abi.encodeCall(ILeaseMarket.setFee, (500, MALLORY));
        schedule(data);
        vm.warp(START + DELAY + authority.expiration());
        vm.assertEq(attempt(ADMIN, address(market), data), false, "expired");
    }

    function test_a_schedule_of_one_call_is_no_licence_for_another() public {
        schedule(abi.encodeCall(ILeaseMarket.setFee, (1, TREASURY)));
        vm.warp(START + DELAY);
        bytes memory other = abi.encodeCall(ILeaseMarket.setFee, (500, MALLORY));
        vm.assertEq(attempt(ADMIN, address(market), other), false, "other arguments");
    }

    function test_the_guardian_cancels_what_is_scheduled() public {
        bytes[3] memory calls = slowCalls();
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.warp(START);
            schedule(calls[i]);
            bytes memory cancel = abi.encodeCall(IAccessManager.cancel, (ADMIN, address(market), calls[i]));
            vm.assertEq(attempt(STRANGER, address(authority), cancel), false, "not a stranger");
            vm.assertEq(attempt(GUARDIAN, address(authority), cancel), true, "the guardian");
            vm.warp(START + DELAY);
            vm.assertEq(attempt(ADMIN, address(market), calls[i]), false, "cancelled");
        }
    }

    function test_the_guardian_pauses_at_once_and_does_nothing_else() public {
        vm.prank(GUARDIAN);
        market.setIntakePaused(true);
        vm.assertEq(market.intakePaused(), true, "paused");
        bytes[3] memory calls = slowCalls();
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.assertEq(attempt(GUARDIAN, address(market), calls[i]), false, "nothing else");
        }
        vm.prank(GUARDIAN);
        market.setIntakePaused(false);
        openLease(bid, DEPOSIT);
    }

    function test_nobody_else_administers() public {
        bytes[3] memory calls = slowCalls();
        bytes memory pause = abi.encodeCall(ILeaseMarket.setIntakePaused, (true));
        address[8] memory others = [TENANT, PROVIDER, OPERATOR, ARBITER, TREASURY, SESSION, MALLORY, address(registry)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.assertEq(attempt(others[i], address(market), pause), false, "pause");
            for (uint256 j = 0; j < calls.length; ++j) {
                vm.assertEq(attempt(others[i], address(market), calls[j]), false, "now");
                bytes memory later = abi.encodeCall(IAccessManager.schedule, (address(market), calls[j], 0));
                vm.assertEq(attempt(others[i], address(authority), later), false, "later");
            }
        }
        vm.assertEq(attempt(ADMIN, address(market), pause), false, "not even the admin pauses");
    }

    function test_only_the_authority_hands_the_authority_on() public {
        bytes memory data = abi.encodeCall(IAccessManaged.setAuthority, (MALLORY));
        address[4] memory others = [ADMIN, GUARDIAN, MALLORY, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.assertEq(attempt(others[i], address(market), data), false, "refused");
        }
    }
}

/// @notice T21: an administration that is hostile, as far as its delays let it, against leases that run.
contract AdminThreatsTest is DelayedAdminTest {
    bytes32[] private ids;
    ILeaseMarket.Bid[] private bids;

    function setUp() public override {
        super.setUp();
        bytes memory fee = abi.encodeCall(ILeaseMarket.setFee, (100, TREASURY));
        schedule(fee);
        vm.warp(START + DELAY);
        vm.prank(ADMIN);
        market.setFee(100, TREASURY);
        vm.warp(START);
        fund(TENANT, FUNDS);
        everyLiveState();
    }

    /// @dev Invariant 10. Every number of every live lease, account, deposit, bond and window, before and after.
    function testFuzz_T21_no_admin_call_changes_a_number_that_exists(uint256 which, uint16 feeBps, address to) public {
        vm.assume(to != address(0) && to != address(market));
        token.mint(address(market), 7);
        bytes32 before = fingerprint();
        administer(which % 6, uint16(bound(feeBps, 0, 500)), to);
        vm.assertEq(fingerprint(), before, "10: nothing that exists has changed");
    }

    /// @dev The worst an administration can do at once, and after its delays: and every lease goes its way to the end,
    /// at the fee of its opening.
    function test_T21_under_a_hostile_administration_every_exit_pays_to_the_unit() public {
        bytes32 snapshot = outcome();
        uint256 id = vm.snapshotState();
        for (uint256 i = 0; i < 6; ++i) {
            administer(i, 500, TREASURY);
            vm.assertEq(outcome(), snapshot, "the same payments");
            vm.assertEq(vm.revertToState(id), true, "back");
            id = vm.snapshotState();
        }
    }

    /// @dev Intake paused, nothing in the tenant's account, and a claim for every unit of the lease: deposits cannot be
    /// made, and still the claim can be disputed.
    function test_T21_a_pause_together_with_an_overclaiming_provider_cannot_stop_a_dispute() public {
        bid.salt = 9;
        bid.minDeposit = 0;
        bid.validUntil = uint40(block.timestamp);
        leaseId = startLease(bid, 1000);
        vm.warp(block.timestamp + 3600);
        vm.assertEq(claim(bid, everything()), 1, "claimed");
        vm.assertEq(lease(leaseId).pendingCum, 1000, "every unit");
        uint256 held = account(TENANT);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, held);
        vm.prank(GUARDIAN);
        market.setIntakePaused(true);
        dispute(bid, 0);
        assertState(leaseId, 3);
        vm.assertEq(market.disputeDepositOf(leaseId), 0, "as much as there is");
        vm.warp(block.timestamp + ARBITER_WINDOW);
        market.resolve(bid, 0, 0);
        vm.assertEq(account(TENANT), 1000 - 1000 * uint256(bid.splitBps) / 10_000, "its part");
    }

    /// @dev The clip is for a pause alone: otherwise a tenant that empties its account would dispute for nothing.
    function testFuzz_T21_the_deposit_is_short_under_a_pause_alone(uint256 rest, bool paused) public {
        bid.salt = 9;
        bid.minDeposit = 0;
        bid.validUntil = uint40(block.timestamp);
        leaseId = startLease(bid, 1000);
        vm.warp(block.timestamp + 3600);
        vm.assertEq(claim(bid, everything()), 1, "claimed");
        rest = bound(rest, 0, 100);
        uint256 held = account(TENANT);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, held - rest);
        vm.prank(GUARDIAN);
        market.setIntakePaused(paused);
        bool allowed = attempt(TENANT, address(market), abi.encodeCall(ILeaseMarket.dispute, (bid, 0)));
        vm.assertEq(allowed, paused || rest >= 50, "5 % of 1000, or a pause");
        if (allowed) vm.assertEq(market.disputeDepositOf(leaseId), min(rest, 50), "deposit");
    }

    function test_T21_the_new_fee_is_paid_by_new_leases_alone() public {
        administer(1, 500, MALLORY);
        uint256 before = account(PROVIDER);
        vm.warp(START + 7200);
        vm.assertEq(settle(ids[1], 100_000, START + 3600, false), 1, "an old lease");
        vm.assertEq(account(MALLORY), 1_000, "1 %, to whoever is the treasury");
        vm.assertEq(account(PROVIDER) - before, 99_000, "99 %");
    }

    /// @dev `recoverSurplus` after every kind of movement: never more than nobody owns.
    function testFuzz_T21_recovering_takes_the_surplus_to_the_unit(uint128 surplus) public {
        surplus = uint128(bound(surplus, 1, type(uint96).max));
        token.mint(address(market), surplus);
        administer(3, 0, MALLORY);
        vm.assertEq(token.balanceOf(MALLORY), surplus, "the surplus");
        vm.assertEq(token.balanceOf(address(market)), market.liabilities(address(token)), "held == owed");
        bytes memory again = abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), MALLORY));
        schedule(again);
        vm.warp(block.timestamp + DELAY);
        vm.assertEq(attempt(ADMIN, address(market), again), false, "nothing left to recover");
    }

    function testFuzz_T21_no_fee_above_five_percent(uint16 feeBps, address treasury) public {
        feeBps = uint16(bound(feeBps, 501, type(uint16).max));
        bytes memory data = abi.encodeCall(ILeaseMarket.setFee, (feeBps, treasury));
        schedule(data);
        vm.warp(START + DELAY);
        vm.assertEq(attempt(ADMIN, address(market), data), false, "too high");
    }

    // ---- steps ----

    /// @dev Open, Active, Active with a claim, Disputed.
    function everyLiveState() private {
        for (uint64 salt = 0; salt < 4; ++salt) {
            bid.salt = salt;
            bids.push(bid);
            ids.push(openLease(bid, DEPOSIT));
            if (salt > 0) vm.assertEq(confirm(ids[salt]), 1, "confirmed");
        }
        vm.warp(START + 600);
        for (uint64 salt = 2; salt < 4; ++salt) {
            bid.salt = salt;
            vm.assertEq(claim(bid, everything()), 1, "claimed");
        }
        dispute(bid, 1000);
    }

    function administer(uint256 which, uint16 feeBps, address to) private {
        uint256 time = block.timestamp;
        if (which == 0) later(abi.encodeCall(ILeaseMarket.allowToken, (address(new DecimalsToken(18)))));
        if (which == 1) later(abi.encodeCall(ILeaseMarket.setFee, (feeBps, to)));
        if (which == 2) {
            vm.prank(GUARDIAN);
            market.setIntakePaused(true);
        }
        if (which == 3) {
            if (token.balanceOf(address(market)) == market.liabilities(address(token))) token.mint(address(market), 1);
            later(abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), to)));
        }
        if (which == 4) authority.setTargetClosed(address(market), true);
        if (which == 5) authority.updateAuthority(address(market), address(new BlockingToken()));
        vm.warp(time);
    }

    function later(bytes memory data) private {
        schedule(data);
        vm.warp(block.timestamp + DELAY);
        vm.prank(ADMIN);
        (bool ok,) = address(market).call(data);
        vm.assertEq(ok, true, "administered");
    }

    function fingerprint() private view returns (bytes32) {
        return keccak256(abi.encode(market.getLeases(ids), numbers(), registry.providerOf(PROVIDER)));
    }

    function numbers() private view returns (bytes memory) {
        (uint40 c, uint40 d, uint40 a) = market.windows();
        address[4] memory people = [TENANT, PROVIDER, TREASURY, ARBITER];
        uint256[4] memory accounts;
        for (uint256 i = 0; i < 4; ++i) {
            accounts[i] = account(people[i]);
        }
        return abi.encode(
            c, d, a, accounts, market.disputeDepositOf(ids[3]), market.liabilities(address(token)), market.registry()
        );
    }

    /// @dev All leases to their ends; what everybody has then. Undone afterwards.
    function outcome() private returns (bytes32 result) {
        uint256 id = vm.snapshotState();
        vm.warp(START + bid.startWindow + 1);
        vm.prank(TENANT);
        market.abort(bids[0]);
        vm.assertEq(settle(ids[1], HOUR, uint40(block.timestamp), true), 1, "settled");
        vm.assertEq(market.finalize(one(bids[1])), 1, "closed");
        vm.warp(START + 1 days + CLAIM_WINDOW + DISPUTE_WINDOW);
        vm.assertEq(market.finalize(one(bids[2])), 1, "closed with its claim");
        vm.warp(START + 600 + ARBITER_WINDOW);
        market.resolve(bids[3], 0, 0);
        result = fingerprint();
        vm.startPrank(TENANT);
        market.withdraw(address(token), MALLORY, account(TENANT));
        vm.stopPrank();
        vm.startPrank(PROVIDER);
        market.withdraw(address(token), MALLORY, account(PROVIDER));
        vm.stopPrank();
        vm.assertEq(market.liabilities(address(token)), account(TREASURY), "only fees are left");
        vm.assertEq(vm.revertToState(id), true, "back");
    }
}
