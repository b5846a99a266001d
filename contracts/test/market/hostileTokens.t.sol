// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {MoodyToken} from "../mocks/MoodyToken.sol";
import {RebasingToken} from "../mocks/RebasingToken.sol";
import {BlockingToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {Signatures} from "../support/Signatures.sol";
import {vm} from "../support/Vm.sol";

/// @notice A token that was listed in good faith and turns bad, with money of it in accounts and in leases. It may stop
/// its own money from coming and going; it never touches another token's, nor stops a lease from ending.
abstract contract HostileTest is MarketTest, Signatures {
    uint128 internal constant AMOUNT = 10e6;
    uint256 internal constant GAS = 20_000_000;
    bytes internal constant DONE = "done";

    MoodyToken internal bad;
    ILeaseMarket.Bid internal bid;
    bytes32 internal leaseId;

    function setUp() public virtual override {
        super.setUp();
        bad = new MoodyToken();
        market.allowToken(address(bad));
        bad.mint(HOLDER, 1_000e6);
        vm.startPrank(HOLDER);
        bad.approve(address(market), type(uint256).max);
        market.deposit(address(bad), HOLDER, 100e6);
        market.deposit(address(bad), TENANT, 100e6);
        vm.stopPrank();
        setFee(100);
        bid = makeBid();
        bid.token = address(bad);
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 3600);
    }

    // ---- the four ways in and out ----

    function depositing() internal view returns (bytes memory) {
        return abi.encodeCall(ILeaseMarket.deposit, (address(bad), HOLDER, AMOUNT));
    }

    function depositingWithPermit() internal view returns (bytes memory) {
        Permit memory p = signPermit(address(bad), address(market), AMOUNT, block.timestamp);
        return abi.encodeCall(ILeaseMarket.depositWithPermit, (address(bad), HOLDER, AMOUNT, p.deadline, p.v, p.r, p.s));
    }

    function depositingWithAuthorization() internal view returns (bytes memory) {
        Authorization memory a =
            signAuthorization(address(bad), address(market), AMOUNT, 0, block.timestamp + 1, "nonce");
        return abi.encodeCall(
            ILeaseMarket.depositWithAuthorization,
            (address(bad), HOLDER, AMOUNT, a.validAfter, a.validBefore, a.nonce, a.v, a.r, a.s)
        );
    }

    function withdrawing() internal view returns (bytes memory) {
        return abi.encodeCall(ILeaseMarket.withdraw, (address(bad), STRANGER, AMOUNT));
    }

    /// @dev What the holder's call comes to: `DONE`, or what it reverts with. What failed has changed nothing.
    function attempt(bytes memory data, uint256 gas_) internal returns (bytes memory) {
        bytes32 before = books(address(bad));
        vm.prank(HOLDER);
        (bool ok, bytes memory answer) = address(market).call{gas: gas_}(data);
        if (ok) return DONE;
        vm.assertEq(books(address(bad)), before, "a failed call changes nothing");
        return answer.length == 1_000_000 ? bytes("a megabyte") : answer;
    }

    // ---- what the market owes, and what it can do about it ----

    function books(address of_) internal view returns (bytes32) {
        bytes memory accounts = abi.encode(
            market.available(TENANT, of_),
            market.available(HOLDER, of_),
            market.available(PROVIDER, of_),
            market.available(TREASURY, of_)
        );
        return keccak256(abi.encode(market.liabilities(of_), accounts, lease(leaseId)));
    }

    /// @dev Whatever the token does: the other token's money is where it was and can be taken out, and the bad token's
    /// lease settles and closes to the last unit.
    function checkNothingElseIsHarmed() internal {
        uint256 state = vm.snapshotState();
        vm.assertEq(account(TENANT), FUNDS, "the good token's account");
        vm.assertEq(market.liabilities(address(token)), FUNDS, "the good token's debt");
        vm.prank(TENANT);
        market.withdraw(address(token), STRANGER, FUNDS);
        vm.assertEq(token.balanceOf(STRANGER), FUNDS, "the good token comes out");

        uint256 owed = market.liabilities(address(bad));
        uint256 held = market.available(TENANT, address(bad));
        vm.assertEq(settle(leaseId, 400_000, START + 3600, true), 1, "settled");
        vm.assertEq(market.finalize(one(bid)), 1, "finalized");
        vm.assertEq(market.available(PROVIDER, address(bad)), 396_000, "provider");
        vm.assertEq(market.available(TREASURY, address(bad)), 4_000, "treasury");
        vm.assertEq(market.available(TENANT, address(bad)), held + DEPOSIT - 400_000, "tenant");
        vm.assertEq(market.liabilities(address(bad)), owed, "the same debt");
        vm.assertEq(locked(), 0, "the bond is free");
        vm.assertTrue(vm.revertToState(state), "back");
    }
}

contract HostileTransferTest is HostileTest {
    struct Row {
        MoodyToken.Moves moves;
        MoodyToken.Answers answers;
        bytes deposit; // depositWithPermit as well: the allowance is there anyhow
        bytes authorization; // answers nothing, so that what a transfer answers does not matter
        bytes withdraw;
        uint256 delivered; // to whom a withdrawal went
        uint256 taken; // from the market by a withdrawal
    }

    function test_a_token_that_answers_oddly() public {
        bytes memory failed = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad));
        MoodyToken.Moves honest = MoodyToken.Moves.AsAsked;
        check(Row(honest, MoodyToken.Answers.True, DONE, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.Nothing, DONE, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.Megabyte, DONE, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.False, failed, DONE, failed, 0, 0));
        check(Row(honest, MoodyToken.Answers.Two, failed, DONE, failed, 0, 0));
    }

    function test_a_token_that_moves_another_amount() public {
        MoodyToken.Answers yes = MoodyToken.Answers.True;
        check(Row(MoodyToken.Moves.Nothing, yes, received(0), received(0), DONE, 0, 0));
        uint256 less = AMOUNT - AMOUNT / 100;
        check(Row(MoodyToken.Moves.LessAFee, yes, received(less), received(less), DONE, less, AMOUNT));
        bytes memory more = received(AMOUNT + 1);
        check(Row(MoodyToken.Moves.OneMore, yes, more, more, DONE, AMOUNT + 1, AMOUNT));
        // The payer pays more than it was asked for; the market gets what it credits. Out of the market it takes what
        // belongs to other holders of this token, and of no other.
        check(Row(MoodyToken.Moves.AFeeOnTop, yes, DONE, DONE, DONE, AMOUNT, AMOUNT + AMOUNT / 100));
        // Its own word is all that there is to a token: it is believed, to its own harm.
        check(Row(MoodyToken.Moves.PretendsTo, yes, DONE, DONE, DONE, AMOUNT, 0));
    }

    function test_a_token_that_refuses() public {
        bytes memory stopped = abi.encodeWithSelector(MoodyToken.Stopped.selector);
        MoodyToken.Answers yes = MoodyToken.Answers.True;
        check(Row(MoodyToken.Moves.Reverts, yes, stopped, stopped, stopped, 0, 0));
        check(Row(MoodyToken.Moves.BurnsAllGas, yes, "", "", "", 0, 0));
        bytes memory megabyte = "a megabyte";
        check(Row(MoodyToken.Moves.RevertsWithAMegabyte, yes, megabyte, megabyte, megabyte, 0, 0));
    }

    function test_a_token_that_returns_a_megabyte_costs_its_own_callers_gas_and_nobody_elses() public {
        bad.behave(MoodyToken.Moves.RevertsWithAMegabyte, MoodyToken.Answers.True);
        checkGas(depositing(), 8_000_000);
        checkGas(depositingWithAuthorization(), 8_000_000);
        checkGas(withdrawing(), 8_000_000);
        bad.behave(MoodyToken.Moves.AsAsked, MoodyToken.Answers.Megabyte);
        // A megabyte of memory costs its maker 2.0 million; the market copies none of it.
        checkGas(depositing(), 2_300_000);
        checkGas(withdrawing(), 2_300_000);
        bad.behave(MoodyToken.Moves.RevertsWithAMegabyte, MoodyToken.Answers.Megabyte);
        uint256 before = gasleft();
        checkNothingElseIsHarmed();
        vm.assertLe(before - gasleft(), 600_000, "the others' gas");
    }

    function test_a_token_that_comes_to_its_senses_pays_everything() public {
        bad.behave(MoodyToken.Moves.Reverts, MoodyToken.Answers.True);
        settle(leaseId, 400_000, START + 3600, true);
        market.finalize(one(bid));
        bad.behave(MoodyToken.Moves.AsAsked, MoodyToken.Answers.True);
        address[4] memory people = [TENANT, HOLDER, PROVIDER, TREASURY];
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 all = market.available(people[i], address(bad));
            vm.prank(people[i]);
            market.withdraw(address(bad), people[i], all);
        }
        vm.assertEq(bad.balanceOf(address(market)), 0, "nothing is left");
        vm.assertEq(market.liabilities(address(bad)), 0, "nothing is owed");
    }

    function test_a_token_without_code_is_refused_and_stops_no_lease() public {
        vm.etch(address(bad), "");
        bytes memory failed = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad));
        vm.assertEq(attempt(depositing(), GAS), "", "deposit");
        vm.assertEq(attempt(withdrawing(), GAS), failed, "withdraw");
        checkNothingElseIsHarmed();
    }

    function check(Row memory row) private {
        bad.behave(row.moves, row.answers);
        bytes[4] memory calls = [depositing(), depositingWithPermit(), depositingWithAuthorization(), withdrawing()];
        bytes[4] memory expected = [row.deposit, row.deposit, row.authorization, row.withdraw];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 state = vm.snapshotState();
            uint256 held = bad.balanceOf(address(market));
            vm.assertEq(attempt(calls[i], GAS), expected[i], name(row, i));
            checkMoved(row, i, held);
            checkNothingElseIsHarmed();
            vm.assertTrue(vm.revertToState(state), "back");
        }
    }

    function checkMoved(Row memory row, uint256 i, uint256 held) private view {
        bool done = keccak256(i < 2 ? row.deposit : i == 2 ? row.authorization : row.withdraw) == keccak256(DONE);
        uint256 owed = 200e6;
        if (done) owed = i < 3 ? owed + AMOUNT : owed - AMOUNT;
        vm.assertEq(market.liabilities(address(bad)), owed, name(row, i));
        uint256 holds = bad.balanceOf(address(market));
        if (i < 3) vm.assertEq(holds, done ? held + AMOUNT : held, name(row, i));
        else vm.assertEq(held - holds, row.taken, name(row, i));
        if (i == 3) vm.assertEq(bad.balanceOf(STRANGER), row.delivered, name(row, i));
    }

    function checkGas(bytes memory data, uint256 most) private {
        uint256 state = vm.snapshotState();
        vm.prank(HOLDER);
        uint256 before = gasleft();
        // The answer is left where it is: to copy it would be this test's own cost.
        assembly ("memory-safe") {
            pop(call(gas(), sload(market.slot), 0, add(data, 32), mload(data), 0, 0))
        }
        vm.assertLe(before - gasleft(), most, "gas");
        vm.assertTrue(vm.revertToState(state), "back");
    }

    function received(uint256 amount) private view returns (bytes memory) {
        return
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, address(bad), uint256(AMOUNT), amount
            );
    }

    function name(Row memory row, uint256 i) private pure returns (string memory) {
        string[4] memory names = ["deposit", "depositWithPermit", "depositWithAuthorization", "withdraw"];
        return string.concat(
            names[i], ", moves ", vm.toString(uint256(row.moves)), ", answers ", vm.toString(uint256(row.answers))
        );
    }
}

contract HostileBalanceTest is HostileTest {
    function test_a_token_that_tells_wrong_balances_takes_no_deposit() public {
        bytes memory nothing = abi.encodeWithSelector(
            ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, address(bad), uint256(AMOUNT), uint256(0)
        );
        bytes memory underflow = abi.encodeWithSignature("Panic(uint256)", 0x11);
        check(MoodyToken.Tells.Zero, nothing);
        check(MoodyToken.Tells.EverLess, underflow);
        check(MoodyToken.Tells.Reverts, abi.encodeWithSelector(MoodyToken.Stopped.selector));
        check(MoodyToken.Tells.BurnsAllGas, "");
        check(MoodyToken.Tells.Megabyte, DONE);
    }

    function check(MoodyToken.Tells tells, bytes memory expected) private {
        uint256 state = vm.snapshotState();
        bad.tell(tells);
        vm.assertEq(attempt(depositing(), GAS), expected, "deposit");
        vm.assertEq(attempt(depositingWithAuthorization(), GAS), expected, "depositWithAuthorization");
        vm.assertEq(attempt(withdrawing(), GAS), DONE, "a withdrawal asks for no balance");
        checkNothingElseIsHarmed();
        bad.tell(MoodyToken.Tells.TheTruth);
        vm.assertEq(bad.balanceOf(STRANGER), AMOUNT, "withdrawn");
        vm.assertTrue(vm.revertToState(state), "back");
    }
}

contract HostilePermitTest is HostileTest {
    function test_a_permit_counts_by_the_allowance_that_it_leaves() public {
        check(MoodyToken.Permits.AsSigned, AMOUNT);
        check(MoodyToken.Permits.AnswersAMegabyte, AMOUNT);
        check(MoodyToken.Permits.OneLess, AMOUNT - 1);
        check(MoodyToken.Permits.Nothing, 0);
        check(MoodyToken.Permits.Reverts, 0);
        check(MoodyToken.Permits.RevertsWithAMegabyte, 0);
    }

    function test_a_permit_that_fails_harms_nobody_who_has_approved() public {
        vm.prank(HOLDER);
        bad.approve(address(market), AMOUNT);
        MoodyToken.Permits[3] memory failing =
            [MoodyToken.Permits.Nothing, MoodyToken.Permits.Reverts, MoodyToken.Permits.RevertsWithAMegabyte];
        for (uint256 i = 0; i < failing.length; ++i) {
            uint256 state = vm.snapshotState();
            bad.permitAs(failing[i]);
            vm.assertEq(attempt(depositingWithPermit(), GAS), DONE, "deposited");
            vm.assertTrue(vm.revertToState(state), "back");
        }
    }

    /// @dev A call keeps a 64th of its gas back. A permit that burns the rest leaves enough for the deposit only if the
    /// payer brought plenty; else the payer's transaction fails, at the payer's cost alone.
    function test_a_permit_that_burns_all_gas_burns_the_payers() public {
        bad.permitAs(MoodyToken.Permits.BurnsAllGas);
        vm.assertEq(attempt(depositingWithPermit(), 2_000_000), "", "out of gas");
        checkNothingElseIsHarmed();
        vm.assertEq(attempt(depositingWithPermit(), 20_000_000), DONE, "the allowance was there");
    }

    function test_a_megabyte_from_a_permit_is_not_copied() public {
        MoodyToken.Permits[2] memory big =
            [MoodyToken.Permits.RevertsWithAMegabyte, MoodyToken.Permits.AnswersAMegabyte];
        for (uint256 i = 0; i < big.length; ++i) {
            uint256 state = vm.snapshotState();
            bad.permitAs(big[i]);
            bytes memory data = depositingWithPermit();
            uint256 before = gasleft();
            vm.assertEq(attempt(data, GAS), DONE, "deposited");
            // Its maker pays 2.0 million for the memory; a copy would cost the market as much again.
            vm.assertLe(before - gasleft(), 2_400_000, "gas");
            vm.assertTrue(vm.revertToState(state), "back");
        }
    }

    function check(MoodyToken.Permits permits, uint256 allowed) private {
        uint256 state = vm.snapshotState();
        vm.prank(HOLDER);
        bad.approve(address(market), 0);
        bad.permitAs(permits);
        bytes memory refused = abi.encodeWithSelector(
            IERC20Errors.ERC20InsufficientAllowance.selector, address(market), allowed, uint256(AMOUNT)
        );
        vm.assertEq(attempt(depositingWithPermit(), GAS), allowed == AMOUNT ? DONE : refused, "depositWithPermit");
        checkNothingElseIsHarmed();
        vm.assertTrue(vm.revertToState(state), "back");
    }
}

contract BlacklistTest is HostileTest {
    BlockingToken private blocking;

    function setUp() public override {
        super.setUp();
        blocking = new BlockingToken();
        market.allowToken(address(blocking));
        blocking.mint(address(this), 1_000e6);
        blocking.approve(address(market), 1_000e6);
        market.deposit(address(blocking), TENANT, 200e6);
        market.deposit(address(blocking), HOLDER, 100e6);
        bid.token = address(blocking);
        bid.validUntil = START + 3600;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 7200);
    }

    function test_a_blacklisted_party_takes_its_money_elsewhere_and_stops_nobody() public {
        blocking.setBlocked(TENANT);
        blocking.setBlocked(PROVIDER);
        end();
        vm.startPrank(TENANT);
        expectError(abi.encodeWithSelector(BlockingToken.Blocked.selector, TENANT));
        market.withdraw(address(blocking), TENANT, 1);
        market.withdraw(address(blocking), STRANGER, 200e6 - 400_000);
        vm.stopPrank();
        vm.prank(HOLDER);
        market.withdraw(address(blocking), HOLDER, 100e6);
        vm.assertEq(blocking.balanceOf(STRANGER), 200e6 - 400_000, "the tenant's");
        vm.assertEq(blocking.balanceOf(HOLDER), 100e6, "the holder's");
    }

    function test_a_blacklisted_payer_cannot_deposit_and_others_can_for_it() public {
        blocking.setBlocked(HOLDER);
        blocking.mint(address(this), 5);
        vm.startPrank(HOLDER);
        blocking.approve(address(market), 5);
        expectError(abi.encodeWithSelector(BlockingToken.Blocked.selector, HOLDER));
        market.deposit(address(blocking), HOLDER, 5);
        vm.stopPrank();
        blocking.approve(address(market), 5);
        market.deposit(address(blocking), HOLDER, 5);
        vm.assertEq(market.available(HOLDER, address(blocking)), 100e6 + 5, "account");
    }

    function test_a_blacklisted_market_keeps_its_books_until_it_is_let_go() public {
        blocking.setBlocked(address(market));
        bytes memory err = abi.encodeWithSelector(BlockingToken.Blocked.selector, address(market));
        expectError(err);
        market.deposit(address(blocking), TENANT, 1);
        end();
        vm.prank(HOLDER);
        expectError(err);
        market.withdraw(address(blocking), HOLDER, 1);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, FUNDS);
        blocking.unblock(address(market));
        vm.prank(HOLDER);
        market.withdraw(address(blocking), HOLDER, 100e6);
        vm.assertEq(blocking.balanceOf(HOLDER), 100e6, "all of it");
    }

    function end() private {
        vm.assertEq(settle(leaseId, 400_000, START + 7200, true), 1, "settled");
        vm.assertEq(market.finalize(one(bid)), 1, "finalized");
        vm.assertEq(market.available(TENANT, address(blocking)), 200e6 - 400_000, "tenant");
        vm.assertEq(market.available(PROVIDER, address(blocking)), 396_000, "provider");
    }
}

contract RebaseTest is HostileTest {
    RebasingToken private rebasing;

    function setUp() public override {
        super.setUp();
        rebasing = new RebasingToken();
        market.allowToken(address(rebasing));
        rebasing.mint(address(this), 1_000e6);
        rebasing.approve(address(market), 1_000e6);
        market.deposit(address(rebasing), TENANT, 100e6);
        market.deposit(address(rebasing), HOLDER, 100e6);
    }

    function test_what_grows_belongs_to_nobody_and_is_all_that_can_be_recovered() public {
        rebasing.rebaseTo(200);
        vm.assertEq(market.liabilities(address(rebasing)), 200e6, "owed");
        vm.assertEq(market.available(TENANT, address(rebasing)), 100e6, "account");
        market.recoverSurplus(address(rebasing), STRANGER);
        vm.assertEq(rebasing.balanceOf(STRANGER), 200e6, "the surplus");
        vm.assertEq(rebasing.balanceOf(address(market)), 200e6, "what is owed");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NothingToRecover.selector, rebasing));
        market.recoverSurplus(address(rebasing), STRANGER);
        withdraw(TENANT, 100e6);
        withdraw(HOLDER, 100e6);
        checkNothingElseIsHarmed();
    }

    function test_what_shrinks_is_short_in_this_token_alone_and_whole_again_with_it() public {
        rebasing.rebaseTo(50);
        vm.assertEq(market.liabilities(address(rebasing)), 200e6, "owed");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NothingToRecover.selector, rebasing));
        market.recoverSurplus(address(rebasing), STRANGER);
        withdraw(TENANT, 60e6);
        withdraw(HOLDER, 40e6);
        vm.prank(HOLDER);
        expectError(abi.encodeWithSelector(RebasingToken.Short.selector, market));
        market.withdraw(address(rebasing), HOLDER, 1);
        checkNothingElseIsHarmed();
        // The issuer, or anyone, makes it good by a transfer; nothing need be done in the market.
        rebasing.mint(address(market), 100e6);
        withdraw(TENANT, 40e6);
        withdraw(HOLDER, 60e6);
        vm.assertEq(market.liabilities(address(rebasing)), 0, "nothing is owed");
    }

    function withdraw(address who, uint256 amount) private {
        uint256 before = rebasing.balanceOf(who);
        vm.prank(who);
        market.withdraw(address(rebasing), who, amount);
        vm.assertEq(rebasing.balanceOf(who) - before, amount, "withdrawn");
    }
}
