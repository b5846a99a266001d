// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseMarket} from "../../src/LeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {State} from "../../src/libraries/State.sol";

/// @notice The market itself, with one more function: a lease appears in the state that a generated case asks for.
/// @dev Everything that is compared comes out of the functions that the market inherits.
contract SeededMarket is LeaseMarket {
    struct Seed {
        address tenant;
        address provider;
        address treasury;
        uint40 startedAt;
        uint40 lastAsOf;
        uint40 endAt;
        uint96 rateCapE6;
        uint16 feeBps;
        uint128 balance;
        uint128 paid;
        // A claim that waits since the beginning of time, or none if zero.
        uint128 pendingCum;
        bool disputed;
    }

    constructor(IProviderRegistry registry_, address authority, address treasury, uint40 window)
        LeaseMarket(registry_, authority, treasury, window - 1, window - 1, window)
    {}

    function seed(bytes32 leaseId, Seed calldata s) external {
        Lease storage lease = _leases[leaseId];
        _treasury = s.treasury;
        lease.state = s.disputed ? State.DISPUTED : s.pendingCum != 0 ? State.CLAIMED : State.ACTIVE;
        lease.tenant = s.tenant;
        lease.provider = s.provider;
        lease.tokenId = 1;
        lease.startedAt = s.startedAt;
        lease.lastAsOf = uint32(s.lastAsOf);
        lease.endAt = uint32(s.endAt);
        lease.rateCapE6 = s.rateCapE6;
        lease.feeBps = s.feeBps;
        lease.balance = s.balance;
        lease.paid = s.paid;
        lease.pendingCum = s.pendingCum;
        lease.pendingAt = s.lastAsOf;
        lease.filedAt = 0;
    }
}
