// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken, SignatureToken} from "../mocks/Tokens.sol";
import {Edges} from "./Edges.sol";
import {MarketTest} from "./MarketTest.sol";
import {Signatures} from "./Signatures.sol";
import {vm} from "./Vm.sol";

/// @notice Every function of both contracts that changes anything, as a call by somebody who may make it, in one and the
/// same state in which every one of them succeeds. What holds of all of them is then a loop over `entries`.
abstract contract EveryCall is MarketTest, Signatures, Edges {
    struct Entry {
        string name;
        Call call;
        bool intake; // a pause of intake stops it
        bool movesTokens; // it calls a token
        bool guarded; // it refuses to be entered from within itself and its guarded neighbours
    }

    uint40 internal constant NOW = START + 20 days;

    Entry[] internal entries;
    mapping(string lease => ILeaseMarket.Bid) internal bids;
    ILeaseMarket.Bid[] internal allBids;
    address internal constant NEWCOMER = address(0xA006);

    function setUp() public virtual override {
        super.setUp();
        // The same balances, and signatures beside.
        vm.etch(address(token), address(new SignatureToken()).code);
        prepareRegistry();
        prepareLeases();
        vm.warp(NOW);
        listAccounts();
        listMarket();
        listSettlement();
        listAdministration();
        listRegistry();
    }

    function entry(string memory name) internal view returns (Entry memory) {
        for (uint256 i = 0; i < entries.length; ++i) {
            if (keccak256(bytes(entries[i].name)) == keccak256(bytes(name))) return entries[i];
        }
        revert(name);
    }

    /// @dev Everything that both contracts tell of money and leases, in one number.
    function books() internal view returns (bytes32) {
        bytes32[] memory ids = new bytes32[](allBids.length);
        uint256 deposits = 0;
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = market.leaseIdOf(allBids[i]);
            deposits += market.disputeDepositOf(ids[i]);
        }
        address[7] memory people = [PROVIDER, TENANT, ARBITER, TREASURY, STRANGER, NEWCOMER, HOLDER];
        bytes memory sums = abi.encode(market.liabilities(address(token)), registry.totalBond(), deposits);
        for (uint256 i = 0; i < people.length; ++i) {
            sums = abi.encode(sums, account(people[i]), registry.claimable(people[i]), registry.providerOf(people[i]));
        }
        return keccak256(abi.encode(sums, market.getLeases(ids)));
    }

    // ---- the state ----

    function prepareRegistry() private {
        vm.prank(PROVIDER);
        registry.startUnbond(1);
        token.mint(PROVIDER, 10);
        token.mint(NEWCOMER, BOND);
        token.mint(STRANGER, 100e6);
        token.mint(HOLDER, 100e6);
        vm.prank(ARBITER);
        registry.attest(PROVIDER, bytes32("claims"), NOW + 1);
        address[3] memory payers = [PROVIDER, NEWCOMER, STRANGER];
        for (uint256 i = 0; i < payers.length; ++i) {
            vm.startPrank(payers[i]);
            token.approve(address(registry), type(uint256).max);
            token.approve(address(market), type(uint256).max);
            vm.stopPrank();
        }
        // Belongs to nobody.
        token.mint(address(market), 7);
    }

    function prepareLeases() private {
        vm.warp(NOW - 60 hours);
        start("ended", 1 hours);
        start("due", 7 days);
        start("disputed", 7 days);
        open("no-show");
        vm.warp(NOW - 59 hours);
        vm.prank(TENANT);
        market.abort(bids["no-show"]);
        claim(bids["due"], makeUsage(3600));
        claim(bids["disputed"], makeUsage(3600));
        vm.warp(NOW - 58 hours);
        dispute(bids["disputed"], 1000);
        vm.warp(NOW - 2 hours);
        start("running", 7 days);
        start("claimed", 7 days);
        open("late");
        vm.warp(NOW - 1 hours);
        claim(bids["claimed"], makeUsage(3600));
        vm.warp(NOW);
        open("open");
        addBid("bid", 1 days);
    }

    function addBid(string memory name, uint32 maxDuration) private returns (ILeaseMarket.Bid memory bid) {
        bid = makeBid();
        bid.salt = uint64(uint256(keccak256(bytes(name))));
        bid.maxDuration = maxDuration;
        bid.validUntil = NOW + 1 hours;
        bids[name] = bid;
        allBids.push(bid);
    }

    function open(string memory name) private {
        openLease(addBid(name, 1 days), DEPOSIT);
    }

    function start(string memory name, uint32 maxDuration) private {
        startLease(addBid(name, maxDuration), DEPOSIT);
    }

    // ---- the calls ----

    function add(string memory name, address by, address to, bytes memory data) private returns (Entry storage added) {
        added = entries.push();
        added.name = name;
        added.call = Call(by, to, data);
    }

    function onMarket(string memory name, address by, bytes memory data) private returns (Entry storage) {
        return add(name, by, address(market), data);
    }

    function onRegistry(string memory name, address by, bytes memory data) private returns (Entry storage) {
        return add(name, by, address(registry), data);
    }

    function guard(Entry storage added) private returns (Entry storage) {
        added.guarded = true;
        return added;
    }

    function moveTokens(Entry storage added) private returns (Entry storage) {
        added.movesTokens = true;
        return guard(added);
    }

    function listAccounts() private {
        address usd = address(token);
        moveTokens(onMarket("deposit", STRANGER, abi.encodeCall(ILeaseMarket.deposit, (usd, TENANT, 5)))).intake = true;
        Permit memory p = signPermit(usd, address(market), 8, NOW);
        bytes memory data = abi.encodeCall(ILeaseMarket.depositWithPermit, (usd, TENANT, 8, p.deadline, p.v, p.r, p.s));
        moveTokens(onMarket("depositWithPermit", HOLDER, data)).intake = true;
        Authorization memory a = signAuthorization(usd, address(market), 9, NOW - 1, NOW + 1, "nonce");
        data = abi.encodeCall(
            ILeaseMarket.depositWithAuthorization, (usd, HOLDER, 9, a.validAfter, a.validBefore, a.nonce, a.v, a.r, a.s)
        );
        moveTokens(onMarket("depositWithAuthorization", STRANGER, data)).intake = true;
        moveTokens(onMarket("withdraw", TENANT, abi.encodeCall(ILeaseMarket.withdraw, (usd, TENANT, 6))));
    }

    function listMarket() private {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bids["bid"]));
        bytes memory opening = abi.encodeCall(ILeaseMarket.openLease, (bids["bid"], r, vs, SESSION, DEPOSIT));
        guard(onMarket("openLease", TENANT, opening)).intake = true;
        onMarket("postBid", STRANGER, abi.encodeCall(ILeaseMarket.postBid, (bids["bid"], r, vs)));
        ILeaseMarket.Order memory order =
            ILeaseMarket.Order(TENANT, address(token), keccak256(""), 0, 1, 2, NOW + 60, 9);
        onMarket("postOrder", TENANT, abi.encodeCall(ILeaseMarket.postOrder, (order, "")));
        onMarket("cancelOrder", TENANT, abi.encodeCall(ILeaseMarket.cancelOrder, (9)));
        onMarket("confirm", OPERATOR, abi.encodeCall(ILeaseMarket.confirm, (one(idOf("open")))));
        onMarket("topUp", TENANT, abi.encodeCall(ILeaseMarket.topUp, (idOf("running"), 4)));
        guard(onMarket("decline", OPERATOR, abi.encodeCall(ILeaseMarket.decline, (bids["open"]))));
        guard(onMarket("abort", TENANT, abi.encodeCall(ILeaseMarket.abort, (bids["late"]))));
    }

    function listSettlement() private {
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(idOf("running"), 417_999, NOW, false), SESSION_KEY);
        onMarket("settle", OPERATOR, abi.encodeCall(ILeaseMarket.settle, (one(s))));
        ILeaseMarket.ClaimItem memory item = ILeaseMarket.ClaimItem(bids["running"], makeUsage(7200));
        onMarket("claim", OPERATOR, abi.encodeCall(ILeaseMarket.claim, (one(item))));
        onMarket("mature", STRANGER, abi.encodeCall(ILeaseMarket.mature, (one(idOf("due")))));
        onMarket("closeLease", TENANT, abi.encodeCall(ILeaseMarket.closeLease, (idOf("running"))));
        onMarket("reclaim", OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bids["running"])));
        guard(onMarket("finalize", STRANGER, abi.encodeCall(ILeaseMarket.finalize, (one(bids["ended"])))));
        onMarket("dispute", TENANT, abi.encodeCall(ILeaseMarket.dispute, (bids["claimed"], 0)));
        guard(onMarket("resolve", ARBITER, abi.encodeCall(ILeaseMarket.resolve, (bids["disputed"], 100, 200))));
    }

    function listAdministration() private {
        address fresh = address(new DecimalsToken(18));
        onMarket("allowToken", address(this), abi.encodeCall(ILeaseMarket.allowToken, (fresh)));
        onMarket("setFee", address(this), abi.encodeCall(ILeaseMarket.setFee, (500, STRANGER)));
        onMarket("setIntakePaused", address(this), abi.encodeCall(ILeaseMarket.setIntakePaused, (true)));
        bytes memory recovery = abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), STRANGER));
        moveTokens(onMarket("recoverSurplus", address(this), recovery));
        bytes memory handOver = abi.encodeCall(IAccessManaged.setAuthority, (address(authority)));
        onMarket("setAuthority", address(authority), handOver);
    }

    function listRegistry() private {
        uint40 expiry = NOW + 1;
        bytes memory joining = abi.encodeCall(IProviderRegistry.register, (OPERATOR, expiry, BOND, "", 0));
        moveTokens(onRegistry("register", NEWCOMER, joining));
        moveTokens(onRegistry("addBond", PROVIDER, abi.encodeCall(IProviderRegistry.addBond, (3))));
        moveTokens(onRegistry("withdrawBond", PROVIDER, abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER))));
        bytes memory credit = abi.encodeCall(IProviderRegistry.withdrawClaimable, (STRANGER));
        moveTokens(onRegistry("withdrawClaimable", TENANT, credit));
        onRegistry("update", PROVIDER, abi.encodeCall(IProviderRegistry.update, ("https://new.example", 0)));
        onRegistry("setOperator", PROVIDER, abi.encodeCall(IProviderRegistry.setOperator, (OPERATOR, expiry)));
        onRegistry("bumpBidEpoch", OPERATOR, abi.encodeCall(IProviderRegistry.bumpBidEpoch, (PROVIDER)));
        onRegistry("attest", STRANGER, abi.encodeCall(IProviderRegistry.attest, (PROVIDER, bytes32("x"), expiry)));
        onRegistry("revoke", ARBITER, abi.encodeCall(IProviderRegistry.revoke, (PROVIDER)));
        onRegistry("startUnbond", PROVIDER, abi.encodeCall(IProviderRegistry.startUnbond, (2)));
        onRegistry("lock", address(market), abi.encodeCall(IProviderRegistry.lock, (PROVIDER, OPERATOR, 0, 1)));
        onRegistry("unlock", address(market), abi.encodeCall(IProviderRegistry.unlock, (PROVIDER, 1)));
        bytes memory slashing = abi.encodeCall(IProviderRegistry.slash, (PROVIDER, 3, 2, TENANT, 1, TREASURY));
        onRegistry("slash", address(market), slashing);
    }

    function idOf(string memory name) internal view returns (bytes32) {
        return market.leaseIdOf(bids[name]);
    }
}
