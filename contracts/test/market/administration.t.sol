// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {DecimalsTeller} from "../mocks/DecimalsTeller.sol";
import {MoodyToken} from "../mocks/MoodyToken.sol";
import {BlockingToken, BombToken, DecimalsToken} from "../mocks/Tokens.sol";
import {refusedBy} from "../support/Deploy.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract AdministrationTest is MarketTest {
    function test_strangers_administer_nothing() public {
        bytes[4] memory calls = [
            abi.encodeCall(ILeaseMarket.allowToken, (address(1))),
            abi.encodeCall(ILeaseMarket.setFee, (1, STRANGER)),
            abi.encodeCall(ILeaseMarket.setIntakePaused, (true)),
            abi.encodeCall(ILeaseMarket.recoverSurplus, (address(token), STRANGER))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(STRANGER);
            (bool ok, bytes memory answer) = address(market).call(calls[i]);
            vm.assertEq(ok, false, "refused");
            bytes memory err = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
            vm.assertEq(answer, err, "why");
        }
    }

    function test_tokens_of_6_to_18_decimals_are_allowed_once() public {
        for (uint8 decimals = 5; decimals <= 19; ++decimals) {
            DecimalsToken other = new DecimalsToken(decimals);
            if (decimals < 6 || decimals > 18) {
                expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BadDecimals.selector, other, decimals));
                market.allowToken(address(other));
            } else {
                vm.expectEmit(address(market));
                emit ILeaseMarket.TokenAllowed(address(other), decimals - 4);
                market.allowToken(address(other));
            }
        }
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenAlreadyAllowed.selector, token));
        market.allowToken(address(token));
        vm.assertEq(market.tokens().length, 14, "tokens");
        vm.assertEq(market.tokens()[0], address(token), "the first");
    }

    function test_the_list_holds_255_tokens() public {
        for (uint256 i = 1; i < 255; ++i) {
            market.allowToken(address(new DecimalsToken(6)));
        }
        DecimalsToken oneTooMany = new DecimalsToken(6);
        vm.expectRevert(ILeaseMarket.LeaseMarket_TokenListFull.selector);
        market.allowToken(address(oneTooMany));
        vm.assertEq(market.tokens().length, 255, "tokens");
    }

    function test_the_fee_is_at_most_five_percent_and_needs_a_treasury() public {
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_FeeTooHigh.selector, 501));
        market.setFee(501, TREASURY);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.setFee(500, address(0));
        vm.expectEmit(address(market));
        emit ILeaseMarket.FeeSet(500, STRANGER);
        market.setFee(500, STRANGER);
        (uint16 feeBps, address treasury) = market.feeTerms();
        vm.assertEq(feeBps, 500, "fee");
        vm.assertEq(treasury, STRANGER, "treasury");
    }

    function test_a_new_fee_does_not_touch_a_lease_that_exists() public {
        setFee(100);
        bytes32 leaseId = startLease(makeBid(), DEPOSIT);
        ILeaseMarket.LeaseView memory before = lease(leaseId);
        setFee(500);
        assertEq(lease(leaseId), before);
        vm.warp(START + 3600);
        settle(leaseId, 100_000, START + 3600, false);
        vm.assertEq(account(TREASURY), 1_000, "one percent");
    }

    function test_pausing_and_resuming_are_announced() public {
        vm.expectEmit(address(market));
        emit ILeaseMarket.IntakePausedSet(true);
        market.setIntakePaused(true);
        vm.assertEq(market.intakePaused(), true, "paused");
        market.setIntakePaused(false);
        fund(TENANT, 1);
    }

    function test_only_what_nobody_owns_can_be_recovered() public {
        openLease(makeBid(), DEPOSIT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NothingToRecover.selector, token));
        market.recoverSurplus(address(token), STRANGER);
        token.mint(address(market), 123);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.recoverSurplus(address(token), address(0));
        vm.expectEmit(address(market));
        emit ILeaseMarket.SurplusRecovered(address(token), STRANGER, 123);
        market.recoverSurplus(address(token), STRANGER);
        vm.assertEq(token.balanceOf(STRANGER), 123, "recovered");
        vm.assertEq(token.balanceOf(address(market)), market.liabilities(address(token)), "held == owed");
    }

    function test_a_token_off_the_list_can_be_recovered_whole() public {
        DecimalsToken lost = new DecimalsToken(3);
        lost.mint(address(market), 9);
        market.recoverSurplus(address(lost), STRANGER);
        vm.assertEq(lost.balanceOf(STRANGER), 9, "recovered");
    }

    function test_a_token_that_misbehaves_harms_itself_alone() public {
        BombToken bomb = new BombToken();
        market.allowToken(address(bomb));
        bomb.mint(address(this), 5);
        bomb.approve(address(market), 5);
        market.deposit(address(bomb), TENANT, 5);
        vm.prank(TENANT);
        (bool ok, bytes memory answer) =
            address(market).call(abi.encodeCall(ILeaseMarket.withdraw, (address(bomb), TENANT, 5)));
        vm.assertTrue(!ok && answer.length == 1_000_000, "refused, with all that it said");
        vm.prank(TENANT);
        market.withdraw(address(token), TENANT, 5);
        vm.assertEq(market.available(TENANT, address(bomb)), 5, "the debt stays");
    }

    function test_a_blocked_party_stops_nobody_elses_exit() public {
        BlockingToken blocking = new BlockingToken();
        market.allowToken(address(blocking));
        blocking.mint(address(this), 10e6);
        blocking.approve(address(market), 10e6);
        market.deposit(address(blocking), TENANT, 10e6);
        ILeaseMarket.Bid memory bid = makeBid();
        bid.token = address(blocking);
        bytes32 leaseId = startLease(bid, 10e6);
        blocking.setBlocked(TENANT);
        blocking.setBlocked(PROVIDER);
        vm.warp(START + 3600);
        vm.assertEq(settle(leaseId, 100, START + 3600, true), 1, "settled");
        vm.assertEq(market.finalize(one(bid)), 1, "finalized");
        vm.prank(TENANT);
        market.withdraw(address(blocking), STRANGER, 10e6 - 100);
        vm.assertEq(blocking.balanceOf(STRANGER), 10e6 - 100, "to an account that is not blocked");
    }

    function test_the_constructor_checks_its_windows_and_treasury() public {
        checkConstructor(0, 1, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 0, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(2, 1, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 366 days, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 1, 366 days, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 365 days + 1, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 1, 365 days + 1, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(3, 1, 2, TREASURY, ILeaseMarket.LeaseMarket_BadWindows.selector);
        checkConstructor(1, 1, 2, address(0), ILeaseMarket.LeaseMarket_ZeroAddress.selector);
    }

    function test_the_constructor_takes_the_widest_and_the_narrowest_windows() public {
        uint40[3][2] memory windows = [[uint40(365 days - 1), 365 days, 365 days], [uint40(1), 1, 2]];
        for (uint256 i = 0; i < 2; ++i) {
            ILeaseMarket other = ILeaseMarket(
                vm.deployCode(
                    "LeaseMarket.sol:LeaseMarket",
                    abi.encode(registry, authority, TREASURY, windows[i][0], windows[i][1], windows[i][2])
                )
            );
            (uint40 c, uint40 d, uint40 a) = other.windows();
            vm.assertEq(abi.encode(c, d, a), abi.encode(windows[i]), "windows");
        }
    }

    function test_a_token_is_listed_by_what_it_tells_of_its_decimals_when_it_is_listed() public {
        MoodyToken moody = new MoodyToken();
        market.allowToken(address(moody));
        moody.mint(address(this), 5);
        moody.approve(address(market), 5);
        market.deposit(address(moody), TENANT, 2);
        // Whatever it tells from now on, nobody asks any more.
        moody.tellDecimals(255);
        market.deposit(address(moody), TENANT, 3);
        vm.prank(TENANT);
        market.withdraw(address(moody), STRANGER, 5);
        vm.assertEq(moody.balanceOf(STRANGER), 5, "withdrawn");
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenAlreadyAllowed.selector, moody));
        market.allowToken(address(moody));
    }

    function test_a_token_that_tells_no_decimals_is_not_listed() public {
        checkDecimals(0, 0, false, "");
        checkDecimals(256, 32, false, "");
        checkDecimals(type(uint256).max, 32, false, "");
        checkDecimals(0, 0, true, "");
        checkDecimals(7 << 224, 4, true, hex"00000007");
        expectError("");
        market.allowToken(STRANGER);
        vm.assertEq(market.tokens().length, 1, "tokens");
    }

    function test_a_token_that_tells_more_than_its_decimals_is_listed_by_the_first_word() public {
        uint256 before = gasleft();
        DecimalsTeller teller = new DecimalsTeller(18, 1_000_000, false);
        market.allowToken(address(teller));
        vm.assertLe(before - gasleft(), 2_500_000, "the megabyte is its own cost");
        vm.assertEq(market.tokens()[1], address(teller), "listed");
    }

    function test_only_the_authority_hands_over_to_another_contract() public {
        expectError(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(this)));
        IAccessManaged(address(market)).setAuthority(address(registry));
        vm.startPrank(address(authority));
        expectError(abi.encodeWithSelector(IAccessManaged.AccessManagedInvalidAuthority.selector, STRANGER));
        IAccessManaged(address(market)).setAuthority(STRANGER);
        AccessManager next = new AccessManager(STRANGER);
        IAccessManaged(address(market)).setAuthority(address(next));
        vm.stopPrank();
        vm.assertEq(IAccessManaged(address(market)).authority(), address(next), "authority");
        expectError(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(this)));
        market.setIntakePaused(true);
        vm.prank(STRANGER);
        market.setIntakePaused(true);
        vm.assertEq(market.intakePaused(), true, "by the new one's administrator");
    }

    function test_a_digest_is_another_on_another_chain_and_the_same_when_it_is_back() public {
        bytes32 here = market.leaseIdOf(makeBid());
        vm.chainId(1);
        vm.assertTrue(market.leaseIdOf(makeBid()) != here, "another chain, another lease");
        vm.chainId(31337);
        vm.assertEq(market.leaseIdOf(makeBid()), here, "and back");
    }

    function test_the_views_tell_how_it_was_deployed() public view {
        (uint40 claimWindow, uint40 disputeWindow, uint40 arbiterWindow) = market.windows();
        vm.assertEq(claimWindow, CLAIM_WINDOW, "claim");
        vm.assertEq(disputeWindow, DISPUTE_WINDOW, "dispute");
        vm.assertEq(arbiterWindow, ARBITER_WINDOW, "arbiter");
        vm.assertEq(market.registry(), address(registry), "registry");
    }

    function checkDecimals(uint256 word, uint256 length, bool reverts, bytes memory err) private {
        DecimalsTeller teller = new DecimalsTeller(word, length, reverts);
        expectError(err);
        market.allowToken(address(teller));
    }

    function checkConstructor(uint40 c, uint40 d, uint40 a, address treasury, bytes4 err) private {
        bytes memory arguments = abi.encode(registry, authority, treasury, c, d, a);
        vm.assertEq(refusedBy("LeaseMarket.sol:LeaseMarket", arguments), abi.encodeWithSelector(err), "why");
    }
}
