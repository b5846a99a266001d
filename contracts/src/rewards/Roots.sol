// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IRewardsDistributor} from "../interfaces/IRewardsDistributor.sol";
import {Funds} from "./Funds.sol";

/// @title Roots
/// @notice Roots that wait, the one that is final, and what finality does to a programme's books.
/// @dev Roots on the present base wait in a doubly linked list in the order of posting, so that no step ever loops over
/// them. Their windows are of one length: the first to be due is always the first of the list, and once it is final
/// none of the others is on the present base any more.
abstract contract Roots is Funds {
    using Checkpoints for Checkpoints.Trace224;

    /// @notice A programme's books, with the root that is final by time, if any, already in them.
    struct Books {
        uint32 due;
        uint32 nextEpoch;
        uint32 finalNumber;
        uint128 committed;
        uint128 returned;
        uint128 carried;
        // of the root that is due
        uint128 spent;
        uint128 back;
    }

    /// @inheritdoc IRewardsDistributor
    function finalise(uint256 id) external {
        _finalise(_existing(id), id);
    }

    /// @inheritdoc IRewardsDistributor
    function returnBond(uint256 id, uint32 number) external {
        // Checks
        Programme storage programme = _existing(id);
        Books memory books = _finalise(programme, id);
        Root storage root = programme.roots[number];
        if (root.state != State.Pending || root.base == books.finalNumber) {
            revert RewardsDistributor_NothingToReturn(id, number);
        }

        // Effects
        root.state = State.Returned;
        _credit[root.poster][programme.terms.token] += programme.terms.posterBond;
        emit BondReturned(id, number, root.poster);
    }

    /// @dev What a root of `epoch` can spend. All of it stood still before the epoch's roots could be posted.
    function _allowance(Programme storage programme, Books memory books, uint32 epoch) internal view returns (uint128) {
        if (epoch < books.nextEpoch) return 0;
        uint256 covered = uint256(epoch) + 1 - books.nextEpoch;
        uint256 budget = covered * programme.terms.budgetPerEpoch + books.carried;
        uint256 funded = programme.funded.upperLookup(epoch);
        // The cast holds: all funds of a programme fit 128 bits.
        return uint128(Math.min(budget, Math.saturatingSub(funded, uint256(books.committed) + books.returned)));
    }

    function _books(Programme storage programme) internal view returns (Books memory books) {
        books.nextEpoch = programme.nextEpoch;
        books.finalNumber = programme.finalNumber;
        books.committed = programme.committed;
        books.returned = programme.returned;
        books.carried = programme.carried;
        uint32 first = programme.first;
        if (first == 0) return books;
        Root storage root = programme.roots[first];
        if (block.timestamp < uint256(root.postedAt) + programme.terms.challengeWindow) return books;
        books.due = first;
        books.nextEpoch = root.epoch + 1;
        books.finalNumber = first;
        // Neither underflows: checked when it was posted, and nothing became final since.
        books.spent = root.cumulativeTotal - books.committed;
        books.committed = root.cumulativeTotal;
        uint128 unspent = root.allowance - books.spent;
        books.carried = programme.terms.rollover ? unspent : 0;
        books.back = unspent - books.carried;
        books.returned += books.back;
    }

    /// @dev Writes down what time has decided. Nothing in it can fail.
    function _finalise(Programme storage programme, uint256 id) internal returns (Books memory books) {
        books = _books(programme);
        uint32 number = books.due;
        if (number == 0) return books;
        Root storage root = programme.roots[number];
        root.state = State.Final;
        programme.nextEpoch = books.nextEpoch;
        programme.finalNumber = number;
        programme.first = 0;
        programme.last = 0;
        programme.committed = books.committed;
        programme.returned = books.returned;
        programme.carried = books.carried;
        address token = programme.terms.token;
        _credit[root.poster][token] += programme.terms.posterBond;
        if (books.back != 0) _credit[programme.sponsor][token] += books.back;
        emit RootFinalised(id, number, root.epoch, books.spent, books.carried, books.back);
    }

    /// @dev Puts a root at the end of the list.
    function _append(Programme storage programme, Root memory root) internal returns (uint32 number) {
        number = ++programme.rootCount;
        uint32 last = programme.last;
        root.before = last;
        root.state = State.Pending;
        programme.roots[number] = root;
        if (last == 0) programme.first = number;
        else programme.roots[last].next = number;
        programme.last = number;
    }

    /// @dev Takes a root out of the list.
    function _remove(Programme storage programme, Root storage root) internal {
        (uint32 before, uint32 next) = (root.before, root.next);
        if (before == 0) programme.first = next;
        else programme.roots[before].next = next;
        if (next == 0) programme.last = before;
        else programme.roots[next].before = before;
    }
}
