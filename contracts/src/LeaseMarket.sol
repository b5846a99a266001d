// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";
import {Administration} from "./market/Administration.sol";
import {Closing} from "./market/Closing.sol";
import {Disputes} from "./market/Disputes.sol";
import {Leases} from "./market/Leases.sol";
import {Settling} from "./market/Settling.sol";
import {Views} from "./market/Views.sol";

/// @title LeaseMarket
/// @notice See {ILeaseMarket}, which is the specification. Its parts are in `market/`.
/// @dev Not upgradeable: the code is the promise. A new version is a new contract; leases are short.
contract LeaseMarket is Settling, Closing, Disputes, Views, Administration {
    /// @param registry_ The registry, whose `setMarket` is then called with this contract's address.
    /// @param authority The {AccessManager} that may administer.
    /// @param treasury Who receives fees and the treasury's part of slashed bond.
    /// @param claimWindow Seconds after a lease's end in which claims may be filed.
    /// @param disputeWindow Seconds after filing in which a claim may be disputed.
    /// @param arbiterWindow Seconds after a dispute in which the arbiter decides; longer than the claim window.
    constructor(
        IProviderRegistry registry_,
        address authority,
        address treasury,
        uint40 claimWindow,
        uint40 disputeWindow,
        uint40 arbiterWindow
    ) Leases(registry_, treasury, claimWindow, disputeWindow, arbiterWindow) AccessManaged(authority) {}
}
