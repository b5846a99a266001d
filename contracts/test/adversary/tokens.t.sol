// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {BlockingToken, DecimalsToken, FalseToken, FeeToken, ReentrantToken} from "../mocks/Tokens.sol";
import {vm} from "../support/Vm.sol";
import {AdversaryTest} from "./AdversaryTest.sol";

/// @notice What tokens, their issuers and crafted calldata can do: T17, T18, T20, T22.
contract TokenThreatsTest is AdversaryTest {
    function setUp() public override {
        super.setUp();
        bid = makeBid();
    }

    // ---- T17: the issuer blacklists a party ----

    /// @dev Every party in turn, and then all of them: the lease goes its way to the last unit, and each party can
    /// still name another receiver.
    function test_T17_a_blacklisted_party_loses_at_most_the_receiver_of_its_withdrawal() public {
        address[4] memory parties = [TENANT, PROVIDER, TREASURY, ARBITER];
        setFee(100);
        for (uint256 i = 0; i <= parties.length; ++i) {
            BlockingToken blocking = listBlocking();
            for (uint256 j = 0; j < parties.length; ++j) {
                if (i == j || i == parties.length) blocking.setBlocked(parties[j]);
            }
            runThroughADispute(address(blocking), uint64(i));
            for (uint256 j = 0; j < 3; ++j) {
                address party = parties[j];
                uint256 held = market.available(party, address(blocking));
                vm.assertGt(held, 0, "everybody got something");
                if (i == j || i == parties.length) {
                    bytes memory own = abi.encodeCall(ILeaseMarket.withdraw, (address(blocking), party, held));
                    assertRefused(party, own, "to itself");
                }
                vm.prank(party);
                market.withdraw(address(blocking), STRANGER, held);
            }
            vm.assertEq(market.liabilities(address(blocking)), 0, "all out");
            vm.assertEq(blocking.balanceOf(STRANGER), DEPOSIT, "to the last unit");
        }
    }

    // ---- T18: the issuer blacklists the market, or the token dies ----

    function test_T18_a_dead_token_leaves_leases_in_other_tokens_as_they_are() public {
        BlockingToken blocking = listBlocking();
        bid.token = address(blocking);
        bytes32 dead = startLease(bid, DEPOSIT);
        ILeaseMarket.Bid memory deadBid = makeBid();
        deadBid.token = address(blocking);
        bid.token = address(token);
        leaseId = startLease(bid, DEPOSIT);
        blocking.setBlocked(address(market));
        // The numbers of the dead token still move; only its withdrawals stop.
        vm.warp(START + 3600);
        vm.assertEq(settle(dead, HOUR, START + 3600, true), 1, "settled");
        vm.assertEq(market.finalize(one(deadBid)), 1, "closed");
        bytes memory data = abi.encodeCall(ILeaseMarket.withdraw, (address(blocking), STRANGER, HOUR));
        assertRefused(PROVIDER, data, "stuck");
        // The live one: every unit leaves.
        vm.assertEq(settle(leaseId, HOUR, START + 3600, true), 1, "settled");
        vm.assertEq(finalize(), 1, "closed");
        vm.prank(PROVIDER);
        market.withdraw(address(token), PROVIDER, HOUR);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, FUNDS - HOUR);
        vm.assertEq(token.balanceOf(address(market)), 0, "all out");
        vm.assertEq(market.liabilities(address(blocking)), DEPOSIT, "the debt in the dead token stays");
    }

    /// @dev A token that takes balances away (a rebase, a seizure) leaves its own holders short, and nobody else.
    function test_T18_a_shrinking_token_is_paid_out_of_its_own_holders() public {
        DecimalsToken shrinking = DecimalsToken(address(listBlocking()));
        depositOf(address(shrinking), TENANT, 100);
        depositOf(address(shrinking), PROVIDER, 100);
        uint256 all = shrinking.balanceOf(address(market));
        vm.prank(address(market));
        shrinking.transfer(address(0xdead), all - 50);
        bytes memory data = abi.encodeCall(ILeaseMarket.withdraw, (address(shrinking), TENANT, 100));
        assertRefused(TENANT, data, "more than there is");
        data = abi.encodeCall(ILeaseMarket.recoverSurplus, (address(shrinking), MALLORY));
        assertRefused(address(this), data, "no surplus");
        vm.prank(TENANT);
        market.withdraw(address(shrinking), TENANT, 50);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, FUNDS);
        vm.assertEq(token.balanceOf(TENANT), FUNDS, "other tokens are whole");
    }

    /// @dev No account, lease or payment in one token turns into a claim on another.
    function test_T18_worthless_units_buy_nothing_in_another_token() public {
        DecimalsToken worthless = new DecimalsToken(18);
        market.allowToken(address(worthless));
        depositOf(address(worthless), MALLORY, type(uint128).max);
        bytes memory data = abi.encodeCall(ILeaseMarket.withdraw, (address(token), MALLORY, 1));
        assertRefused(MALLORY, data, "account");
        leaseId = startLease(bid, DEPOSIT);
        data = abi.encodeCall(ILeaseMarket.topUp, (leaseId, 1));
        assertRefused(MALLORY, data, "lease");
        bid.tenant = MALLORY;
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, bid.minDeposit));
        assertRefused(MALLORY, data, "new lease");
        vm.assertEq(market.available(MALLORY, address(worthless)), type(uint128).max, "account");
    }

    // ---- T20: malicious tokens ----

    function test_T20_tokens_that_deliver_less_are_not_credited() public {
        FeeToken fee = new FeeToken();
        FalseToken liar = new FalseToken();
        market.allowToken(address(fee));
        market.allowToken(address(liar));
        fee.mint(address(this), 1000);
        fee.approve(address(market), 1000);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, fee, 1000, 990));
        market.deposit(address(fee), MALLORY, 1000);
        vm.expectRevert();
        market.deposit(address(liar), MALLORY, 1000);
        vm.assertEq(market.available(MALLORY, address(fee)), 0, "fee token");
        vm.assertEq(market.available(MALLORY, address(liar)), 0, "false token");
    }

    /// @dev The token is the attacker, with an account, a lease as tenant and one as provider in its own name: from
    /// the middle of its transfers it tries every function that moves something.
    function test_T20_reentering_from_a_transfer_gains_nothing() public {
        ReentrantToken evil = new ReentrantToken();
        market.allowToken(address(evil));
        evil.mint(address(evil), 1000);
        depositOf(address(evil), address(evil), 1000);
        fund(address(evil), 1000);
        leaseId = startLease(bid, DEPOSIT);
        bytes[] memory calls = reentries(address(evil));
        for (uint256 i = 0; i < calls.length; ++i) {
            evil.arm(address(market), calls[i]);
            vm.prank(address(evil));
            market.withdraw(address(evil), MALLORY, 1);
            vm.assertEq(evil.called(), true, "entered");
            vm.assertEq(evil.succeeded(), false, "refused");
        }
        vm.assertEq(market.available(address(evil), address(evil)), 1000 - calls.length, "its own account");
        vm.assertEq(market.liabilities(address(evil)), evil.balanceOf(address(market)), "held == owed");
        vm.assertEq(account(address(evil)), 1000, "its account in the good token");
        vm.assertEq(market.liabilities(address(token)), FUNDS + 1000, "the good token");
    }

    /// @dev A deposit that tops a lease up with what it has not delivered yet must deliver it or undo everything.
    function test_T20_money_credited_before_it_arrives_is_gone_if_it_does_not() public {
        HollowToken hollow = new HollowToken();
        market.allowToken(address(hollow));
        bid.token = address(hollow);
        bid.tenant = address(hollow);
        bid.minDeposit = 0;
        leaseId = startLease(bid, 0);
        hollow.arm(market, leaseId);
        vm.prank(address(hollow));
        expectError(
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, hollow, uint256(1000), uint256(0))
        );
        market.deposit(address(hollow), address(hollow), 1000);
        vm.assertEq(hollow.toppedUp(), false, "undone with the rest");
        vm.assertEq(lease(leaseId).balance, 0, "balance");
        vm.assertEq(market.liabilities(address(hollow)), 0, "liabilities");
    }

    // ---- T22: dirty and oversized inputs ----

    /// @dev Every function that takes a bid: each word with bits outside its type either names another lease or is
    /// refused, and the lease stays as it is.
    function test_T22_dirty_bits_in_a_bid_never_reach_a_lease() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        checkDirtyBid(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, 0)), 4);
        checkDirtyBid(TENANT, abi.encodeCall(ILeaseMarket.abort, (bid)), 4);
        checkDirtyBid(OPERATOR, abi.encodeCall(ILeaseMarket.decline, (bid)), 4);
        checkDirtyBid(OPERATOR, abi.encodeCall(ILeaseMarket.reclaim, (bid)), 4);
        vm.warp(START + 3600 + DISPUTE_WINDOW - 1);
        dispute(bid, 0);
        vm.warp(block.timestamp + ARBITER_WINDOW);
        checkDirtyBid(TENANT, abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0)), 4);
        // In a batch the first item lies behind the array's offset and length.
        checkDirtyBid(TENANT, abi.encodeCall(ILeaseMarket.finalize, (one(bid))), 68);
        ILeaseMarket.ClaimItem memory item = ILeaseMarket.ClaimItem(bid, everything());
        checkDirtyBid(OPERATOR, abi.encodeCall(ILeaseMarket.claim, (one(item))), 68);
    }

    function test_T22_dirty_bits_in_a_statement_never_pay() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        bytes memory data = abi.encodeCall(
            ILeaseMarket.settle, (one(signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY)))
        );
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        // amountCum, asOf and last; the id, the usage hash and the signature have no bits to spare.
        uint256[3] memory words = [uint256(1), 2, 4];
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 where = 68 + 32 * words[i];
            data[where] = 0x01;
            attempt(OPERATOR, address(market), data);
            assertSameLease(leaseId, before);
            data[where] = 0x00;
        }
        data[68 + 32 * 4 + 31] = 0x02; // a `last` that is neither true nor false
        attempt(OPERATOR, address(market), data);
        assertSameLease(leaseId, before);
        data[68 + 32 * 4 + 31] = 0x00;
        vm.assertEq(attempt(OPERATOR, address(market), data), true, "clean");
        vm.assertEq(account(PROVIDER), HOUR, "paid once");
    }

    /// @dev Calldata cut short, lengths that lie and offsets that point elsewhere revert whole.
    function testFuzz_T22_truncated_calldata_is_refused(uint256 length) public {
        leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        bytes memory data = abi.encodeCall(ILeaseMarket.openLease, (bid, r, vs, SESSION, DEPOSIT));
        length = length % data.length;
        assembly ("memory-safe") {
            mstore(data, length)
        }
        assertRefused(TENANT, data, "cut short");
    }

    function test_T22_a_batch_longer_than_its_calldata_is_refused() public {
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        bytes memory data = abi.encodeCall(
            ILeaseMarket.settle, (one(signed(makeStatement(leaseId, HOUR, START + 3600, false), SESSION_KEY)))
        );
        data[67] = 0x02; // two items
        assertRefused(OPERATOR, data, "longer than there is");
        data[36] = 0xff; // a length that overflows any product
        assertRefused(OPERATOR, data, "absurd");
        vm.assertEq(lease(leaseId).paid, 0, "paid");
    }

    function test_T22_amounts_as_large_as_types_allow_revert_or_are_cut() public {
        vm.startPrank(TENANT);
        bytes memory over = abi.encodeCall(ILeaseMarket.withdraw, (address(token), TENANT, type(uint256).max));
        (bool ok,) = address(market).call(over);
        vm.assertEq(ok, false, "withdraw");
        (ok,) = address(market).call(abi.encodeCall(ILeaseMarket.deposit, (address(token), TENANT, type(uint256).max)));
        vm.assertEq(ok, false, "deposit");
        vm.stopPrank();
        leaseId = startLease(bid, DEPOSIT);
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.topUp, (leaseId, type(uint128).max)), "top up");
        vm.warp(START + 3600);
        vm.assertEq(settle(leaseId, type(uint128).max, START + 3600, false), 0, "settle");
        vm.assertEq(settle(leaseId, 0, type(uint40).max, false), 0, "asOf");
        vm.assertEq(claim(bid, everything()), 1, "claim");
        vm.assertLe(lease(leaseId).pendingCum, capOf(3600), "cut");
        assertRefused(TENANT, abi.encodeCall(ILeaseMarket.dispute, (bid, type(uint128).max)), "dispute");
    }

    // ---- steps ----

    function checkDirtyBid(address by, bytes memory data, uint256 offset) private {
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        uint256 locked_ = locked();
        for (uint256 word = 0; word < 31; ++word) {
            if (word == 3) continue; // `orderHash` has no bits to spare
            data[offset + 32 * word] = 0x01;
            attempt(by, address(market), data);
            assertSameLease(leaseId, before);
            vm.assertEq(locked(), locked_, "lock");
            data[offset + 32 * word] = 0x00;
        }
    }

    function listBlocking() private returns (BlockingToken blocking) {
        blocking = new BlockingToken();
        market.allowToken(address(blocking));
        depositOf(address(blocking), TENANT, DEPOSIT);
    }

    function depositOf(address token_, address owner, uint256 amount) private {
        DecimalsToken(token_).mint(address(this), amount);
        DecimalsToken(token_).approve(address(market), amount);
        market.deposit(token_, owner, amount);
    }

    function runThroughADispute(address token_, uint64 salt) private {
        vm.warp(START);
        bid.token = token_;
        bid.salt = salt;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, false);
        vm.warp(START + 7200);
        claim(bid, everything());
        dispute(bid, HOUR + 1000);
        vm.warp(block.timestamp + CLAIM_WINDOW + 1);
        resolve(ARBITER, 500, 1);
        assertState(leaseId, 4);
    }

    function reentries(address evil) private view returns (bytes[] memory calls) {
        calls = new bytes[](12);
        calls[0] = abi.encodeCall(ILeaseMarket.withdraw, (evil, MALLORY, 1));
        calls[1] = abi.encodeCall(ILeaseMarket.withdraw, (address(token), MALLORY, 1));
        calls[2] = abi.encodeCall(ILeaseMarket.deposit, (evil, evil, 1));
        calls[3] = abi.encodeCall(ILeaseMarket.depositWithPermit, (evil, evil, 1, 0, 0, 0, 0));
        calls[4] = abi.encodeCall(ILeaseMarket.depositWithAuthorization, (evil, evil, 1, 0, 0, 0, 0, 0, 0));
        calls[5] = abi.encodeCall(ILeaseMarket.openLease, (bid, 0, 0, MALLORY, 0));
        calls[6] = abi.encodeCall(ILeaseMarket.finalize, (one(bid)));
        calls[7] = abi.encodeCall(ILeaseMarket.decline, (bid));
        calls[8] = abi.encodeCall(ILeaseMarket.abort, (bid));
        calls[9] = abi.encodeCall(ILeaseMarket.resolve, (bid, 0, 0));
        calls[10] = abi.encodeCall(ILeaseMarket.closeLease, (leaseId));
        calls[11] = abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), MALLORY));
    }
}

/// @notice Delivers nothing, and meanwhile spends what its deposit has been credited.
contract HollowToken {
    uint8 public constant decimals = 6;

    ILeaseMarket private _market;
    bytes32 private _leaseId;
    bool public toppedUp;

    error DidNotTopUp();

    function arm(ILeaseMarket market, bytes32 leaseId) external {
        (_market, _leaseId) = (market, leaseId);
    }

    function balanceOf(address) external pure returns (uint256) {
        return 0;
    }

    function transferFrom(address, address, uint256 amount) external returns (bool) {
        // The attack must really get this far for its undoing to mean something.
        _market.topUp(_leaseId, uint128(amount));
        if (_market.getLeases(_ids())[0].balance != amount) revert DidNotTopUp();
        toppedUp = true;
        return true;
    }

    function _ids() private view returns (bytes32[] memory ids) {
        ids = new bytes32[](1);
        ids[0] = _leaseId;
    }
}
