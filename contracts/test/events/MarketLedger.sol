// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {Vm} from "../support/Vm.sol";

/// @notice The market as its logs alone tell it, from the first one on. Nothing here calls the market.
/// @dev Fed with one transaction's logs and that block's time at a time, in order, as an indexer is. A log it does not
/// understand is an error, so that a new event cannot go unnoticed.
contract MarketLedger {
    struct Terms {
        uint16 feeBps;
        address treasury;
        bool paused;
    }

    error UnknownEvent(bytes32 topic);

    Terms public terms;
    address[] private _tokens;
    address[] private _owners;
    bytes32[] private _ids;
    mapping(address owner => bool) private _seen;
    mapping(address owner => mapping(address token => uint256)) public available;
    mapping(address provider => mapping(address token => uint256)) public feesPaid;
    mapping(address token => uint256) public liabilities;
    mapping(bytes32 leaseId => ILeaseMarket.LeaseView) private _leases;
    mapping(bytes32 leaseId => uint256) public deposits;
    mapping(bytes32 leaseId => ILeaseMarket.Bid) private _bids;
    /// @dev A concession is told before the dispute it belongs to, and looks as if it had superseded the claim.
    mapping(bytes32 leaseId => uint40) private _filed;
    mapping(address provider => uint256) public locked;
    /// @dev How often each event was seen, and some that have several meanings in each; for the reach check.
    mapping(bytes32 topic => uint256) public count;

    // ---- What was rebuilt ----

    function lease(bytes32 id) external view returns (ILeaseMarket.LeaseView memory shown) {
        shown = _leases[id];
        // The view tells of a claim only while it waits; `filedAt` is what marks one here.
        if (shown.filedAt == 0 || shown.state == 4) (shown.pendingCum, shown.pendingAt, shown.filedAt) = (0, 0, 0);
    }

    function ids() external view returns (bytes32[] memory) {
        return _ids;
    }

    function owners() external view returns (address[] memory) {
        return _owners;
    }

    function tokens() external view returns (address[] memory) {
        return _tokens;
    }

    // ---- Reading ----

    function read(Vm.Log calldata entry, uint40 time) external {
        bytes32 topic = entry.topics[0];
        ++count[topic];
        if (topic == ILeaseMarket.Deposited.selector) _deposited(entry);
        else if (topic == ILeaseMarket.Withdrawn.selector) _withdrawn(entry);
        else if (topic == ILeaseMarket.LeaseOpened.selector) _opened(entry);
        else if (topic == ILeaseMarket.LeaseConfirmed.selector) _confirmed(entry);
        else if (topic == ILeaseMarket.LeaseToppedUp.selector) _toppedUp(entry);
        else if (topic == ILeaseMarket.LeaseSettled.selector) _settled(entry);
        else if (topic == ILeaseMarket.ClaimFiled.selector) _claimed(entry, time);
        else if (topic == ILeaseMarket.CloseRequested.selector) _closeRequested(entry);
        else if (topic == ILeaseMarket.LeaseDisputed.selector) _disputed(entry, time);
        else if (topic == ILeaseMarket.DisputeResolved.selector) _resolved(entry);
        else if (topic == ILeaseMarket.LeaseClosed.selector) _closed(entry);
        else _readRest(entry, topic);
    }

    function _readRest(Vm.Log calldata entry, bytes32 topic) private {
        if (topic == ILeaseMarket.TokenAllowed.selector) {
            _tokens.push(_account(entry.topics[1]));
            require(abi.decode(entry.data, (uint8)) == _tokens.length, "a token's id is its position");
        } else if (topic == ILeaseMarket.FeeSet.selector) {
            terms.feeBps = abi.decode(entry.data, (uint16));
            terms.treasury = _account(entry.topics[1]);
            _see(terms.treasury);
        } else if (topic == ILeaseMarket.IntakePausedSet.selector) {
            terms.paused = abi.decode(entry.data, (bool));
        } else if (
            topic != ILeaseMarket.ItemSkipped.selector && topic != ILeaseMarket.OrderPosted.selector
                && topic != ILeaseMarket.OrderCancelled.selector && topic != ILeaseMarket.BidPosted.selector
                && topic != ILeaseMarket.SurplusRecovered.selector && topic != keccak256("AuthorityUpdated(address)")
        ) {
            revert UnknownEvent(topic);
        }
    }

    function _deposited(Vm.Log calldata entry) private {
        uint256 amount = abi.decode(entry.data, (uint256));
        _credit(_account(entry.topics[2]), _account(entry.topics[3]), amount);
        liabilities[_account(entry.topics[3])] += amount;
    }

    function _withdrawn(Vm.Log calldata entry) private {
        (, uint256 amount) = abi.decode(entry.data, (address, uint256));
        available[_account(entry.topics[1])][_account(entry.topics[2])] -= amount;
        liabilities[_account(entry.topics[2])] -= amount;
    }

    function _opened(Vm.Log calldata entry) private {
        bytes32 id = entry.topics[1];
        ILeaseMarket.LeaseView storage l = _leases[id];
        (address signer, uint128 amount, uint96 rateCapE6, uint40 startBy, ILeaseMarket.Bid memory bid) =
            abi.decode(entry.data, (address, uint128, uint96, uint40, ILeaseMarket.Bid));
        _ids.push(id);
        _bids[id] = bid;
        l.state = 1;
        l.tenant = _account(entry.topics[2]);
        l.provider = _account(entry.topics[3]);
        l.signer = signer;
        l.token = bid.token;
        l.endAt = startBy;
        l.rateCapE6 = rateCapE6;
        l.feeBps = terms.feeBps;
        l.balance = amount;
        available[l.tenant][l.token] -= amount;
        locked[l.provider] += bid.maxSlash;
        _see(l.provider);
    }

    function _confirmed(Vm.Log calldata entry) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        l.state = 2;
        (l.startedAt, l.endAt) = abi.decode(entry.data, (uint40, uint40));
        l.lastAsOf = l.startedAt;
    }

    function _toppedUp(Vm.Log calldata entry) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        (uint128 amount, uint128 balance) = abi.decode(entry.data, (uint128, uint128));
        l.balance += amount;
        require(l.balance == balance, "the balance told is the balance rebuilt");
        available[_account(entry.topics[2])][l.token] -= amount;
    }

    function _settled(Vm.Log calldata entry) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        (uint128 amount, uint128 fee, uint128 paid, uint40 asOf, bytes32 usageHash) =
            abi.decode(entry.data, (uint128, uint128, uint128, uint40, bytes32));
        l.balance -= amount;
        l.paid += amount;
        require(l.paid == paid, "the sum told is the sum rebuilt");
        _credit(l.provider, l.token, amount - fee);
        _credit(terms.treasury, l.token, fee);
        feesPaid[l.provider][l.token] += fee;
        // A dispute has settled the time already; what is admitted in it moves money only.
        if (l.state == 3) {
            if (usageHash != 0) ++count["admission"];
            return;
        }
        l.lastAsOf = asOf;
        l.filedAt = 0;
    }

    function _claimed(Vm.Log calldata entry, uint40 time) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        (l.pendingCum, l.pendingAt,) = abi.decode(entry.data, (uint128, uint40, uint128[8]));
        if (l.state == 3) {
            l.lastAsOf = l.pendingAt;
            ++count["supplement"];
            return;
        }
        l.filedAt = time;
        _filed[entry.topics[1]] = time;
    }

    function _closeRequested(Vm.Log calldata entry) private {
        _leases[entry.topics[1]].endAt = abi.decode(entry.data, (uint40));
    }

    function _disputed(Vm.Log calldata entry, uint40 time) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        (uint128 conceded, uint128 contested, uint128 deposit, uint128 fromBalance) =
            abi.decode(entry.data, (uint128, uint128, uint128, uint128));
        l.state = 3;
        l.disputedAt = time;
        if (time < l.endAt) l.endAt = time;
        l.lastAsOf = l.pendingAt;
        l.pendingCum = conceded + contested;
        l.filedAt = _filed[entry.topics[1]];
        l.balance -= fromBalance;
        available[l.tenant][l.token] -= deposit - fromBalance;
        deposits[entry.topics[1]] = deposit;
        if (deposit != fromBalance) ++count["deposit from the account"];
    }

    function _resolved(Vm.Log calldata entry) private {
        bytes32 id = entry.topics[1];
        (,, address depositTo) = abi.decode(entry.data, (uint128, uint96, address));
        _credit(depositTo, _leases[id].token, deposits[id]);
        deposits[id] = 0;
    }

    function _closed(Vm.Log calldata entry) private {
        ILeaseMarket.LeaseView storage l = _leases[entry.topics[1]];
        (uint128 paid, uint128 refund,) = abi.decode(entry.data, (uint128, uint128, uint8));
        require(paid == l.paid && refund == l.balance, "the end told is the end rebuilt");
        l.state = 4;
        l.balance = 0;
        _credit(l.tenant, l.token, refund);
        locked[l.provider] -= _bids[entry.topics[1]].maxSlash;
    }

    function _credit(address owner, address token, uint256 amount) private {
        _see(owner);
        available[owner][token] += amount;
    }

    function _see(address owner) private {
        if (_seen[owner]) return;
        _seen[owner] = true;
        _owners.push(owner);
    }

    function _account(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
