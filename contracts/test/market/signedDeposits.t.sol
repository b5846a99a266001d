// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {SignatureToken} from "../mocks/Tokens.sol";
import {SignedDepositTest} from "../support/SignedDepositTest.sol";
import {vm} from "../support/Vm.sol";

contract DepositWithPermitTest is SignedDepositTest {
    function test_credits_the_owner_and_draws_from_the_caller() public {
        Permit memory p = permit(5e6);
        vm.expectEmit(address(market));
        emit ILeaseMarket.Deposited(HOLDER, TENANT, address(signatures), 5e6);
        depositWithPermit(p, TENANT, 5e6);
        vm.assertEq(market.available(TENANT, address(signatures)), 5e6, "account");
        vm.assertEq(signatures.allowance(HOLDER, address(market)), 0, "nothing is left to draw");
    }

    function test_works_when_somebody_submitted_the_permit_first() public {
        Permit memory p = permit(5e6);
        vm.prank(STRANGER);
        signatures.permit(HOLDER, address(market), 5e6, p.deadline, p.v, p.r, p.s);
        depositWithPermit(p, HOLDER, 5e6);
        vm.assertEq(market.available(HOLDER, address(signatures)), 5e6, "account");
    }

    function test_a_strangers_permit_deposits_nothing() public {
        Permit memory p = permit(5e6);
        vm.prank(STRANGER);
        vm.expectRevert();
        market.depositWithPermit(address(signatures), STRANGER, 5e6, p.deadline, p.v, p.r, p.s);
        vm.assertEq(market.available(STRANGER, address(signatures)), 0, "account");
    }

    function test_calls_no_token_off_the_list() public {
        SignatureToken other = new SignatureToken();
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenNotAllowed.selector, other));
        market.depositWithPermit(address(other), TENANT, 1, 0, 0, 0, 0);
    }

    function test_is_intake() public {
        market.setIntakePaused(true);
        Permit memory p = permit(5e6);
        vm.prank(HOLDER);
        vm.expectRevert(ILeaseMarket.LeaseMarket_IntakePaused.selector);
        market.depositWithPermit(address(signatures), HOLDER, 5e6, p.deadline, p.v, p.r, p.s);
    }
}

contract DepositWithAuthorizationTest is SignedDepositTest {
    function test_credits_who_signed_whoever_submits() public {
        Authorization memory a = authorization(5e6, "nonce");
        vm.expectEmit(address(market));
        emit ILeaseMarket.Deposited(HOLDER, HOLDER, address(signatures), 5e6);
        vm.prank(STRANGER);
        depositWithAuthorization(a, 5e6);
        vm.assertEq(market.available(HOLDER, address(signatures)), 5e6, "account");
        vm.assertEq(market.available(STRANGER, address(signatures)), 0, "stranger's account");
        vm.assertEq(signatures.balanceOf(address(market)), market.liabilities(address(signatures)), "held == owed");
    }

    function test_pays_once() public {
        Authorization memory a = authorization(5e6, "nonce");
        depositWithAuthorization(a, 5e6);
        expectError(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, HOLDER, bytes32("nonce")));
        depositWithAuthorization(a, 5e6);
        vm.assertEq(market.available(HOLDER, address(signatures)), 5e6, "account");
    }

    function test_pays_exactly_what_was_signed() public {
        Authorization memory a = authorization(5e6, "nonce");
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        depositWithAuthorization(a, 6e6);
    }

    function test_nobody_else_can_use_the_signature() public {
        Authorization memory a = authorization(5e6, "nonce");
        vm.prank(STRANGER);
        vm.expectRevert();
        signatures.receiveWithAuthorization(HOLDER, address(market), 5e6, 0, a.validBefore, a.nonce, a.v, a.r, a.s);
    }

    function test_is_intake() public {
        market.setIntakePaused(true);
        Authorization memory a = authorization(5e6, "nonce");
        vm.expectRevert(ILeaseMarket.LeaseMarket_IntakePaused.selector);
        depositWithAuthorization(a, 5e6);
    }
}

contract LiabilitiesTest is SignedDepositTest {
    function test_the_market_owes_at_most_what_fits_128_bits() public {
        uint256 most = type(uint128).max;
        signatures.mint(address(this), most);
        signatures.approve(address(market), type(uint256).max);
        market.deposit(address(signatures), TENANT, most - 1);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_DepositTooLarge.selector, signatures, 2, 1));
        market.deposit(address(signatures), STRANGER, 2);
        expectError(
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_DepositTooLarge.selector, signatures, type(uint256).max, 1)
        );
        market.deposit(address(signatures), STRANGER, type(uint256).max);
        market.deposit(address(signatures), STRANGER, 1);
        vm.assertEq(market.liabilities(address(signatures)), most, "full");
        vm.prank(TENANT);
        market.withdraw(address(signatures), TENANT, most - 1);
        vm.assertEq(market.liabilities(address(signatures)), 1, "room again");
    }
}
