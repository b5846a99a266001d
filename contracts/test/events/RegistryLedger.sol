// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {Vm} from "../support/Vm.sol";

/// @notice The registry as its logs alone tell it. What of a bond is locked is the market's to tell: its leases are what
/// locks it.
contract RegistryLedger {
    struct Attestation {
        bytes32 claimsHash;
        uint40 issuedAt;
        uint40 expiry;
    }

    error UnknownEvent(bytes32 topic);

    address public market;
    uint256 public totalBond;
    address[] private _providers;
    address[] private _credited;
    address[] private _auditors;
    mapping(address account => bool) private _seen;
    mapping(address auditor => bool) private _seenAuditor;
    mapping(address provider => IProviderRegistry.ProviderView) private _views;
    mapping(address account => uint256) public claimable;
    mapping(address provider => mapping(address auditor => Attestation)) private _attestations;
    mapping(bytes32 topic => uint256) public count;

    // ---- What was rebuilt ----

    function provider(address account) external view returns (IProviderRegistry.ProviderView memory) {
        return _views[account];
    }

    function attestation(address provider_, address auditor) external view returns (Attestation memory) {
        return _attestations[provider_][auditor];
    }

    function providers() external view returns (address[] memory) {
        return _providers;
    }

    function credited() external view returns (address[] memory) {
        return _credited;
    }

    function auditors() external view returns (address[] memory) {
        return _auditors;
    }

    // ---- Reading ----

    function read(Vm.Log calldata entry, uint40 time) external {
        bytes32 topic = entry.topics[0];
        ++count[topic];
        if (topic == IProviderRegistry.ProviderRegistered.selector) _registered(entry);
        else if (topic == IProviderRegistry.BondAdded.selector) _bondAdded(entry);
        else if (topic == IProviderRegistry.BondWithdrawn.selector) _bondWithdrawn(entry);
        else if (topic == IProviderRegistry.BondSlashed.selector) _slashed(entry);
        else if (topic == IProviderRegistry.ClaimableWithdrawn.selector) _claimableWithdrawn(entry);
        else if (topic == IProviderRegistry.Attested.selector) _attested(entry, time);
        else _readRest(entry, topic);
    }

    function _readRest(Vm.Log calldata entry, bytes32 topic) private {
        IProviderRegistry.ProviderView storage p = _views[_account(entry.topics[1])];
        if (topic == IProviderRegistry.OperatorSet.selector) {
            p.operator = _account(entry.topics[2]);
            (p.operatorExpiry, p.bidEpoch) = abi.decode(entry.data, (uint40, uint32));
        } else if (topic == IProviderRegistry.BidEpochBumped.selector) {
            p.bidEpoch = abi.decode(entry.data, (uint32));
        } else if (topic == IProviderRegistry.UnbondStarted.selector) {
            (p.unbonding, p.unbondAt) = abi.decode(entry.data, (uint128, uint40));
        } else if (topic == IProviderRegistry.StatusChanged.selector) {
            p.status = abi.decode(entry.data, (uint8));
        } else if (topic == IProviderRegistry.AttestationRevoked.selector) {
            delete _attestations[_account(entry.topics[1])][_account(entry.topics[2])];
        } else if (topic == IProviderRegistry.MarketSet.selector) {
            market = _account(entry.topics[1]);
        } else if (topic != IProviderRegistry.ProviderUpdated.selector) {
            revert UnknownEvent(topic);
        }
    }

    function _registered(Vm.Log calldata entry) private {
        address account = _account(entry.topics[1]);
        _providers.push(account);
        IProviderRegistry.ProviderView storage p = _views[account];
        (p.operatorExpiry, p.bond,,) = abi.decode(entry.data, (uint40, uint128, string, bytes32));
        p.operator = _account(entry.topics[2]);
        p.status = 1;
        totalBond += p.bond;
    }

    function _bondAdded(Vm.Log calldata entry) private {
        IProviderRegistry.ProviderView storage p = _views[_account(entry.topics[1])];
        (uint128 amount, uint128 bond) = abi.decode(entry.data, (uint128, uint128));
        p.bond += amount;
        totalBond += amount;
        require(p.bond == bond, "the bond told is the bond rebuilt");
    }

    function _bondWithdrawn(Vm.Log calldata entry) private {
        IProviderRegistry.ProviderView storage p = _views[_account(entry.topics[1])];
        (uint128 amount, uint128 bond) = abi.decode(entry.data, (uint128, uint128));
        p.bond -= amount;
        p.unbonding -= amount;
        totalBond -= amount;
        require(p.bond == bond, "the bond told is the bond rebuilt");
    }

    function _slashed(Vm.Log calldata entry) private {
        (uint128 toVictim, uint128 toRest) = abi.decode(entry.data, (uint128, uint128));
        _views[_account(entry.topics[1])].bond -= toVictim + toRest;
        totalBond -= toVictim + toRest;
        _credit(_account(entry.topics[2]), toVictim);
        _credit(_account(entry.topics[3]), toRest);
    }

    function _claimableWithdrawn(Vm.Log calldata entry) private {
        claimable[_account(entry.topics[1])] -= abi.decode(entry.data, (uint256));
    }

    function _attested(Vm.Log calldata entry, uint40 time) private {
        address auditor = _account(entry.topics[2]);
        Attestation storage a = _attestations[_account(entry.topics[1])][auditor];
        (a.claimsHash, a.expiry) = abi.decode(entry.data, (bytes32, uint40));
        a.issuedAt = time;
        if (_seenAuditor[auditor]) return;
        _seenAuditor[auditor] = true;
        _auditors.push(auditor);
    }

    function _credit(address account, uint256 amount) private {
        claimable[account] += amount;
        if (_seen[account]) return;
        _seen[account] = true;
        _credited.push(account);
    }

    function _account(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
