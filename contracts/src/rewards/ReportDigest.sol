// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";

/// @title ReportDigest
/// @notice What auditors sign: the EIP-712 digest of a report, for this chain and this contract.
/// @dev Without OpenZeppelin's helpers, whose imports need MCOPY, which not every chain has.
library ReportDigest {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant REPORT_TYPEHASH =
        keccak256("CapacityReport(uint256 programme,address provider,bytes32 region,uint32 epoch,uint128 unitsCum)");
    bytes32 private constant NAME = keccak256("RewardsDistributor");
    bytes32 private constant VERSION = keccak256("1");

    /// @dev The domain is computed each time: after a fork of the chain it is right on both.
    function digest(IRewardsDistributor.CapacityReport calldata report) internal view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPEHASH, NAME, VERSION, block.chainid, address(this)));
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(REPORT_TYPEHASH, report))));
    }
}
