// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken, FalseToken, FeeToken, NoReturnToken, ReentrantToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract DepositTest is MarketTest {
    function test_credits_the_owner_and_draws_from_the_caller() public {
        token.mint(STRANGER, 7e6);
        vm.startPrank(STRANGER);
        token.approve(address(market), 7e6);
        vm.expectEmit(address(market));
        emit ILeaseMarket.Deposited(STRANGER, TENANT, address(token), 7e6);
        market.deposit(address(token), TENANT, 7e6);
        vm.stopPrank();
        vm.assertEq(account(TENANT), FUNDS + 7e6, "account");
        vm.assertEq(account(STRANGER), 0, "payer's account");
        vm.assertEq(market.liabilities(address(token)), FUNDS + 7e6, "liabilities");
        vm.assertEq(token.balanceOf(address(market)), FUNDS + 7e6, "held");
    }

    function test_refuses_a_token_off_the_list() public {
        DecimalsToken other = new DecimalsToken(6);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenNotAllowed.selector, other));
        market.deposit(address(other), TENANT, 1);
    }

    function test_refuses_the_zero_owner_and_the_zero_amount() public {
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.deposit(address(token), address(0), 1);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAmount.selector);
        market.deposit(address(token), TENANT, 0);
    }

    function test_refuses_while_intake_is_paused() public {
        market.setIntakePaused(true);
        vm.expectRevert(ILeaseMarket.LeaseMarket_IntakePaused.selector);
        market.deposit(address(token), TENANT, 1);
    }

    function test_refuses_a_token_that_keeps_a_fee() public {
        FeeToken feeToken = new FeeToken();
        market.allowToken(address(feeToken));
        feeToken.mint(address(this), 100e6);
        feeToken.approve(address(market), 100e6);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_FeeOnTransfer.selector, feeToken, 100e6, 99e6));
        market.deposit(address(feeToken), TENANT, 100e6);
    }

    function test_refuses_a_token_that_answers_false() public {
        FalseToken falseToken = new FalseToken();
        market.allowToken(address(falseToken));
        expectError(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, falseToken));
        market.deposit(address(falseToken), TENANT, 1);
        vm.assertEq(market.available(TENANT, address(falseToken)), 0, "account");
    }

    function test_takes_a_token_that_answers_nothing() public {
        NoReturnToken quiet = new NoReturnToken();
        market.allowToken(address(quiet));
        quiet.mint(address(this), 5);
        quiet.approve(address(market), 5);
        market.deposit(address(quiet), TENANT, 5);
        vm.assertEq(market.available(TENANT, address(quiet)), 5, "account");
        vm.prank(TENANT);
        market.withdraw(address(quiet), STRANGER, 5);
        vm.assertEq(quiet.balanceOf(STRANGER), 5, "withdrawn");
    }

    function test_a_token_that_calls_back_gets_nothing() public {
        ReentrantToken calling = new ReentrantToken();
        market.allowToken(address(calling));
        calling.mint(address(this), 10e6);
        calling.approve(address(market), 10e6);
        calling.arm(address(market), abi.encodeCall(ILeaseMarket.withdraw, (address(calling), STRANGER, 1)));
        market.deposit(address(calling), address(calling), 10e6);
        vm.assertTrue(calling.called() && !calling.succeeded(), "the call was made and refused");
        vm.assertEq(market.available(address(calling), address(calling)), 10e6, "account");
    }
}

contract WithdrawTest is MarketTest {
    function test_pays_out_of_the_callers_account() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.Withdrawn(TENANT, address(token), STRANGER, 3e6);
        vm.prank(TENANT);
        market.withdraw(address(token), STRANGER, 3e6);
        vm.assertEq(token.balanceOf(STRANGER), 3e6, "received");
        vm.assertEq(account(TENANT), FUNDS - 3e6, "account");
        vm.assertEq(market.liabilities(address(token)), FUNDS - 3e6, "liabilities");
    }

    function test_pays_the_whole_account_but_not_one_more() public {
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_Insufficient.selector, TENANT, uint256(FUNDS), uint256(FUNDS) + 1
            )
        );
        market.withdraw(address(token), TENANT, FUNDS + 1);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, FUNDS);
        vm.assertEq(account(TENANT), 0, "account");
    }

    function test_works_while_intake_is_paused() public {
        market.setIntakePaused(true);
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, 1);
        vm.assertEq(token.balanceOf(TENANT), 1, "received");
    }

    function test_refuses_zeros_and_unknown_tokens() public {
        vm.startPrank(TENANT);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.withdraw(address(token), address(0), 1);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAmount.selector);
        market.withdraw(address(token), TENANT, 0);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenNotAllowed.selector, address(1)));
        market.withdraw(address(1), TENANT, 1);
        vm.stopPrank();
    }

    function test_a_token_that_calls_back_cannot_withdraw_twice() public {
        ReentrantToken calling = new ReentrantToken();
        market.allowToken(address(calling));
        calling.mint(address(this), 10e6);
        calling.approve(address(market), 10e6);
        market.deposit(address(calling), address(calling), 10e6);
        calling.arm(address(market), abi.encodeCall(ILeaseMarket.withdraw, (address(calling), STRANGER, 10e6)));
        vm.prank(address(calling));
        market.withdraw(address(calling), STRANGER, 6e6);
        vm.assertTrue(calling.called() && !calling.succeeded(), "the call was made and refused");
        vm.assertEq(calling.balanceOf(STRANGER), 6e6, "received once");
        vm.assertEq(market.available(address(calling), address(calling)), 4e6, "account");
    }
}
