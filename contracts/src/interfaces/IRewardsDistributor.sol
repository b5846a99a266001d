// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title IRewardsDistributor
/// @notice The specification of token incentives: programmes that sponsors fund, what counts in them, and how it is paid.
///
/// A *sponsor* creates a *programme*: a token, epochs, a budget per epoch, rules. Its terms never change. Anyone funds it.
/// This contract mints nothing, has no owner, cannot be paused, and never moves the market's or the registry's money: it
/// only reads `market.feesPaid`, `registry.providerOf`, `registry.isAuthorised` and `registry.attestationOf`.
///
/// Time. Epoch `e` of `0 .. epochs - 1` is `[startAt + e*L, startAt + (e+1)*L)`, `L = epochLength`. What happens before
/// `startAt` belongs to epoch 0. Whatever a root of epoch `e` depends on is fixed at the end of `e` (Capacity: when its
/// reports can no longer be handed in), before that root can be posted.
///
/// Measure. Each enrolled provider has one *counter* per programme that only grows. Kind 1, *Matched*: `feesPaid` of the
/// provider in the programme's token; it counts from the *baseline* at enrolment until it leaves. A provider is in at most
/// one Matched programme per token at a time, so that a fee counts once. Kind 2, *Capacity*: units in reports that at
/// least `quorum` of the auditors signed, cut to the caps.
///
/// Rate. `rateAt = min(floor(rate * factor / 10000), maxRate)`, base units of reward times 1e18 per unit of measure.
/// `factor` is 10000, or what {prove} made of the attributes that an auditor of the programme attested:
/// `factor = 10000; for each attribute in the order attested, if listed and not used before: factor = min(floor(factor *
/// factorBps / 10000), 2^32 - 1)`. It holds for whole epochs, from the first that begins after the proof to the last one
/// that ends no later than the attestation expires.
///
/// Roots. After an epoch anyone posts the entitlements of all providers enrolled before its end, as *leaves* in calldata,
/// with a bond. With `prev` = the leaf of the same index in the final root it builds on (`base`), or `{measure: baseline
/// (Capacity: 0), cumulative: 0}` for a provider that is not in there, the only right leaf of index `i` is
/// ```text
///   account    = the provider with index i                                                    checked by {post}
///   measure    : Capacity: counterAt(epoch)                                                   checked by {post}
///                Matched:  max(prev.measure, checkpointAt(epoch)) <= measure <= counter       upper bound checked by {post}
///   raw        = floor((measure - prev.measure) * rateAt(account, epoch) / 1e18)
///   rawTotal   = sum of raw over all leaves
///   cumulative = prev.cumulative + (rawTotal <= allowance ? raw : floor(raw * allowance / rawTotal))
///   allowance  = min(budgetPerEpoch * (epoch - lastFinalEpoch) + carried, fundedBy(epoch) - committed - returned)
/// ```
/// with `lastFinalEpoch = -1` before the first final root. What {post} does not check, {refute} does, for one leaf, while
/// the challenge window of that root runs; the poster's bond then goes to whoever refuted it. The tool posts as Matched
/// measure `max(prev.measure, feesPaid as of the last block before the epoch's end)` (for a provider that left, no more
/// than its counter). A root may count a later fee early; it still counts once.
///
/// Several roots may wait at the same time, so that nobody can keep a right one out by posting wrong ones. The earliest
/// posted that was not refuted becomes final when its own window has passed; all others on the same base are superseded,
/// and their posters get the bond back. No transaction is needed for a root to be final; all views reckon with it.
///
/// Tree. `leafHash = keccak256(bytes.concat(keccak256(abi.encode(uint256 programme, uint32 index, address account, uint128
/// measure, uint128 raw, uint128 cumulative))))`. The leaves in the order of their index are the lowest level. A level
/// becomes the next by hashing pairs from the left, `keccak256(min(a, b) ++ max(a, b))`; a node without partner moves up
/// as it is. A single leaf is the root. A proof is the list of partners from below, none where the node had none; it is
/// what OpenZeppelin's `MerkleProof.verify` takes.
///
/// Claims. A leaf of the newest final root pays what its account has not had yet, within caps that hold whatever the root
/// says: a Matched provider never gets more than `floor((counter - baseline) * maxRate / 1e18)` out of a programme, nor
/// more than `floor(feesPaid * 0.9)` of a token out of all Matched programmes; a Capacity provider never more than
/// `floor(counter * maxRate / 1e18)`; nobody more than the programme has committed and not paid.
///
/// Budget. What a final root did not spend of its allowance is carried to the next one (`rollover`) or credited to the
/// sponsor. 90 days after the last epoch all that is not committed is the sponsor's. What is committed stays claimable
/// for ever; by the newest final root, so that a wrong one that nobody refuted can give to others what was not claimed
/// yet. Credits (bonds, returns) are withdrawn by their owner; nothing is pushed to anybody.
interface IRewardsDistributor {
    // ---------------------------------------------------------------------------------------------------------------
    // Types
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice An attested attribute and what it does to the rate.
    /// @param attribute keccak256(abi.encode(string key, string value)).
    /// @param factorBps 10000 (1x) to 50000 (5x).
    struct Multiplier {
        bytes32 attribute;
        uint16 factorBps;
    }

    /// @notice The most units that are accepted of a region in an epoch, over all providers. Capacity.
    struct RegionCap {
        bytes32 region;
        uint128 unitsPerEpoch;
    }

    /// @notice The rules of a programme. They never change.
    /// @param kind 1 Matched, 2 Capacity.
    /// @param token What it pays in, and what bonds of posters are in; Matched: also the token whose fees count.
    /// @param startAt The start of epoch 0: from now to 366 days ahead.
    /// @param epochLength Seconds; `epochs * epochLength` is at most 3660 days.
    /// @param epochs How many; at least 1.
    /// @param challengeWindow Seconds in which a posted root can be refuted: 1 hour to `min(epochLength, 30 days)`.
    /// Capacity: also how long after an epoch's end its reports are taken.
    /// @param budgetPerEpoch Above 0.
    /// @param rollover Whether unspent budget is carried over; otherwise it is credited to the sponsor.
    /// @param posterBond Above 0.
    /// @param rate Reward per unit of measure at factor 1, times 1e18; 1 to `maxRate`.
    /// @param maxRate The most at any factor. Matched: at most 0.9e18. Capacity: `providerCap * epochs` fits 128 bits, and
    /// `floor(maxRate * providerCap * epochs / 1e18)` fits 118 bits.
    /// @param multipliers At most 32, ascending by `attribute`, distinct.
    /// @param auditors Whose attestations and reports count: at most 16 keys, ascending, distinct, not zero.
    /// @param quorum Capacity: how many of them sign a report, 1 to all. Matched: 0.
    /// @param providerCap Capacity: the most units accepted of a provider in an epoch, above 0. Matched: 0.
    /// @param regionCaps Capacity: 1 to 64, ascending by `region`, distinct, each above 0. Matched: none.
    /// @param bondPerUnit Capacity: base units of the registry's bond, times 1e18, needed per unit accepted in an epoch;
    /// above 0. Matched: 0.
    struct ProgrammeTerms {
        uint8 kind;
        address token;
        uint40 startAt;
        uint32 epochLength;
        uint32 epochs;
        uint32 challengeWindow;
        uint128 budgetPerEpoch;
        bool rollover;
        uint128 posterBond;
        uint128 rate;
        uint128 maxRate;
        Multiplier[] multipliers;
        address[] auditors;
        uint8 quorum;
        uint128 providerCap;
        RegionCap[] regionCaps;
        uint128 bondPerUnit;
    }

    /// @notice What auditors sign (EIP-712, domain `{name: "RewardsDistributor", version: "1", chainId,
    /// verifyingContract}`): the provider's units since its enrolment, up to the end of `epoch`.
    struct CapacityReport {
        uint256 programme;
        address provider;
        bytes32 region;
        uint32 epoch;
        uint128 unitsCum;
    }

    /// @notice An attribute as attested in the registry: `claimsHash = keccak256(abi.encode(Attribute[]))`.
    struct Attribute {
        string key;
        string value;
    }

    /// @notice One provider's entitlement in a root.
    /// @param index The provider's place in the order of enrolment, from 0.
    /// @param account The provider.
    /// @param measure Its counter as the root counts it, since ever.
    /// @param raw What it earned since the root before, unscaled.
    /// @param cumulative What it is entitled to since ever.
    struct Leaf {
        uint32 index;
        address account;
        uint128 measure;
        uint128 raw;
        uint128 cumulative;
    }

    /// @notice The books of a programme.
    /// @param sponsor Who created it.
    /// @param finalNumber The newest final root, or 0: the `base` of the next {post}.
    /// @param nextEpoch The first epoch without a final root: `lastFinalEpoch + 1`.
    /// @param firstPending The earliest root that waits, or 0; the others follow by `RootView.next`.
    /// @param roots How many roots were posted; they are numbered from 1.
    /// @param enrolled How many providers enrolled.
    /// @param funded All that was put in.
    /// @param committed The sum of `cumulative` in the newest final root.
    /// @param claimed What was paid of it.
    /// @param returned What was credited to the sponsor.
    /// @param carried What the newest final root carried over.
    struct ProgrammeView {
        address sponsor;
        uint32 finalNumber;
        uint32 nextEpoch;
        uint32 firstPending;
        uint32 roots;
        uint32 enrolled;
        uint128 funded;
        uint128 committed;
        uint128 claimed;
        uint128 returned;
        uint128 carried;
    }

    /// @notice A provider in a programme.
    /// @param account The provider.
    /// @param index Its place in the order of enrolment.
    /// @param enrolledIn The epoch in which it enrolled.
    /// @param left Whether it left: its counter stands still.
    /// @param baseline Matched: `feesPaid` when it enrolled. Capacity: 0.
    /// @param counter Its counter now.
    /// @param claimed What it was paid.
    /// @param nextReport Capacity: the first epoch that a report may still be for.
    /// @param unitsCum Capacity: the `unitsCum` of its newest accepted report.
    struct MemberView {
        address account;
        uint32 index;
        uint32 enrolledIn;
        bool left;
        uint128 baseline;
        uint128 counter;
        uint128 claimed;
        uint32 nextReport;
        uint128 unitsCum;
    }

    /// @notice A posted root.
    /// @param state 0 None, 1 Pending, 2 Refuted, 3 Final, 4 Superseded (another one on the same base became final),
    /// 5 Superseded and the bond was returned.
    /// @param root The Merkle root.
    /// @param poster Who posted it.
    /// @param postedAt When; it can be refuted before `postedAt + challengeWindow`.
    /// @param epoch Up to the end of which epoch it counts.
    /// @param leafCount How many leaves it has.
    /// @param base The final root that it builds on, or 0.
    /// @param next The root that waits behind it, or 0.
    /// @param rawTotal The sum of `raw`.
    /// @param cumulativeTotal The sum of `cumulative`.
    /// @param allowance What it could spend.
    struct RootView {
        uint8 state;
        bytes32 root;
        address poster;
        uint40 postedAt;
        uint32 epoch;
        uint32 leafCount;
        uint32 base;
        uint32 next;
        uint256 rawTotal;
        uint128 cumulativeTotal;
        uint128 allowance;
    }

    // ---------------------------------------------------------------------------------------------------------------
    // Events
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice A programme exists; the log alone tells its rules.
    event ProgrammeCreated(
        uint256 indexed programme, address indexed sponsor, address indexed token, ProgrammeTerms terms
    );

    /// @notice `from` put `amount` in; it counts from `epoch` on.
    event ProgrammeFunded(uint256 indexed programme, address indexed from, uint128 amount, uint32 epoch);

    /// @notice A provider takes part from `epoch` on, with this index and baseline.
    event ProviderEnrolled(
        uint256 indexed programme, address indexed provider, uint32 index, uint32 epoch, uint128 baseline
    );

    /// @notice A provider left in `epoch`; its counter stands at `counter` for ever.
    event ProviderLeft(uint256 indexed programme, address indexed provider, uint32 epoch, uint128 counter);

    /// @notice The counter was `counter` at some time in `epoch`: no root of that or a later epoch may count less.
    event Checkpointed(uint256 indexed programme, address indexed provider, uint32 epoch, uint128 counter);

    /// @notice The factor of a provider is `factorBps` from `fromEpoch` to before `untilEpoch`, and 10000 from there on.
    /// A {refresh} says 10000 and the same epoch twice.
    event FactorSet(
        uint256 indexed programme,
        address indexed provider,
        address indexed auditor,
        uint32 factorBps,
        uint32 fromEpoch,
        uint32 untilEpoch
    );

    /// @notice A report was taken: of the units since the last one, `accepted` were added to the counter.
    event ReportAccepted(
        uint256 indexed programme,
        address indexed provider,
        bytes32 indexed region,
        uint32 epoch,
        uint128 unitsCum,
        uint128 accepted,
        uint128 counter
    );

    /// @notice A root waits for its challenge window. The log holds all that is needed to check, refute and claim.
    event RootPosted(
        uint256 indexed programme,
        uint32 indexed number,
        uint32 indexed epoch,
        address poster,
        uint32 base,
        bytes32 root,
        uint256 rawTotal,
        uint128 cumulativeTotal,
        uint128 allowance,
        Leaf[] leaves
    );

    /// @notice A root was shown wrong and is void; its bond was credited to the refuter.
    /// @param ground 1 measure below the leaf before or a checkpoint, 2 raw, 3 cumulative.
    event RootRefuted(
        uint256 indexed programme, uint32 indexed number, address indexed refuter, uint32 index, uint8 ground
    );

    /// @notice A root is final: it spent `spent` of its allowance, carries `carried`, `returned` was credited to the
    /// sponsor, and the bond to its poster.
    event RootFinalised(
        uint256 indexed programme,
        uint32 indexed number,
        uint32 indexed epoch,
        uint128 spent,
        uint128 carried,
        uint128 returned
    );

    /// @notice The bond of a superseded root was credited to its poster.
    event BondReturned(uint256 indexed programme, uint32 indexed number, address indexed poster);

    /// @notice `account` was paid `amount`, to `to`; `claimed` since ever.
    event RewardClaimed(
        uint256 indexed programme, address indexed account, address to, uint128 amount, uint128 claimed
    );

    /// @notice What was never committed was credited to the sponsor.
    event ProgrammeSwept(uint256 indexed programme, address indexed sponsor, uint128 amount);

    /// @notice `account` withdrew what it was credited, to `to`.
    event CreditWithdrawn(address indexed account, address indexed token, address to, uint256 amount);

    // ---------------------------------------------------------------------------------------------------------------
    // Errors
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The zero address is no answer here.
    error RewardsDistributor_ZeroAddress();
    /// @notice Zero is no amount.
    error RewardsDistributor_ZeroAmount();
    /// @notice The terms break the bounds of {ProgrammeTerms}; `field` is its name in ASCII.
    error RewardsDistributor_BadTerms(bytes32 field);
    /// @notice There is no such programme.
    error RewardsDistributor_UnknownProgramme(uint256 programme);
    /// @notice The programme is of the other kind.
    error RewardsDistributor_WrongKind(uint256 programme);
    /// @notice The programme's last epoch has ended (for {prove}: the next epoch is none of it).
    error RewardsDistributor_Over(uint256 programme);
    /// @notice The token delivered another amount than it was asked for.
    error RewardsDistributor_FeeOnTransfer(address token, uint256 expected, uint256 received);
    /// @notice A programme holds at most 2^128 - 1 base units.
    error RewardsDistributor_FundsFull(uint256 programme);
    /// @notice The caller is no Active provider with at least the minimum bond that it has not asked back.
    error RewardsDistributor_NotActive(address provider);
    /// @notice The provider enrolled before; nobody enrols twice in a programme.
    error RewardsDistributor_AlreadyEnrolled(uint256 programme, address provider);
    /// @notice The provider is in this other Matched programme of the same token; it has to leave it first.
    error RewardsDistributor_EnrolledElsewhere(uint256 programme);
    /// @notice A programme takes 1024 providers.
    error RewardsDistributor_Full(uint256 programme);
    /// @notice The provider is not enrolled.
    error RewardsDistributor_NotEnrolled(uint256 programme, address provider);
    /// @notice The provider has left.
    error RewardsDistributor_HasLeft(uint256 programme, address provider);
    /// @notice The caller is neither the provider nor its unexpired operator.
    error RewardsDistributor_NotAuthorised(address provider, address caller);
    /// @notice The account is no auditor of the programme.
    error RewardsDistributor_NotAuditor(uint256 programme, address auditor);
    /// @notice The auditor has no unexpired attestation of exactly these attributes.
    error RewardsDistributor_NotAttested(address provider, address auditor);
    /// @notice The attestation expires before the next epoch ends.
    error RewardsDistributor_AttestationTooShort(uint40 expiry);
    /// @notice The provider's factor rests on an attestation that still stands, or on none.
    error RewardsDistributor_FactorHolds(uint256 programme, address provider);
    /// @notice Possible from `from` on.
    error RewardsDistributor_TooEarly(uint256 from);
    /// @notice It was possible before `until`.
    error RewardsDistributor_TooLate(uint256 until);
    /// @notice The programme has no such epoch, or it is older than `next`.
    error RewardsDistributor_BadEpoch(uint32 next, uint32 epoch);
    /// @notice The region is not listed.
    error RewardsDistributor_UnknownRegion(uint256 programme, bytes32 region);
    /// @notice The report says less than the one before.
    error RewardsDistributor_StaleReport(uint128 last, uint128 unitsCum);
    /// @notice Fewer signatures than the quorum, or `r` and `vs` of different lengths.
    error RewardsDistributor_QuorumMissing(uint8 quorum, uint256 signatures);
    /// @notice A signature is malformed.
    error RewardsDistributor_InvalidSignature(uint256 position);
    /// @notice The signers do not ascend strictly.
    error RewardsDistributor_SignersNotAscending(uint256 position);
    /// @notice Another root became final: build on this one.
    error RewardsDistributor_StaleBase(uint32 finalNumber);
    /// @notice A root has one leaf for each provider that enrolled before the end of its epoch, and at least one.
    error RewardsDistributor_BadLeafCount(uint256 expected, uint256 actual);
    /// @notice The leaf at this place has another index, not the account of that index, or a measure that cannot be.
    error RewardsDistributor_BadLeaf(uint256 index);
    /// @notice The leaves together spend more than the allowance, or less than nothing.
    error RewardsDistributor_OverAllowance(uint256 allowance, uint256 committed, uint256 cumulativeTotal);
    /// @notice The root does not wait: there is none, it was refuted, or it is final or superseded.
    error RewardsDistributor_NotPending(uint256 programme, uint32 number);
    /// @notice The leaf is not in that root.
    error RewardsDistributor_BadProof(uint256 programme, uint32 number, uint32 index);
    /// @notice The leaf is right.
    error RewardsDistributor_LeafIsRight(uint32 index);
    /// @notice The root was not superseded, or its bond was returned already.
    error RewardsDistributor_NothingToReturn(uint256 programme, uint32 number);
    /// @notice No root is final yet.
    error RewardsDistributor_NothingFinal(uint256 programme);
    /// @notice The leaf is somebody else's.
    error RewardsDistributor_NotLeafOwner(address account, address caller);
    /// @notice All was paid, or the caps allow no more.
    error RewardsDistributor_NothingToClaim(uint256 programme, address account);
    /// @notice All is committed or returned.
    error RewardsDistributor_NothingToSweep(uint256 programme);
    /// @notice A root still waits.
    error RewardsDistributor_StillPending(uint256 programme, uint32 number);
    /// @notice Nothing is credited to the account.
    error RewardsDistributor_NothingCredited(address account, address token);

    // ---------------------------------------------------------------------------------------------------------------
    // Views
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The market whose fees count.
    function market() external view returns (address);

    /// @notice The registry whose providers, bonds and attestations count.
    function registry() external view returns (address);

    /// @notice The highest rate of a Matched programme, times 1e18: 0.9e18.
    function kappaMax() external pure returns (uint128);

    /// @notice How many providers a programme takes: 1024.
    function maxEnrolled() external pure returns (uint32);

    /// @notice Seconds from the last epoch's end to the end of posting and the sponsor's {sweep}: 90 days.
    function sweepDelay() external pure returns (uint40);

    /// @notice How many programmes exist; their ids are 1 to this number.
    function programmeCount() external view returns (uint256);

    /// @notice The rules of a programme.
    function termsOf(uint256 programme) external view returns (ProgrammeTerms memory);

    /// @notice The books of a programme.
    function programmeOf(uint256 programme) external view returns (ProgrammeView memory);

    /// @notice Up to `limit` providers in the order of enrolment, from index `offset` on.
    function enrolled(uint256 programme, uint256 offset, uint256 limit) external view returns (MemberView[] memory);

    /// @notice One provider of a programme. Reverts with `RewardsDistributor_NotEnrolled` where it is none.
    function memberOf(uint256 programme, address provider) external view returns (MemberView memory);

    /// @notice How many providers enrolled before the end of an epoch: the number of leaves of its root.
    function enrolledBy(uint256 programme, uint32 epoch) external view returns (uint256);

    /// @notice The Matched programme that counts a provider's fees in a token now, or 0.
    function matchedProgramme(address provider, address token) external view returns (uint256 programme);

    /// @notice A provider's counter now.
    function counter(uint256 programme, address provider) external view returns (uint128);

    /// @notice Capacity: the counter as reports of epochs up to `epoch` made it. Matched: the same as {checkpointAt}.
    function counterAt(uint256 programme, address provider, uint32 epoch) external view returns (uint128);

    /// @notice Matched: the newest value that the counter is known to have had before the end of `epoch`, by
    /// {checkpoint} or {leave}; 0 if none. Capacity: the same as {counterAt}.
    function checkpointAt(uint256 programme, address provider, uint32 epoch) external view returns (uint128);

    /// @notice A provider's factor in 1/10000 in an epoch; exact for every epoch up to the present one, and for later
    /// ones if nothing changes.
    function factorAt(uint256 programme, address provider, uint32 epoch) external view returns (uint32);

    /// @notice `min(floor(rate * factorAt / 10000), maxRate)`.
    function rateAt(uint256 programme, address provider, uint32 epoch) external view returns (uint128);

    /// @notice What was put in before the end of an epoch.
    function fundedBy(uint256 programme, uint32 epoch) external view returns (uint128);

    /// @notice What a root of `epoch` could spend on the present base; 0 where `epoch < nextEpoch`.
    function allowanceOf(uint256 programme, uint32 epoch) external view returns (uint128);

    /// @notice A posted root; zeros where there is none.
    function rootOf(uint256 programme, uint32 number) external view returns (RootView memory);

    /// @notice Units of a region accepted for an epoch.
    function regionUsed(uint256 programme, bytes32 region, uint32 epoch) external view returns (uint128);

    /// @notice The most that an account can ever have been paid by now, whatever roots say: the caps of the programme's
    /// kind; 0 for an account that is not enrolled. (The cap over all Matched programmes of a token follows from these.)
    function capOf(uint256 programme, address account) external view returns (uint128);

    /// @notice What {claim} would pay for this leaf of the newest final root now; 0 where it would revert.
    function claimable(uint256 programme, Leaf calldata leaf, bytes32[] calldata proof) external view returns (uint128);

    /// @notice What an account was paid of a token by all Matched programmes together.
    function matchedClaimed(address account, address token) external view returns (uint128);

    /// @notice What an account can withdraw of a token.
    function credit(address account, address token) external view returns (uint256);

    /// @notice What this contract owes in a token: funds not yet claimed or returned, bonds of roots, credits.
    function liabilities(address token) external view returns (uint256);

    /// @notice The hash of a leaf in the trees of a programme.
    function leafHash(uint256 programme, Leaf calldata leaf) external pure returns (bytes32);

    /// @notice The EIP-712 digest of a report: what auditors sign.
    function reportDigest(CapacityReport calldata report) external view returns (bytes32);

    // ---------------------------------------------------------------------------------------------------------------
    // Sponsors
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Creates a programme; the caller is its sponsor.
    /// @dev Emits {ProgrammeCreated}.
    function create(ProgrammeTerms calldata terms) external returns (uint256 programme);

    /// @notice Puts money into a programme, for ever, until its last epoch ends. Anyone. It counts for the present epoch
    /// and later ones.
    /// @dev Emits {ProgrammeFunded}. Needs a token that delivers exactly `amount`.
    function fund(uint256 programme, uint128 amount) external;

    /// @notice Credits what was never committed to the sponsor. Anyone, from 90 days after the last epoch's end on, when
    /// no root waits. Nothing can be posted from then on.
    /// @dev Emits {ProgrammeSwept}.
    function sweep(uint256 programme) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Providers
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice The caller, an Active provider whose bond less what it has asked back is at least the registry's minimum,
    /// takes part from now on.
    /// @dev Emits {ProviderEnrolled}. Once per programme; Matched: in one programme per token at a time.
    function enrol(uint256 programme) external;

    /// @notice The caller's counter stands still from now on; what it earned stays. There is no way back in.
    /// @dev Emits {ProviderLeft}. Matched: its fees may count elsewhere from now on.
    function leave(uint256 programme) external;

    /// @notice Notes a Matched provider's counter, so that no root of this or a later epoch can count less. Anyone.
    /// @dev Emits {Checkpointed}. A later one in the same epoch replaces it by a value at least as high.
    function checkpoint(uint256 programme, address provider) external;

    /// @notice Raises the provider's rate by what `auditor` attests, from the next epoch on (before `startAt`: from epoch
    /// 0). The provider or its operator. It replaces what was proved before.
    /// @dev Emits {FactorSet}.
    function prove(uint256 programme, address provider, address auditor, Attribute[] calldata attributes) external;

    /// @notice Puts a factor back to 10000 from the next epoch on, when the attestation it rests on was revoked, changed,
    /// shortened or has expired. Anyone.
    /// @dev Emits {FactorSet}.
    function refresh(uint256 programme, address provider) external;

    /// @notice Hands in a Capacity report. Anyone, for an epoch `e`, from its end until before `end + challengeWindow`.
    /// @dev Emits {ReportAccepted}. `e` is newer than the provider's last report and no older than its enrolment;
    /// `unitsCum` is not less than in the last report. Signed by at least `quorum` auditors, EIP-2098, signers strictly
    /// ascending. Of the units since the last report are accepted at most `providerCap`, what the region has left in this
    /// epoch, and `floor((bond - unbonding) * 1e18 / bondPerUnit)`; the rest is lost.
    function report(CapacityReport calldata capacity, bytes32[] calldata r, bytes32[] calldata vs) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Roots
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Posts the entitlements up to the end of `epoch`, with the poster's bond. Anyone, when the epoch is over
    /// (Capacity: and its reports are in, at `end + challengeWindow`), before `sweepDelay` after the last epoch.
    /// @dev Emits {RootPosted}, and {RootFinalised} where another root became final by time. Epochs may be skipped: a
    /// root counts everything since the last final one. The cost grows with the number of leaves.
    /// @param base The newest final root, which the leaves build on; it reverts if another one is.
    /// @param leaves One for each of the `enrolledBy(epoch)` providers, by index.
    function post(uint256 programme, uint32 epoch, uint32 base, Leaf[] calldata leaves) external returns (uint32 number);

    /// @notice Voids a waiting root by one wrong leaf of it and credits its bond to the caller. Anyone, before `postedAt +
    /// challengeWindow`. A right leaf cannot be refuted.
    /// @dev Emits {RootRefuted}. `previous` is the leaf of the same index in the root it builds on, or zeros where that
    /// has no such leaf.
    function refute(
        uint256 programme,
        uint32 number,
        Leaf calldata leaf,
        bytes32[] calldata proof,
        Leaf calldata previous,
        bytes32[] calldata previousProof
    ) external;

    /// @notice Writes down that a root is final. Anyone; {post}, {claim} and {sweep} do the same on their way.
    /// @dev Emits {RootFinalised}. It does nothing where none is due.
    function finalise(uint256 programme) external;

    /// @notice Credits the bond of a superseded root to its poster. Anyone.
    /// @dev Emits {BondReturned}.
    function returnBond(uint256 programme, uint32 number) external;

    // ---------------------------------------------------------------------------------------------------------------
    // Money out
    // ---------------------------------------------------------------------------------------------------------------

    /// @notice Pays the caller, to `to`, what its leaf of the newest final root entitles it to and it has not had,
    /// within the caps. What a cap withholds can be claimed when the cap has grown.
    /// @dev Emits {RewardClaimed}, and {RootFinalised} where a root became final by time.
    function claim(uint256 programme, Leaf calldata leaf, bytes32[] calldata proof, address to) external;

    /// @notice Withdraws all that is credited to the caller in a token.
    /// @dev Emits {CreditWithdrawn}.
    function withdraw(address token, address to) external;
}
