// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {ILeaseMarket} from "./interfaces/ILeaseMarket.sol";
import {IRewardsDistributor} from "./interfaces/IRewardsDistributor.sol";
import {Programmes} from "./rewards/Programmes.sol";
import {RewardsMeasures} from "./rewards/RewardsMeasures.sol";
import {Views} from "./rewards/Views.sol";

/// @title RewardsDistributor
/// @notice See {IRewardsDistributor}, which is the specification. Its parts are in `rewards/`.
/// @dev Not upgradeable, and nobody administers it. It reads the market and the registry and changes neither. All that
/// moves tokens is here; the rest is {RewardsMeasures}, created with it and fixed for ever, whose code runs as this
/// contract's own.
contract RewardsDistributor is Views {
    address private immutable MEASURES;

    /// @param market_ The market whose fees count, and of whose registry providers, bonds and attestations count.
    constructor(ILeaseMarket market_) Programmes(market_) {
        MEASURES = address(new RewardsMeasures(market_));
    }

    /// @inheritdoc IRewardsDistributor
    function create(ProgrammeTerms calldata) external returns (uint256) {
        return abi.decode(_measure(), (uint256));
    }

    /// @inheritdoc IRewardsDistributor
    function enrol(uint256) external {
        _measure();
    }

    /// @inheritdoc IRewardsDistributor
    function leave(uint256) external {
        _measure();
    }

    /// @inheritdoc IRewardsDistributor
    function checkpoint(uint256, address) external {
        _measure();
    }

    /// @inheritdoc IRewardsDistributor
    function prove(uint256, address, address, Attribute[] calldata) external {
        _measure();
    }

    /// @inheritdoc IRewardsDistributor
    function refresh(uint256, address) external {
        _measure();
    }

    /// @inheritdoc IRewardsDistributor
    function report(CapacityReport calldata, bytes32[] calldata, bytes32[] calldata) external {
        _measure();
    }

    /// @dev The call as it came, with this contract's storage and sender; a refusal is passed on as it is.
    function _measure() private returns (bytes memory) {
        return Address.functionDelegateCall(MEASURES, msg.data);
    }
}
