// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Settlement
/// @notice The arithmetic of payments, and nothing else. The Rust crate `market` computes the same numbers bit for bit;
/// `test/vectors/typed_data.json` is read by both.
/// @dev All divisions are in {_down} and {_up}. Everything that somebody is paid is rounded down, in the payer's favour;
/// only the rate cap, a bound and not a payment, is rounded up. Amounts are cumulative, so that rounding costs a
/// provider less than one base unit in a lease's whole life.
library Settlement {
    /// @notice Prices are base units times this per unit of usage.
    uint256 internal constant PRICE_SCALE = 1e18;
    /// @notice Rate caps are base units times this per second.
    uint256 internal constant RATE_SCALE = 1e6;
    /// @notice Fees and shares are in 1/10000.
    uint256 internal constant BPS_SCALE = 1e4;

    /// @notice What `usage` since the start costs after `elapsed` seconds, each dimension counted up to its limit.
    /// @dev The sum stays below 2^235 for `elapsed < 2^40`; beyond that it may revert, never wrap.
    function amount(uint128[8] calldata price, uint64[8] calldata limit, uint128[8] calldata usage, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 unitPrice = price[i];
            if (unitPrice != 0) sum += unitPrice * min(usage[i], limit[i] * elapsed);
        }
        return _down(sum, PRICE_SCALE);
    }

    /// @notice The most that may be paid per second, in millionths of a base unit.
    function rateCapE6(uint128[8] calldata price, uint64[8] calldata limit) internal pure returns (uint256) {
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            sum += uint256(price[i]) * limit[i];
        }
        return _up(sum, PRICE_SCALE / RATE_SCALE);
    }

    /// @notice The most that may be paid for `elapsed` seconds.
    function cap(uint256 rateCapE6_, uint256 elapsed) internal pure returns (uint256) {
        return _down(rateCapE6_ * elapsed, RATE_SCALE);
    }

    /// @notice How many whole seconds `balance` lasts at the rate cap.
    function secondsFunded(uint256 balance, uint256 rateCapE6_) internal pure returns (uint256) {
        return _down(balance * RATE_SCALE, rateCapE6_);
    }

    /// @notice `bps` ten-thousandths of `whole`.
    function share(uint256 whole, uint256 bps) internal pure returns (uint256) {
        return _down(whole * bps, BPS_SCALE);
    }

    /// @notice The smaller of two numbers.
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }

    /// @dev Rounds in the payer's favour. No caller divides by zero: a lease's rate cap is positive.
    function _down(uint256 numerator, uint256 denominator) private pure returns (uint256) {
        return numerator / denominator;
    }

    /// @dev Rounds up, so that the bound never cuts what the same prices and limits cost.
    function _up(uint256 numerator, uint256 denominator) private pure returns (uint256) {
        return numerator == 0 ? 0 : (numerator - 1) / denominator + 1;
    }
}
