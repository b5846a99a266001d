// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice What the walk remembers beside the contracts' own books, and how often each action succeeded.
abstract contract Ghosts is MarketTest {
    /// @notice What went into a lease; and what the registry holds for it.
    struct Story {
        ILeaseMarket.Bid bid;
        uint256 putIn;
        uint40 filedAt;
        uint128 conceded;
    }

    uint256 internal constant LIVE_LEASES = 12;

    DecimalsToken internal second;
    address[2] internal tenants = [TENANT, address(0xA102)];
    address[2] internal providers = [PROVIDER, address(0xA101)];
    address[5] internal people = [TENANT, address(0xA102), PROVIDER, address(0xA101), TREASURY];

    bytes32[] internal live;
    mapping(bytes32 leaseId => Story) internal stories;
    mapping(address token => uint256) internal flowedIn;
    mapping(address token => uint256) internal flowedOut;
    uint64 internal nextSalt = 1_000;

    string[] internal actions;
    mapping(string action => uint256) public reached;

    function reach(string memory action) internal {
        if (reached[action] == 0) actions.push(action);
        ++reached[action];
    }

    function reachedActions() external view returns (string[] memory) {
        return actions;
    }

    function liveLeases() external view returns (bytes32[] memory) {
        return live;
    }

    function storyOf(bytes32 leaseId) external view returns (Story memory) {
        return stories[leaseId];
    }

    function flows(address token_) external view returns (uint256 into, uint256 out) {
        return (flowedIn[token_], flowedOut[token_]);
    }

    function tokenOf(uint256 seed) internal view returns (address) {
        return seed % 4 == 0 ? address(second) : address(token);
    }

    /// @dev A live lease in this state, searched from a random place; zero if there is none.
    function pick(uint256 seed, uint8 state) internal view returns (bytes32) {
        ILeaseMarket.LeaseView[] memory views = market.getLeases(live);
        for (uint256 i = 0; i < live.length; ++i) {
            uint256 k = (i + seed % live.length) % live.length;
            if (views[k].state == state) return live[k];
        }
        return 0;
    }

    /// @dev The same among Active leases with or without a waiting claim.
    function pickActive(uint256 seed, bool pending) internal view returns (bytes32) {
        ILeaseMarket.LeaseView[] memory views = market.getLeases(live);
        for (uint256 i = 0; i < live.length; ++i) {
            uint256 k = (i + seed % live.length) % live.length;
            if (views[k].state == 2 && (views[k].filedAt != 0) == pending) return live[k];
        }
        return 0;
    }

    function forget(bytes32 leaseId) internal {
        for (uint256 i = 0; i < live.length; ++i) {
            if (live[i] == leaseId) {
                live[i] = live[live.length - 1];
                live.pop();
                return;
            }
        }
    }

    function warpTo(uint256 time) internal {
        if (time > block.timestamp) vm.warp(time);
    }

    function accountOf(address owner, address token_) internal view returns (uint256) {
        return market.available(owner, token_);
    }

    /// @dev All accounts' money in a token, to show that a move changed nobody else's.
    function accounts(address token_) internal view returns (uint256[5] memory held) {
        for (uint256 i = 0; i < people.length; ++i) {
            held[i] = market.available(people[i], token_);
        }
    }
}
