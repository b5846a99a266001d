// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ILeaseMarket
/// @notice The specification of the market: accounts, leases, settlement and disputes. Read it from top to bottom.
///
/// Money. A *tenant* keeps tokens in an account, moves a part of them into a *lease* and cannot take that part back
/// before the lease closes. Out of the lease's balance the *provider* is paid; what is left returns to the tenant's
/// account. Every credit is a number in an account that its owner withdraws; nothing is ever pushed to anybody.
///
/// Identity. The id of a lease is the EIP-712 digest of the provider's signed {Bid}, under the domain
/// `{name: "LeaseMarket", version: "1", chainId, verifyingContract}`. All terms of a lease are in that digest; functions
/// that need terms take the bid again and check it by hashing.
///
/// Life. `None -> Open -> Active -> Closed`, with `Disputed` between `Active` and `Closed` where the tenant disputes.
/// `Open`: money is locked, the provider has until `startBy` to confirm. `Active`: the clock runs from `startedAt` to at
/// most `endAt`; nobody has to send a transaction for it to stop there. `Closed`: for ever; a bid opens once.
///
/// Amounts. `A = floor(sum(price_i * min(usage_i, limit_i * elapsed)) / 1e18)` is what cumulative usage costs.
/// `rateCapE6 = ceil(sum(price_i * limit_i) / 1e12)` millionths of a base unit per second bounds every payment:
/// `cum <= paid + floor(rateCapE6 * (asOf - lastAsOf) / 1e6)`. A payment takes at most the lease's balance.
///
/// Batches. `confirm`, `settle`, `claim`, `mature` and `finalize` never revert because of one item: an item that cannot
/// be carried out is reported with {ItemSkipped} and the selector of the error below that says why. They return how many
/// items were carried out. Items of providers whom the caller does not act for are skipped as well.
///
/// Who is the provider. Wherever this text says "provider only", the caller is the provider's own (cold) account or its
/// unexpired operator key in the registry.
///
/// Windows are fixed at deployment: `claim` (how long after the end a claim may be filed), `dispute` (how long after
/// filing it may be disputed) and `arbiter` (how long an arbiter has before the agreed split applies).
interface ILeaseMarket {
    // ---------------------------------------------------------------------------------------------------------------
    // Types
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice A provider's offer for one order, signed by its operator key or owner. Its EIP-712 digest is the lease id.
    /// @param provider The provider's account in the registry.
    /// @param tenant The only account that may accept.
    /// @param token The token of all amounts of this lease.
    /// @param orderHash The digest of the {Order} answered.
    /// @param bidEpoch The provider's epoch in the registry when signed; a bumped epoch kills the bid.
    /// @param salt Makes two otherwise equal bids different.
    /// @param validUntil The last second in which the bid can be accepted.
    /// @param startWindow Seconds from acceptance within which the provider must confirm.
    /// @param maxDuration Seconds from confirmation after which the lease ends; 1 to 2^24 - 1.
    /// @param noticePeriod Seconds between a provider's `reclaim` of a funded lease and its end.
    /// @param maxSlash The bond locked for this lease, in base units of the bond token.
    /// @param noShowPenalty What the tenant gets out of the bond when the provider does not confirm; at most `maxSlash`.
    /// @param minDeposit The least amount that opens the lease.
    /// @param splitBps The provider's share of a contested sum, in 1/10000, when no arbiter decides in time.
    /// @param arbiter Who decides a dispute; the zero address leaves only the split.
    /// @param price Per dimension, base units times 1e18 per unit.
    /// @param limit Per dimension, the most units per second.
    struct Bid {
        address provider;
        address tenant;
        address token;
        bytes32 orderHash;
        uint32 bidEpoch;
        uint64 salt;
        uint40 validUntil;
        uint32 startWindow;
        uint32 maxDuration;
        uint32 noticePeriod;
        uint96 maxSlash;
        uint96 noShowPenalty;
        uint128 minDeposit;
        uint16 splitBps;
        address arbiter;
        uint128[8] price;
        uint64[8] limit;
    }

    /// @notice What a tenant wants. Its EIP-712 digest is the `orderHash` of bids.
    /// @param tenant Who posts it and accepts bids.
    /// @param token The token to pay in.
    /// @param requirementsHash keccak256 of the ABI-encoded requirements posted with it.
    /// @param manifestHash The salted hash of the manifest that only the chosen provider will see.
    /// @param maxRateE6 The highest rate cap that the tenant accepts; advice to bidders.
    /// @param deposit What the tenant intends to put into the lease; advice to bidders.
    /// @param deadline The last second in which the tenant takes bids; it must lie ahead when posted.
    /// @param nonce Names the order for {cancelOrder}; the tenant keeps it unique.
    struct Order {
        address tenant;
        address token;
        bytes32 requirementsHash;
        bytes32 manifestHash;
        uint96 maxRateE6;
        uint128 deposit;
        uint40 deadline;
        uint64 nonce;
    }

    /// @notice A cumulative amount that the tenant's session key agrees to. Only the newest matters.
    /// @param leaseId The lease.
    /// @param amountCum Everything owed since the start, fee included.
    /// @param asOf Up to when.
    /// @param usageHash keccak256(abi.encode(uint128[8] usage, uint40 asOf, bytes32 meterRoot)).
    /// @param last Whether the lease ends at `asOf` with nothing more to bill.
    struct Statement {
        bytes32 leaseId;
        uint128 amountCum;
        uint40 asOf;
        bytes32 usageHash;
        bool last;
    }

    /// @notice A statement with the session key's 64-byte signature (EIP-2098, low s).
    struct SignedStatement {
        Statement statement;
        bytes32 r;
        bytes32 vs;
    }

    /// @notice A provider's own account of cumulative usage, priced by the bid.
    struct ClaimItem {
        Bid bid;
        uint128[8] usage;
    }

    /// @notice A lease as `getLeases` shows it.
    /// @param state 0 None, 1 Open, 2 Active, 3 Disputed, 4 Closed.
    /// @param tenant The tenant. It stays readable after the lease has closed, as do all fields that are not money.
    /// @param provider The provider.
    /// @param signer The tenant's session key for this lease; fixed when opened.
    /// @param token The token.
    /// @param startedAt When the provider confirmed; 0 before.
    /// @param endAt When the lease ends; while Open, the last second to confirm.
    /// @param lastAsOf Up to when the lease is settled; 0 before it started.
    /// @param rateCapE6 Millionths of a base unit per second.
    /// @param feeBps The protocol's fee on payments, fixed when opened.
    /// @param balance What is left in the lease.
    /// @param paid What was paid so far, fee included.
    /// @param pendingCum The cumulative amount of the claim that waits, or 0.
    /// @param pendingAt Up to when that claim bills, or 0.
    /// @param filedAt When it was filed, or 0.
    /// @param disputedAt When the tenant disputed it, or 0.
    struct LeaseView {
        uint8 state;
        address tenant;
        address provider;
        address signer;
        address token;
        uint40 startedAt;
        uint40 endAt;
        uint40 lastAsOf;
        uint96 rateCapE6;
        uint16 feeBps;
        uint128 balance;
        uint128 paid;
        uint128 pendingCum;
        uint40 pendingAt;
        uint40 filedAt;
        uint40 disputedAt;
    }

    // ---------------------------------------------------------------------------------------------------------------
    // Events
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice `payer` put `amount` into the account of `owner`.
    event Deposited(address indexed payer, address indexed owner, address indexed token, uint256 amount);

    /// @notice `owner` took `amount` out of its account, to `to`.
    event Withdrawn(address indexed owner, address indexed token, address to, uint256 amount);

    /// @notice A tenant announced an order. `requirements` are the ABI-encoded public requirements.
    event OrderPosted(bytes32 indexed orderHash, address indexed tenant, Order order, bytes requirements);

    /// @notice A tenant takes no more bids for the order with this nonce.
    event OrderCancelled(address indexed tenant, uint64 indexed nonce);

    /// @notice Somebody published a signed bid. Nothing was verified: check the signature and the registry before use.
    event BidPosted(
        bytes32 indexed leaseId, bytes32 indexed orderHash, address indexed provider, Bid bid, bytes32 r, bytes32 vs
    );

    /// @notice The tenant accepted a bid and locked `amount`. The bid alone rebuilds all terms.
    event LeaseOpened(
        bytes32 indexed leaseId,
        address indexed tenant,
        address indexed provider,
        address signer,
        uint128 amount,
        uint96 rateCapE6,
        uint40 startBy,
        Bid bid
    );

    /// @notice The provider confirmed: the clock runs.
    event LeaseConfirmed(bytes32 indexed leaseId, address indexed provider, uint40 startedAt, uint40 endAt);

    /// @notice `from` added `amount` to the lease's balance.
    event LeaseToppedUp(bytes32 indexed leaseId, address indexed from, uint128 amount, uint128 balance);

    /// @notice A payment: `amount` left the lease's balance, `fee` of it went to the treasury, the rest to the provider.
    /// @param paid The lease's new cumulative amount.
    /// @param asOf Up to when it is settled.
    /// @param usageHash The statement's usage hash; zero where a claim or a ruling paid.
    event LeaseSettled(
        bytes32 indexed leaseId,
        address indexed provider,
        uint128 amount,
        uint128 fee,
        uint128 paid,
        uint40 asOf,
        bytes32 usageHash
    );

    /// @notice The provider filed a claim for the cumulative amount `cum` up to `asOf`; or, in a dispute, raised it once.
    event ClaimFiled(bytes32 indexed leaseId, address indexed provider, uint128 cum, uint40 asOf, uint128[8] usage);

    /// @notice `by` (tenant, session key or provider) set the lease's end to `endAt`.
    event CloseRequested(bytes32 indexed leaseId, address indexed provider, address indexed by, uint40 endAt);

    /// @notice The tenant conceded a part of a claim and disputed the rest. The lease ended.
    /// @param fromBalance The part of the deposit that came out of the lease's balance; the rest came from the tenant's
    /// account.
    event LeaseDisputed(
        bytes32 indexed leaseId,
        address indexed provider,
        uint128 conceded,
        uint128 contested,
        uint128 deposit,
        uint128 fromBalance
    );

    /// @notice A dispute was decided: `award` of the contested sum is the provider's, {LeaseSettled} says what of it was
    /// still to be paid; `slash` of its bond is lost.
    /// @param depositTo Who got the dispute deposit.
    /// @param by The arbiter, or whoever applied the agreed split after the arbiter's window.
    event DisputeResolved(
        bytes32 indexed leaseId,
        address indexed provider,
        uint128 award,
        uint96 slash,
        address depositTo,
        address indexed by
    );

    /// @notice The lease is over; `refund` went to the tenant's account and the bond was unlocked.
    /// @param reason 0 Finalized, 1 Declined, 2 NoShow, 3 Resolved.
    event LeaseClosed(
        bytes32 indexed leaseId,
        address indexed tenant,
        address indexed provider,
        uint128 paid,
        uint128 refund,
        uint8 reason
    );

    /// @notice A batch passed over this item; `reason` is the selector of the error that says why.
    event ItemSkipped(bytes32 indexed id, bytes4 reason);

    /// @notice A token may be deposited from now on.
    event TokenAllowed(address indexed token, uint8 tokenId);

    /// @notice New leases pay this fee; from now on all fees and the rest of slashed bonds go to this treasury. The
    /// constructor emits it too, so that events alone tell every account.
    event FeeSet(uint16 feeBps, address indexed treasury);

    /// @notice Deposits and new leases are (not) possible. Nothing else ever stops.
    event IntakePausedSet(bool paused);

    /// @notice Tokens that belong to nobody were taken out.
    event SurplusRecovered(address indexed token, address indexed to, uint256 amount);

    // ---------------------------------------------------------------------------------------------------------------
    // Errors. Where a lease is concerned its id comes first.
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The zero address is no answer here.
    error LeaseMarket_ZeroAddress();
    /// @notice Zero is no amount.
    error LeaseMarket_ZeroAmount();
    /// @notice A constructor's windows are zero, too long, or `arbiter` is not longer than `claim`.
    error LeaseMarket_BadWindows();
    /// @notice The token is not on the list.
    error LeaseMarket_TokenNotAllowed(address token);
    /// @notice The token is on the list already.
    error LeaseMarket_TokenAlreadyAllowed(address token);
    /// @notice Tokens have 6 to 18 decimals.
    error LeaseMarket_BadDecimals(address token, uint8 decimals);
    /// @notice The list holds 255 tokens.
    error LeaseMarket_TokenListFull();
    /// @notice Deposits and new leases are paused.
    error LeaseMarket_IntakePaused();
    /// @notice The token delivered another amount than it was asked for.
    error LeaseMarket_FeeOnTransfer(address token, uint256 expected, uint256 received);
    /// @notice The market never owes more than 2^128 - 1 of a token, so that every sum inside fits and no exit can
    /// overflow; it takes at most `room` more.
    error LeaseMarket_DepositTooLarge(address token, uint256 amount, uint256 room);
    /// @notice The account holds less than needed.
    error LeaseMarket_Insufficient(address owner, uint256 available, uint256 needed);
    /// @notice At most 500.
    error LeaseMarket_FeeTooHigh(uint16 feeBps);
    /// @notice The market holds no more of this token than it owes.
    error LeaseMarket_NothingToRecover(address token);
    /// @notice The order's deadline does not lie ahead.
    error LeaseMarket_OrderExpired(uint40 deadline);
    /// @notice The order does not belong to the caller.
    error LeaseMarket_NotOrderOwner(address tenant, address caller);
    /// @notice The requirements do not hash to the order's `requirementsHash`.
    error LeaseMarket_RequirementsMismatch(bytes32 expected, bytes32 actual);
    /// @notice At most 8192 bytes.
    error LeaseMarket_RequirementsTooLong(uint256 length);
    /// @notice The signature is malformed: not 64 bytes of (r, vs) with low s that recover to an address.
    error LeaseMarket_InvalidSignature(bytes32 leaseId);
    /// @notice The statement was not signed by the lease's session key.
    error LeaseMarket_BadSigner(bytes32 leaseId);
    /// @notice The bid can no longer be accepted.
    error LeaseMarket_BidExpired(bytes32 leaseId, uint40 validUntil);
    /// @notice The bid contradicts itself or the market's bounds; `field` is ASCII.
    error LeaseMarket_BadBid(bytes32 leaseId, bytes32 field);
    /// @notice The bid asks for more to begin with.
    error LeaseMarket_BelowMinDeposit(bytes32 leaseId, uint128 minDeposit, uint128 amount);
    /// @notice The lease's state does not allow this.
    error LeaseMarket_WrongState(bytes32 leaseId, uint8 state);
    /// @notice Only the tenant (for `closeLease`, or the session key) may do this.
    error LeaseMarket_NotTenant(bytes32 leaseId, address caller);
    /// @notice Only the provider may do this.
    error LeaseMarket_NotProvider(bytes32 leaseId, address caller);
    /// @notice Only the bid's arbiter may do this.
    error LeaseMarket_NotArbiter(bytes32 leaseId, address caller);
    /// @notice Possible from `from` on.
    error LeaseMarket_TooEarly(bytes32 leaseId, uint256 from);
    /// @notice It was possible until `until`.
    error LeaseMarket_TooLate(bytes32 leaseId, uint256 until);
    /// @notice The statement is older, or for less, than what is settled.
    error LeaseMarket_StaleStatement(bytes32 leaseId);
    /// @notice The statement bills time that has not passed, or time after the lease's end.
    error LeaseMarket_FutureStatement(bytes32 leaseId);
    /// @notice The amount is above what may be paid here.
    error LeaseMarket_OverCap(bytes32 leaseId, uint256 amount, uint256 cap);
    /// @notice The usage is worth no more than what is paid (in a dispute: than what is claimed).
    error LeaseMarket_NothingToClaim(bytes32 leaseId);
    /// @notice The claim of a disputed lease was raised already.
    error LeaseMarket_AlreadySupplemented(bytes32 leaseId);
    /// @notice No claim waits.
    error LeaseMarket_NoPending(bytes32 leaseId);

    // ---------------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The EIP-712 digest of a bid: the lease's id and what the provider signs.
    function leaseIdOf(Bid calldata bid) external view returns (bytes32 leaseId);

    /// @notice The EIP-712 digest of an order.
    function orderHashOf(Order calldata order) external view returns (bytes32 orderHash);

    /// @notice The EIP-712 digest of a statement: what the session key signs.
    function statementDigest(Statement calldata statement) external view returns (bytes32 digest);

    /// @notice Leases by id, in the order asked; an unknown id gives a view of zeros.
    function getLeases(bytes32[] calldata leaseIds) external view returns (LeaseView[] memory leases);

    /// @notice `rateCapE6` of a bid. Reverts with `LeaseMarket_BadBid` where it is 0 or does not fit 96 bits.
    function rateCap(Bid calldata bid) external view returns (uint96 rateCapE6);

    /// @notice What cumulative `usage` over `elapsed` seconds costs under a bid: `A` of the head of this file.
    function amountOf(Bid calldata bid, uint128[8] calldata usage, uint256 elapsed)
        external
        pure
        returns (uint256 amount);

    /// @notice What `owner` can withdraw.
    function available(address owner, address token) external view returns (uint256 amount);

    /// @notice All protocol fees ever paid out of this provider's earnings in this token. It only grows, and stays at
    /// the largest number that fits.
    function feesPaid(address provider, address token) external view returns (uint128 amount);

    /// @notice Until when an Active lease's balance lasts at the full rate cap, at most its end; 0 in any other state.
    function fundedUntil(bytes32 leaseId) external view returns (uint40 until);

    /// @notice What `mature` would pay (fee included) now: an undisputed claim whose window has passed.
    function claimable(bytes32 leaseId) external view returns (uint128 amount);

    /// @notice The dispute deposit held for a lease.
    function disputeDepositOf(bytes32 leaseId) external view returns (uint128 amount);

    /// @notice What the market owes in a token: accounts, lease balances and dispute deposits.
    function liabilities(address token) external view returns (uint256 amount);

    /// @notice The claim, dispute and arbiter windows in seconds.
    function windows() external view returns (uint40 claim, uint40 dispute, uint40 arbiter);

    /// @notice The registry that holds the providers' bonds.
    function registry() external view returns (address);

    /// @notice The fee of new leases in 1/10000 and who receives fees.
    function feeTerms() external view returns (uint16 feeBps, address treasury);

    /// @notice Whether deposits and new leases are paused.
    function intakePaused() external view returns (bool);

    /// @notice All tokens on the list; a token's id is its position, from 1.
    function tokens() external view returns (address[] memory);

    // ---------------------------------------------------------------------------------------------------------------
    // Accounts
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Moves `amount` of `token` from the caller into the account of `owner`.
    /// @dev Emits {Deposited}. Needs an allowed token, unpaused intake, and a token that delivers exactly `amount`.
    function deposit(address token, address owner, uint256 amount) external;

    /// @notice {deposit} with the caller's EIP-2612 signature for exactly `amount` in place of an allowance.
    /// @dev As {deposit}. A permit that fails is passed over: if somebody submitted the same signature first, the
    /// allowance is there and the deposit goes through; if not, the token refuses it.
    function depositWithPermit(
        address token,
        address owner,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Moves `amount` of `token` from `from` into the account of `from` by its ERC-3009 authorisation to this
    /// market. Anyone may submit it, and pays the gas: the signature names no other account to credit, so none is.
    /// @dev As {deposit}, with `from` as payer and owner. The token calls it `receiveWithAuthorization`: only the
    /// market itself can use the signature.
    function depositWithAuthorization(
        address token,
        address from,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Moves `amount` of `token` out of the caller's account to `to`. Never paused.
    /// @dev Emits {Withdrawn}.
    function withdraw(address token, address to, uint256 amount) external;

    // ---------------------------------------------------------------------------------------------------------------
    // The board: events only, no state, no trust
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Announces an order of the caller. `requirements` (at most 8192 bytes) must hash to `requirementsHash`.
    /// @dev Emits {OrderPosted}.
    function postOrder(Order calldata order, bytes calldata requirements) external;

    /// @notice Tells bidders that the caller's order with this nonce takes no more bids.
    /// @dev Emits {OrderCancelled}. A bid already signed stays acceptable until it expires.
    function cancelOrder(uint64 nonce) external;

    /// @notice Publishes a signed bid. Anyone may; nothing is verified here.
    /// @dev Emits {BidPosted}.
    function postBid(Bid calldata bid, bytes32 r, bytes32 vs) external;

    // ---------------------------------------------------------------------------------------------------------------
    // From a bid to a running lease
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Accepts a bid: locks `amount` of the caller's account in the lease and `maxSlash` of the provider's bond.
    /// @dev Emits {LeaseOpened}. Tenant only, unpaused intake, once per bid, until `validUntil`; the signature must come
    /// from the provider or its unexpired operator under the current `bidEpoch`.
    /// @param signer The session key whose statements will be accepted, for the whole life of the lease.
    function openLease(Bid calldata bid, bytes32 r, bytes32 vs, address signer, uint128 amount) external;

    /// @notice Starts the clock of Open leases. Provider only, until `startBy` inclusive; and none that would end after
    /// second 2^32 - 1, in the year 2106, which is too late for all.
    /// @dev Emits {LeaseConfirmed}; `endAt = now + maxDuration`.
    function confirm(bytes32[] calldata leaseIds) external returns (uint256 done);

    /// @notice Adds to an Open or Active lease from the caller's own account. The money is the tenant's from then on.
    /// @dev Emits {LeaseToppedUp}.
    function topUp(bytes32 leaseId, uint128 amount) external;

    /// @notice The provider gives an Open lease back: full refund. Late, after `startBy`, it also costs the no-show
    /// penalty.
    /// @dev Emits {LeaseClosed}.
    function decline(Bid calldata bid) external;

    /// @notice The tenant leaves a lease that was not confirmed by `startBy`: full refund, and the no-show penalty out
    /// of the provider's bond, credited in the registry.
    /// @dev Emits {LeaseClosed}.
    function abort(Bid calldata bid) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Settlement
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Pays countersigned statements at once. Provider only: a statement in the hands of anybody else could
    /// move `lastAsOf` and burn the provider's unsettled time.
    /// @dev Emits {LeaseSettled}, and before it {CloseRequested} where `last` brings the end nearer. Active: `lastAsOf <=
    /// asOf <= min(now, endAt)` and `paid <= amountCum <= capCum`; a waiting claim is superseded; `last` sets `endAt =
    /// asOf`. Disputed: an admission, `paid < amountCum <= pendingCum` and `asOf <= endAt`, pays at once, so that a
    /// dispute cannot void what was signed; `last` has no meaning there.
    function settle(SignedStatement[] calldata statements) external returns (uint256 done);

    /// @notice Files the provider's own account of usage, for `min(A, capCum, paid + balance)` up to `min(now, endAt)`.
    /// It pays after the dispute window unless disputed. Provider only, until `endAt + claim window` inclusive.
    /// @dev Emits {ClaimFiled}. A waiting claim that is due is paid first; one that is not due blocks. In a dispute the
    /// provider may once, until `disputedAt + claim window`, bill the work between the claim and the dispute: the sum
    /// rises to `min(A, pendingCum + cap of that time, paid + balance)`.
    function claim(ClaimItem[] calldata items) external returns (uint256 done);

    /// @notice Pays claims whose dispute window has passed. Anyone.
    /// @dev Emits {LeaseSettled}.
    function mature(bytes32[] calldata leaseIds) external returns (uint256 done);

    // ---------------------------------------------------------------------------------------------------------------
    // The end
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The tenant, or the session key, ends an Active lease now.
    /// @dev Emits {CloseRequested}.
    function closeLease(bytes32 leaseId) external;

    /// @notice The provider ends an Active lease after the notice period, or now if what may be unsettled at the rate
    /// cap is at least the balance. It can only bring the end nearer.
    /// @dev Emits {CloseRequested}.
    function reclaim(Bid calldata bid) external;

    /// @notice Closes ended leases: pays a claim that is due, refunds the rest to the tenant's account, unlocks the
    /// bond. Anyone, from `endAt` on, when everything is settled up to `endAt` or the claim window has passed, and no
    /// claim waits for its dispute window.
    /// @dev Emits {LeaseSettled} where a claim was due, and {LeaseClosed}.
    function finalize(Bid[] calldata bids) external returns (uint256 done);

    // ---------------------------------------------------------------------------------------------------------------
    // Disputes
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The tenant disputes the waiting claim beyond `conceded` (cumulative), which is paid at once. The lease
    /// ends now. A deposit of 5 % of the contested sum is taken, from the uncontested balance of the lease first, then
    /// from the tenant's account; while intake is paused, and nobody can fill an account, no more than it holds.
    /// @dev Emits {LeaseSettled} and {LeaseDisputed}. Until `filedAt + dispute window` exclusive;
    /// `paid <= conceded < pendingCum`.
    function dispute(Bid calldata bid, uint128 conceded) external;

    /// @notice Decides a dispute and closes the lease. Before `disputedAt + arbiter window` the arbiter alone, once the
    /// claim was raised or the claim window has passed; `award <= contested`, `slash <= maxSlash`. Contested is the claim
    /// beyond what the tenant conceded, and an award counts from there: what the provider got by an admission meanwhile
    /// is a part of it, and is never taken back. From then on anyone, and then the award is `splitBps` ten-thousandths,
    /// rounded down, of what is not paid yet, and nothing is slashed: both arguments must be 0.
    /// The deposit goes to the provider if it got the whole claim, otherwise back to the tenant. Of slashed
    /// bond the tenant gets at most the contested sum, and nothing where the lease's token is not the bond's (the two
    /// sums do not compare); the treasury gets the rest.
    /// @dev Emits {LeaseSettled}, {DisputeResolved} and {LeaseClosed}.
    function resolve(Bid calldata bid, uint128 award, uint96 slash) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Administration: cannot touch a lease that exists, nor anybody's account
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Adds a token of 6 to 18 decimals to the list, for ever. Not one whose balances a second address can move:
    /// what that address is owed is nothing, so that all of it would count as surplus there.
    /// @dev Emits {TokenAllowed}.
    function allowToken(address token) external;

    /// @notice Sets the fee of new leases (at most 500) and who receives all fees.
    /// @dev Emits {FeeSet}.
    function setFee(uint16 feeBps, address treasury) external;

    /// @notice Pauses or resumes deposits and new leases.
    /// @dev Emits {IntakePausedSet}.
    function setIntakePaused(bool paused) external;

    /// @notice Sends what the market holds of a token beyond what it owes to `to`.
    /// @dev Emits {SurplusRecovered}.
    function recoverSurplus(address token, address to) external;
}
