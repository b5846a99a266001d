// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../../support/Vm.sol";
import {Action} from "../Action.sol";
import {Stage} from "../Stage.sol";

/// @notice The few things that an authority may do, the board, and time.
abstract contract OtherActions is Stage {
    function allowToken(uint256 seed) public {
        seed = mix(seed);
        if (traded.length >= MAX_TOKENS) return setFee(seed);
        traded.push(newToken(uint8(6 + seed % 13)));
        reach(Action.AllowToken);
    }

    function setFee(uint256 seed) public {
        seed = mix(seed);
        bool moves = (seed >> 16) % 2 == 0;
        if (moves) treasury = treasury == TREASURY ? SECOND_TREASURY : TREASURY;
        market.setFee(uint16(seed % 501), treasury);
        reach(moves ? Action.SetTreasury : Action.SetFee);
    }

    function pauseOrResume(uint256 seed) public {
        bool paused = mix(seed) % 2 == 0;
        market.setIntakePaused(paused);
        reach(paused ? Action.Pause : Action.Resume);
    }

    function post(uint256 seed) public {
        seed = mix(seed);
        ILeaseMarket.Order memory order;
        order.tenant = tenants[seed % tenants.length];
        order.requirementsHash = keccak256("requirements");
        order.deadline = uint40(block.timestamp) + 1;
        ILeaseMarket.Bid memory bid = makeBid();
        vm.startPrank(order.tenant);
        market.postOrder(order, "requirements");
        market.postBid(bid, bytes32(seed), bytes32(seed));
        market.cancelOrder(order.nonce);
        vm.stopPrank();
        reach(Action.PostOrder);
    }

    function passTime(uint256 seed) public {
        vm.warp(block.timestamp + mix(seed) % 6 hours);
    }
}
