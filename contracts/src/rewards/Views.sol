// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Claims} from "./Claims.sol";
import {Leaves} from "./Leaves.sol";
import {ReportDigest} from "./ReportDigest.sol";
import {Terms} from "./Terms.sol";

/// @title Views
/// @notice What others read.
abstract contract Views is Claims {
    using Checkpoints for Checkpoints.Trace224;
    using Leaves for Leaf;

    uint8 private constant SUPERSEDED = 4;
    uint8 private constant SUPERSEDED_AND_RETURNED = 5;

    /// @inheritdoc IRewardsDistributor
    function market() external view returns (address) {
        return address(MARKET);
    }

    /// @inheritdoc IRewardsDistributor
    function registry() external view returns (address) {
        return address(REGISTRY);
    }

    /// @inheritdoc IRewardsDistributor
    function kappaMax() external pure returns (uint128) {
        return Terms.KAPPA_MAX;
    }

    /// @inheritdoc IRewardsDistributor
    function maxEnrolled() external pure returns (uint32) {
        return Terms.MAX_ENROLLED;
    }

    /// @inheritdoc IRewardsDistributor
    function sweepDelay() external pure returns (uint40) {
        return Terms.SWEEP_DELAY;
    }

    /// @inheritdoc IRewardsDistributor
    function programmeCount() external view returns (uint256) {
        return _programmeCount;
    }

    /// @inheritdoc IRewardsDistributor
    function termsOf(uint256 id) external view returns (ProgrammeTerms memory) {
        return _existing(id).terms;
    }

    /// @inheritdoc IRewardsDistributor
    function programmeOf(uint256 id) external view returns (ProgrammeView memory) {
        Programme storage programme = _existing(id);
        Books memory books = _books(programme);
        // The casts hold: at most 1024 providers, and funds that fit 128 bits.
        return ProgrammeView({
            sponsor: programme.sponsor,
            finalNumber: books.finalNumber,
            nextEpoch: books.nextEpoch,
            firstPending: books.due == 0 ? programme.first : 0,
            roots: programme.rootCount,
            enrolled: uint32(programme.providers.length),
            funded: uint128(programme.funded.latest()),
            committed: books.committed,
            claimed: programme.claimed,
            returned: books.returned,
            carried: books.carried
        });
    }

    /// @inheritdoc IRewardsDistributor
    function enrolled(uint256 id, uint256 offset, uint256 limit) external view returns (MemberView[] memory members) {
        Programme storage programme = _existing(id);
        address[] storage providers = programme.providers;
        uint256 count = Math.min(limit, Math.saturatingSub(providers.length, offset));
        members = new MemberView[](count);
        for (uint256 i = 0; i < count; ++i) {
            members[i] = _view(programme, providers[offset + i]);
        }
    }

    /// @inheritdoc IRewardsDistributor
    function memberOf(uint256 id, address provider) external view returns (MemberView memory) {
        (Programme storage programme,) = _enrolled(id, provider);
        return _view(programme, provider);
    }

    /// @inheritdoc IRewardsDistributor
    function enrolledBy(uint256 id, uint32 epoch) external view returns (uint256) {
        return _existing(id).enrolled.upperLookup(epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function matchedProgramme(address provider, address token) external view returns (uint256) {
        return _countedIn[provider][token];
    }

    /// @inheritdoc IRewardsDistributor
    function counter(uint256 id, address provider) external view returns (uint128) {
        (Programme storage programme, Member storage member) = _enrolled(id, provider);
        return _counter(programme, member, provider);
    }

    /// @inheritdoc IRewardsDistributor
    function counterAt(uint256 id, address provider, uint32 epoch) external view returns (uint128) {
        (, Member storage member) = _enrolled(id, provider);
        return _countAt(member, epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function checkpointAt(uint256 id, address provider, uint32 epoch) external view returns (uint128) {
        (, Member storage member) = _enrolled(id, provider);
        return _countAt(member, epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function factorAt(uint256 id, address provider, uint32 epoch) external view returns (uint32) {
        (, Member storage member) = _enrolled(id, provider);
        return _factorAt(member, epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function rateAt(uint256 id, address provider, uint32 epoch) external view returns (uint128) {
        (Programme storage programme, Member storage member) = _enrolled(id, provider);
        return _rateAt(programme, member, epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function fundedBy(uint256 id, uint32 epoch) external view returns (uint128) {
        // The cast holds: the funds of a programme fit 128 bits.
        return uint128(_existing(id).funded.upperLookup(epoch));
    }

    /// @inheritdoc IRewardsDistributor
    function allowanceOf(uint256 id, uint32 epoch) external view returns (uint128) {
        Programme storage programme = _existing(id);
        return _allowance(programme, _books(programme), epoch);
    }

    /// @inheritdoc IRewardsDistributor
    function rootOf(uint256 id, uint32 number) external view returns (RootView memory) {
        Programme storage programme = _existing(id);
        Root storage root = programme.roots[number];
        return RootView({
            state: _stateOf(programme, number, root),
            root: root.root,
            poster: root.poster,
            postedAt: root.postedAt,
            epoch: root.epoch,
            leafCount: root.leafCount,
            base: root.base,
            next: root.next,
            rawTotal: root.rawTotal,
            cumulativeTotal: root.cumulativeTotal,
            allowance: root.allowance
        });
    }

    /// @inheritdoc IRewardsDistributor
    function regionUsed(uint256 id, bytes32 region, uint32 epoch) external view returns (uint128) {
        return _existing(id).regionUsed[region][epoch];
    }

    /// @inheritdoc IRewardsDistributor
    function capOf(uint256 id, address account) external view returns (uint128) {
        Programme storage programme = _existing(id);
        // The cast holds: see `Leaves.raw`.
        return uint128(_cap(programme, programme.members[account], account));
    }

    /// @inheritdoc IRewardsDistributor
    function claimable(uint256 id, Leaf calldata leaf, bytes32[] calldata proof) external view returns (uint128) {
        Programme storage programme = _existing(id);
        Books memory books = _books(programme);
        if (books.finalNumber == 0 || !_isIn(programme, id, books.finalNumber, leaf, proof)) return 0;
        return _payable(programme, books.committed, leaf);
    }

    /// @inheritdoc IRewardsDistributor
    function matchedClaimed(address account, address token) external view returns (uint128) {
        return _matchedClaimed[account][token];
    }

    /// @inheritdoc IRewardsDistributor
    function credit(address account, address token) external view returns (uint256) {
        return _credit[account][token];
    }

    /// @inheritdoc IRewardsDistributor
    function liabilities(address token) external view returns (uint256) {
        return _liabilities[token];
    }

    /// @inheritdoc IRewardsDistributor
    function leafHash(uint256 id, Leaf calldata leaf) external pure returns (bytes32) {
        return leaf.hash(id);
    }

    /// @inheritdoc IRewardsDistributor
    function reportDigest(CapacityReport calldata capacity) external view returns (bytes32) {
        return ReportDigest.digest(capacity);
    }

    function _view(Programme storage programme, address provider) private view returns (MemberView memory) {
        Member storage member = programme.members[provider];
        return MemberView({
            account: provider,
            index: member.place - 1,
            enrolledIn: member.enrolledIn,
            left: member.left,
            baseline: member.baseline,
            counter: _counter(programme, member, provider),
            claimed: member.claimed,
            nextReport: member.nextReport,
            unitsCum: member.unitsCum
        });
    }

    function _stateOf(Programme storage programme, uint32 number, Root storage root) private view returns (uint8) {
        State state = root.state;
        if (state == State.Returned) return SUPERSEDED_AND_RETURNED;
        if (state != State.Pending) return uint8(state);
        uint32 finalNumber = _books(programme).finalNumber;
        if (number == finalNumber) return uint8(State.Final);
        return root.base == finalNumber ? uint8(state) : SUPERSEDED;
    }
}
