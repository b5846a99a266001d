// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {bound, vm} from "../support/Vm.sol";

/// @notice A lease costs the same in tokens of 6, 8 and 18 decimals, but for what is less than their smallest unit.
contract DecimalsTest is MarketTest {
    function test_a_lease_lives_in_tokens_of_6_8_and_18_decimals() public {
        uint8[3] memory decimals = [6, 8, 18];
        // floor(417999.999747248606 * 10^(decimals - 6)): more decimals show more of the same hour
        uint256[3] memory hour = [uint256(417_999), 41_799_999, 417_999_999_747_248_606];
        for (uint256 i = 0; i < 3; ++i) {
            DecimalsToken other = new DecimalsToken(decimals[i]);
            market.allowToken(address(other));
            live(other, uint64(i), 10 ** (decimals[i] - 6), hour[i]);
        }
    }

    function live(DecimalsToken other, uint64 salt, uint256 scale, uint256 hour) private {
        uint256 state = vm.snapshotState();
        uint128 amount = uint128(DEPOSIT * scale);
        other.mint(address(this), amount);
        other.approve(address(market), amount);
        market.deposit(address(other), TENANT, amount);
        ILeaseMarket.Bid memory bid = makeBid();
        bid.salt = salt;
        bid.token = address(other);
        bid.minDeposit = amount;
        for (uint256 i = 0; i < 8; ++i) {
            bid.price[i] = uint128(bid.price[i] * scale);
        }
        bytes32 leaseId = startLease(bid, amount);
        vm.warp(START + 3600);
        vm.assertEq(claim(bid, makeUsage(3600)), 1, "claimed");
        vm.assertEq(lease(leaseId).pendingCum, hour, "an hour");
        vm.warp(START + 3600 + DISPUTE_WINDOW);
        vm.assertEq(market.mature(one(leaseId)), 1, "matured");
        vm.warp(START + 1 days + CLAIM_WINDOW + 1);
        vm.assertEq(market.finalize(one(bid)), 1, "finalized");
        vm.prank(PROVIDER);
        market.withdraw(address(other), PROVIDER, hour);
        vm.prank(TENANT);
        market.withdraw(address(other), TENANT, amount - hour);
        vm.assertEq(other.balanceOf(address(market)), 0, "nothing is left");
        vm.assertEq(market.liabilities(address(other)), 0, "nothing is owed");
        vm.assertTrue(vm.revertToState(state), "back");
    }
}

/// @notice The token of leases may be the token of bonds: the two contracts hold their parts of it each for itself.
contract BondTokenTest is MarketTest {
    function test_what_the_registry_holds_is_no_surplus_of_the_market_nor_the_other_way_round() public {
        vm.assertEq(registry.bondToken(), address(token), "the same token");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NothingToRecover.selector, token));
        market.recoverSurplus(address(token), STRANGER);
        ILeaseMarket.Bid memory bid = makeBid();
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 0);
        vm.warp(START + 3600 + CLAIM_WINDOW + 1);
        vm.prank(ARBITER);
        market.resolve(bid, 100_000, bid.maxSlash);
        vm.assertEq(token.balanceOf(address(market)), FUNDS, "the market's part is whole");
        vm.assertEq(token.balanceOf(address(registry)), BOND, "the registry's part is whole");
        withdrawAll(TENANT);
        withdrawAll(PROVIDER);
        vm.prank(TENANT);
        registry.withdrawClaimable(TENANT);
        vm.prank(TREASURY);
        registry.withdrawClaimable(TREASURY);
        vm.startPrank(PROVIDER);
        registry.startUnbond(BOND - bid.maxSlash);
        vm.warp(block.timestamp + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.assertEq(token.balanceOf(address(market)), 0, "the market is empty");
        vm.assertEq(token.balanceOf(address(registry)), 0, "the registry is empty");
    }

    function withdrawAll(address who) private {
        uint256 all = account(who);
        vm.prank(who);
        market.withdraw(address(token), who, all);
    }
}

/// @notice What belongs to nobody can be taken out, to the unit, whatever the market owes and however it came.
contract SurplusTest is MarketTest {
    function testFuzz_recovers_exactly_what_was_sent_directly(uint128 gift, uint128 deposited, uint128 withdrawn)
        public
    {
        gift = uint128(bound(gift, 1, type(uint64).max));
        deposited = uint128(bound(deposited, 1, type(uint64).max));
        withdrawn = uint128(bound(withdrawn, 1, deposited));
        token.mint(address(market), gift);
        fund(STRANGER, deposited);
        openLease(makeBid(), DEPOSIT);
        vm.prank(STRANGER);
        market.withdraw(address(token), STRANGER, withdrawn);
        market.recoverSurplus(address(token), ARBITER);
        vm.assertEq(token.balanceOf(ARBITER), gift, "recovered");
        vm.assertEq(token.balanceOf(address(market)), market.liabilities(address(token)), "held == owed");
        vm.assertEq(market.liabilities(address(token)), uint256(FUNDS) + deposited - withdrawn, "owed");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NothingToRecover.selector, token));
        market.recoverSurplus(address(token), ARBITER);
    }

    function test_a_withdrawal_to_the_market_itself_is_a_gift() public {
        vm.prank(TENANT);
        market.withdraw(address(token), address(market), 5);
        vm.assertEq(account(TENANT), FUNDS - 5, "account");
        market.recoverSurplus(address(token), ARBITER);
        vm.assertEq(token.balanceOf(ARBITER), 5, "recovered");
    }
}

/// @notice Two tokens never mix: a random walk over both leaves in the first token what the steps in it alone leave.
contract SeveralTokensTest is MarketTest {
    uint256 private constant STEPS = 40;
    /// @dev Deposits, withdrawals, and the life of two leases in each token.
    uint256 private constant ACTIONS = 11;

    DecimalsToken[2] private coins;

    function setUp() public override {
        super.setUp();
        setFee(123);
        coins[0] = new DecimalsToken(6);
        coins[1] = new DecimalsToken(18);
        for (uint256 i = 0; i < 2; ++i) {
            market.allowToken(address(coins[i]));
            coins[i].mint(TENANT, 10_000e18);
            vm.prank(TENANT);
            coins[i].approve(address(market), type(uint256).max);
            vm.prank(TENANT);
            market.deposit(address(coins[i]), TENANT, 1_000e6);
        }
    }

    function testFuzz_walks_in_two_tokens_do_not_mix(uint256[40] memory seeds) public {
        uint256 state = vm.snapshotState();
        (bytes32 trail, uint256 steps) = walk(seeds, false);
        bytes32 mixed = books();
        vm.assertTrue(vm.revertToState(state), "back");
        (bytes32 aloneTrail, uint256 aloneSteps) = walk(seeds, true);
        vm.assertEq(steps, aloneSteps, "the same steps");
        vm.assertEq(trail, aloneTrail, "each step came to the same");
        vm.assertEq(books(), mixed, "and so did the books");
    }

    /// @dev A walk that reaches nothing would prove nothing.
    function test_a_walk_reaches_leases_that_are_paid_and_closed() public {
        uint256[40] memory seeds;
        // open, confirm, settle, claim, close, and finalize after the window, in the first token
        uint256[6] memory actions = [uint256(2), 3, 4, 5, 8, 9];
        for (uint256 i = 0; i < actions.length; ++i) {
            seeds[i] = actions[i] << 8 | (i == 5 ? uint256(1) << 16 : 0);
        }
        for (uint256 i = actions.length; i < STEPS; ++i) {
            seeds[i] = 1;
        }
        walk(seeds, false);
        ILeaseMarket.LeaseView memory closed = lease(market.leaseIdOf(bidOf(0, 0)));
        vm.assertEq(closed.state, 4, "closed");
        vm.assertGt(closed.paid, 0, "paid");
        vm.assertGt(market.feesPaid(PROVIDER, address(coins[0])), 0, "fees");
    }

    /// @dev The trail hashes what came of every step in the first token.
    function walk(uint256[40] memory seeds, bool firstTokenOnly) private returns (bytes32 trail, uint256 steps) {
        uint256 time = START;
        for (uint256 i = 0; i < STEPS; ++i) {
            uint256 coin = seeds[i] & 1;
            time += seeds[i] >> 16 & 1 == 1 ? uint256(CLAIM_WINDOW) + DISPUTE_WINDOW : 600;
            vm.warp(time);
            if (firstTokenOnly && coin == 1) continue;
            (bool ok, bytes memory answer) = step(coin, seeds[i]);
            if (coin == 1) continue;
            trail = keccak256(abi.encode(trail, ok, answer));
            ++steps;
        }
    }

    function step(uint256 coin, uint256 seed) private returns (bool, bytes memory) {
        uint256 action = (seed >> 8 & 0xff) % ACTIONS;
        uint128 amount = uint128(1 + (seed >> 32 & 0xffffff));
        ILeaseMarket.Bid memory bid = bidOf(coin, seed >> 24 & 1);
        bytes32 id = market.leaseIdOf(bid);
        address coin_ = address(coins[coin]);
        if (action == 0) return call(TENANT, abi.encodeCall(ILeaseMarket.deposit, (coin_, TENANT, amount)));
        if (action == 1) return call(TENANT, abi.encodeCall(ILeaseMarket.withdraw, (coin_, TENANT, amount)));
        if (action == 2) return open(bid);
        if (action == 3) return call(OPERATOR, abi.encodeCall(ILeaseMarket.confirm, (one(id))));
        if (action == 4) {
            ILeaseMarket.Statement memory s = makeStatement(id, lease(id).paid + amount % 1000, now_(), false);
            return call(OPERATOR, abi.encodeCall(ILeaseMarket.settle, (one(signed(s, SESSION_KEY)))));
        }
        if (action == 5) {
            ILeaseMarket.ClaimItem memory item = ILeaseMarket.ClaimItem(bid, makeUsage(600));
            return call(OPERATOR, abi.encodeCall(ILeaseMarket.claim, (one(item))));
        }
        if (action == 6) return call(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, lease(id).paid)));
        if (action == 7) return call(STRANGER, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)));
        if (action == 8) return call(TENANT, abi.encodeCall(ILeaseMarket.closeLease, (id)));
        if (action == 9) return call(STRANGER, abi.encodeCall(ILeaseMarket.finalize, (one(bid))));
        return call(TENANT, abi.encodeCall(ILeaseMarket.topUp, (id, amount)));
    }

    function open(ILeaseMarket.Bid memory bid) private returns (bool, bytes memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        return call(TENANT, abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT)));
    }

    function call(address by, bytes memory data) private returns (bool, bytes memory) {
        vm.prank(by);
        return address(market).call(data);
    }

    function bidOf(uint256 coin, uint256 salt) private view returns (ILeaseMarket.Bid memory bid) {
        bid = makeBid();
        bid.token = address(coins[coin]);
        bid.salt = uint64(salt);
        bid.validUntil = START + 365 days;
        bid.startWindow = 365 days;
        // Bond is shared by all leases of a provider; so small a lock never runs it out.
        bid.maxSlash = bid.noShowPenalty;
    }

    function books() private view returns (bytes32) {
        address coin = address(coins[0]);
        bytes32[] memory ids = new bytes32[](2);
        uint256 deposits = 0;
        for (uint256 i = 0; i < 2; ++i) {
            ids[i] = market.leaseIdOf(bidOf(0, i));
            deposits += market.disputeDepositOf(ids[i]);
        }
        bytes memory accounts = abi.encode(
            market.available(TENANT, coin),
            market.available(PROVIDER, coin),
            market.available(TREASURY, coin),
            market.feesPaid(PROVIDER, coin)
        );
        uint256 held = coins[0].balanceOf(address(market));
        vm.assertEq(held, market.liabilities(coin), "held == owed");
        return keccak256(abi.encode(market.getLeases(ids), accounts, deposits, held));
    }

    function now_() private view returns (uint40) {
        return uint40(block.timestamp);
    }
}
