// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../../support/Vm.sol";
import {atMost, holds, same} from "../Broken.sol";
import {Probe} from "../Probe.sol";

/// @notice From any state, the tenant alone gets its money out and the provider alone its bond, within the windows and
/// whatever the other side does, with intake paused. Tried on one live lease after every step, on all at a walk's end.
/// @dev `finalize` at `endAt + claim + dispute window`, `resolve` at `disputedAt + arbiter window`, `abort` after
/// `startBy`; so nothing stays longer than all three windows after the end.
abstract contract Liveness is Probe {
    function checkInvariant6_Liveness() public {
        uint256 luck = dice("liveness");
        if (live.length != 0) tryLeaving(live[luck % live.length], luck >> 128);
    }

    function tryLeaving(bytes32 leaseId, uint256 luck) internal {
        undone(abi.encodeCall(this.probeLeaving, (leaseId, luck)));
    }

    function probeLeaving(bytes32 leaseId, uint256 luck) external {
        market.setIntakePaused(true);
        if (luck % 2 == 1) disputeLate(leaseId);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint256 deposit = market.disputeDepositOf(leaseId);
        uint256 locked = registry.providerOf(before.provider).locked;
        uint256[3] memory held = accountsOf(before);
        if (before.state == 1) leaveOpen(before, bids[leaseId], luck);
        else if (before.state == 2) leaveActive(leaseId, before, bids[leaseId], luck);
        else leaveDisputed(before, bids[leaseId], luck);

        ILeaseMarket.LeaseView memory after_ = lease(leaseId);
        same(after_.state, 4, "6: closed");
        same(locked - registry.providerOf(before.provider).locked, bids[leaseId].maxSlash, "6: the bond is unlocked");
        checkRefund(before, after_.paid - before.paid, deposit, held);
        uint256 all = market.available(before.tenant, before.token);
        if (all != 0) {
            mustAs(
                before.tenant,
                abi.encodeCall(market.withdraw, (before.token, before.tenant, all)),
                "6: a tenant withdraws what it has"
            );
        }
        revert Undone("");
    }

    /// @dev Nobody but the tenant has the refund, and nobody but provider and treasury the payment. A dispute deposit
    /// goes to one of the two sides.
    function checkRefund(ILeaseMarket.LeaseView memory before, uint256 paid, uint256 deposit, uint256[3] memory held)
        private
        view
    {
        uint256[3] memory now_ = accountsOf(before);
        uint256 refund = before.balance - paid;
        uint256 tenants = now_[0] - held[0];
        uint256 others = now_[1] + now_[2] - held[1] - held[2];
        same(tenants + others, before.balance + deposit, "8: all that was in the lease goes to its parties");
        holds(tenants == refund || tenants == refund + deposit, "8: the refund goes to the tenant's account");
    }

    function leaveOpen(ILeaseMarket.LeaseView memory before, ILeaseMarket.Bid memory bid, uint256 luck) private {
        if (luck % 2 == 0) {
            warpTo(uint256(before.endAt) + 1);
            mustAs(bid.tenant, abi.encodeCall(market.abort, (bid)), "6: a tenant leaves what was not confirmed");
        } else {
            mustAs(bid.provider, abi.encodeCall(market.decline, (bid)), "6: a provider leaves what it did not confirm");
        }
    }

    /// @dev The tenant's worst against the provider: it disputes a claim in the last second in which it can.
    function disputeLate(bytes32 leaseId) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint256 until = uint256(before.filedAt) + DISPUTE_WINDOW;
        if (before.state != 2 || before.filedAt == 0 || block.timestamp >= until) return;
        vm.warp(until - 1);
        mustAs(before.tenant, abi.encodeCall(market.dispute, (bids[leaseId], before.paid)), "5: disputable in a pause");
        uint256 latest = uint256(before.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW;
        atMost(lease(leaseId).disputedAt, latest, "6: disputed after both windows");
    }

    /// @dev The tenant ends the lease at once, and the provider's worst is to claim everything in the last second.
    function leaveActive(
        bytes32 leaseId,
        ILeaseMarket.LeaseView memory before,
        ILeaseMarket.Bid memory bid,
        uint256 luck
    ) private {
        if (luck % 2 == 0) {
            if (block.timestamp < before.endAt) {
                mustAs(bid.tenant, abi.encodeCall(market.closeLease, (leaseId)), "6: a tenant ends a lease at once");
                before.endAt = uint40(block.timestamp);
            }
            warpTo(uint256(before.endAt) + CLAIM_WINDOW);
            tryAs(bid.provider, abi.encodeCall(market.claim, (one(ILeaseMarket.ClaimItem(bid, fullUsage())))));
        }
        warpTo(uint256(before.endAt) + CLAIM_WINDOW + DISPUTE_WINDOW);
        bytes memory answer = mustAs(
            luck % 2 == 0 ? bid.tenant : bid.provider,
            abi.encodeCall(market.finalize, (one(bid))),
            "6: finalize reverts"
        );
        same(abi.decode(answer, (uint256)), 1, "6: finalize works after both windows");
    }

    function leaveDisputed(ILeaseMarket.LeaseView memory before, ILeaseMarket.Bid memory bid, uint256 luck) private {
        warpTo(uint256(before.disputedAt) + CLAIM_WINDOW);
        if ((luck >> 8) % 2 == 0) {
            tryAs(bid.provider, abi.encodeCall(market.claim, (one(ILeaseMarket.ClaimItem(bid, fullUsage())))));
        }
        warpTo(uint256(before.disputedAt) + ARBITER_WINDOW);
        mustAs(
            luck % 2 == 0 ? bid.tenant : bid.provider,
            abi.encodeCall(market.resolve, (bid, 0, 0)),
            "6: resolve works after the arbiter's window"
        );
    }

    function accountsOf(ILeaseMarket.LeaseView memory shown) private view returns (uint256[3] memory) {
        return [
            market.available(shown.tenant, shown.token),
            market.available(shown.provider, shown.token),
            market.available(treasury, shown.token)
        ];
    }

    function fullUsage() private pure returns (uint128[8] memory usage) {
        for (uint256 i = 0; i < 8; ++i) {
            usage[i] = type(uint128).max;
        }
    }
}
