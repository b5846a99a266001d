// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Guard} from "guard/Guard.sol";

import {IProviderRegistry} from "./interfaces/IProviderRegistry.sol";

/// @title ProviderRegistry
/// @notice See {IProviderRegistry}, which is the specification.
/// @dev Nobody administers this contract: after `setMarket` no account but the providers and the market changes it.
contract ProviderRegistry is IProviderRegistry, Guard {
    using SafeERC20 for IERC20;

    enum Status {
        None,
        Active,
        Inactive
    }

    struct Provider {
        // slot A
        address operator;
        uint40 operatorExpiry;
        uint32 bidEpoch;
        Status status;
        // slot B
        uint128 bond;
        uint128 locked;
        // slot C
        uint128 unbonding;
        uint40 unbondAt;
    }

    struct Attestation {
        bytes32 claimsHash;
        uint40 issuedAt;
        uint40 expiry; // 0 where there is none
    }

    uint256 private constant MAX_URI_BYTES = 512;

    address private immutable DEPLOYER;
    IERC20 private immutable BOND_TOKEN;
    uint128 private immutable MIN_BOND;
    uint40 private immutable UNBOND_DELAY;

    mapping(address provider => Provider) private _providers;
    mapping(address provider => mapping(address auditor => Attestation)) private _attestations;
    mapping(address account => uint256) private _claimable;
    uint256 private _totalBond;
    address private _market;

    /// @param bondToken_ The token of all bonds.
    /// @param minBond_ The least bond of an Active provider.
    /// @param unbondDelay_ Seconds between `startUnbond` and `withdrawBond`.
    /// @param deployer The account that may call `setMarket`; not simply the creator, which may be a factory.
    constructor(IERC20 bondToken_, uint128 minBond_, uint40 unbondDelay_, address deployer) {
        if (address(bondToken_) == address(0) || deployer == address(0)) revert ProviderRegistry_ZeroAddress();
        DEPLOYER = deployer;
        BOND_TOKEN = bondToken_;
        MIN_BOND = minBond_;
        UNBOND_DELAY = unbondDelay_;
    }

    modifier onlyMarket() {
        if (msg.sender != _market) revert ProviderRegistry_NotMarket(msg.sender);
        _;
    }

    // ---- Views ----

    /// @inheritdoc IProviderRegistry
    function providerOf(address provider) external view returns (ProviderView memory) {
        Provider storage p = _providers[provider];
        return ProviderView({
            operator: p.operator,
            operatorExpiry: p.operatorExpiry,
            bidEpoch: p.bidEpoch,
            status: uint8(p.status),
            bond: p.bond,
            locked: p.locked,
            unbonding: p.unbonding,
            unbondAt: p.unbondAt
        });
    }

    /// @inheritdoc IProviderRegistry
    function isAuthorised(address provider, address caller) external view returns (bool) {
        return _isAuthorised(provider, caller);
    }

    /// @inheritdoc IProviderRegistry
    function freeBond(address provider) external view returns (uint128) {
        return _freeBond(_providers[provider]);
    }

    /// @inheritdoc IProviderRegistry
    function attestationOf(address provider, address auditor) external view returns (bytes32, uint40, uint40) {
        Attestation storage attestation = _attestations[provider][auditor];
        return (attestation.claimsHash, attestation.issuedAt, attestation.expiry);
    }

    /// @inheritdoc IProviderRegistry
    function claimable(address account) external view returns (uint256) {
        return _claimable[account];
    }

    /// @inheritdoc IProviderRegistry
    function totalBond() external view returns (uint256) {
        return _totalBond;
    }

    /// @inheritdoc IProviderRegistry
    function bondToken() external view returns (address) {
        return address(BOND_TOKEN);
    }

    /// @inheritdoc IProviderRegistry
    function minBond() external view returns (uint128) {
        return MIN_BOND;
    }

    /// @inheritdoc IProviderRegistry
    function unbondDelay() external view returns (uint40) {
        return UNBOND_DELAY;
    }

    /// @inheritdoc IProviderRegistry
    function market() external view returns (address) {
        return _market;
    }

    // ---- Providers ----

    /// @inheritdoc IProviderRegistry
    function register(address operator, uint40 expiry, uint128 bond, string calldata uri, bytes32 attributesHash)
        external
        nonReentrant
    {
        // Checks
        Provider storage p = _providers[msg.sender];
        if (p.status != Status.None) revert ProviderRegistry_AlreadyRegistered(msg.sender);
        if (operator == address(0)) revert ProviderRegistry_ZeroAddress();
        if (bond < MIN_BOND) revert ProviderRegistry_BelowMinBond(MIN_BOND, bond);
        _checkExpiry(expiry);
        _checkUri(uri);

        // Effects
        p.operator = operator;
        p.operatorExpiry = expiry;
        p.status = Status.Active;
        p.bond = bond;
        _totalBond += bond;
        emit ProviderRegistered(msg.sender, operator, expiry, bond, uri, attributesHash);

        // Interactions
        _draw(bond);
    }

    /// @inheritdoc IProviderRegistry
    function update(string calldata uri, bytes32 attributesHash) external {
        _registered(msg.sender);
        _checkUri(uri);
        emit ProviderUpdated(msg.sender, uri, attributesHash);
    }

    /// @inheritdoc IProviderRegistry
    function setOperator(address operator, uint40 expiry) external {
        Provider storage p = _registered(msg.sender);
        if (operator != address(0)) _checkExpiry(expiry);
        p.operator = operator;
        p.operatorExpiry = expiry;
        uint32 epoch = ++p.bidEpoch;
        emit OperatorSet(msg.sender, operator, expiry, epoch);
    }

    /// @inheritdoc IProviderRegistry
    function bumpBidEpoch(address provider) external {
        if (!_isAuthorised(provider, msg.sender)) revert ProviderRegistry_NotAuthorised(provider, msg.sender);
        uint32 epoch = ++_providers[provider].bidEpoch;
        emit BidEpochBumped(provider, msg.sender, epoch);
    }

    /// @inheritdoc IProviderRegistry
    function addBond(uint128 amount) external nonReentrant {
        // Checks
        Provider storage p = _registered(msg.sender);
        if (amount == 0) revert ProviderRegistry_ZeroAmount();

        // Effects
        uint128 bond = p.bond + amount;
        p.bond = bond;
        _totalBond += amount;
        emit BondAdded(msg.sender, amount, bond);
        if (p.status == Status.Inactive && bond >= MIN_BOND) _setStatus(msg.sender, p, Status.Active);

        // Interactions
        _draw(amount);
    }

    /// @inheritdoc IProviderRegistry
    function startUnbond(uint128 amount) external {
        Provider storage p = _registered(msg.sender);
        if (amount > p.bond) revert ProviderRegistry_InsufficientBond(p.bond, amount);
        // The cast holds: seconds since 1970 fit 40 bits for 34 000 years.
        uint40 unbondAt = uint40(block.timestamp) + UNBOND_DELAY;
        p.unbonding = amount;
        p.unbondAt = unbondAt;
        emit UnbondStarted(msg.sender, amount, unbondAt);
    }

    /// @inheritdoc IProviderRegistry
    function withdrawBond(address to) external nonReentrant {
        // Checks
        Provider storage p = _registered(msg.sender);
        if (to == address(0)) revert ProviderRegistry_ZeroAddress();
        uint128 asked = p.unbonding;
        if (asked == 0) revert ProviderRegistry_NothingUnbonding(msg.sender);
        if (block.timestamp < p.unbondAt) revert ProviderRegistry_TooEarly(p.unbondAt);
        uint128 unlocked = p.bond - p.locked;
        if (unlocked == 0) revert ProviderRegistry_BondLocked(0, asked);

        // Effects
        uint128 amount = asked < unlocked ? asked : unlocked;
        uint128 bond = p.bond - amount;
        p.unbonding = asked - amount;
        p.bond = bond;
        _totalBond -= amount;
        emit BondWithdrawn(msg.sender, to, amount, bond);
        _deactivateBelowMinimum(msg.sender, p);

        // Interactions
        BOND_TOKEN.safeTransfer(to, amount);
    }

    /// @inheritdoc IProviderRegistry
    function withdrawClaimable(address to) external nonReentrant {
        // Checks
        if (to == address(0)) revert ProviderRegistry_ZeroAddress();
        uint256 amount = _claimable[msg.sender];
        if (amount == 0) revert ProviderRegistry_NothingClaimable(msg.sender);

        // Effects
        _claimable[msg.sender] = 0;
        emit ClaimableWithdrawn(msg.sender, to, amount);

        // Interactions
        BOND_TOKEN.safeTransfer(to, amount);
    }

    // ---- Auditors ----

    /// @inheritdoc IProviderRegistry
    function attest(address provider, bytes32 claimsHash, uint40 expiry) external {
        _registered(provider);
        _checkExpiry(expiry);
        // The cast holds: seconds since 1970 fit 40 bits for 34 000 years.
        _attestations[provider][msg.sender] = Attestation(claimsHash, uint40(block.timestamp), expiry);
        emit Attested(provider, msg.sender, claimsHash, expiry);
    }

    /// @inheritdoc IProviderRegistry
    function revoke(address provider) external {
        if (_attestations[provider][msg.sender].expiry == 0) {
            revert ProviderRegistry_NothingAttested(provider, msg.sender);
        }
        delete _attestations[provider][msg.sender];
        emit AttestationRevoked(provider, msg.sender);
    }

    // ---- The market ----

    /// @inheritdoc IProviderRegistry
    function setMarket(address market_) external {
        if (msg.sender != DEPLOYER) revert ProviderRegistry_NotDeployer(msg.sender);
        if (market_ == address(0)) revert ProviderRegistry_ZeroAddress();
        if (_market != address(0)) revert ProviderRegistry_MarketAlreadySet(_market);
        _market = market_;
        emit MarketSet(market_);
    }

    /// @inheritdoc IProviderRegistry
    function lock(address provider, address signer, uint32 bidEpoch, uint128 amount) external onlyMarket {
        Provider storage p = _providers[provider];
        if (p.status != Status.Active) revert ProviderRegistry_Inactive(provider);
        if (p.bidEpoch != bidEpoch) revert ProviderRegistry_StaleEpoch(p.bidEpoch, bidEpoch);
        if (!_isAuthorised(provider, signer)) revert ProviderRegistry_BadSigner(provider, signer);
        uint128 free = _freeBond(p);
        if (free < amount) revert ProviderRegistry_BondLocked(free, amount);
        p.locked += amount;
    }

    /// @inheritdoc IProviderRegistry
    function unlock(address provider, uint128 amount) external onlyMarket {
        _release(_providers[provider], amount);
    }

    /// @inheritdoc IProviderRegistry
    function slash(
        address provider,
        uint128 lockReleased,
        uint128 amount,
        address victim,
        uint128 toVictim,
        address rest
    ) external onlyMarket {
        Provider storage p = _providers[provider];
        // Never more than the lock that is released: what backs other leases is out of reach, and `locked <= bond` stays
        // true.
        uint128 taken = _min(amount, _release(p, lockReleased));
        uint128 victimShare = _min(toVictim, taken);
        p.bond -= taken;
        _totalBond -= taken;
        if (victimShare != 0) _claimable[victim] += victimShare;
        if (taken != victimShare) _claimable[rest] += taken - victimShare;
        emit BondSlashed(provider, victim, rest, victimShare, taken - victimShare);
        _deactivateBelowMinimum(provider, p);
    }

    // ---- Internals ----

    function _release(Provider storage p, uint128 amount) private returns (uint128 released) {
        uint128 locked = p.locked;
        released = _min(amount, locked);
        p.locked = locked - released;
    }

    function _setStatus(address provider, Provider storage p, Status status) private {
        p.status = status;
        emit StatusChanged(provider, uint8(status));
    }

    function _deactivateBelowMinimum(address provider, Provider storage p) private {
        if (p.bond < MIN_BOND && p.status == Status.Active) _setStatus(provider, p, Status.Inactive);
    }

    /// @dev Takes exactly `amount` of the bond token from the caller.
    function _draw(uint128 amount) private {
        uint256 before = BOND_TOKEN.balanceOf(address(this));
        BOND_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = BOND_TOKEN.balanceOf(address(this)) - before;
        if (received != amount) revert ProviderRegistry_FeeOnTransfer(amount, received);
    }

    function _registered(address provider) private view returns (Provider storage p) {
        p = _providers[provider];
        if (p.status == Status.None) revert ProviderRegistry_NotRegistered(provider);
    }

    function _isAuthorised(address provider, address caller) private view returns (bool) {
        Provider storage p = _providers[provider];
        if (p.status == Status.None || caller == address(0)) return false;
        return caller == provider || (caller == p.operator && block.timestamp <= p.operatorExpiry);
    }

    function _freeBond(Provider storage p) private view returns (uint128) {
        uint256 held = uint256(p.locked) + p.unbonding;
        // The cast holds: the difference is at most `bond`.
        return held < p.bond ? uint128(p.bond - held) : 0;
    }

    function _checkExpiry(uint40 expiry) private view {
        if (expiry <= block.timestamp) revert ProviderRegistry_BadExpiry(expiry);
    }

    function _checkUri(string calldata uri) private pure {
        uint256 length = bytes(uri).length;
        if (length > MAX_URI_BYTES) revert ProviderRegistry_UriTooLong(length);
    }

    function _min(uint128 a, uint128 b) private pure returns (uint128) {
        return a < b ? a : b;
    }
}
