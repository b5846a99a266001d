// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../../src/libraries/Settlement.sol";
import {vm} from "../support/Vm.sol";

/// @notice Takes the library's calldata, so that a revert can be seen.
contract Calculator {
    function amount(uint128[8] calldata price, uint64[8] calldata limit, uint128[8] calldata usage, uint256 elapsed)
        external
        pure
        returns (uint256)
    {
        return Settlement.amount(price, limit, usage, elapsed);
    }

    function rateCapE6(uint128[8] calldata price, uint64[8] calldata limit) external pure returns (uint256) {
        return Settlement.rateCapE6(price, limit);
    }

    function cap(uint256 rate, uint256 elapsed) external pure returns (uint256) {
        return Settlement.cap(rate, elapsed);
    }

    function share(uint256 whole, uint256 bps) external pure returns (uint256) {
        return Settlement.share(whole, bps);
    }

    function secondsFunded(uint256 balance, uint256 rate) external pure returns (uint256) {
        return Settlement.secondsFunded(balance, rate);
    }
}

/// @notice Laws of the arithmetic, for every number of the documented ranges. `tools/symbolic.mjs` proves them.
contract SettlementSymbolic {
    Calculator private calculator;

    function setUp() public {
        calculator = new Calculator();
    }

    function check_a_share_is_a_part_and_rounds_down(uint128 whole, uint16 bps) external view {
        vm.assume(bps <= 10_000);
        uint256 part = calculator.share(whole, bps);
        assert(part <= whole);
        assert(part * 10_000 <= uint256(whole) * bps);
        assert(uint256(whole) * bps < (part + 1) * 10_000);
    }

    function check_no_share_reverts(uint128 whole, uint16 bps) external {
        (bool ok,) = address(calculator).call(abi.encodeCall(Calculator.share, (whole, bps)));
        assert(ok);
    }

    function check_no_cap_reverts(uint96 rate, uint40 elapsed) external {
        (bool ok,) = address(calculator).call(abi.encodeCall(Calculator.cap, (rate, elapsed)));
        assert(ok);
    }

    function check_a_cap_fits_128_bits(uint96 rate, uint40 elapsed) external view {
        assert(calculator.cap(rate, elapsed) <= type(uint128).max);
    }

    function check_the_cap_never_falls_with_time(uint96 rate, uint40 early, uint40 late) external view {
        vm.assume(early <= late);
        assert(calculator.cap(rate, early) <= calculator.cap(rate, late));
    }

    /// @dev Settling often allows no more than settling once, and loses at most one base unit a time.
    function check_caps_of_two_intervals_telescope(uint96 rate, uint40 first, uint40 second) external view {
        vm.assume(uint256(first) + second <= type(uint40).max);
        uint256 apart = calculator.cap(rate, first) + calculator.cap(rate, second);
        uint256 together = calculator.cap(rate, first + second);
        assert(apart <= together);
        assert(together <= apart + 1);
    }

    function check_funded_seconds_are_paid_for(uint128 balance, uint96 rate) external view {
        vm.assume(rate != 0);
        uint256 lasts = calculator.secondsFunded(balance, rate);
        assert(lasts * rate <= uint256(balance) * 1e6);
        assert((lasts + 1) * rate > uint256(balance) * 1e6);
    }

    /// @dev One resource is anything, the other seven are as large as they can be: no sum is larger than such a one.
    function check_no_amount_reverts(uint128 price, uint64 limit, uint128 used, uint40 elapsed) external {
        (bool ok, bytes memory answer) = address(calculator)
            .call(abi.encodeCall(Calculator.amount, (_prices(price), _limits(limit), _usage(used), elapsed)));
        assert(ok);
        assert(abi.decode(answer, (uint256)) < 1 << 176);
    }

    function check_no_rate_cap_reverts(uint128 price, uint64 limit) external {
        (bool ok,) = address(calculator).call(abi.encodeCall(Calculator.rateCapE6, (_prices(price), _limits(limit))));
        assert(ok);
    }

    /// @dev Rounded up: never below the exact rate, and less than one millionth above it. One resource.
    function check_the_rate_cap_is_the_exact_rate_rounded_up(uint128 p0, uint64 l0) external view {
        uint128[8] memory price;
        uint64[8] memory limit;
        (price[0], limit[0]) = (p0, l0);
        uint256 rate = calculator.rateCapE6(price, limit);
        uint256 exact = uint256(p0) * l0;
        assert(rate * 1e12 >= exact);
        assert(rate == 0 || (rate - 1) * 1e12 < exact);
    }

    /// @dev What usage costs never exceeds what the rate cap allows for the same time: not by one base unit.
    function check_the_amount_is_within_the_rate_cap(uint128 p0, uint64 l0, uint128 u0, uint40 elapsed) external view {
        uint128[8] memory price;
        uint64[8] memory limit;
        uint128[8] memory usage;
        (price[0], limit[0], usage[0]) = (p0, l0, u0);
        uint256 rate = calculator.rateCapE6(price, limit);
        vm.assume(rate <= type(uint96).max);
        assert(calculator.amount(price, limit, usage, elapsed) <= calculator.cap(rate, elapsed));
    }

    function check_the_amount_never_falls_with_usage(uint128 p0, uint64 l0, uint128 less, uint128 more, uint40 elapsed)
        external
        view
    {
        vm.assume(less <= more);
        uint128[8] memory price;
        uint64[8] memory limit;
        uint128[8] memory low;
        uint128[8] memory high;
        (price[0], limit[0], low[0], high[0]) = (p0, l0, less, more);
        assert(calculator.amount(price, limit, low, elapsed) <= calculator.amount(price, limit, high, elapsed));
    }

    function _prices(uint128 first) private pure returns (uint128[8] memory all) {
        uint128 most = type(uint128).max;
        return [first, most, most, most, most, most, most, most];
    }

    function _limits(uint64 first) private pure returns (uint64[8] memory all) {
        uint64 most = type(uint64).max;
        return [first, most, most, most, most, most, most, most];
    }

    function _usage(uint128 first) private pure returns (uint128[8] memory all) {
        uint128 most = type(uint128).max;
        return [first, most, most, most, most, most, most, most];
    }
}
