// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {bound, vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice One signature, one lease: what is signed for one thing counts nowhere else.
contract ReplayTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    function test_a_statement_counts_in_its_own_lease_alone() public {
        leaseId = startLease(bid, DEPOSIT);
        bid.salt = 1;
        bytes32 other = startLease(bid, DEPOSIT); // the same session key
        vm.warp(START + 3600);
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        s.statement.leaseId = other;
        expectSkip(other, ILeaseMarket.LeaseMarket_BadSigner.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(s)), 0, "another lease");
    }

    function test_a_bid_counts_in_its_own_market_alone() public {
        (ILeaseMarket second, IProviderRegistry itsRegistry) = anotherMarket();
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.assertTrue(second.leaseIdOf(bid) != market.leaseIdOf(bid), "another id");
        token.mint(PROVIDER, BOND);
        vm.startPrank(PROVIDER);
        token.approve(address(itsRegistry), BOND);
        itsRegistry.register(OPERATOR, START + 1 days, BOND, "https://b", 0);
        vm.stopPrank();
        token.mint(address(this), DEPOSIT);
        token.approve(address(second), DEPOSIT);
        second.deposit(address(token), TENANT, DEPOSIT);
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        vm.assertEq(attempt(TENANT, address(second), data), false, "the signature of the first");
        (r, vs) = vm.signCompact(OPERATOR_KEY, second.leaseIdOf(bid));
        data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        vm.assertEq(attempt(TENANT, address(second), data), true, "its own");
        vm.assertEq(locked(), 0, "the first registry's bond");
    }

    function test_a_bid_and_a_statement_count_on_their_own_chain_alone() public {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        uint256 chain = block.chainid;
        vm.chainId(chain + 1);
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        assertRefused(TENANT, data, "another chain");
        vm.chainId(chain);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY);
        vm.chainId(chain + 1);
        expectSkip(leaseId, ILeaseMarket.LeaseMarket_BadSigner.selector);
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(one(s)), 0, "another chain");
    }

    /// @dev A market that names a registry that is another's opens nothing, and touches no bond.
    function test_a_second_market_on_the_same_registry_locks_no_bond() public {
        ILeaseMarket parasite = ILeaseMarket(vm.deployCode("LeaseMarket.sol:LeaseMarket", marketArguments()));
        parasite.allowToken(address(token));
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, parasite.leaseIdOf(bid));
        bid.minDeposit = 0;
        (r, vs) = vm.signCompact(OPERATOR_KEY, parasite.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_NotMarket.selector, parasite));
        parasite.openLease(bid, r, vs, SESSION, 0);
        bytes memory data = abi.encodeCall(IProviderRegistry.setMarket, (address(parasite)));
        vm.assertEq(attempt(address(this), address(registry), data), false, "not even its deployer");
    }

    function test_nobody_but_the_market_locks_unlocks_or_slashes() public {
        leaseId = startLease(bid, DEPOSIT);
        address[5] memory others = [PROVIDER, OPERATOR, TENANT, address(this), address(registry)];
        bytes[3] memory calls = [
            abi.encodeCall(IProviderRegistry.lock, (PROVIDER, OPERATOR, 0, 1)),
            abi.encodeCall(IProviderRegistry.unlock, (PROVIDER, 1)),
            abi.encodeCall(IProviderRegistry.slash, (PROVIDER, 1, 1, MALLORY, 1, MALLORY))
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            for (uint256 j = 0; j < calls.length; ++j) {
                vm.assertEq(attempt(others[i], address(registry), calls[j]), false, "refused");
            }
        }
        vm.assertEq(locked(), bid.maxSlash, "lock");
    }

    /// @dev Whoever allowed the market to draw on its tokens: only its own calls draw.
    function test_nobody_deposits_out_of_anothers_allowance() public {
        token.mint(STRANGER, 1000);
        vm.prank(STRANGER);
        token.approve(address(market), type(uint256).max);
        vm.prank(STRANGER);
        token.approve(address(registry), type(uint256).max);
        bytes[4] memory calls = [
            abi.encodeCall(ILeaseMarket.deposit, (address(token), MALLORY, 1)),
            abi.encodeCall(ILeaseMarket.depositWithPermit, (address(token), MALLORY, 1, 0, 0, 0, 0)),
            abi.encodeCall(ILeaseMarket.depositWithPermit, (address(token), STRANGER, 1, 0, 0, 0, 0)),
            abi.encodeCall(ILeaseMarket.depositWithAuthorization, (address(token), STRANGER, 1, 0, 0, 0, 0, 0, 0))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            assertRefused(MALLORY, calls[i], "deposit");
        }
        bytes memory bonding =
            abi.encodeCall(IProviderRegistry.register, (MALLORY, START + 1 days, MIN_BOND, "https://b", bytes32(0)));
        vm.assertEq(attempt(MALLORY, address(registry), bonding), false, "register");
        vm.assertEq(token.balanceOf(STRANGER), 1000, "untouched");
    }

    /// @dev An old wrapper that answers every unknown call with silence: the authorisation moved nothing.
    function test_a_token_that_ignores_authorisations_credits_nothing() public {
        SilentToken silent = new SilentToken();
        market.allowToken(address(silent));
        silent.mint(STRANGER, 1000);
        expectError(
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, silent, uint256(1000), uint256(0))
        );
        market.depositWithAuthorization(address(silent), STRANGER, 1000, 0, type(uint256).max, 0, 0, 0, 0);
        vm.prank(MALLORY);
        vm.expectRevert();
        market.depositWithPermit(address(silent), MALLORY, 1000, 0, 0, 0, 0);
        vm.assertEq(market.liabilities(address(silent)), 0, "liabilities");
    }

    function anotherMarket() private returns (ILeaseMarket second, IProviderRegistry itsRegistry) {
        itsRegistry = IProviderRegistry(
            vm.deployCode(
                "ProviderRegistry.sol:ProviderRegistry", abi.encode(token, MIN_BOND, UNBOND_DELAY, address(this))
            )
        );
        second = ILeaseMarket(
            vm.deployCode(
                "LeaseMarket.sol:LeaseMarket",
                abi.encode(itsRegistry, authority, TREASURY, CLAIM_WINDOW, DISPUTE_WINDOW, ARBITER_WINDOW)
            )
        );
        itsRegistry.setMarket(address(second));
        second.allowToken(address(token));
    }
}

/// @notice The parties of a lease are the same person in every way in which they can be.
contract SamePersonTest is AdversaryTest {
    /// @dev Every role is one of three people. Whoever coincides: nobody else pays, and every unit is accounted for.
    function testFuzz_no_coincidence_of_roles_makes_money(uint256 roles, uint256 path, uint128 part) public {
        address[3] memory people = [PROVIDER, MALLORY, ACCOMPLICE];
        uint256[3] memory keys = [OPERATOR_KEY, uint256(0xbad1), uint256(0xbad2)];
        bid = makeBid();
        bid.tenant = people[roles % 3];
        bid.arbiter = people[(roles >> 8) % 3];
        market.setFee(100, people[(roles >> 16) % 3]);
        // The session key may be the operator's own: then the provider signs what it is owed. The tenant chose that.
        uint256 session = keys[(roles >> 24) % 3];
        fund(bid.tenant, DEPOSIT);
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(bid.tenant);
        market.openLease(bid, r, vs, vm.addr(session), DEPOSIT);
        runAnyWay(path, part, session);
        assertState(leaseId, 4);
        uint256 sum = account(PROVIDER) + account(MALLORY) + account(ACCOMPLICE);
        vm.assertEq(sum, DEPOSIT, "every unit of the deposit, and no other");
        vm.assertEq(account(TENANT), FUNDS, "of strangers nothing");
        uint256 credits = registry.claimable(PROVIDER) + registry.claimable(MALLORY) + registry.claimable(ACCOMPLICE);
        vm.assertEq(credits + registry.providerOf(PROVIDER).bond, BOND, "every unit of the bond");
        vm.assertEq(locked(), 0, "lock");
    }

    function runAnyWay(uint256 path, uint128 part, uint256 session) private {
        if (path % 5 == 0) {
            vm.warp(START + bid.startWindow + 1);
            vm.prank(bid.tenant);
            return market.abort(bid);
        }
        vm.assertEq(confirm(leaseId), 1, "confirmed");
        vm.warp(START + 3600);
        part = uint128(bound(part, 1, HOUR));
        ILeaseMarket.SignedStatement memory last = signed(makeStatement(leaseId, part, START + 3600, true), session);
        vm.startPrank(OPERATOR);
        if (path % 5 == 1) vm.assertEq(market.settle(one(last)), 1, "settled");
        else vm.assertEq(market.claim(one(ILeaseMarket.ClaimItem(bid, makeUsage(3600)))), 1, "claimed");
        vm.stopPrank();
        if (path % 5 == 2) vm.warp(START + 1 days + CLAIM_WINDOW + DISPUTE_WINDOW);
        if (path % 5 < 3) {
            vm.assertEq(finalize(), 1, "closed");
            return;
        }
        dispute(bid, part - 1);
        vm.warp(block.timestamp + (path % 5 == 3 ? CLAIM_WINDOW + 1 : ARBITER_WINDOW));
        if (path % 5 == 3) resolve(bid.arbiter, uint128(path % (HOUR - part + 2)), uint96(path % (bid.maxSlash + 1)));
        else resolve(STRANGER, 0, 0);
    }
}

/// @notice Batches, repetitions and everything at once.
contract BatchTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    function test_empty_batches_do_nothing_for_anyone() public {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        vm.recordLogs();
        vm.startPrank(STRANGER);
        vm.assertEq(market.confirm(new bytes32[](0)), 0, "confirm");
        vm.assertEq(market.settle(new ILeaseMarket.SignedStatement[](0)), 0, "settle");
        vm.assertEq(market.claim(new ILeaseMarket.ClaimItem[](0)), 0, "claim");
        vm.assertEq(market.mature(new bytes32[](0)), 0, "mature");
        vm.assertEq(market.finalize(new ILeaseMarket.Bid[](0)), 0, "finalize");
        vm.stopPrank();
        vm.assertEq(vm.getRecordedLogs().length, 0, "no logs");
        assertSameLease(leaseId, before);
    }

    function testFuzz_the_same_lease_again_and_again_in_a_batch_is_paid_once(uint256 size, uint128 cum) public {
        size = bound(size, 2, 12);
        cum = uint128(bound(cum, 1, capOf(3600)));
        ILeaseMarket.SignedStatement[] memory statements = new ILeaseMarket.SignedStatement[](size);
        ILeaseMarket.ClaimItem[] memory items = new ILeaseMarket.ClaimItem[](size);
        bytes32[] memory ids = new bytes32[](size);
        ILeaseMarket.Bid[] memory bids = new ILeaseMarket.Bid[](size);
        for (uint256 i = 0; i < size; ++i) {
            statements[i] = signed(makeStatement(leaseId, cum, START + 3600, false), SESSION_KEY);
            items[i] = ILeaseMarket.ClaimItem(bid, everything());
            ids[i] = leaseId;
            bids[i] = bid;
        }
        vm.startPrank(OPERATOR);
        market.settle(statements);
        vm.assertEq(account(PROVIDER), cum, "settled once");
        vm.warp(START + 7200);
        vm.assertEq(market.claim(items), 1, "claimed once");
        uint256 pending = lease(leaseId).pendingCum;
        vm.warp(START + 7200 + DISPUTE_WINDOW);
        vm.assertEq(market.mature(ids), 1, "matured once");
        vm.assertEq(account(PROVIDER), pending, "paid once");
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        vm.assertEq(market.finalize(bids), 1, "closed once");
        vm.stopPrank();
        vm.assertEq(account(TENANT), FUNDS - pending, "refunded once");
        vm.assertEq(locked(), 0, "unlocked once");
    }

    /// @dev A second lease's lock must not be freed by closing the first one twice, in any way.
    function test_closing_twice_frees_no_other_lock() public {
        bid.salt = 1;
        bid.validUntil = START + 3600;
        startLease(bid, DEPOSIT);
        bid.salt = 77;
        bid.validUntil = START + 300;
        settle(leaseId, HOUR, START + 3600, true);
        vm.assertEq(finalize(), 1, "once");
        vm.assertEq(finalize(), 0, "twice");
        assertRefused(OPERATOR, abi.encodeCall(ILeaseMarket.decline, (bid)), "decline");
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "abort");
        assertRefused(ARBITER, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, bid.maxSlash)), "resolve");
        vm.assertEq(locked(), bid.maxSlash, "the other lock");
    }

    /// @dev All in one second, in every order: the interval is billed once.
    function testFuzz_statements_and_claims_of_one_second_bill_it_once(uint256 order, uint128 first, uint128 second)
        public
    {
        first = uint128(bound(first, 0, capOf(3600)));
        second = uint128(bound(second, first, uint256(first) + capOf(3600)));
        for (uint256 i = 0; i < 4; ++i) {
            uint256 what = (order >> (8 * i)) % 4;
            if (what == 0) settle(leaseId, first, START + 3600, false);
            else if (what == 1) settle(leaseId, second, START + 3600, false);
            else if (what == 2) claim(bid, everything());
            else mature();
        }
        vm.assertLe(account(PROVIDER), capOf(3600), "at most the interval's cap");
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        mature();
        vm.assertLe(account(PROVIDER), capOf(3600), "and with the claim");
    }

    /// @dev Cutting an interval into pieces gains nothing over settling it whole.
    function testFuzz_many_small_settlements_gain_nothing_over_one(uint256 seed) public {
        uint256 time = START;
        vm.warp(START + 1 days);
        for (uint256 i = 0; i < 12; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            time = min(time + seed % 3 hours, START + 1 days);
            ILeaseMarket.LeaseView memory shown = lease(leaseId);
            uint256 cum = shown.paid + capOf(time - shown.lastAsOf);
            vm.assertEq(settle(leaseId, uint128(cum + 1), uint40(time), false), 0, "a unit above the cap");
            vm.assertEq(settle(leaseId, uint128(cum), uint40(time), false), 1, "the cap");
        }
        vm.assertLe(account(PROVIDER), capOf(time - START), "no rounding adds up");
    }
}

/// @notice Terms and amounts at the ends of their ranges.
contract ExtremesTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    /// @dev Prices, limits, money, time and usage as large as they can be together: every path still ends.
    function testFuzz_the_largest_numbers_run_through_every_exit(uint256 path, uint128 amount, uint64 limit) public {
        DecimalsToken vast = new DecimalsToken(18);
        market.allowToken(address(vast));
        vast.mint(address(this), type(uint128).max);
        vast.approve(address(market), type(uint128).max);
        market.deposit(address(vast), TENANT, type(uint128).max);
        bid.token = address(vast);
        bid.maxDuration = type(uint24).max;
        bid.limit = [uint64(bound(limit, 1, 200)), 1, 1, 1, 1, 1, 1, 1];
        for (uint256 i = 0; i < 8; ++i) {
            bid.price[i] = type(uint128).max;
        }
        amount = uint128(bound(amount, bid.minDeposit, type(uint128).max));
        leaseId = startLease(bid, amount);
        vm.warp(START + bid.maxDuration);
        if (path % 2 == 0) {
            ILeaseMarket.LeaseView memory shown = lease(leaseId);
            uint256 cap = uint256(shown.rateCapE6) * bid.maxDuration / 1e6;
            vm.assertEq(settle(leaseId, uint128(cap), uint40(block.timestamp), false), 1, "settled");
            vm.assertEq(lease(leaseId).paid, min(cap, amount), "all there is");
        } else {
            vm.assertEq(claim(bid, everything()), 1, "claimed");
            if (path % 4 == 1) dispute(bid, uint128(path % lease(leaseId).pendingCum));
        }
        vm.warp(block.timestamp + CLAIM_WINDOW + DISPUTE_WINDOW + ARBITER_WINDOW);
        if (path % 4 == 1) resolve(STRANGER, 0, 0);
        else vm.assertEq(finalize(), 1, "closed");
        uint256 sum = market.available(TENANT, address(vast)) + market.available(PROVIDER, address(vast));
        vm.assertEq(sum, type(uint128).max, "every unit");
    }

    /// @dev The smallest price rounds its cap up to one unit in a million seconds, and its worth down to none.
    function test_the_smallest_price_pays_nothing_rather_than_too_much() public {
        delete bid.price;
        delete bid.limit;
        bid.price[0] = 1;
        bid.limit[0] = 1;
        bid.maxDuration = type(uint24).max;
        vm.assertEq(market.rateCap(bid), 1, "rounded up");
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + bid.maxDuration);
        vm.assertEq(claim(bid, everything()), 0, "worth nothing");
        vm.assertEq(settle(leaseId, 17, uint40(block.timestamp), false), 0, "above the cap");
        vm.assertEq(settle(leaseId, 16, uint40(block.timestamp), false), 1, "the cap, which the tenant signed");
    }

    function test_terms_outside_their_bounds_open_nothing() public {
        bid.maxDuration = 0;
        assertBadBid("maxDuration");
        bid.maxDuration = uint32(type(uint24).max) + 1;
        assertBadBid("maxDuration");
        bid.maxDuration = type(uint32).max;
        assertBadBid("maxDuration");
        bid.maxDuration = type(uint24).max;
        bid.splitBps = 10_001;
        assertBadBid("splitBps");
        bid.splitBps = 10_000;
        bid.noShowPenalty = bid.maxSlash + 1;
        assertBadBid("noShowPenalty");
        bid.noShowPenalty = bid.maxSlash;
        for (uint256 i = 0; i < 8; ++i) {
            (bid.price[i], bid.limit[i]) = (type(uint128).max, type(uint64).max);
        }
        assertBadBid("rateCap");
        delete bid.price;
        assertBadBid("rateCap");
    }

    /// @dev At the very bound: rateCapE6 is 2^96 - 1 and one more is refused.
    function test_the_rate_cap_fits_its_type_to_the_unit() public {
        delete bid.price;
        delete bid.limit;
        bid.limit[0] = uint64(1e12);
        bid.price[0] = type(uint96).max;
        vm.assertEq(market.rateCap(bid), type(uint96).max, "fits");
        bid.price[1] = 1;
        bid.limit[1] = 1;
        assertBadBid("rateCap");
    }

    function test_the_shortest_and_the_longest_lease_end_when_they_should() public {
        bid.maxDuration = 1;
        leaseId = startLease(bid, DEPOSIT);
        vm.assertEq(lease(leaseId).endAt, START + 1, "one second");
        bid.salt = 1;
        bid.maxDuration = type(uint24).max;
        leaseId = startLease(bid, DEPOSIT);
        vm.assertEq(lease(leaseId).endAt, START + uint256(type(uint24).max), "194 days");
    }

    /// @dev The last second that 32 bits hold: a lease that ends in it has all its windows after it.
    function test_a_lease_that_ends_with_32_bits_has_all_its_windows() public {
        uint256 end = type(uint32).max;
        vm.warp(end - 1 days);
        bid.validUntil = type(uint40).max;
        leaseId = startLease(bid, DEPOSIT);
        vm.assertEq(lease(leaseId).endAt, end, "endAt");
        vm.warp(end + CLAIM_WINDOW);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed in the last second");
        vm.assertEq(lease(leaseId).pendingAt, end, "up to the end");
        vm.warp(end + CLAIM_WINDOW + DISPUTE_WINDOW - 1);
        vm.assertEq(finalize(), 0, "still disputable");
        dispute(bid, 1000);
        vm.assertEq(lease(leaseId).endAt, end, "endAt stays");
        vm.warp(block.timestamp + ARBITER_WINDOW);
        resolve(STRANGER, 0, 0);
        vm.assertEq(account(PROVIDER), 1000 + uint256(HOUR - 1000) * bid.splitBps / 10_000, "the split");
    }

    /// @dev A start window as long as its type: nothing overflows, nobody's later `confirm` is cut off, and until it has
    /// passed only the provider can give the lease back. A tenant must look at it before it accepts.
    function test_a_start_window_as_long_as_its_type_binds_the_tenant_until_the_provider_moves() public {
        bid.startWindow = type(uint32).max;
        leaseId = openLease(bid, DEPOSIT);
        vm.assertEq(lease(leaseId).endAt, uint256(START) + type(uint32).max, "136 years");
        vm.warp(uint256(START) + type(uint32).max);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "not before");
        vm.warp(block.timestamp + 1);
        vm.prank(TENANT);
        market.abort(bid);
        vm.assertEq(account(TENANT), FUNDS, "refund");
    }

    function test_no_start_window_at_all_is_the_same_second() public {
        bid.startWindow = 0;
        leaseId = openLease(bid, DEPOSIT);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), "the provider still has this second");
        vm.assertEq(confirm(leaseId), 1, "confirmed");
    }

    function test_reclaiming_without_notice_ends_now_and_not_before() public {
        bid.noticePeriod = 0;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        vm.prank(OPERATOR);
        market.reclaim(bid);
        vm.assertEq(lease(leaseId).endAt, START + 3600, "now");
        assertRefused(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)), "again");
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "the hour stays billable");
    }

    function test_reclaiming_with_the_longest_notice_changes_nothing() public {
        bid.noticePeriod = type(uint32).max;
        leaseId = startLease(bid, DEPOSIT);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        assertRefused(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)), "the end only comes nearer");
        assertSameLease(leaseId, before);
    }

    /// @dev Nothing in it, nothing to earn: both sides leave it at once, and it has held nothing but its lock.
    function test_a_lease_with_nothing_in_it_frees_everybody_at_once() public {
        bid.minDeposit = 0;
        leaseId = startLease(bid, 0);
        vm.assertEq(market.fundedUntil(leaseId), START, "not funded for a second");
        vm.warp(START + 1);
        vm.assertEq(claim(bid, everything()), 0, "nothing to claim");
        vm.assertEq(settle(leaseId, uint128(capOf(1)), START + 1, false), 1, "a statement pays what is there");
        vm.assertEq(account(PROVIDER), 0, "nothing");
        vm.prank(OPERATOR);
        market.reclaim(bid);
        vm.assertEq(finalize(), 1, "closed");
        vm.assertEq(locked(), 0, "lock");
        vm.assertEq(account(TENANT), FUNDS, "money");
    }

    /// @dev Money that comes in the last second, at the end and after it: none of it is stuck, none of it is the
    /// provider's without work.
    function testFuzz_a_top_up_around_the_end_is_refunded(uint256 when, uint256 amount) public {
        when = bound(when, START + 1 days - 1, START + 1 days + CLAIM_WINDOW);
        amount = bound(amount, 1, FUNDS - DEPOSIT);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, false);
        vm.warp(START + 3610);
        claim(bid, everything());
        uint256 pending = lease(leaseId).pendingCum;
        vm.warp(when);
        vm.prank(TENANT);
        market.topUp(leaseId, uint128(amount));
        vm.assertEq(lease(leaseId).pendingCum, pending, "a claim that waits does not grow");
        vm.warp(START + 3610 + DISPUTE_WINDOW + 1 days);
        vm.assertEq(finalize(), 1, "closed");
        vm.assertEq(account(TENANT), FUNDS - pending, "refund");
        vm.assertEq(account(PROVIDER), pending, "the claim");
    }

    /// @dev A gift to somebody else's lease becomes that tenant's: no way to take it back, none to harm with it.
    function test_a_strangers_top_up_is_the_tenants() public {
        leaseId = startLease(bid, DEPOSIT);
        fund(MALLORY, 1000);
        vm.prank(MALLORY);
        market.topUp(leaseId, 1000);
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        vm.assertEq(finalize(), 1, "closed");
        vm.assertEq(account(TENANT), FUNDS + 1000, "tenant");
        vm.assertEq(account(MALLORY), 0, "mallory");
    }

    /// @dev A provider unbonds everything it can, at every moment around a lease: what backs the lease stays.
    function testFuzz_no_order_of_unbonding_uncovers_a_lease(uint256 before, uint256 after_, uint256 wait) public {
        before = bound(before, 0, BOND - bid.maxSlash);
        after_ = bound(after_, 0, BOND);
        bid.startWindow = type(uint32).max;
        bid.validUntil = type(uint40).max;
        vm.startPrank(PROVIDER);
        registry.startUnbond(uint128(before));
        vm.warp(START + bound(wait, 0, 2 * UNBOND_DELAY));
        vm.stopPrank();
        leaseId = openLease(bid, DEPOSIT);
        attempt(PROVIDER, address(registry), abi.encodeCall(IProviderRegistry.withdrawBond, (MALLORY)));
        attempt(PROVIDER, address(registry), abi.encodeCall(IProviderRegistry.startUnbond, (uint128(after_))));
        vm.warp(block.timestamp + UNBOND_DELAY);
        attempt(PROVIDER, address(registry), abi.encodeCall(IProviderRegistry.withdrawBond, (MALLORY)));
        IProviderRegistry.ProviderView memory shown = registry.providerOf(PROVIDER);
        vm.assertEq(shown.locked, bid.maxSlash, "locked");
        vm.assertLe(shown.locked, shown.bond, "and there");
        vm.assertEq(shown.bond + token.balanceOf(MALLORY), BOND, "every unit of the bond");
    }

    function assertBadBid(bytes32 field) private {
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BadBid.selector, leaseId, field));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }
}

/// @notice Answers every call that it does not know with success and nothing.
contract SilentToken is DecimalsToken(6) {
    fallback() external {}
}
