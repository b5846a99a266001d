// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {Edges} from "../support/Edges.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice What every function on a lease comes to in every state of it, made by whoever may make it: the table of the
/// state machine.
contract StatesTest is MarketTest, Edges {
    /// @dev Stands for "the state does not allow it", as a revert or as the reason of a batch.
    bytes private constant W = "wrong state";

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        bid.maxDuration = 7 days;
        leaseId = market.leaseIdOf(bid);
    }

    function test_none() public {
        checkAll(0, [DONE, W, W, W, W, W, W, W, W, W, W, W, W]);
    }

    function test_open() public {
        openLease(bid, DEPOSIT);
        bytes memory early = tooEarly(START + bid.startWindow + 1);
        checkAll(1, [W, DONE, DONE, DONE, early, W, W, W, W, W, W, W, W]);
    }

    function test_open_and_late() public {
        openLease(bid, DEPOSIT);
        vm.warp(START + bid.startWindow + 1);
        bytes memory late = skipped(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
        checkAll(1, [W, late, DONE, DONE, DONE, W, W, W, W, W, W, W, W]);
    }

    function test_active_without_a_claim() public {
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        bytes memory none = skipped(leaseId, ILeaseMarket.LeaseMarket_NoPending.selector);
        bytes memory early = skipped(leaseId, ILeaseMarket.LeaseMarket_TooEarly.selector);
        bytes memory nothing = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NoPending.selector, leaseId);
        checkAll(2, [W, W, DONE, W, W, DONE, DONE, none, DONE, DONE, early, nothing, W]);
    }

    function test_active_with_a_claim_that_waits() public {
        startLease(bid, DEPOSIT);
        vm.warp(START + 1800);
        claim(bid, makeUsage(1800));
        vm.warp(START + 3600);
        bytes memory early = skipped(leaseId, ILeaseMarket.LeaseMarket_TooEarly.selector);
        checkAll(2, [W, W, DONE, W, W, DONE, early, early, DONE, DONE, early, DONE, W]);
    }

    function test_active_and_over() public {
        startLease(bid, DEPOSIT);
        vm.warp(START + 7 days + CLAIM_WINDOW + 1);
        bytes memory none = skipped(leaseId, ILeaseMarket.LeaseMarket_NoPending.selector);
        bytes memory late = skipped(leaseId, ILeaseMarket.LeaseMarket_TooLate.selector);
        bytes memory ended =
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooLate.selector, leaseId, uint256(START) + 7 days);
        bytes memory nothing = abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NoPending.selector, leaseId);
        checkAll(2, [W, W, DONE, W, W, DONE, late, none, ended, ended, DONE, nothing, W]);
    }

    function test_disputed() public {
        disputed();
        bytes memory early = tooEarly(START + 3600 + CLAIM_WINDOW + 1);
        checkAll(3, [W, W, W, W, W, DONE, DONE, W, W, W, W, W, early]);
    }

    function test_disputed_and_raised() public {
        disputed();
        claim(bid, makeUsage(3000));
        bytes memory raised = skipped(leaseId, ILeaseMarket.LeaseMarket_AlreadySupplemented.selector);
        checkAll(3, [W, W, W, W, W, DONE, raised, W, W, W, W, W, DONE]);
    }

    function test_closed() public {
        bytes[13] memory never = [W, W, W, W, W, W, W, W, W, W, W, W, W];
        uint256 state = vm.snapshotState();
        openLease(bid, DEPOSIT);
        vm.prank(OPERATOR);
        market.decline(bid);
        checkAll(4, never);
        back(state);
        startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        settle(leaseId, 1, START + 3600, true);
        market.finalize(one(bid));
        checkAll(4, never);
        back(state);
        disputed();
        vm.warp(START + 3600 + ARBITER_WINDOW);
        market.resolve(bid, 0, 0);
        checkAll(4, never);
    }

    function checkAll(uint8 state, bytes[13] memory expected) private {
        assertState(leaseId, state);
        (string[13] memory names, Call[13] memory calls) = everyCall();
        for (uint256 i = 0; i < 13; ++i) {
            uint256 snapshot = vm.snapshotState();
            bytes32 before = keccak256(abi.encode(lease(leaseId), account(TENANT), account(PROVIDER), locked()));
            bytes memory came = outcome(calls[i]);
            if (keccak256(expected[i]) == keccak256(W)) expected[i] = wrongState(calls[i], state);
            vm.assertEq(came, expected[i], names[i]);
            if (keccak256(came) != keccak256(DONE)) {
                bytes32 after_ = keccak256(abi.encode(lease(leaseId), account(TENANT), account(PROVIDER), locked()));
                vm.assertEq(after_, before, names[i]);
            }
            back(snapshot);
        }
    }

    function everyCall() private view returns (string[13] memory names, Call[13] memory calls) {
        names = [
            "openLease",
            "confirm",
            "topUp",
            "decline",
            "abort",
            "settle",
            "claim",
            "mature",
            "closeLease",
            "reclaim",
            "finalize",
            "dispute",
            "resolve"
        ];
        calls[0] = opening();
        calls[1] = by(OPERATOR, abi.encodeCall(ILeaseMarket.confirm, (one(leaseId))));
        calls[2] = by(TENANT, abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1)));
        calls[3] = by(OPERATOR, abi.encodeCall(ILeaseMarket.decline, (bid)));
        calls[4] = by(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)));
        calls[5] = settling();
        ILeaseMarket.ClaimItem memory item = ILeaseMarket.ClaimItem(bid, makeUsage(3600));
        calls[6] = by(OPERATOR, abi.encodeCall(ILeaseMarket.claim, (one(item))));
        calls[7] = by(STRANGER, abi.encodeCall(ILeaseMarket.mature, (one(leaseId))));
        calls[8] = by(TENANT, abi.encodeCall(ILeaseMarket.closeLease, (leaseId)));
        calls[9] = by(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)));
        calls[10] = by(STRANGER, abi.encodeCall(ILeaseMarket.finalize, (one(bid))));
        calls[11] = by(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, 0)));
        calls[12] = by(ARBITER, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)));
    }

    function opening() private view returns (Call memory) {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        return by(TENANT, abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT)));
    }

    function settling() private view returns (Call memory) {
        // Up to half an hour, which every state that pays statements has behind it.
        ILeaseMarket.SignedStatement memory s = signed(makeStatement(leaseId, 1000, START + 1800, false), SESSION_KEY);
        return by(OPERATOR, abi.encodeCall(ILeaseMarket.settle, (one(s))));
    }

    /// @dev A batch says it by its log, the others by their revert.
    function wrongState(Call memory call, uint8 state) private view returns (bytes memory) {
        bytes4 selector = bytes4(call.data);
        bool batch = selector == ILeaseMarket.confirm.selector || selector == ILeaseMarket.settle.selector
            || selector == ILeaseMarket.claim.selector || selector == ILeaseMarket.mature.selector
            || selector == ILeaseMarket.finalize.selector;
        return batch
            ? skipped(leaseId, ILeaseMarket.LeaseMarket_WrongState.selector)
            : abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, state);
    }

    function disputed() private {
        startLease(bid, DEPOSIT);
        vm.warp(START + 1800);
        claim(bid, makeUsage(1800));
        vm.warp(START + 3600);
        dispute(bid, 0);
    }

    function tooEarly(uint256 from) private view returns (bytes memory) {
        return abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TooEarly.selector, leaseId, from);
    }

    function by(address who, bytes memory data) private view returns (Call memory) {
        return Call(who, address(market), data);
    }
}
