// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {bound, vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {Broken, holds, same} from "../Broken.sol";
import {Stage} from "../Stage.sol";

/// @notice From a bid to a running lease, or back out of an unconfirmed one.
abstract contract OpeningActions is Stage {
    function open(uint256 seed) public {
        seed = mix(seed);
        openFor(seed, uint32(bound(seed >> 8, 1 hours, LONG)));
    }

    /// @dev What must not open does not, for the reason that there is.
    function openRefused(uint256 seed) public {
        seed = mix(seed);
        uint256 kind = (seed >> 100) % 5;
        if (kind == 4) return openTwice(seed);
        ILeaseMarket.Bid memory bid = makeRandomBid(seed, LONG);
        market.setIntakePaused(kind == 0);
        if (kind == 0) {
            refused(bid, signingKey(bid.provider), ILeaseMarket.LeaseMarket_IntakePaused.selector);
            reach(Action.OpenRefusedPaused);
        } else if (kind == 1) {
            bid.bidEpoch += 1;
            refused(bid, signingKey(bid.provider), IProviderRegistry.ProviderRegistry_StaleEpoch.selector);
            reach(Action.OpenRefusedStaleEpoch);
        } else if (kind == 2) {
            uint256 former = deskOf(bid.provider).formerKey;
            if (former == 0) former = rotate(bid.provider, 30 days);
            bid.bidEpoch = registry.providerOf(bid.provider).bidEpoch;
            refused(bid, former, IProviderRegistry.ProviderRegistry_BadSigner.selector);
            reach(Action.OpenRefusedFormerKey);
        } else {
            if (!deactivate(bid.provider)) return;
            bid.validUntil = uint40(block.timestamp);
            refused(bid, signingKey(bid.provider), IProviderRegistry.ProviderRegistry_Inactive.selector);
            reach(Action.OpenRefusedInactive);
        }
    }

    function confirmOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = unstarted(seed);
        if ((seed >> 32) % 4 == 0) warpTo(uint256(lease(leaseId).endAt) + (seed >> 40) % 2);
        bool done = moveConfirm(leaseId, actorOf(bids[leaseId].provider, seed >> 16));
        reach(done ? Action.Confirm : Action.ConfirmRefusedLate);
    }

    function declineOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = unstarted(seed);
        if ((seed >> 16) % 2 == 0) warpTo(uint256(lease(leaseId).endAt) + 1);
        market.setIntakePaused((seed >> 24) % 2 == 0);
        bool late = moveBack(leaseId, actorOf(bids[leaseId].provider, seed >> 17));
        reach(late ? Action.DeclineLate : Action.Decline);
    }

    function abortOne(uint256 seed) public {
        seed = mix(seed);
        bytes32 leaseId = unstarted(seed);
        warpTo(uint256(lease(leaseId).endAt) + 1);
        market.setIntakePaused((seed >> 24) % 2 == 0);
        holds(moveBack(leaseId, bids[leaseId].tenant), "6: late");
        reach(Action.Abort);
    }

    function topUpOne(uint256 seed) public {
        seed = mix(seed);
        bool started = seed % 2 == 0;
        bytes32 leaseId = started ? running(seed) : unstarted(seed);
        address token_ = bids[leaseId].token;
        address from = people[(seed >> 4) % people.length];
        uint128 amount = uint128(bound(seed >> 16, 1, 1e6) * unitOf(token_));
        if (accountBook[from][token_] < amount) {
            market.setIntakePaused(false);
            moveDeposit(token_, from, amount);
        }
        moveTopUp(leaseId, from, amount);
        reach(started ? Action.TopUpActive : Action.TopUpOpen);
    }

    function openTwice(uint256 seed) private {
        if (live.length + closed.length == 0) openFor(seed, LONG);
        uint256 place = (seed >> 8) % (live.length + closed.length);
        bytes32 leaseId = place < live.length ? live[place] : closed[place - live.length];
        market.setIntakePaused(false);
        refused(bids[leaseId], signingKey(bids[leaseId].provider), ILeaseMarket.LeaseMarket_WrongState.selector);
        reach(Action.OpenRefusedTwice);
    }

    function refused(ILeaseMarket.Bid memory bid, uint256 key, bytes4 reason) private {
        (bytes32 r, bytes32 vs) = vm.signCompact(key, market.leaseIdOf(bid));
        vm.prank(bid.tenant);
        try market.openLease(bid, r, vs, STRANGER, 0) {
            revert Broken("7: a lease opened that must not", 0, 0);
        } catch (bytes memory why) {
            same(bytes32(bytes4(why)), bytes32(reason), "7: refused for another reason");
        }
    }
}
