// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";
import {ACTIONS, Action} from "./Action.sol";
import {WalkToken} from "./WalkToken.sol";

/// @notice Who takes part in a walk, and books of everything that ought to be true, kept beside the contracts' own.
/// @dev The books are written from what the walk did and what the specification says follows, never from what the
/// contracts answer.
abstract contract Book is MarketTest {
    /// @notice A provider's keys.
    struct Desk {
        address owner;
        uint256 ownerKey;
        address operator;
        uint256 operatorKey;
        address former;
        uint256 formerKey;
    }

    /// @notice What ought to be true of a lease.
    /// @param putIn All that was put into it, the account's part of a dispute deposit included.
    /// @param due What statements, undisputed claims, concessions and rulings have given the provider.
    /// @param settledTo Up to when the provider's own steps have settled it.
    /// @param claimed The waiting claim, as it was filed; in a dispute, what is claimed.
    /// @param claimedAt Up to when it bills.
    /// @param filedAt When it was filed; 0 where none waits.
    /// @param conceded What of a disputed claim the tenant conceded.
    /// @param supplemented Whether a disputed claim was raised.
    /// @param ending The lease as it was when it closed.
    struct Story {
        uint256 putIn;
        uint256 due;
        uint40 settledTo;
        uint128 claimed;
        uint40 claimedAt;
        uint40 filedAt;
        uint128 conceded;
        bool supplemented;
        bytes32 ending;
    }

    uint256 internal constant LIVE_LEASES = 10;
    uint256 internal constant MAX_TOKENS = 5;
    uint256 internal constant MAX_PROVIDERS = 5;
    uint256 private constant FIRST_KEY = 0x1ea5e0000;
    address internal constant SECOND_TREASURY = address(0xA006);
    address internal constant AUDITOR = address(0xA007);

    address[] internal traded;
    address internal unlisted;
    address[] internal tenants;
    mapping(address tenant => uint256) internal tenantKeys;
    Desk[] internal desks;
    mapping(address owner => uint256) private _deskAt;
    address[3] internal sessions;
    uint256[3] internal sessionKeys;
    address[] internal people;
    address internal treasury = TREASURY;

    bytes32[] internal live;
    bytes32[] internal closed;
    mapping(bytes32 leaseId => ILeaseMarket.Bid) internal bids;
    mapping(bytes32 leaseId => Story) internal stories;

    mapping(address token => uint256) internal flowedIn;
    mapping(address token => uint256) internal flowedOut;
    mapping(address token => uint256) internal donated;
    mapping(address owner => mapping(address token => uint256)) internal accountBook;
    mapping(address provider => mapping(address token => uint256)) internal feeBook;
    mapping(address provider => uint256) internal bondBook;
    mapping(address account => uint256) internal creditBook;

    uint256[] private _reached;
    uint256 private _steps;
    uint256 private _keys;

    /// @dev Three tenants, three providers, three tokens.
    function setUp() public override {
        super.setUp();
        _reached = new uint256[](ACTIONS);
        traded = [address(token), newToken(18), newToken(8)];
        unlisted = address(new WalkToken(6));
        for (uint256 i = 0; i < 3; ++i) {
            (address tenant, uint256 key) = newKey();
            tenants.push(tenant);
            tenantKeys[tenant] = key;
            people.push(tenant);
            (sessions[i], sessionKeys[i]) = newKey();
            newDesk();
        }
        people.push(TREASURY);
        people.push(SECOND_TREASURY);
        people.push(TENANT);
        people.push(PROVIDER);
        flowedIn[address(token)] = FUNDS;
        accountBook[TENANT][address(token)] = FUNDS;
        bondBook[PROVIDER] = BOND;
    }

    // ---- parties ----

    function newKey() internal returns (address who, uint256 key) {
        key = FIRST_KEY + ++_keys;
        who = vm.addr(key);
    }

    function newToken(uint8 decimals) internal returns (address made) {
        made = address(new WalkToken(decimals));
        market.allowToken(made);
    }

    function newDesk() internal {
        Desk memory desk;
        (desk.owner, desk.ownerKey) = newKey();
        (desk.operator, desk.operatorKey) = newKey();
        register(desk.owner, desk.operator, BOND);
        bondBook[desk.owner] = BOND;
        _deskAt[desk.owner] = desks.length;
        desks.push(desk);
        people.push(desk.owner);
    }

    function deskOf(address owner) internal view returns (Desk storage) {
        return desks[_deskAt[owner]];
    }

    /// @dev Who acts for a provider now: its operator half of the time, as long as it may.
    function actorOf(address provider, uint256 seed) internal view returns (address) {
        address operator = deskOf(provider).operator;
        return seed % 2 == 0 && registry.isAuthorised(provider, operator) ? operator : provider;
    }

    function sessionOf(ILeaseMarket.Bid memory bid) internal view returns (address, uint256) {
        return (sessions[bid.salt % 3], sessionKeys[bid.salt % 3]);
    }

    /// @dev What 1e-6 of a token is in base units.
    function unitOf(address token_) internal view returns (uint256) {
        return 10 ** (WalkToken(token_).decimals() - 6);
    }

    // ---- the walk ----

    function reach(Action action) internal {
        ++_reached[uint256(action)];
    }

    function reached() internal view returns (uint256[] memory) {
        return _reached;
    }

    /// @dev Fuzzers prefer edge values and repeat themselves; choices need even bits.
    function mix(uint256 seed) internal returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++_steps)));
    }

    /// @dev Even bits for the checks, which must not change anything.
    function dice(string memory what) internal view returns (uint256) {
        return uint256(keccak256(abi.encode(what, _steps, block.timestamp)));
    }

    function forget(bytes32 leaseId) internal {
        for (uint256 i = 0; i < live.length; ++i) {
            if (live[i] == leaseId) {
                live[i] = live[live.length - 1];
                live.pop();
                return;
            }
        }
    }

    function warpTo(uint256 time) internal {
        if (time > block.timestamp) vm.warp(time);
    }

    // ---- looks ----

    /// @dev A live lease in this state, searched from a random place; zero if there is none.
    function pick(uint256 seed, uint8 state) internal view returns (bytes32) {
        ILeaseMarket.LeaseView[] memory views = market.getLeases(live);
        for (uint256 i = 0; i < views.length; ++i) {
            uint256 k = (i + seed % views.length) % views.length;
            if (views[k].state == state) return live[k];
        }
        return 0;
    }

    /// @dev The same among Active leases with or without a waiting claim.
    function pickActive(uint256 seed, bool pending) internal view returns (bytes32) {
        ILeaseMarket.LeaseView[] memory views = market.getLeases(live);
        for (uint256 i = 0; i < views.length; ++i) {
            uint256 k = (i + seed % views.length) % views.length;
            if (views[k].state == 2 && (views[k].filedAt != 0) == pending) return live[k];
        }
        return 0;
    }

    /// @dev What usage is worth, by the specification's formula and not by the market's code.
    function worth(ILeaseMarket.Bid memory bid, uint128[8] memory usage, uint256 elapsed)
        internal
        pure
        returns (uint256)
    {
        uint256 sum = 0;
        for (uint256 i = 0; i < 8; ++i) {
            uint256 most = uint256(bid.limit[i]) * elapsed;
            sum += uint256(bid.price[i]) * (usage[i] < most ? usage[i] : most);
        }
        return sum / 1e18;
    }

    /// @dev What the rate cap allows for `elapsed` seconds.
    function capOf(ILeaseMarket.LeaseView memory shown, uint256 elapsed) internal pure returns (uint256) {
        return uint256(shown.rateCapE6) * elapsed / 1e6;
    }

    function least(uint256 a, uint256 b) internal pure returns (uint256) {
        return a < b ? a : b;
    }
}
