// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken, SignatureToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {Signatures} from "../support/Signatures.sol";
import {bound, vm} from "../support/Vm.sol";

/// @notice Random walks over everything that both contracts can do, by several people in several tokens. A step may be
/// refused: what matters is that every event is seen, and that is checked.
abstract contract Walk is MarketTest, Signatures {
    address internal constant TENANT_2 = address(0xA102);
    address internal constant PROVIDER_2 = address(0xA101);
    address internal constant TREASURY_2 = address(0xA104);
    address internal constant AUDITOR = address(0xA006);

    SignatureToken internal signatures;
    DecimalsToken internal fine;
    ILeaseMarket.Bid[] internal bids;
    uint64 private _salt;
    uint256 private _seed;

    function setUpWalk() internal {
        signatures = new SignatureToken();
        fine = new DecimalsToken(18);
        market.allowToken(address(signatures));
        market.allowToken(address(fine));
        register(PROVIDER_2, OPERATOR, 2 * BOND);
    }

    /// @dev Every step takes its own random numbers from one seed.
    function step(uint256 seed) internal {
        _seed = seed;
        vm.warp(block.timestamp + rnd(2 hours));
        uint256 kind = rnd(30);
        if (kind < 4) money(kind);
        else if (kind < 10) begin(kind);
        else if (kind < 18) work(kind);
        else if (kind < 25) end(kind);
        else if (kind < 28) bonds();
        else administer();
    }

    // ---- Money ----

    function money(uint256 kind) private {
        if (kind == 0) depositPlainly();
        else if (kind == 1) depositByPermit();
        else if (kind == 2) depositByAuthorization();
        else withdrawSome();
    }

    function depositPlainly() private {
        address token_ = anyToken();
        uint256 amount = 1 + rnd(300e6);
        DecimalsToken(token_).mint(STRANGER, amount);
        vm.prank(STRANGER);
        DecimalsToken(token_).approve(address(market), amount);
        call(STRANGER, address(market), abi.encodeCall(ILeaseMarket.deposit, (token_, anyone(), amount)));
    }

    function depositByPermit() private {
        uint256 amount = 1 + rnd(300e6);
        signatures.mint(HOLDER, amount);
        Permit memory p = signPermit(address(signatures), address(market), amount, block.timestamp);
        bytes memory data = abi.encodeCall(
            ILeaseMarket.depositWithPermit, (address(signatures), anyone(), amount, p.deadline, p.v, p.r, p.s)
        );
        call(HOLDER, address(market), data);
    }

    function depositByAuthorization() private {
        uint256 amount = 1 + rnd(300e6);
        signatures.mint(HOLDER, amount);
        Authorization memory a = signAuthorization(
            address(signatures), address(market), amount, 0, block.timestamp + 1, bytes32(rnd(type(uint256).max))
        );
        bytes memory data = abi.encodeCall(
            ILeaseMarket.depositWithAuthorization,
            (address(signatures), HOLDER, amount, a.validAfter, a.validBefore, a.nonce, a.v, a.r, a.s)
        );
        call(STRANGER, address(market), data);
    }

    function withdrawSome() private {
        (address who, address token_) = (anyone(), anyToken());
        uint256 held = market.available(who, token_);
        if (held == 0) return;
        call(who, address(market), abi.encodeCall(ILeaseMarket.withdraw, (token_, STRANGER, 1 + rnd(held))));
    }

    // ---- From a bid to a running lease ----

    function begin(uint256 kind) private {
        if (kind < 6) openSome();
        else if (kind < 8) confirmSome();
        else if (kind == 8) giveBack();
        else topUpSome();
    }

    function openSome() internal {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.provider = rnd(2) == 0 ? PROVIDER : PROVIDER_2;
        if (registry.freeBond(bid.provider) < MIN_BOND) addBondOf(bid.provider);
        if (rnd(2) == 0) market.setIntakePaused(false);
        bid.tenant = [TENANT, TENANT_2, PROVIDER][rnd(3)];
        bid.token = anyToken();
        bid.salt = ++_salt;
        bid.bidEpoch = registry.providerOf(bid.provider).bidEpoch;
        bid.validUntil = uint40(block.timestamp);
        bid.startWindow = uint32(rnd(12 hours));
        bid.maxDuration = uint32(1 + rnd(2 days));
        bid.maxSlash = uint96(rnd(registry.freeBond(bid.provider) / 3 + 1));
        bid.noShowPenalty = uint96(rnd(bid.maxSlash + 1));
        bid.splitBps = uint16(rnd(4) == 0 ? 10_000 : rnd(10_000));
        bid.minDeposit = 0;
        uint128 held = uint128(market.available(bid.tenant, bid.token));
        bytes32 id = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, id);
        // A third of the leases run out of money.
        uint128 amount = uint128(rnd(3) == 0 ? rnd(held / 500 + 1) : rnd(held / 2 + 1));
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, amount));
        if (rnd(4) == 0) market.postBid(bid, r, vs);
        if (!call(bid.tenant, address(market), data)) return;
        bids.push(bid);
        // Most providers answer soon, or few leases would ever run.
        if (rnd(4) != 0) call(bid.provider, address(market), abi.encodeCall(ILeaseMarket.confirm, (one(id))));
    }

    function confirmSome() private {
        bytes32[] memory ids = new bytes32[](bids.length < 5 ? bids.length : 5);
        for (uint256 i = 0; i < ids.length; ++i) {
            ids[i] = market.leaseIdOf(bids[bids.length - 1 - i]);
        }
        call(PROVIDER, address(market), abi.encodeCall(ILeaseMarket.confirm, (ids)));
        call(PROVIDER_2, address(market), abi.encodeCall(ILeaseMarket.confirm, (ids)));
    }

    function giveBack() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(1);
        if (shown.state != 1) return;
        if (rnd(2) == 0) {
            call(bid.provider, address(market), abi.encodeCall(ILeaseMarket.decline, (bid)));
        } else {
            warpTo(uint256(shown.endAt) + 1);
            call(bid.tenant, address(market), abi.encodeCall(ILeaseMarket.abort, (bid)));
        }
    }

    function topUpSome() private {
        (ILeaseMarket.Bid memory bid,) = pick(2);
        if (bid.provider == address(0)) return;
        address who = anyone();
        uint256 held = market.available(who, bid.token);
        if (held == 0) return;
        bytes memory data = abi.encodeCall(ILeaseMarket.topUp, (market.leaseIdOf(bid), uint128(1 + rnd(held) / 4)));
        call(who, address(market), data);
    }

    // ---- Settlement ----

    function work(uint256 kind) private {
        if (kind < 13) settleBatch();
        else if (kind < 16) claimSome();
        else if (kind == 16) matureSome();
        else supplementOrAdmit();
    }

    /// @dev A batch over several providers, tokens and states, some items of which are refused.
    function settleBatch() private {
        if (bids.length == 0) return;
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](4);
        for (uint256 i = 0; i < batch.length; ++i) {
            (ILeaseMarket.Bid memory bid,) = pick(i == 3 ? 3 : 2);
            batch[i] = randomStatement(bid);
        }
        bytes memory data = abi.encodeCall(ILeaseMarket.settle, (batch));
        call([OPERATOR, PROVIDER, PROVIDER_2][rnd(3)], address(market), data);
    }

    function randomStatement(ILeaseMarket.Bid memory bid) private returns (ILeaseMarket.SignedStatement memory) {
        bytes32 id = market.leaseIdOf(bid);
        ILeaseMarket.LeaseView memory shown = lease(id);
        uint256 upTo = block.timestamp < shown.endAt ? block.timestamp : shown.endAt;
        uint256 asOf = upTo <= shown.lastAsOf ? upTo : shown.lastAsOf + rnd(upTo - shown.lastAsOf + 1);
        uint256 cap = asOf > shown.lastAsOf ? uint256(shown.rateCapE6) * (asOf - shown.lastAsOf) / 1e6 : 0;
        uint256 cum = shown.paid + rnd(cap + 1);
        return signed(makeStatement(id, uint128(cum), uint40(asOf), rnd(8) == 0), SESSION_KEY);
    }

    function claimSome() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(2);
        if (shown.state != 2) return;
        if (shown.filedAt != 0 && rnd(2) == 0) warpTo(uint256(shown.filedAt) + DISPUTE_WINDOW);
        claimAs(bid, shown);
        if (rnd(2) == 0) disputeSome(bid);
        // In a dispute: the supplement.
        if (rnd(2) == 0) claimAs(bid, lease(market.leaseIdOf(bid)));
    }

    function claimAs(ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) private {
        ILeaseMarket.ClaimItem memory item =
            ILeaseMarket.ClaimItem(bid, makeUsage(1 + rnd(3 * (block.timestamp - shown.startedAt) + 1)));
        call(bid.provider, address(market), abi.encodeCall(ILeaseMarket.claim, (one(item))));
    }

    function matureSome() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(2);
        if (shown.filedAt == 0) return;
        warpTo(uint256(shown.filedAt) + DISPUTE_WINDOW);
        call(STRANGER, address(market), abi.encodeCall(ILeaseMarket.mature, (one(market.leaseIdOf(bid)))));
    }

    function supplementOrAdmit() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(3);
        if (shown.state != 3) return;
        if (rnd(2) == 0) return claimAs(bid, shown);
        uint256 cum = shown.paid + rnd(shown.pendingCum - shown.paid + 1);
        bytes32 id = market.leaseIdOf(bid);
        ILeaseMarket.SignedStatement memory s =
            signed(makeStatement(id, uint128(cum), uint40(shown.startedAt + rnd(10)), rnd(2) == 0), SESSION_KEY);
        call(bid.provider, address(market), abi.encodeCall(ILeaseMarket.settle, (one(s))));
    }

    // ---- The end ----

    function end(uint256 kind) private {
        if (kind == 18) closeSome();
        else if (kind < 21) finalizeSome();
        else if (kind < 23) disputeAny();
        else resolveSome();
    }

    function closeSome() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(2);
        if (shown.state != 2) return;
        if (rnd(2) == 0) call(bid.provider, address(market), abi.encodeCall(ILeaseMarket.reclaim, (bid)));
        else call(bid.tenant, address(market), abi.encodeCall(ILeaseMarket.closeLease, (market.leaseIdOf(bid))));
    }

    function finalizeSome() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(2);
        if (shown.state != 2) return;
        if (rnd(3) == 0) warpTo(uint256(shown.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW);
        uint256 size = bids.length < 4 ? bids.length : 4;
        ILeaseMarket.Bid[] memory batch = new ILeaseMarket.Bid[](size);
        batch[0] = bid;
        for (uint256 i = 1; i < size; ++i) {
            batch[i] = bids[rnd(bids.length)];
        }
        call(STRANGER, address(market), abi.encodeCall(ILeaseMarket.finalize, (batch)));
    }

    function disputeAny() private {
        (ILeaseMarket.Bid memory bid,) = pick(2);
        if (bid.provider != address(0)) disputeSome(bid);
    }

    function disputeSome(ILeaseMarket.Bid memory bid) private {
        ILeaseMarket.LeaseView memory shown = lease(market.leaseIdOf(bid));
        if (shown.filedAt == 0) return;
        vm.warp(block.timestamp + rnd(1 hours));
        uint256 conceded = rnd(2) == 0 ? shown.paid : shown.paid + rnd(shown.pendingCum - shown.paid);
        call(bid.tenant, address(market), abi.encodeCall(ILeaseMarket.dispute, (bid, uint128(conceded))));
    }

    function resolveSome() private {
        (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) = pick(3);
        if (shown.state != 3) return;
        if (rnd(3) == 0) {
            warpTo(uint256(shown.disputedAt) + ARBITER_WINDOW);
            call(STRANGER, address(market), abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)));
        } else {
            warpTo(uint256(shown.disputedAt) + CLAIM_WINDOW + 1);
            uint128 contested = shown.pendingCum - shown.paid;
            uint128 award = rnd(3) == 0 ? contested : uint128(rnd(contested + 1));
            bytes memory data = abi.encodeCall(ILeaseMarket.resolve, (bid, award, uint96(rnd(bid.maxSlash + 1))));
            call(bid.arbiter, address(market), data);
        }
    }

    // ---- The registry ----

    function bonds() private {
        address provider = rnd(2) == 0 ? PROVIDER : PROVIDER_2;
        uint256 kind = rnd(8);
        if (kind < 2) addBondOf(provider);
        if (kind == 2) {
            uint128 bond = registry.providerOf(provider).bond;
            uint128 amount = rnd(2) == 0 ? bond : uint128(rnd(bond + 1));
            call(provider, address(registry), abi.encodeCall(IProviderRegistry.startUnbond, (amount)));
        }
        if (kind == 3) {
            warpTo(registry.providerOf(provider).unbondAt);
            call(provider, address(registry), abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER)));
        }
        if (kind == 4) {
            uint40 expiry = uint40(block.timestamp + 1 + rnd(400 days));
            address operator = rnd(4) == 0 ? address(0) : OPERATOR;
            call(provider, address(registry), abi.encodeCall(IProviderRegistry.setOperator, (operator, expiry)));
        }
        if (kind == 5) call(provider, address(registry), abi.encodeCall(IProviderRegistry.bumpBidEpoch, (provider)));
        if (kind == 6) attestSome(provider);
        if (kind == 7) withdrawClaimables();
    }

    function addBondOf(address provider) private {
        uint128 amount = uint128(1 + rnd(BOND));
        token.mint(provider, amount);
        vm.prank(provider);
        token.approve(address(registry), amount);
        call(provider, address(registry), abi.encodeCall(IProviderRegistry.addBond, (amount)));
        call(provider, address(registry), abi.encodeCall(IProviderRegistry.update, ("https://b", bytes32(rnd(9)))));
        // So that the operator's key is good again, too.
        call(provider, address(registry), abi.encodeCall(IProviderRegistry.setOperator, (OPERATOR, type(uint40).max)));
    }

    function attestSome(address provider) private {
        address auditor = rnd(2) == 0 ? AUDITOR : STRANGER;
        uint40 expiry = uint40(block.timestamp + 1 + rnd(30 days));
        bytes memory data = abi.encodeCall(IProviderRegistry.attest, (provider, bytes32(1 + rnd(9)), expiry));
        if (rnd(3) == 0) data = abi.encodeCall(IProviderRegistry.revoke, (provider));
        call(auditor, address(registry), data);
    }

    function withdrawClaimables() private {
        address who = anyone();
        if (registry.claimable(who) == 0) who = TENANT;
        call(who, address(registry), abi.encodeCall(IProviderRegistry.withdrawClaimable, (STRANGER)));
    }

    // ---- Administration ----

    function administer() private {
        uint256 kind = rnd(5);
        if (kind == 0) market.setFee(uint16(rnd(501)), rnd(2) == 0 ? TREASURY : TREASURY_2);
        if (kind == 1) market.setIntakePaused(rnd(3) == 0);
        if (kind == 2) market.setIntakePaused(false);
        if (kind == 3) {
            token.mint(address(market), 1 + rnd(100));
            market.recoverSurplus(address(token), STRANGER);
        }
        if (kind == 4) postAndCancel();
    }

    function postAndCancel() private {
        ILeaseMarket.Order memory order;
        order.tenant = TENANT;
        order.deadline = type(uint40).max;
        order.requirementsHash = keccak256("");
        call(TENANT, address(market), abi.encodeCall(ILeaseMarket.postOrder, (order, "")));
        call(TENANT, address(market), abi.encodeCall(ILeaseMarket.cancelOrder, (0)));
    }

    // ---- Chance ----

    function rnd(uint256 size) internal returns (uint256) {
        _seed = uint256(keccak256(abi.encode(_seed)));
        return _seed % size;
    }

    function anyone() private returns (address) {
        return [TENANT, TENANT_2, PROVIDER, PROVIDER_2, TREASURY, TREASURY_2, HOLDER, STRANGER][rnd(8)];
    }

    function anyToken() private returns (address) {
        return [address(token), address(signatures), address(fine)][rnd(3)];
    }

    /// @dev A lease in this state, if a search from a random one on finds it.
    function pick(uint8 state) private returns (ILeaseMarket.Bid memory bid, ILeaseMarket.LeaseView memory shown) {
        if (bids.length == 0) return (bid, shown);
        uint256 from = rnd(bids.length);
        uint256 most = bids.length < 24 ? bids.length : 24;
        for (uint256 i = 0; i < most; ++i) {
            bid = bids[(from + bids.length - i) % bids.length];
            shown = lease(market.leaseIdOf(bid));
            if (shown.state == state) return (bid, shown);
        }
    }

    function warpTo(uint256 time) private {
        if (time > block.timestamp) vm.warp(time);
    }

    /// @dev A call that reverts leaves no logs on a chain; the recorder keeps them, so they are dropped here.
    function call(address by, address target, bytes memory data) private returns (bool ok) {
        drain();
        vm.prank(by);
        (ok,) = target.call(data);
        if (ok) drain();
        else vm.getRecordedLogs();
    }

    /// @dev Hands on what was logged so far, with the time of the block it is in: before the clock moves on.
    function drain() internal virtual;
}
