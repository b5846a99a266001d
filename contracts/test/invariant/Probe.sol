// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {vm} from "../support/Vm.sol";
import {Broken} from "./Broken.sol";
import {Moves} from "./Moves.sol";

/// @notice Trying something without having done it: a call to oneself that ends in a revert takes back all that it did,
/// at a fraction of what a snapshot costs.
abstract contract Probe is Moves {
    /// @notice How every probe ends that found nothing wrong.
    error Undone(bytes found);

    /// @dev Runs a probe of this contract; what it found comes back, what it did does not. Time is not part of the state
    /// that a revert restores.
    function undone(bytes memory probe) internal returns (bytes memory found) {
        uint256 time = block.timestamp;
        (bool ok, bytes memory data) = address(this).call(probe);
        vm.warp(time);
        if (ok || bytes4(data) != Undone.selector) rethrow(data);
        found = new bytes(data.length - 4);
        for (uint256 i = 4; i < data.length; ++i) {
            found[i - 4] = data[i];
        }
        return abi.decode(found, (bytes));
    }

    function tryAs(address by, bytes memory data) internal returns (bool ok, bytes memory answer) {
        vm.prank(by);
        return address(market).call(data);
    }

    function mustAs(address by, bytes memory data, string memory what) internal returns (bytes memory answer) {
        bool ok;
        (ok, answer) = tryAs(by, data);
        if (!ok) revert Broken(string.concat(what, " (", vm.toString(answer), ")"), 0, 1);
    }

    /// @dev Everything that anybody owns, owes or may expect, except the terms of new leases; of all leases, accounts
    /// and bonds, or of those that one lease concerns.
    function digestOf(bytes32 leaseId, bool whole) internal view returns (bytes32 digest) {
        ILeaseMarket.Bid storage bid = bids[leaseId];
        digest = leaseDigest(leaseId, bid.token);
        digest = accountDigest(digest, bid.tenant, bid.token);
        digest = accountDigest(digest, bid.provider, bid.token);
        digest = accountDigest(digest, treasury, bid.token);
        if (!whole) return digest;
        for (uint256 i = 0; i < live.length; ++i) {
            digest = keccak256(abi.encode(digest, leaseDigest(live[i], bids[live[i]].token)));
        }
        for (uint256 i = 0; i < people.length; ++i) {
            for (uint256 t = 0; t < traded.length; ++t) {
                digest = accountDigest(digest, people[i], traded[t]);
            }
        }
    }

    function leaseDigest(bytes32 leaseId, address token_) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                lease(leaseId),
                market.disputeDepositOf(leaseId),
                market.fundedUntil(leaseId),
                market.claimable(leaseId),
                market.liabilities(token_)
            )
        );
    }

    function accountDigest(bytes32 digest, address owner, address token_) private view returns (bytes32) {
        return keccak256(
            abi.encode(digest, market.available(owner, token_), registry.claimable(owner), registry.providerOf(owner))
        );
    }

    function rethrow(bytes memory data) private pure {
        assembly ("memory-safe") {
            revert(add(data, 32), mload(data))
        }
    }
}
