// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IAccessManager} from "@openzeppelin/contracts/access/manager/IAccessManager.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {Edges} from "../support/Edges.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice Every time that decides something in the market, one second before it, in it, and one second after it. One
/// contract for each stage of a lease's life; the registry's own times are in `registry/windows.t.sol`.
abstract contract WindowTest is MarketTest, Edges {
    uint128 internal constant HOUR = 417_999;

    ILeaseMarket.Bid internal bid;
    bytes32 internal leaseId;

    function setUp() public virtual override {
        super.setUp();
        bid = makeBid();
    }

    function by(address who, bytes memory data) internal view returns (Call memory) {
        return Call(who, address(market), data);
    }

    function skip(bytes4 reason) internal view returns (bytes memory) {
        return skipped(leaseId, reason);
    }

    function tooEarly(uint256 from) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooEarly.selector, leaseId, from);
    }

    function tooLate(uint256 until) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, until);
    }

    function claiming(uint256 duration) internal view returns (Call memory) {
        return by(OPERATOR, abi.encodeCall(ILeaseMarket.claim, (one(ILeaseMarket.ClaimItem(bid, makeUsage(duration))))));
    }

    function settling(uint128 cum, uint40 asOf) internal view returns (Call memory) {
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, cum, asOf, false), SESSION_KEY);
        return by(OPERATOR, abi.encodeCall(ILeaseMarket.settle, (one(s))));
    }

    function finalizing() internal view returns (Call memory) {
        return by(STRANGER, abi.encodeCall(ILeaseMarket.finalize, (one(bid))));
    }
}

contract OrderWindowsTest is WindowTest {
    function test_order_is_posted_while_its_deadline_lies_ahead() public {
        ILeaseMarket.Order memory order =
            ILeaseMarket.Order(TENANT, address(token), keccak256(""), 0, 1, 2, START + 60, 9);
        bytes memory expired = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_OrderExpired.selector, order.deadline);
        Call memory call = by(TENANT, abi.encodeCall(ILeaseMarket.postOrder, (order, "")));
        checkEdge(order.deadline, call, DONE, expired, expired);
    }
}

contract OpenWindowsTest is WindowTest {
    uint40 private startBy;

    function setUp() public override {
        super.setUp();
        leaseId = openLease(bid, DEPOSIT);
        startBy = START + bid.startWindow;
    }

    function test_openLease_until_valid_until() public {
        bid.salt = 1;
        bytes memory expired =
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BidExpired.selector, market.leaseIdOf(bid), bid.validUntil);
        checkEdge(bid.validUntil, opening(), DONE, DONE, expired);
    }

    function test_openLease_until_the_expiry_of_the_operator_who_signed() public {
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 100);
        bid.bidEpoch = 1;
        checkEdge(
            START + 100,
            opening(),
            DONE,
            DONE,
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, OPERATOR)
        );
    }

    function test_confirm_until_start_by() public {
        checkEdge(startBy, confirming(OPERATOR), DONE, DONE, skip(ILeaseMarket.LeaseMarket_TooLate.selector));
    }

    function test_confirm_until_the_operators_expiry() public {
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 100);
        bytes memory refused = skip(ILeaseMarket.LeaseMarket_NotProvider.selector);
        checkEdge(START + 100, confirming(OPERATOR), DONE, DONE, refused);
        checkEdge(START + 100, confirming(PROVIDER), DONE, DONE, DONE);
    }

    function test_decline_is_free_until_start_by_and_costs_the_penalty_after() public {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(startBy, i);
            vm.prank(OPERATOR);
            market.decline(bid);
            vm.assertEq(registry.claimable(TENANT), i < 2 ? 0 : bid.noShowPenalty, second(i));
            vm.assertEq(account(TENANT), FUNDS, "all of it is back");
            back(state);
        }
    }

    function test_abort_after_start_by() public {
        bytes memory refused = tooEarly(uint256(startBy) + 1);
        checkEdge(startBy, by(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid))), refused, refused, DONE);
    }

    function test_topUp_knows_no_time_while_open_or_active() public {
        Call memory call = by(TENANT, abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1)));
        checkEdge(startBy, call, DONE, DONE, DONE);
        confirm(leaseId);
        checkEdge(START + bid.maxDuration, call, DONE, DONE, DONE);
    }

    function opening() private view returns (Call memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        return by(TENANT, abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT)));
    }

    function confirming(address who) private view returns (Call memory) {
        return by(who, abi.encodeCall(ILeaseMarket.confirm, (one(leaseId))));
    }
}

contract StatementWindowsTest is WindowTest {
    uint40 private endAt;

    function setUp() public override {
        super.setUp();
        leaseId = startLease(bid, DEPOSIT);
        endAt = START + bid.maxDuration;
    }

    function test_settle_not_before_the_time_that_is_billed() public {
        bytes memory future = skip(ILeaseMarket.LeaseMarket_FutureStatement.selector);
        checkEdge(START + 3600, settling(HOUR, START + 3600), future, DONE, DONE);
        checkEdge(endAt, settling(HOUR, endAt), future, DONE, DONE);
    }

    function test_settle_bills_until_the_end_however_late() public {
        vm.warp(endAt + 100 days);
        vm.assertEq(outcome(settling(1, endAt - 1)), DONE, "one second before");
        vm.assertEq(outcome(settling(1, endAt)), DONE, "in that second");
        bytes memory future = skip(ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.assertEq(outcome(settling(1, endAt + 1)), future, "one second after");
    }

    function test_settle_bills_from_where_it_is_settled_on() public {
        vm.warp(START + 3601);
        settle(leaseId, 5, START + 3600, false);
        bytes memory stale = skip(ILeaseMarket.LeaseMarket_StaleStatement.selector);
        vm.assertEq(outcome(settling(5, START + 3599)), stale, "one second before");
        vm.assertEq(outcome(settling(5, START + 3600)), DONE, "in that second");
        vm.assertEq(outcome(settling(5, START + 3601)), DONE, "one second after");
    }

    function test_settle_admits_until_the_end_that_the_dispute_set() public {
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        vm.warp(START + 3700);
        dispute(bid, 0);
        vm.warp(START + 9999);
        vm.assertEq(outcome(settling(1, START + 3699)), DONE, "one second before");
        vm.assertEq(outcome(settling(2, START + 3700)), DONE, "in that second");
        bytes memory future = skip(ILeaseMarket.LeaseMarket_FutureStatement.selector);
        vm.assertEq(outcome(settling(3, START + 3701)), future, "one second after");
    }
}

contract ClaimWindowsTest is WindowTest {
    uint40 private endAt;
    uint40 private due;

    function setUp() public override {
        super.setUp();
        bid.maxDuration = 7 days;
        leaseId = startLease(bid, DEPOSIT);
        endAt = START + 7 days;
        due = START + 3600 + DISPUTE_WINDOW;
    }

    function test_claim_until_the_claim_window_after_the_end() public {
        bytes memory late = skip(ILeaseMarket.LeaseMarket_TooLate.selector);
        checkEdge(endAt + CLAIM_WINDOW, claiming(3600), DONE, DONE, late);
    }

    function test_claim_again_when_the_one_before_is_due() public {
        fileFirst();
        bytes memory early = skip(ILeaseMarket.LeaseMarket_TooEarly.selector);
        checkEdge(due, claiming(7200), early, DONE, DONE);
    }

    function test_claim_bills_until_now_and_at_most_until_the_end() public {
        uint40[3] memory billed = [endAt - 1, endAt, endAt];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(endAt, i);
            claim(bid, makeUsage(3600));
            vm.assertEq(lease(leaseId).pendingAt, billed[i], second(i));
            vm.assertEq(lease(leaseId).filedAt, block.timestamp, "filed");
            back(state);
        }
    }

    function test_mature_from_the_end_of_the_dispute_window_on() public {
        fileFirst();
        Call memory call = by(STRANGER, abi.encodeCall(ILeaseMarket.mature, (one(leaseId))));
        checkEdge(due, call, skip(ILeaseMarket.LeaseMarket_TooEarly.selector), DONE, DONE);
    }

    function test_claimable_shows_what_mature_would_pay() public {
        fileFirst();
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(due, i);
            vm.assertEq(market.claimable(leaseId), i == 0 ? 0 : HOUR, second(i));
            back(state);
        }
    }

    function fileFirst() private {
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
    }
}

contract ClosingWindowsTest is WindowTest {
    uint40 private endAt;

    function setUp() public override {
        super.setUp();
        leaseId = startLease(bid, DEPOSIT);
        endAt = START + bid.maxDuration;
    }

    function test_closeLease_before_the_end() public {
        bytes memory late = tooLate(endAt);
        address[2] memory closers = [TENANT, SESSION];
        for (uint256 i = 0; i < 2; ++i) {
            Call memory call = by(closers[i], abi.encodeCall(ILeaseMarket.closeLease, (leaseId)));
            checkEdge(endAt, call, DONE, late, late);
        }
    }

    function test_reclaim_while_the_notice_ends_before_the_lease_does() public {
        bytes memory late = tooLate(endAt);
        checkEdge(endAt - bid.noticePeriod, reclaiming(), DONE, late, late);
    }

    function test_reclaim_takes_notice_until_the_unsettled_time_may_have_eaten_the_balance() public {
        bid.salt = 1;
        bid.minDeposit = 0;
        leaseId = startLease(bid, 3338); // ten seconds at the rate cap: floor(333888889 * 10 / 1e6)
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(START + 10, i);
            vm.assertEq(outcome(reclaiming()), DONE, second(i));
            vm.assertEq(lease(leaseId).endAt, block.timestamp + (i == 0 ? bid.noticePeriod : 0), "endAt");
            back(state);
        }
    }

    function test_finalize_from_the_end_on_when_all_is_settled() public {
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(endAt, i);
            settle(leaseId, HOUR, i == 0 ? endAt - 1 : endAt, false);
            bytes memory expected = i == 0 ? skip(ILeaseMarket.LeaseMarket_TooEarly.selector) : DONE;
            vm.assertEq(outcome(finalizing()), expected, second(i));
            back(state);
        }
    }

    function test_finalize_after_the_claim_window_when_not_all_is_settled() public {
        bytes memory early = skip(ILeaseMarket.LeaseMarket_TooEarly.selector);
        checkEdge(endAt + CLAIM_WINDOW, finalizing(), early, early, DONE);
    }

    function test_finalize_from_the_moment_a_claim_of_all_is_due() public {
        vm.warp(endAt + 100);
        claim(bid, makeUsage(3600));
        bytes memory early = skip(ILeaseMarket.LeaseMarket_TooEarly.selector);
        checkEdge(endAt + 100 + DISPUTE_WINDOW, finalizing(), early, DONE, DONE);
    }

    function test_finalize_after_the_claim_window_when_a_claim_of_a_part_is_due() public {
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        vm.assertTrue(START + 3600 + DISPUTE_WINDOW < endAt + CLAIM_WINDOW, "it is due before");
        bytes memory early = skip(ILeaseMarket.LeaseMarket_TooEarly.selector);
        checkEdge(endAt + CLAIM_WINDOW, finalizing(), early, early, DONE);
    }

    function test_fundedUntil_counts_whole_seconds_at_the_rate_cap() public {
        bid.minDeposit = 0;
        // Ten seconds cost 3338.88889: 3338 buy nine whole ones, 3339 ten; at most the whole lease.
        uint128[5] memory balances = [uint128(0), 1, 3338, 3339, DEPOSIT];
        uint40[5] memory funded = [START, START, START + 9, START + 10, endAt];
        for (uint256 i = 0; i < balances.length; ++i) {
            bid.salt = uint64(1 + i);
            bytes32 id = openLease(bid, balances[i]);
            vm.assertEq(market.fundedUntil(id), 0, "not before it starts");
            confirm(id);
            vm.assertEq(market.fundedUntil(id), funded[i], "funded");
        }
    }

    function test_fundedUntil_reaches_the_end_with_the_balance_that_pays_for_it() public {
        bid.maxDuration = 10;
        bid.minDeposit = 0;
        uint40[3] memory funded = [START + 9, START + 10, START + 10];
        for (uint256 i = 0; i < 3; ++i) {
            bid.salt = uint64(1 + i);
            vm.assertEq(market.fundedUntil(startLease(bid, uint128(3338 + i))), funded[i], "funded");
        }
    }

    function reclaiming() private view returns (Call memory) {
        return by(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)));
    }
}

contract DisputeWindowsTest is WindowTest {
    uint40 private constant FILED = START + 3600;
    uint40 private constant DISPUTED = FILED + 1800;

    function setUp() public override {
        super.setUp();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(FILED);
        claim(bid, makeUsage(3600));
    }

    function test_dispute_within_the_dispute_window() public {
        bytes memory late = tooLate(FILED + DISPUTE_WINDOW - 1);
        Call memory call = by(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, 0)));
        checkEdge(FILED + DISPUTE_WINDOW, call, DONE, late, late);
    }

    function test_dispute_ends_a_running_lease_now_and_leaves_an_ended_one() public {
        uint40 endAt = START + bid.maxDuration;
        uint40[3] memory ends = [endAt - 1, endAt, endAt];
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(endAt, i);
            dispute(bid, 0);
            vm.assertEq(lease(leaseId).endAt, ends[i], second(i));
            vm.assertEq(lease(leaseId).disputedAt, block.timestamp, "disputedAt");
            back(state);
        }
    }

    function test_the_claim_is_raised_within_the_claim_window_after_the_dispute() public {
        disputeAt(DISPUTED);
        bytes memory late = skip(ILeaseMarket.LeaseMarket_TooLate.selector);
        checkEdge(DISPUTED + CLAIM_WINDOW, claiming(5400), DONE, DONE, late);
    }

    function test_resolve_by_the_arbiter_after_the_claim_window() public {
        disputeAt(DISPUTED);
        bytes memory early = tooEarly(uint256(DISPUTED) + CLAIM_WINDOW + 1);
        checkEdge(DISPUTED + CLAIM_WINDOW, ruling(ARBITER, 1, 0), early, early, DONE);
    }

    function test_resolve_by_the_arbiter_at_once_when_the_claim_was_raised() public {
        disputeAt(DISPUTED);
        claim(bid, makeUsage(5400));
        vm.assertEq(outcome(ruling(ARBITER, 1, 0)), DONE, "in the second of the dispute");
    }

    function test_resolve_by_the_arbiter_within_the_arbiters_window() public {
        disputeAt(DISPUTED);
        uint256 until = DISPUTED + ARBITER_WINDOW;
        bytes memory late = tooLate(until - 1);
        checkEdge(until, ruling(ARBITER, 1, 0), DONE, late, late);
        checkEdge(until, ruling(ARBITER, 0, 1), DONE, late, late);
    }

    function test_resolve_by_anyone_from_the_end_of_the_arbiters_window_on() public {
        disputeAt(DISPUTED);
        bytes memory refused = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotArbiter.selector, leaseId, STRANGER);
        checkEdge(DISPUTED + ARBITER_WINDOW, ruling(STRANGER, 0, 0), refused, DONE, DONE);
    }

    function test_a_ruling_of_nothing_turns_into_the_split_when_the_arbiter_is_late() public {
        disputeAt(DISPUTED);
        for (uint256 i = 0; i < 3; ++i) {
            uint256 state = toSecond(DISPUTED + ARBITER_WINDOW, i);
            vm.assertEq(outcome(ruling(ARBITER, 0, 0)), DONE, second(i));
            vm.assertEq(lease(leaseId).paid, i == 0 ? 0 : HOUR * 6 / 10, "paid");
            back(state);
        }
    }

    function disputeAt(uint256 time) private {
        vm.warp(time);
        dispute(bid, 0);
    }

    function ruling(address who, uint128 award, uint96 slash) private view returns (Call memory) {
        return by(who, abi.encodeCall(ILeaseMarket.resolve, (bid, award, slash)));
    }
}

/// @dev A market in production gives its administrators a delay; its users see what comes before it does.
contract AdministrationWindowsTest is WindowTest {
    uint32 private constant DELAY = 2 days;

    function setUp() public override {
        super.setUp();
        bytes4[] memory selectors = new bytes4[](4);
        selectors[0] = ILeaseMarket.allowToken.selector;
        selectors[1] = ILeaseMarket.setFee.selector;
        selectors[2] = ILeaseMarket.setIntakePaused.selector;
        selectors[3] = ILeaseMarket.recoverSurplus.selector;
        authority.setTargetFunctionRole(address(market), selectors, 1);
        authority.grantRole(1, ARBITER, DELAY);
        token.mint(address(market), 7);
    }

    function test_what_is_scheduled_waits_for_its_delay_and_lapses_after_a_week() public {
        address fresh = address(new DecimalsToken(18));
        bytes[4] memory calls = [
            abi.encodeCall(ILeaseMarket.allowToken, (fresh)),
            abi.encodeCall(ILeaseMarket.setFee, (500, STRANGER)),
            abi.encodeCall(ILeaseMarket.setIntakePaused, (true)),
            abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), STRANGER))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes32 id = authority.hashOperation(ARBITER, address(market), calls[i]);
            bytes memory unscheduled = abi.encodeWithSelector(IAccessManager.AccessManagerNotScheduled.selector, id);
            vm.assertEq(outcome(by(ARBITER, calls[i])), unscheduled, "unscheduled");
            vm.prank(ARBITER);
            authority.schedule(address(market), calls[i], 0);
            bytes memory early = abi.encodeWithSelector(IAccessManager.AccessManagerNotReady.selector, id);
            checkEdge(START + DELAY, by(ARBITER, calls[i]), early, DONE, DONE);
            bytes memory lapsed = abi.encodeWithSelector(IAccessManager.AccessManagerExpired.selector, id);
            checkEdge(START + DELAY + 1 weeks, by(ARBITER, calls[i]), DONE, lapsed, lapsed);
            bytes memory refused = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
            checkEdge(START + DELAY, by(STRANGER, calls[i]), refused, refused, refused);
        }
    }
}
