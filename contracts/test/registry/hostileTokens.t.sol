// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {MoodyToken} from "../mocks/MoodyToken.sol";
import {RebasingToken} from "../mocks/RebasingToken.sol";
import {BlockingToken} from "../mocks/Tokens.sol";
import {RegistryTest} from "../support/RegistryTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice A bond token that turns bad. It may stop bond from coming and going; it stops no lock, no release and no
/// slash, and what the registry owes stays what it was.
contract HostileBondTest is RegistryTest {
    struct Row {
        MoodyToken.Moves moves;
        MoodyToken.Answers answers;
        bytes in_;
        bytes out;
        uint256 delivered;
        uint256 taken;
    }

    bytes private constant DONE = "done";
    uint128 private constant AMOUNT = 200e6;
    address private constant NEWCOMER = address(0xB006);

    MoodyToken private bad;

    function setUp() public override {
        super.setUp();
        bad = new MoodyToken();
        registry = deployRegistry(address(bad));
        registry.setMarket(address(this));
        address[2] memory payers = [PROVIDER, NEWCOMER];
        for (uint256 i = 0; i < 2; ++i) {
            bad.mint(payers[i], 10 * BOND);
            vm.prank(payers[i]);
            bad.approve(address(registry), type(uint256).max);
        }
        vm.startPrank(PROVIDER);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        registry.startUnbond(AMOUNT);
        vm.stopPrank();
        registry.lock(PROVIDER, OPERATOR, 0, 300e6);
        registry.slash(PROVIDER, AMOUNT, AMOUNT, VICTIM, AMOUNT, TREASURY);
        vm.warp(START + UNBOND_DELAY);
    }

    function test_a_token_that_answers_oddly() public {
        bytes memory failed = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(bad));
        MoodyToken.Moves honest = MoodyToken.Moves.AsAsked;
        check(Row(honest, MoodyToken.Answers.True, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.Nothing, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.Megabyte, DONE, DONE, AMOUNT, AMOUNT));
        check(Row(honest, MoodyToken.Answers.False, failed, failed, 0, 0));
        check(Row(honest, MoodyToken.Answers.Two, failed, failed, 0, 0));
    }

    function test_a_token_that_moves_another_amount() public {
        MoodyToken.Answers yes = MoodyToken.Answers.True;
        check(Row(MoodyToken.Moves.Nothing, yes, received(0), DONE, 0, 0));
        check(Row(MoodyToken.Moves.LessAFee, yes, received(198e6), DONE, 198e6, AMOUNT));
        check(Row(MoodyToken.Moves.OneMore, yes, received(AMOUNT + 1), DONE, AMOUNT + 1, AMOUNT));
        check(Row(MoodyToken.Moves.AFeeOnTop, yes, DONE, DONE, AMOUNT, 202e6));
        check(Row(MoodyToken.Moves.PretendsTo, yes, DONE, DONE, AMOUNT, 0));
    }

    function test_a_token_that_refuses() public {
        bytes memory stopped = abi.encodeWithSelector(MoodyToken.Stopped.selector);
        MoodyToken.Answers yes = MoodyToken.Answers.True;
        check(Row(MoodyToken.Moves.Reverts, yes, stopped, stopped, 0, 0));
        check(Row(MoodyToken.Moves.BurnsAllGas, yes, "", "", 0, 0));
        check(Row(MoodyToken.Moves.RevertsWithAMegabyte, yes, "a megabyte", "a megabyte", 0, 0));
    }

    function test_a_token_that_tells_wrong_balances_takes_no_bond_and_gives_it_back() public {
        checkTold(MoodyToken.Tells.Zero, received(0));
        checkTold(MoodyToken.Tells.EverLess, abi.encodeWithSignature("Panic(uint256)", 0x11));
        checkTold(MoodyToken.Tells.Reverts, abi.encodeWithSelector(MoodyToken.Stopped.selector));
        checkTold(MoodyToken.Tells.BurnsAllGas, "");
        checkTold(MoodyToken.Tells.Megabyte, DONE);
    }

    function test_a_token_that_shrinks_pays_until_it_runs_out_and_grows_for_nobody() public {
        RebasingToken rebasing = new RebasingToken();
        registry = deployRegistry(address(rebasing));
        rebasing.mint(PROVIDER, BOND);
        vm.startPrank(PROVIDER);
        rebasing.approve(address(registry), BOND);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        rebasing.rebaseTo(50);
        vm.assertEq(registry.totalBond(), BOND, "owed");
        registry.startUnbond(BOND);
        vm.warp(block.timestamp + UNBOND_DELAY);
        vm.expectRevert(abi.encodeWithSelector(RebasingToken.Short.selector, registry));
        registry.withdrawBond(PROVIDER);
        registry.startUnbond(BOND / 2);
        vm.warp(block.timestamp + UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.assertEq(rebasing.balanceOf(PROVIDER), BOND / 2, "the half that is there");
        rebasing.mint(address(registry), BOND);
        registry.startUnbond(BOND / 2);
        vm.warp(block.timestamp + 2 * UNBOND_DELAY);
        registry.withdrawBond(PROVIDER);
        vm.stopPrank();
        vm.assertEq(registry.totalBond(), 0, "nothing is owed");
        vm.assertEq(rebasing.balanceOf(address(registry)), BOND / 2, "what nobody put in as bond stays");
    }

    function test_a_blacklisted_owner_takes_its_bond_elsewhere_and_a_blacklisted_registry_waits() public {
        BlockingToken blocking = new BlockingToken();
        registry = deployRegistry(address(blocking));
        blocking.mint(PROVIDER, BOND);
        vm.startPrank(PROVIDER);
        blocking.approve(address(registry), BOND);
        registry.register(OPERATOR, EXPIRY, BOND, "", 0);
        registry.startUnbond(BOND);
        vm.warp(block.timestamp + UNBOND_DELAY);
        blocking.setBlocked(PROVIDER);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, PROVIDER));
        registry.withdrawBond(PROVIDER);
        blocking.setBlocked(address(registry));
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, registry));
        registry.withdrawBond(STRANGER);
        blocking.unblock(address(registry));
        registry.withdrawBond(STRANGER);
        vm.stopPrank();
        vm.assertEq(blocking.balanceOf(STRANGER), BOND, "all of it");
    }

    function check(Row memory row) private {
        bad.behave(row.moves, row.answers);
        bytes[4] memory calls = [
            abi.encodeCall(IProviderRegistry.register, (OPERATOR, EXPIRY, AMOUNT, "", 0)),
            abi.encodeCall(IProviderRegistry.addBond, (AMOUNT)),
            abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER)),
            abi.encodeCall(IProviderRegistry.withdrawClaimable, (STRANGER))
        ];
        address[4] memory callers = [NEWCOMER, PROVIDER, PROVIDER, VICTIM];
        for (uint256 i = 0; i < 4; ++i) {
            uint256 state = vm.snapshotState();
            uint256 held = bad.balanceOf(address(registry));
            bytes memory expected = i < 2 ? row.in_ : row.out;
            string memory what = name(row, i);
            vm.assertEq(attempt(callers[i], calls[i]), expected, what);
            bool done = keccak256(expected) == keccak256(DONE);
            uint256 holds = bad.balanceOf(address(registry));
            if (i < 2) vm.assertEq(holds, done ? held + AMOUNT : held, what);
            else vm.assertEq(held - holds, row.taken, what);
            if (i >= 2) vm.assertEq(bad.balanceOf(STRANGER), row.delivered, what);
            if (!done) checkOwed(BOND - AMOUNT, AMOUNT, what);
            else if (i < 2) checkOwed(BOND, AMOUNT, what);
            else checkOwed(i == 2 ? BOND - 2 * AMOUNT : BOND - AMOUNT, i == 3 ? 0 : AMOUNT, what);
            checkLocksWork();
            vm.assertTrue(vm.revertToState(state), "back");
        }
    }

    function checkTold(MoodyToken.Tells tells, bytes memory expected) private {
        uint256 state = vm.snapshotState();
        bad.tell(tells);
        bytes memory joining = abi.encodeCall(IProviderRegistry.register, (OPERATOR, EXPIRY, AMOUNT, "", 0));
        vm.assertEq(attempt(NEWCOMER, joining), expected, "register");
        vm.assertEq(attempt(PROVIDER, abi.encodeCall(IProviderRegistry.addBond, (AMOUNT))), expected, "addBond");
        vm.assertEq(attempt(PROVIDER, abi.encodeCall(IProviderRegistry.withdrawBond, (STRANGER))), DONE, "bond");
        vm.assertEq(attempt(VICTIM, abi.encodeCall(IProviderRegistry.withdrawClaimable, (STRANGER))), DONE, "credit");
        checkLocksWork();
        bad.tell(MoodyToken.Tells.TheTruth);
        vm.assertEq(bad.balanceOf(STRANGER), 2 * AMOUNT, "withdrawn");
        vm.assertTrue(vm.revertToState(state), "back");
    }

    /// @dev What a failed call left behind is compared by the caller.
    function attempt(address who, bytes memory data) private returns (bytes memory) {
        vm.prank(who);
        (bool ok, bytes memory answer) = address(registry).call{gas: 20_000_000}(data);
        if (ok) return DONE;
        return answer.length == 1_000_000 ? bytes("a megabyte") : answer;
    }

    function checkOwed(uint256 bonds, uint256 credits, string memory what) private view {
        vm.assertEq(registry.totalBond(), bonds, what);
        vm.assertEq(registry.claimable(VICTIM), credits, what);
        vm.assertEq(uint256(provider().bond) + registry.providerOf(NEWCOMER).bond, bonds, what);
    }

    /// @dev What the market does with bond, for a lease that ends: 100e6 are still locked from `setUp`.
    function checkLocksWork() private {
        registry.slash(PROVIDER, 100e6, 1, VICTIM, 1, TREASURY);
        vm.assertEq(provider().locked, 0, "released");
        vm.prank(PROVIDER);
        registry.bumpBidEpoch(PROVIDER);
        vm.prank(PROVIDER);
        registry.startUnbond(0);
        registry.lock(PROVIDER, PROVIDER, 1, 5);
        registry.unlock(PROVIDER, 5);
        vm.assertEq(provider().locked, 0, "released again");
    }

    function received(uint256 amount) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_FeeOnTransfer.selector, uint256(AMOUNT), amount);
    }

    function name(Row memory row, uint256 i) private pure returns (string memory) {
        string[4] memory names = ["register", "addBond", "withdrawBond", "withdrawClaimable"];
        return string.concat(
            names[i], ", moves ", vm.toString(uint256(row.moves)), ", answers ", vm.toString(uint256(row.answers))
        );
    }
}
