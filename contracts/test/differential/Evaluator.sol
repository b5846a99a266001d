// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {Settlement} from "../../src/libraries/Settlement.sol";
import {SeededMarket} from "./SeededMarket.sol";
import {Surroundings} from "./Surroundings.sol";

/// @notice Computes generated cases in Solidity, many in one call: by the library where it stands alone, and by the
/// market's own paths (`rateCap`, `amountOf`, `fundedUntil`, `claim`, `mature`, `resolve`) wherever a lease can be.
/// @dev `crates/chain/tests/it/differential` deploys it and compares. Never a transaction: nothing needs to last.
contract Evaluator {
    struct Case {
        uint128[8] price;
        uint64[8] limit;
        uint128[8] usage;
        uint40 startedAt;
        uint40 lastAsOf;
        uint40 endAt;
        uint128 paid;
        uint128 balance;
        // What is paid, from `paid` up.
        uint128 cum;
        // A part of `balance`.
        uint128 contested;
        uint16 feeBps;
        uint16 splitBps;
    }

    /// @dev From `cap` on all is zero where the rate is refused: there can be no such lease.
    struct Outcome {
        uint256 rateCapE6;
        bool refused;
        uint256 amount;
        uint256 cap;
        uint256 claimCum;
        uint256 paidOut;
        uint256 fee;
        uint256 net;
        uint256 share;
        uint256 fundedUntil;
    }

    error Evaluator_PathDiffers(uint256 index, string what, uint256 library_, uint256 path);
    error Evaluator_Skipped(uint256 index, string what);

    Surroundings private immutable SURROUNDINGS;
    SeededMarket private immutable MARKET;

    constructor(SeededMarket market, Surroundings surroundings) {
        MARKET = market;
        SURROUNDINGS = surroundings;
    }

    function evaluate(Case[] calldata cases) external returns (Outcome[] memory outcomes) {
        MARKET.allowToken(address(SURROUNDINGS));
        outcomes = new Outcome[](cases.length);
        for (uint256 i = 0; i < cases.length; ++i) {
            ILeaseMarket.Bid memory bid = _bid(i, cases[i]);
            _terms(i, cases[i], bid, outcomes[i]);
            if (!outcomes[i].refused) _life(i, cases[i], bid, outcomes[i]);
        }
    }

    function digests(
        ILeaseMarket.Bid[] calldata bids,
        ILeaseMarket.Order[] calldata orders,
        ILeaseMarket.Statement[] calldata statements
    ) external view returns (bytes32[] memory all) {
        all = new bytes32[](bids.length + orders.length + statements.length);
        uint256 filled = 0;
        for (uint256 i = 0; i < bids.length; ++i) {
            all[filled++] = MARKET.leaseIdOf(bids[i]);
        }
        for (uint256 i = 0; i < orders.length; ++i) {
            all[filled++] = MARKET.orderHashOf(orders[i]);
        }
        for (uint256 i = 0; i < statements.length; ++i) {
            all[filled++] = MARKET.statementDigest(statements[i]);
        }
    }

    /// @dev What prices, limits and usage say alone: the library, and the market's views of the same.
    function _terms(uint256 index, Case calldata c, ILeaseMarket.Bid memory bid, Outcome memory out) private view {
        out.rateCapE6 = Settlement.rateCapE6(c.price, c.limit);
        try MARKET.rateCap(bid) returns (uint96 rate) {
            _same(index, "rateCap", out.rateCapE6, rate);
        } catch (bytes memory reason) {
            if (bytes4(reason) != ILeaseMarket.LeaseMarket_BadBid.selector) revert Evaluator_Skipped(index, "rateCap");
            out.refused = true;
        }
        uint256 elapsed = _asOf(c) - c.startedAt;
        out.amount = Settlement.amount(c.price, c.limit, c.usage, elapsed);
        _same(index, "amountOf", out.amount, MARKET.amountOf(bid, c.usage, elapsed));
    }

    /// @dev What the market does with a lease on these terms.
    function _life(uint256 index, Case calldata c, ILeaseMarket.Bid memory bid, Outcome memory out) private {
        bytes32 id = MARKET.leaseIdOf(bid);
        out.cap = Settlement.cap(out.rateCapE6, _asOf(c) - c.lastAsOf);

        SeededMarket.Seed memory seed = _seed(index, c, uint96(out.rateCapE6));
        MARKET.seed(id, seed);
        out.fundedUntil = MARKET.fundedUntil(id);
        out.claimCum = _claim(id, bid, c);

        seed.pendingCum = c.cum;
        MARKET.seed(id, seed);
        _mature(index, id, c, seed, out);

        // The ruling's money comes on top of the payment's, which no account could ever hold: others get it.
        seed.disputed = true;
        seed.provider = _somebody(index, 3);
        seed.treasury = _somebody(index, 4);
        seed.pendingCum = c.paid + c.contested;
        MARKET.seed(id, seed);
        MARKET.resolve(bid, 0, 0);
        out.share = _lease(id).paid - c.paid;
        _same(index, "resolve", Settlement.share(c.contested, c.splitBps), out.share);
    }

    /// @dev A claim that bills nothing new is skipped, and leaves what is paid.
    function _claim(bytes32 id, ILeaseMarket.Bid memory bid, Case calldata c) private returns (uint256) {
        ILeaseMarket.ClaimItem[] memory items = new ILeaseMarket.ClaimItem[](1);
        items[0] = ILeaseMarket.ClaimItem(bid, c.usage);
        return MARKET.claim(items) == 1 ? _lease(id).pendingCum : c.paid;
    }

    function _mature(uint256 index, bytes32 id, Case calldata c, SeededMarket.Seed memory seed, Outcome memory out)
        private
    {
        if (c.cum == 0) return;
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        if (MARKET.mature(ids) != 1) revert Evaluator_Skipped(index, "mature");
        ILeaseMarket.LeaseView memory lease = _lease(id);
        out.paidOut = lease.paid - c.paid;
        _same(index, "balance", c.balance - out.paidOut, lease.balance);
        out.fee = MARKET.available(seed.treasury, address(SURROUNDINGS));
        out.net = MARKET.available(seed.provider, address(SURROUNDINGS));
        _same(index, "fee", Settlement.share(out.paidOut, c.feeBps), out.fee);
    }

    function _lease(bytes32 id) private view returns (ILeaseMarket.LeaseView memory) {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        return MARKET.getLeases(ids)[0];
    }

    function _bid(uint256 index, Case calldata c) private view returns (ILeaseMarket.Bid memory bid) {
        bid.provider = _somebody(index, 0);
        bid.tenant = _somebody(index, 1);
        bid.token = address(SURROUNDINGS);
        bid.splitBps = c.splitBps;
        bid.price = c.price;
        bid.limit = c.limit;
    }

    function _seed(uint256 index, Case calldata c, uint96 rateCapE6)
        private
        pure
        returns (SeededMarket.Seed memory seed)
    {
        seed.provider = _somebody(index, 0);
        seed.tenant = _somebody(index, 1);
        seed.treasury = _somebody(index, 2);
        seed.startedAt = c.startedAt;
        seed.lastAsOf = c.lastAsOf;
        seed.endAt = c.endAt;
        seed.rateCapE6 = rateCapE6;
        seed.feeBps = c.feeBps;
        seed.balance = c.balance;
        seed.paid = c.paid;
    }

    /// @dev Everybody in a case is somebody of its own, so that no account has been used before.
    function _somebody(uint256 index, uint160 who) private pure returns (address) {
        return address(uint160(5 * (index + 1)) + who);
    }

    function _asOf(Case calldata c) private view returns (uint40) {
        return uint40(Settlement.min(block.timestamp, c.endAt));
    }

    function _same(uint256 index, string memory what, uint256 expected, uint256 found) private pure {
        if (expected != found) revert Evaluator_PathDiffers(index, what, expected, found);
    }
}
