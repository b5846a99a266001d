// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {Broken, holds, same} from "../Broken.sol";
import {Probe} from "../Probe.sol";

/// @notice Only the provider's own steps move `lastAsOf`, and only the tenant's account receives a refund. After every
/// step somebody without a right tries every function that could do either, on one live lease: nothing changes.
/// Where refunds go is also part of invariant 1, by each account's books, and of every exit tried for invariant 6.
abstract contract WrongParty is Probe {
    function checkInvariant8_WrongParty() public {
        ILeaseMarket.LeaseView[] memory leases = market.getLeases(live);
        for (uint256 i = 0; i < leases.length; ++i) {
            same(leases[i].lastAsOf, stories[live[i]].settledTo, "8: settled by the provider's own steps");
        }
        uint256 luck = dice("party");
        if (live.length != 0) tryWrongParty(live[luck % live.length], luck >> 128, false);
    }

    function tryWrongParty(bytes32 leaseId, uint256 luck, bool whole) internal {
        undone(abi.encodeCall(this.probeWrongParty, (leaseId, luck, whole)));
    }

    function probeWrongParty(bytes32 leaseId, uint256 luck, bool whole) external {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        ILeaseMarket.Bid memory bid = bids[leaseId];
        address by = wrongParty(bid, luck);
        // As late as a claim can be filed, sometimes: whoever may act only later must not act now.
        if (before.state != 1 && (luck >> 8) % 2 == 0) warpTo(uint256(before.endAt));
        uint40 latest = uint40(least(block.timestamp, before.endAt));
        bytes32 world = digestOf(leaseId, whole);
        uint128 cum = before.state == 3 ? before.pendingCum : before.paid;

        none(by, abi.encodeCall(market.confirm, (two(leaseId))), "8: a stranger confirmed");
        bool last = (luck >> 9) % 2 == 0;
        none(by, abi.encodeCall(market.settle, (two(sign(leaseId, cum, latest, last)))), "8: a stranger settled");
        none(
            by,
            abi.encodeCall(market.claim, (one(ILeaseMarket.ClaimItem(bid, makeUsage(1 days))))),
            "8: a stranger claimed"
        );
        refused(by, abi.encodeCall(market.decline, (bid)), "8: a stranger declined");
        refused(by, abi.encodeCall(market.reclaim, (bid)), "8: a stranger reclaimed");
        if (by != bid.tenant) {
            refused(by, abi.encodeCall(market.abort, (bid)), "8: a stranger aborted");
            refused(by, abi.encodeCall(market.dispute, (bid, before.paid)), "8: a stranger disputed");
            if (by != before.signer) refused(by, abi.encodeCall(market.closeLease, (leaseId)), "8: a stranger closed");
        }
        bool decided = before.state == 3 && block.timestamp >= uint256(before.disputedAt) + ARBITER_WINDOW;
        if (by != bid.arbiter && !decided) {
            refused(by, abi.encodeCall(market.resolve, (bid, 0, 0)), "8: a stranger resolved");
        }
        same(digestOf(leaseId, whole), world, "8: a stranger changed something");
        revert Undone("");
    }

    /// @dev Anybody but those who act for the lease's provider: former keys of its own, other providers, the tenant.
    function wrongParty(ILeaseMarket.Bid memory bid, uint256 luck) private view returns (address by) {
        Desk storage desk = deskOf(bid.provider);
        (address session,) = sessionOf(bid);
        address[8] memory choice =
            [desk.former, desk.operator, bid.tenant, session, ARBITER, address(this), treasury, STRANGER];
        by = choice[luck % 8];
        if (luck % 16 == 15) by = desks[(luck >> 16) % desks.length].owner;
        if (by == address(0) || registry.isAuthorised(bid.provider, by)) by = STRANGER;
    }

    /// @dev With an unknown lease before it, which must not lend its emptiness to what follows.
    function two(bytes32 leaseId) private pure returns (bytes32[] memory ids) {
        ids = new bytes32[](2);
        ids[1] = leaseId;
    }

    function two(ILeaseMarket.SignedStatement memory statement)
        private
        pure
        returns (ILeaseMarket.SignedStatement[] memory batch)
    {
        batch = new ILeaseMarket.SignedStatement[](2);
        batch[1] = statement;
    }

    function none(address by, bytes memory data, string memory what) private {
        (bool ok, bytes memory answer) = tryAs(by, data);
        if (ok) same(abi.decode(answer, (uint256)), 0, what);
    }

    function refused(address by, bytes memory data, string memory what) private {
        (bool ok,) = tryAs(by, data);
        holds(!ok, what);
    }
}
