// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the distributor reads of a market, set by the test. The campaign in `invariant/` uses the real one.
contract StubMarket {
    address public immutable registry;
    mapping(address provider => mapping(address token => uint128)) public feesPaid;

    constructor(address registry_) {
        registry = registry_;
    }

    function addFees(address provider, address token, uint128 amount) external {
        feesPaid[provider][token] += amount;
    }
}
