// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IProviderRegistry
/// @notice The specification of the registry: who provides, with which keys, and with which bond behind it.
///
/// A provider is the account that registered (the *owner*, a cold key). It names an *operator*, a hot key with an expiry,
/// that signs bids and acts in the market but can move neither bond nor earnings. Anyone may register; the bond, in one
/// token fixed at deployment, is what can be lost.
///
/// Each accepted bid locks its `maxSlash` of the bond until the lease closes. Bond leaves in two steps, after a delay,
/// and never while locked. `bidEpoch` is part of each bid: raising it kills all outstanding bids at once.
///
/// `None -register-> Active -bond below the minimum-> Inactive -addBond-> Active`. An Inactive provider wins no new
/// lease; everything else goes on.
///
/// Any account may *attest* a provider's attributes, such as its region or its hardware, for some time. The registry says
/// who attested what and judges nobody: who reads it chooses which auditors count.
///
/// Slashed bond is credited to its receivers, who withdraw it; nothing is pushed to anybody.
interface IProviderRegistry {
    // ---------------------------------------------------------------------------------------------------------------
    // Types
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice A provider as `providerOf` shows it.
    /// @param operator The hot key, or zero.
    /// @param operatorExpiry The last second in which the operator may act.
    /// @param bidEpoch The epoch that a valid bid carries.
    /// @param status 0 None, 1 Active, 2 Inactive.
    /// @param bond All of the bond, locked and unbonding included.
    /// @param locked What leases hold of it.
    /// @param unbonding What the owner has asked back.
    /// @param unbondAt From when it can be withdrawn.
    struct ProviderView {
        address operator;
        uint40 operatorExpiry;
        uint32 bidEpoch;
        uint8 status;
        uint128 bond;
        uint128 locked;
        uint128 unbonding;
        uint40 unbondAt;
    }

    // ---------------------------------------------------------------------------------------------------------------
    // Events
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The market was set, once and for ever.
    event MarketSet(address indexed market);

    /// @notice A provider joined. `uri` is its gateway; `attributesHash` commits to its public attributes.
    event ProviderRegistered(
        address indexed provider,
        address indexed operator,
        uint40 expiry,
        uint128 bond,
        string uri,
        bytes32 attributesHash
    );

    /// @notice A provider changed its gateway or attributes.
    event ProviderUpdated(address indexed provider, string uri, bytes32 attributesHash);

    /// @notice A provider changed its operator; bids of earlier epochs are dead.
    event OperatorSet(address indexed provider, address indexed operator, uint40 expiry, uint32 bidEpoch);

    /// @notice All bids of earlier epochs are dead.
    event BidEpochBumped(address indexed provider, address indexed by, uint32 bidEpoch);

    /// @notice The bond grew to `bond`.
    event BondAdded(address indexed provider, uint128 amount, uint128 bond);

    /// @notice The provider asked `amount` back (replacing what it asked before); 0 takes the request back.
    event UnbondStarted(address indexed provider, uint128 amount, uint40 unbondAt);

    /// @notice `amount` of the bond left, to `to`.
    event BondWithdrawn(address indexed provider, address indexed to, uint128 amount, uint128 bond);

    /// @notice The bond fell below the minimum (Inactive, 2) or is at it again (Active, 1).
    event StatusChanged(address indexed provider, uint8 status);

    /// @notice `toVictim` and `toRest` of the bond were credited to `victim` and `rest`.
    event BondSlashed(
        address indexed provider, address indexed victim, address indexed rest, uint128 toVictim, uint128 toRest
    );

    /// @notice `auditor` attested the attributes behind `claimsHash` until `expiry`, in place of what it said before.
    event Attested(address indexed provider, address indexed auditor, bytes32 claimsHash, uint40 expiry);

    /// @notice `auditor` took its attestation back.
    event AttestationRevoked(address indexed provider, address indexed auditor);

    /// @notice `account` withdrew what it was credited, to `to`.
    event ClaimableWithdrawn(address indexed account, address indexed to, uint256 amount);

    // ---------------------------------------------------------------------------------------------------------------
    // Errors
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The zero address is no answer here.
    error ProviderRegistry_ZeroAddress();
    /// @notice Zero is no amount.
    error ProviderRegistry_ZeroAmount();
    /// @notice Only the deployer sets the market.
    error ProviderRegistry_NotDeployer(address caller);
    /// @notice The market was set already.
    error ProviderRegistry_MarketAlreadySet(address market);
    /// @notice Only the market may do this.
    error ProviderRegistry_NotMarket(address caller);
    /// @notice The caller is a provider already.
    error ProviderRegistry_AlreadyRegistered(address provider);
    /// @notice The account is no provider.
    error ProviderRegistry_NotRegistered(address provider);
    /// @notice The caller is neither the provider nor its unexpired operator.
    error ProviderRegistry_NotAuthorised(address provider, address caller);
    /// @notice The expiry, of an operator or of an attestation, does not lie ahead.
    error ProviderRegistry_BadExpiry(uint40 expiry);
    /// @notice The bond is below the minimum.
    error ProviderRegistry_BelowMinBond(uint128 minBond, uint128 bond);
    /// @notice The bond is smaller than what is asked back.
    error ProviderRegistry_InsufficientBond(uint128 bond, uint128 amount);
    /// @notice At most 512 bytes.
    error ProviderRegistry_UriTooLong(uint256 length);
    /// @notice The token delivered another amount than it was asked for.
    error ProviderRegistry_FeeOnTransfer(uint256 expected, uint256 received);
    /// @notice Nothing was asked back.
    error ProviderRegistry_NothingUnbonding(address provider);
    /// @notice Possible from `from` on.
    error ProviderRegistry_TooEarly(uint40 from);
    /// @notice The free bond (neither locked nor unbonding) does not cover the amount.
    error ProviderRegistry_BondLocked(uint128 free, uint128 needed);
    /// @notice The provider is not Active.
    error ProviderRegistry_Inactive(address provider);
    /// @notice The bid was signed under another epoch.
    error ProviderRegistry_StaleEpoch(uint32 current, uint32 bidEpoch);
    /// @notice The bid was signed by neither the provider nor its unexpired operator.
    error ProviderRegistry_BadSigner(address provider, address signer);
    /// @notice The auditor has attested nothing of this provider.
    error ProviderRegistry_NothingAttested(address provider, address auditor);
    /// @notice Nothing is credited to the account.
    error ProviderRegistry_NothingClaimable(address account);

    // ---------------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice A provider; zeros where there is none.
    function providerOf(address provider) external view returns (ProviderView memory);

    /// @notice Whether `caller` is the provider itself or its unexpired operator. False for an unknown provider.
    function isAuthorised(address provider, address caller) external view returns (bool);

    /// @notice What can back new leases: the bond that is neither locked nor unbonding.
    function freeBond(address provider) external view returns (uint128);

    /// @notice What an auditor attested of a provider last; zeros where there is nothing, or it was revoked. An expired
    /// attestation stays readable.
    /// @return claimsHash keccak256(abi.encode(Attribute[])) of `struct Attribute { string key; string value; }`, sorted
    /// by key, each key once, as in an order's requirements.
    /// @return issuedAt When it was attested.
    /// @return expiry The last second in which it counts.
    function attestationOf(address provider, address auditor)
        external
        view
        returns (bytes32 claimsHash, uint40 issuedAt, uint40 expiry);

    /// @notice Slashed bond credited to an account.
    function claimable(address account) external view returns (uint256);

    /// @notice The sum of all bonds.
    function totalBond() external view returns (uint256);

    /// @notice The token of all bonds.
    function bondToken() external view returns (address);

    /// @notice The least bond of an Active provider.
    function minBond() external view returns (uint128);

    /// @notice Seconds between `startUnbond` and `withdrawBond`.
    function unbondDelay() external view returns (uint40);

    /// @notice The market, or zero before it is set.
    function market() external view returns (address);

    // ---------------------------------------------------------------------------------------------------------------
    // Providers
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Joins: the caller becomes a provider with this hot key and bond.
    /// @dev Emits {ProviderRegistered}. `bond` is drawn from the caller, who has approved it.
    /// @param uri `https://HOST:PORT#pin-sha256=<base64url of the key's hash>`, or without fragment for ordinary web PKI.
    function register(address operator, uint40 expiry, uint128 bond, string calldata uri, bytes32 attributesHash)
        external;

    /// @notice Announces another gateway or other attributes. Owner.
    /// @dev Emits {ProviderUpdated}.
    function update(string calldata uri, bytes32 attributesHash) external;

    /// @notice Replaces the hot key (the zero address for none) and kills all outstanding bids. Owner.
    /// @dev Emits {OperatorSet}.
    function setOperator(address operator, uint40 expiry) external;

    /// @notice Kills all outstanding bids. Owner or operator.
    /// @dev Emits {BidEpochBumped}.
    function bumpBidEpoch(address provider) external;

    /// @notice Adds to the caller's bond; an Inactive provider at the minimum again becomes Active.
    /// @dev Emits {BondAdded} and perhaps {StatusChanged}.
    function addBond(uint128 amount) external;

    /// @notice Asks `amount` of the bond back and starts the delay anew. It backs no new lease from now on.
    /// @dev Emits {UnbondStarted}.
    function startUnbond(uint128 amount) external;

    /// @notice Withdraws what was asked back as far as it is not locked; the rest stays asked back.
    /// @dev Emits {BondWithdrawn} and perhaps {StatusChanged}.
    function withdrawBond(address to) external;

    /// @notice Withdraws slashed bond credited to the caller.
    /// @dev Emits {ClaimableWithdrawn}.
    function withdrawClaimable(address to) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Auditors
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Attests the attributes behind `claimsHash` (see {attestationOf}) of a registered provider until `expiry`,
    /// which lies ahead. It replaces what the caller attested before. Any account is an auditor.
    /// @dev Emits {Attested}.
    function attest(address provider, bytes32 claimsHash, uint40 expiry) external;

    /// @notice Takes the caller's attestation of a provider back.
    /// @dev Emits {AttestationRevoked}.
    function revoke(address provider) external;

    // ---------------------------------------------------------------------------------------------------------------
    // The market
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Ties the registry to its market, once. Deployer: the account that the constructor was given.
    /// @dev Emits {MarketSet}.
    function setMarket(address market) external;

    /// @notice Locks bond for a new lease after checking who signed the bid, and when. Market only.
    function lock(address provider, address signer, uint32 bidEpoch, uint128 amount) external;

    /// @notice Releases a lock. Market only. Saturates: it cannot block the close of a lease.
    function unlock(address provider, uint128 amount) external;

    /// @notice Releases a lock and takes `amount` of it. Market only. Saturates: never more than the lock released.
    /// @dev Emits {BondSlashed} and perhaps {StatusChanged}.
    /// @param toVictim The most that `victim` gets; `rest` gets what remains.
    function slash(
        address provider,
        uint128 lockReleased,
        uint128 amount,
        address victim,
        uint128 toVictim,
        address rest
    ) external;
}
