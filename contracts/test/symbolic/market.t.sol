// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {TestUSD} from "../../src/test-token/TestUSD.sol";
import {SeededMarket} from "../differential/SeededMarket.sol";
import {Surroundings} from "../differential/Surroundings.sol";
import {vm} from "../support/Vm.sol";

/// @notice One step of the market from any lease within the documented bounds: money only moves, caps hold, and what is
/// due never reverts. `tools/symbolic.mjs` proves them.
/// @dev A lease is put into the state that the solver chooses; the step is the market's own.
contract MarketSymbolic {
    address private constant TENANT = address(0x7e);
    address private constant PROVIDER = address(0x9f);
    address private constant TREASURY = address(0x75);
    address private constant ARBITER = address(0xa6);
    uint40 private constant NOW = 1_790_000_000;
    uint40 private constant WINDOW = 7 days;
    uint40 private constant START = NOW - 300 days;

    TestUSD private token;
    Surroundings private surroundings;
    SeededMarket private market;
    ILeaseMarket.Bid private bid;
    bytes32 private id;

    function setUp() public {
        vm.warp(NOW);
        token = new TestUSD();
        surroundings = new Surroundings();
        market = new SeededMarket(IProviderRegistry(address(surroundings)), address(surroundings), TREASURY, WINDOW);
        market.allowToken(address(token));
        bid.provider = PROVIDER;
        bid.tenant = TENANT;
        bid.token = address(token);
        bid.arbiter = ARBITER;
        bid.maxSlash = 1000;
        bid.splitBps = 6000;
        bid.price[0] = 1e18;
        bid.limit[0] = 1;
        id = market.leaseIdOf(bid);
    }

    // ---- accounts ----

    /// @dev Whatever is deposited and withdrawn, the market holds what it owes, and owes what accounts say.
    function check_deposit_and_withdrawal_keep_the_market_solvent(uint256 inward, uint256 outward) external {
        token.mint(address(this), inward);
        token.approve(address(market), inward);
        try market.deposit(address(token), TENANT, inward) {} catch {}
        vm.prank(TENANT);
        try market.withdraw(address(token), address(0xbee), outward) {} catch {}
        uint256 owed = market.liabilities(address(token));
        assert(token.balanceOf(address(market)) == owed);
        assert(market.available(TENANT, address(token)) == owed);
        assert(owed <= type(uint128).max);
    }

    /// @dev Whoever has an account can take any part of it, whatever the amount.
    function check_no_withdrawal_of_what_is_there_reverts(uint128 inward, uint128 outward) external {
        vm.assume(inward != 0 && outward != 0 && outward <= inward);
        token.mint(address(this), inward);
        token.approve(address(market), inward);
        market.deposit(address(token), TENANT, inward);
        vm.prank(TENANT);
        (bool ok,) =
            address(market).call(abi.encodeCall(ILeaseMarket.withdraw, (address(token), address(0xbee), outward)));
        assert(ok);
    }

    // ---- payment ----

    /// @dev A due claim is paid, whatever is in the lease: all that leaves it arrives, and no more than was claimed.
    function check_a_payment_moves_money_and_makes_none(uint128 balance, uint128 paid, uint128 cum, bool charged)
        external
    {
        vm.assume(uint256(balance) + paid <= type(uint128).max && cum >= paid && cum != 0);
        SeededMarket.Seed memory seed = _seed(balance, paid, charged);
        seed.pendingCum = cum;
        market.seed(id, seed);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;

        (bool ok, bytes memory answer) = address(market).call(abi.encodeCall(ILeaseMarket.mature, (ids)));
        assert(ok && abi.decode(answer, (uint256)) == 1);

        ILeaseMarket.LeaseView memory after_ = market.getLeases(ids)[0];
        uint256 earned = market.available(PROVIDER, address(token));
        uint256 fee = market.available(TREASURY, address(token));
        assert(uint256(after_.paid) + after_.balance == uint256(paid) + balance);
        assert(earned + fee == after_.paid - paid);
        assert(after_.paid <= cum);
        assert(after_.paid == cum || after_.balance == 0);
        assert(fee == market.feesPaid(PROVIDER, address(token)));
    }

    // ---- claim ----

    /// @dev A claim stays within the rate cap of its interval, the money of the lease, and what its usage costs.
    function check_a_claim_keeps_every_cap(
        uint128 balance,
        uint128 paid,
        uint96 rate,
        uint40 lastAsOf,
        uint40 endAt,
        uint128 used
    ) external {
        vm.assume(uint256(balance) + paid <= type(uint128).max && rate != 0);
        vm.assume(START <= lastAsOf && lastAsOf <= endAt && lastAsOf <= NOW && endAt <= NOW + 300 days);
        SeededMarket.Seed memory seed = _seed(balance, paid, false);
        (seed.rateCapE6, seed.lastAsOf, seed.endAt) = (rate, lastAsOf, endAt);
        market.seed(id, seed);
        ILeaseMarket.ClaimItem[] memory items = new ILeaseMarket.ClaimItem[](1);
        items[0].bid = bid;
        items[0].usage[0] = used;

        if (market.claim(items) == 0) return;

        ILeaseMarket.LeaseView memory after_ = _lease();
        assert(after_.pendingCum > paid);
        assert(after_.pendingCum <= uint256(paid) + balance);
        assert(after_.pendingAt <= endAt && after_.pendingAt <= NOW);
        assert(after_.pendingCum <= paid + uint256(rate) * (after_.pendingAt - lastAsOf) / 1e6);
        // One base unit per unit of usage, one unit a second.
        assert(after_.pendingCum <= used && after_.pendingCum <= after_.pendingAt - START);
        assert(after_.paid == paid && after_.balance == balance);
    }

    // ---- the end ----

    /// @dev Once both windows have passed, a lease closes, whatever is in it, and everything in it goes home.
    function check_finalize_never_reverts_once_the_windows_have_passed(
        uint128 balance,
        uint128 paid,
        uint128 cum,
        bool charged,
        uint40 endAt
    ) external {
        vm.assume(uint256(balance) + paid <= type(uint128).max);
        vm.assume((cum == 0 || cum > paid) && cum <= uint256(balance) + paid);
        vm.assume(START < endAt && endAt < NOW - WINDOW);
        SeededMarket.Seed memory seed = _seed(balance, paid, charged);
        (seed.endAt, seed.pendingCum) = (endAt, cum);
        market.seed(id, seed);
        ILeaseMarket.Bid[] memory bids = new ILeaseMarket.Bid[](1);
        bids[0] = bid;

        (bool ok, bytes memory answer) = address(market).call(abi.encodeCall(ILeaseMarket.finalize, (bids)));
        assert(ok && abi.decode(answer, (uint256)) == 1);

        uint256 out = market.available(PROVIDER, address(token)) + market.available(TREASURY, address(token))
            + market.available(TENANT, address(token));
        assert(out == balance);
        assert(_lease().balance == 0 && _lease().state == 4);
        assert(market.available(TENANT, address(token)) == (cum == 0 ? balance : balance - (cum - paid)));
    }

    /// @dev Once the arbiter's window has passed, anyone ends a dispute: the contested sum is split, nothing is lost.
    function check_the_split_never_reverts_and_loses_nothing(
        uint128 balance,
        uint128 paid,
        uint128 contested,
        bool charged
    ) external {
        vm.assume(uint256(balance) + paid <= type(uint128).max);
        vm.assume(contested != 0 && contested <= balance);
        SeededMarket.Seed memory seed = _seed(balance, paid, charged);
        (seed.pendingCum, seed.disputed) = (paid + contested, true);
        market.seed(id, seed);

        (bool ok,) = address(market).call(abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)));
        assert(ok);

        uint256 earned = market.available(PROVIDER, address(token)) + market.available(TREASURY, address(token));
        assert(earned <= contested);
        assert(earned + market.available(TENANT, address(token)) == balance);
        assert(_lease().balance == 0 && _lease().state == 4);
    }

    /// @dev Without a fee, or with the largest there is.
    function _seed(uint128 balance, uint128 paid, bool charged) private pure returns (SeededMarket.Seed memory seed) {
        seed.tenant = TENANT;
        seed.provider = PROVIDER;
        seed.treasury = TREASURY;
        seed.startedAt = START;
        seed.lastAsOf = START;
        seed.endAt = NOW;
        seed.rateCapE6 = 1e6;
        (seed.balance, seed.paid, seed.feeBps) = (balance, paid, charged ? 500 : 0);
    }

    function _lease() private view returns (ILeaseMarket.LeaseView memory) {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        return market.getLeases(ids)[0];
    }
}
