// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice The market of `MarketTest` with attackers in it.
abstract contract AdversaryTest is MarketTest {
    /// @dev Base units of the worked example's usage in an hour.
    uint128 internal constant HOUR = 417_999;
    /// @dev The worked example's rate cap.
    uint256 internal constant RATE_E6 = 333_888_889;

    address internal constant MALLORY = address(0xBAD1);
    address internal constant ACCOMPLICE = address(0xBAD2);

    ILeaseMarket.Bid internal bid;
    bytes32 internal leaseId;

    /// @dev What the rate cap allows for `elapsed` seconds.
    function capOf(uint256 elapsed) internal pure returns (uint256) {
        return RATE_E6 * elapsed / 1e6;
    }

    /// @dev The usage of a provider that reports as much as numbers can.
    function everything() internal pure returns (uint128[8] memory usage) {
        for (uint256 i = 0; i < 8; ++i) {
            usage[i] = type(uint128).max;
        }
    }

    /// @dev The most that a claim of `everything` is worth after `elapsed` seconds in a lease that holds `money`.
    function greed(uint256 elapsed, uint256 money) internal view returns (uint256) {
        return min(min(market.amountOf(bid, everything(), elapsed), capOf(elapsed)), money);
    }

    function resolve(address by, uint128 award, uint96 slash) internal {
        vm.prank(by);
        market.resolve(bid, award, slash);
    }

    function finalize() internal returns (uint256) {
        return market.finalize(one(bid));
    }

    function mature() internal returns (uint256) {
        return market.mature(one(leaseId));
    }

    /// @dev Calls and says only whether it went through; for attacks that must fail for whatever reason.
    function attempt(address by, address target, bytes memory data) internal returns (bool ok) {
        vm.prank(by);
        (ok,) = target.call(data);
    }

    function assertRefused(address by, bytes memory data, string memory what) internal {
        vm.assertEq(attempt(by, address(market), data), false, what);
    }

    /// @dev Two leases of the market that must be as they were.
    function assertSameLease(bytes32 id, ILeaseMarket.LeaseView memory before) internal view {
        assertEq(lease(id), before);
    }

    function ceilDiv(uint256 a, uint256 b) internal pure returns (uint256) {
        return a == 0 ? 0 : (a - 1) / b + 1;
    }

    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }
}
