// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {TestUSD} from "../../src/test-token/TestUSD.sol";
import {vm} from "./Vm.sol";

/// @notice A market with one token, one provider with a bond, and one tenant with money; and a word for every step.
abstract contract MarketTest {
    uint40 internal constant START = 1_790_000_000;
    uint40 internal constant CLAIM_WINDOW = 36 hours;
    uint40 internal constant DISPUTE_WINDOW = 48 hours;
    uint40 internal constant ARBITER_WINDOW = 7 days;
    uint40 internal constant UNBOND_DELAY = 14 days;
    uint128 internal constant MIN_BOND = 100e6;
    uint128 internal constant BOND = 1_000e6;
    uint128 internal constant FUNDS = 1_000e6;
    uint128 internal constant DEPOSIT = 50e6;

    uint256 internal constant OPERATOR_KEY = 0x0bea;
    uint256 internal constant SESSION_KEY = 0x5e55;
    uint256 internal constant FOREIGN_KEY = 0xf0e1;

    address internal immutable OPERATOR = vm.addr(OPERATOR_KEY);
    address internal immutable SESSION = vm.addr(SESSION_KEY);
    address internal constant PROVIDER = address(0xA001);
    address internal constant TENANT = address(0xA002);
    address internal constant ARBITER = address(0xA003);
    address internal constant TREASURY = address(0xA004);
    address internal constant STRANGER = address(0xA005);

    TestUSD internal token;
    IProviderRegistry internal registry;
    ILeaseMarket internal market;
    AccessManager internal authority;

    function setUp() public virtual {
        vm.warp(START);
        token = new TestUSD();
        authority = new AccessManager(address(this));
        registry = IProviderRegistry(
            vm.deployCode(
                "ProviderRegistry.sol:ProviderRegistry", abi.encode(token, MIN_BOND, UNBOND_DELAY, address(this))
            )
        );
        market = ILeaseMarket(vm.deployCode("LeaseMarket.sol:LeaseMarket", marketArguments()));
        registry.setMarket(address(market));
        market.allowToken(address(token));
        register(PROVIDER, OPERATOR, BOND);
        fund(TENANT, FUNDS);
    }

    function marketArguments() internal view returns (bytes memory) {
        return abi.encode(registry, authority, TREASURY, CLAIM_WINDOW, DISPUTE_WINDOW, ARBITER_WINDOW);
    }

    // ---- people ----

    function register(address provider, address operator, uint128 bond) internal {
        token.mint(provider, bond);
        vm.startPrank(provider);
        token.approve(address(registry), bond);
        registry.register(operator, START + 36_500 days, bond, "https://gateway.example:8443", bytes32("attributes"));
        vm.stopPrank();
    }

    /// @dev Tokens into the account of `owner` in the market.
    function fund(address owner, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(market), amount);
        market.deposit(address(token), owner, amount);
    }

    function setFee(uint16 feeBps) internal {
        market.setFee(feeBps, TREASURY);
    }

    // ---- values ----

    /// @dev The worked example's prices; every field has a value of its own.
    function makeBid() internal view returns (ILeaseMarket.Bid memory bid) {
        bid.provider = PROVIDER;
        bid.tenant = TENANT;
        bid.token = address(token);
        bid.orderHash = keccak256("order");
        bid.salt = 77;
        bid.validUntil = START + 300;
        bid.startWindow = 30 minutes;
        bid.maxDuration = 1 days;
        bid.noticePeriod = 1 hours;
        bid.maxSlash = 20e6;
        bid.noShowPenalty = 1e6;
        bid.minDeposit = 5e6;
        bid.splitBps = 6000;
        bid.arbiter = ARBITER;
        bid.price = [
            uint128(555555555555555555),
            2777777777777777,
            1293503575,
            25870071,
            138888888888888888,
            10000000000000,
            0,
            0
        ];
        bid.limit = [uint64(1), 8000, 34359738368, 107374182400, 1000, 12500000, 0, 0];
    }

    /// @dev The worked example's usage for `duration` seconds: 417999 base units in an hour.
    function makeUsage(uint256 duration) internal pure returns (uint128[8] memory usage) {
        uint64[8] memory perSecond = [uint64(1), 4000, 17179869184, 107374182400, 500, 1000000, 0, 0];
        for (uint256 i = 0; i < 8; ++i) {
            usage[i] = uint128(perSecond[i] * duration);
        }
    }

    function makeStatement(bytes32 leaseId, uint128 cum, uint40 asOf, bool last)
        internal
        pure
        returns (ILeaseMarket.Statement memory)
    {
        return ILeaseMarket.Statement(leaseId, cum, asOf, keccak256("usage"), last);
    }

    function signed(ILeaseMarket.Statement memory statement, uint256 key)
        internal
        view
        returns (ILeaseMarket.SignedStatement memory)
    {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, market.statementDigest(statement));
        return ILeaseMarket.SignedStatement(statement, r, vs);
    }

    function one(bytes32 id) internal pure returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = id;
    }

    function one(ILeaseMarket.Bid memory bid) internal pure returns (ILeaseMarket.Bid[] memory bids) {
        bids = new ILeaseMarket.Bid[](1);
        bids[0] = bid;
    }

    function one(ILeaseMarket.SignedStatement memory s)
        internal
        pure
        returns (ILeaseMarket.SignedStatement[] memory l)
    {
        l = new ILeaseMarket.SignedStatement[](1);
        l[0] = s;
    }

    function one(ILeaseMarket.ClaimItem memory item) internal pure returns (ILeaseMarket.ClaimItem[] memory items) {
        items = new ILeaseMarket.ClaimItem[](1);
        items[0] = item;
    }

    // ---- steps: each is one transaction of whoever takes it ----

    function openLease(ILeaseMarket.Bid memory bid, uint128 amount) internal returns (bytes32 leaseId) {
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(bid.tenant);
        market.openLease(bid, r, vs, SESSION, amount);
    }

    function confirm(bytes32 leaseId) internal returns (uint256 done) {
        vm.prank(OPERATOR);
        done = market.confirm(one(leaseId));
    }

    function startLease(ILeaseMarket.Bid memory bid, uint128 amount) internal returns (bytes32 leaseId) {
        leaseId = openLease(bid, amount);
        vm.assertEq(confirm(leaseId), 1, "confirmed");
    }

    function settle(bytes32 leaseId, uint128 cum, uint40 asOf, bool last) internal returns (uint256 done) {
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, cum, asOf, last), SESSION_KEY);
        vm.prank(OPERATOR);
        done = market.settle(one(s));
    }

    function claim(ILeaseMarket.Bid memory bid, uint128[8] memory usage) internal returns (uint256 done) {
        vm.prank(OPERATOR);
        done = market.claim(one(ILeaseMarket.ClaimItem(bid, usage)));
    }

    function dispute(ILeaseMarket.Bid memory bid, uint128 conceded) internal {
        vm.prank(bid.tenant);
        market.dispute(bid, conceded);
    }

    // ---- looks ----

    function lease(bytes32 leaseId) internal view returns (ILeaseMarket.LeaseView memory) {
        return market.getLeases(one(leaseId))[0];
    }

    function account(address owner) internal view returns (uint256) {
        return market.available(owner, address(token));
    }

    function locked() internal view returns (uint256) {
        return registry.providerOf(PROVIDER).locked;
    }

    // ---- expectations ----

    /// @dev The next batch passes over this item for this reason.
    function expectSkip(bytes32 id, bytes4 reason) internal {
        vm.expectEmit(address(market));
        emit ILeaseMarket.ItemSkipped(id, reason);
    }

    function expectError(bytes memory err) internal {
        vm.expectRevert(err);
    }

    function assertState(bytes32 leaseId, uint8 state) internal view {
        vm.assertEq(lease(leaseId).state, state, "state");
    }

    function assertEq(ILeaseMarket.LeaseView memory left, ILeaseMarket.LeaseView memory right) internal pure {
        vm.assertEq(abi.encode(left), abi.encode(right), "lease");
    }
}
