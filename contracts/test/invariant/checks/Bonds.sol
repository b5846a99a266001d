// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {Book} from "../Book.sol";
import {atMost, same} from "../Broken.sol";

/// @notice A provider's `locked` is what its open leases may lose, within its bond; bonds and credits are what the
/// registry holds. Each bond is what its owner put in, less what it took out and what penalties and rulings slashed,
/// which is at most `maxSlash` of a lease.
abstract contract Bonds is Book {
    function checkInvariant7_Bonds() public view {
        uint256 bonds = checkProvider(PROVIDER);
        for (uint256 i = 0; i < desks.length; ++i) {
            bonds += checkProvider(desks[i].owner);
        }
        uint256 credited = 0;
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 credit = registry.claimable(people[i]);
            same(credit, creditBook[people[i]], "7: credited is what was slashed for this account");
            credited += credit;
        }
        same(registry.totalBond(), bonds, "7: the sum of bonds");
        same(token.balanceOf(address(registry)), bonds + credited, "7: the registry holds bonds and credits");
    }

    function checkProvider(address owner) private view returns (uint256) {
        IProviderRegistry.ProviderView memory provider = registry.providerOf(owner);
        uint256 locks = 0;
        for (uint256 i = 0; i < live.length; ++i) {
            if (bids[live[i]].provider == owner) locks += bids[live[i]].maxSlash;
        }
        same(provider.locked, locks, "7: locked is what open leases may lose");
        atMost(provider.locked, provider.bond, "7: locked within the bond");
        same(provider.bond, bondBook[owner], "7: a bond is what was put in, less what was taken and slashed");
        return provider.bond;
    }
}
