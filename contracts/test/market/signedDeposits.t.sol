// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsToken, SignatureToken} from "../mocks/Tokens.sol";
import {Edges} from "../support/Edges.sol";
import {SignedDepositTest} from "../support/SignedDepositTest.sol";
import {vm} from "../support/Vm.sol";

contract DepositWithPermitTest is SignedDepositTest, Edges {
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
        expectError(noAllowance(0, 5e6));
        market.depositWithPermit(address(signatures), STRANGER, 5e6, p.deadline, p.v, p.r, p.s);
        vm.assertEq(market.available(STRANGER, address(signatures)), 0, "account");
    }

    /// @dev The permit's own deadline: after it the signature is worth nothing, and an allowance is all that counts.
    function test_until_the_permits_deadline_or_with_an_allowance() public {
        Permit memory p = permit(5e6);
        bytes memory data = abi.encodeCall(
            ILeaseMarket.depositWithPermit, (address(signatures), TENANT, 5e6, p.deadline, p.v, p.r, p.s)
        );
        Call memory call = Call(HOLDER, address(market), data);
        checkEdge(p.deadline, call, DONE, DONE, noAllowance(0, 5e6));
        vm.prank(HOLDER);
        signatures.approve(address(market), 5e6);
        checkEdge(p.deadline, call, DONE, DONE, DONE);
    }

    function test_a_permit_for_another_amount_or_spender_leaves_what_it_leaves() public {
        Permit memory p = signPermit(address(signatures), address(market), 5e6 - 1, block.timestamp);
        vm.prank(HOLDER);
        expectError(noAllowance(0, 5e6));
        market.depositWithPermit(address(signatures), HOLDER, 5e6, p.deadline, p.v, p.r, p.s);
        p = signPermit(address(signatures), address(registry), 5e6, block.timestamp);
        vm.prank(HOLDER);
        expectError(noAllowance(0, 5e6));
        market.depositWithPermit(address(signatures), HOLDER, 5e6, p.deadline, p.v, p.r, p.s);
    }

    function test_a_permit_pays_once() public {
        Permit memory p = permit(5e6);
        depositWithPermit(p, HOLDER, 5e6);
        vm.prank(HOLDER);
        expectError(noAllowance(0, 5e6));
        market.depositWithPermit(address(signatures), HOLDER, 5e6, p.deadline, p.v, p.r, p.s);
        vm.assertEq(market.available(HOLDER, address(signatures)), 5e6, "account");
    }

    function test_a_token_without_permit_needs_an_allowance() public {
        DecimalsToken plain = new DecimalsToken(6);
        market.allowToken(address(plain));
        plain.mint(HOLDER, 5e6);
        vm.startPrank(HOLDER);
        expectError(noAllowance(0, 5e6));
        market.depositWithPermit(address(plain), HOLDER, 5e6, block.timestamp, 27, 0, 0);
        plain.approve(address(market), 5e6);
        market.depositWithPermit(address(plain), HOLDER, 5e6, block.timestamp, 27, 0, 0);
        vm.stopPrank();
        vm.assertEq(market.available(HOLDER, address(plain)), 5e6, "account");
    }

    function test_refuses_the_zero_owner_and_the_zero_amount() public {
        Permit memory p = permit(0);
        vm.startPrank(HOLDER);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.depositWithPermit(address(signatures), address(0), 1, p.deadline, p.v, p.r, p.s);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAmount.selector);
        market.depositWithPermit(address(signatures), HOLDER, 0, p.deadline, p.v, p.r, p.s);
        vm.stopPrank();
    }

    function noAllowance(uint256 allowed, uint256 needed) private view returns (bytes memory) {
        return abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, market, allowed, needed);
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

contract DepositWithAuthorizationTest is SignedDepositTest, Edges {
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

    function test_names_nobody_else_to_pay_or_to_be_credited() public {
        Authorization memory a = authorization(5e6, "nonce");
        signatures.mint(STRANGER, 5e6);
        vm.prank(STRANGER);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        market.depositWithAuthorization(
            address(signatures), STRANGER, 5e6, a.validAfter, a.validBefore, a.nonce, a.v, a.r, a.s
        );
    }

    function test_an_authorisation_to_another_market_deposits_nothing() public {
        Authorization memory a =
            signAuthorization(address(signatures), address(registry), 5e6, 0, block.timestamp + 1, "nonce");
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        depositWithAuthorization(a, 5e6);
    }

    /// @dev ERC-3009: valid after `validAfter` and before `validBefore`, both exclusive.
    function test_within_the_authorisations_validity() public {
        uint256 from = START + 100;
        uint256 to = START + 200;
        Authorization memory a = signAuthorization(address(signatures), address(market), 5e6, from, to, "nonce");
        bytes memory data = abi.encodeCall(
            ILeaseMarket.depositWithAuthorization, (address(signatures), HOLDER, 5e6, from, to, a.nonce, a.v, a.r, a.s)
        );
        bytes memory outside = abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, from, to);
        Call memory call = Call(STRANGER, address(market), data);
        checkEdge(from, call, outside, outside, DONE);
        checkEdge(to, call, DONE, outside, outside);
    }

    function test_authorisations_come_in_any_order() public {
        Authorization memory first = authorization(1e6, "first");
        Authorization memory second = authorization(2e6, "second");
        depositWithAuthorization(second, 2e6);
        depositWithAuthorization(first, 1e6);
        vm.assertEq(market.available(HOLDER, address(signatures)), 3e6, "account");
    }

    function test_refuses_a_token_off_the_list_and_zeros() public {
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenNotAllowed.selector, address(1)));
        market.depositWithAuthorization(address(1), HOLDER, 1, 0, 0, 0, 0, 0, 0);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.depositWithAuthorization(address(signatures), address(0), 1, 0, 0, 0, 0, 0, 0);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAmount.selector);
        market.depositWithAuthorization(address(signatures), HOLDER, 0, 0, 0, 0, 0, 0, 0);
    }

    function test_a_token_without_authorisations_takes_none() public {
        vm.expectRevert(bytes(""));
        market.depositWithAuthorization(address(token), TENANT, 1, 0, type(uint256).max, 0, 27, 0, 0);
        vm.assertEq(account(TENANT), FUNDS, "account");
    }

    function test_nobody_else_can_use_the_signature() public {
        Authorization memory a = authorization(5e6, "nonce");
        vm.prank(STRANGER);
        expectError(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, market));
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
