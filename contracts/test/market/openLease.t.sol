// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {IProviderRegistry} from "../../src/interfaces/IProviderRegistry.sol";
import {DecimalsToken} from "../mocks/Tokens.sol";
import {MarketTest} from "../support/MarketTest.sol";
import {vm} from "../support/Vm.sol";

contract OpenLeaseTest is MarketTest {
    function test_locks_money_and_bond() public {
        setFee(100);
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.expectEmit(address(market));
        emit ILeaseMarket.LeaseOpened(leaseId, TENANT, PROVIDER, SESSION, DEPOSIT, 333888889, START + 30 minutes, bid);
        vm.prank(TENANT);
        market.openLease(bid, r, vs, SESSION, DEPOSIT);

        ILeaseMarket.LeaseView memory expected;
        expected.state = 1;
        expected.tenant = TENANT;
        expected.provider = PROVIDER;
        expected.signer = SESSION;
        expected.token = address(token);
        expected.endAt = START + 30 minutes;
        expected.rateCapE6 = 333888889;
        expected.feeBps = 100;
        expected.balance = DEPOSIT;
        assertEq(lease(leaseId), expected);
        vm.assertEq(account(TENANT), FUNDS - DEPOSIT, "account");
        vm.assertEq(market.liabilities(address(token)), FUNDS, "liabilities");
        vm.assertEq(locked(), bid.maxSlash, "locked");
        vm.assertEq(uint256(market.rateCap(bid)), 333888889, "rate cap");
    }

    function test_the_owner_key_may_sign_too() public {
        uint256 ownerKey = 0xc01d;
        register(vm.addr(ownerKey), OPERATOR, BOND);
        ILeaseMarket.Bid memory bid = makeBid();
        bid.provider = vm.addr(ownerKey);
        (bytes32 r, bytes32 vs) = vm.signCompact(ownerKey, market.leaseIdOf(bid));
        vm.prank(TENANT);
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
        assertState(market.leaseIdOf(bid), 1);
    }

    function test_a_bid_opens_once_even_after_its_lease_is_closed() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = openLease(bid, DEPOSIT);
        expectOpenError(bid, abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 1));
        vm.prank(OPERATOR);
        market.decline(bid);
        expectOpenError(bid, abi.encodeWithSelector(ILeaseMarket.LeaseMarket_WrongState.selector, leaseId, 4));
    }

    function test_only_the_bids_tenant_accepts() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(STRANGER);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_NotTenant.selector, leaseId, STRANGER));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }

    function test_accepts_until_valid_until_and_not_after() public {
        ILeaseMarket.Bid memory bid = makeBid();
        for (uint40 i = 0; i < 2; ++i) {
            vm.warp(bid.validUntil - 1 + i);
            bid.salt = i;
            openLease(bid, DEPOSIT);
        }
        vm.warp(bid.validUntil + 1);
        bid.salt = 2;
        expectOpenError(
            bid,
            abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BidExpired.selector, market.leaseIdOf(bid), bid.validUntil)
        );
    }

    function test_refuses_while_intake_is_paused() public {
        market.setIntakePaused(true);
        expectOpenError(makeBid(), abi.encodeWithSelector(ILeaseMarket.LeaseMarket_IntakePaused.selector));
    }

    function test_refuses_a_bid_that_contradicts_itself() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.noShowPenalty = bid.maxSlash + 1;
        expectBadBid(bid, "noShowPenalty");
        bid = makeBid();
        bid.splitBps = 10_001;
        expectBadBid(bid, "splitBps");
        bid = makeBid();
        bid.maxDuration = 0;
        expectBadBid(bid, "maxDuration");
        bid.maxDuration = uint32(type(uint24).max) + 1;
        expectBadBid(bid, "maxDuration");
    }

    function test_refuses_a_rate_cap_of_zero_or_above_96_bits() public {
        ILeaseMarket.Bid memory bid = makeBid();
        delete bid.price;
        expectBadBid(bid, "rateCap");
        // 2^96 * 1e12 is the least sum that does not fit.
        bid.price[0] = uint128((uint256(1) << 96) * 1e12 >> 32);
        bid.limit[0] = uint64(1) << 32;
        expectBadBid(bid, "rateCap");
        bid.price[0] -= 233;
        openLease(bid, DEPOSIT);
        vm.assertTrue(market.rateCap(bid) > type(uint96).max - 1e6, "close to the bound");
    }

    function test_accepts_bounds_of_the_bid() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.noShowPenalty = bid.maxSlash;
        bid.splitBps = 10_000;
        bid.maxDuration = type(uint24).max;
        bid.startWindow = type(uint32).max;
        bytes32 leaseId = startLease(bid, bid.minDeposit);
        vm.assertEq(lease(leaseId).endAt, START + uint256(type(uint24).max), "endAt");
    }

    function test_needs_the_minimum_deposit() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.minDeposit = DEPOSIT + 1;
        expectOpenError(
            bid,
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_BelowMinDeposit.selector, market.leaseIdOf(bid), DEPOSIT + 1, DEPOSIT
            )
        );
        bid.minDeposit = DEPOSIT;
        openLease(bid, DEPOSIT);
    }

    function test_needs_the_money_in_the_account() public {
        ILeaseMarket.Bid memory bid = makeBid();
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(
                ILeaseMarket.LeaseMarket_Insufficient.selector, TENANT, uint256(FUNDS), uint256(FUNDS) + 1
            )
        );
        market.openLease(bid, r, vs, SESSION, FUNDS + 1);
    }

    function test_needs_a_session_key() public {
        ILeaseMarket.Bid memory bid = makeBid();
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        vm.expectRevert(ILeaseMarket.LeaseMarket_ZeroAddress.selector);
        market.openLease(bid, r, vs, address(0), DEPOSIT);
    }

    function test_refuses_a_token_off_the_list() public {
        DecimalsToken other = new DecimalsToken(6);
        ILeaseMarket.Bid memory bid = makeBid();
        bid.token = address(other);
        expectOpenError(bid, abi.encodeWithSelector(ILeaseMarket.LeaseMarket_TokenNotAllowed.selector, other));
    }

    function test_refuses_a_malformed_signature() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 leaseId = market.leaseIdOf(bid);
        (bytes32 r,) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(ILeaseMarket.LeaseMarket_InvalidSignature.selector, leaseId));
        // s above half of the curve's order
        market.openLease(bid, r, bytes32(type(uint256).max >> 1), SESSION, DEPOSIT);
    }

    function test_refuses_a_foreign_signer() public {
        ILeaseMarket.Bid memory bid = makeBid();
        (bytes32 r, bytes32 vs) = vm.signCompact(FOREIGN_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(
            abi.encodeWithSelector(
                IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, vm.addr(FOREIGN_KEY)
            )
        );
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }

    function test_refuses_an_operator_from_the_second_after_its_expiry() public {
        vm.prank(PROVIDER);
        registry.setOperator(OPERATOR, START + 10);
        ILeaseMarket.Bid memory bid = makeBid();
        bid.bidEpoch = 1;
        vm.warp(START + 10);
        openLease(bid, DEPOSIT);
        vm.warp(START + 11);
        bid.salt = 1;
        expectOpenError(
            bid, abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, OPERATOR)
        );
    }

    function test_refuses_a_bid_of_another_epoch() public {
        vm.prank(OPERATOR);
        registry.bumpBidEpoch(PROVIDER);
        expectOpenError(makeBid(), abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_StaleEpoch.selector, 1, 0));
    }

    function test_refuses_a_bid_that_the_free_bond_does_not_cover() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.maxSlash = uint96(BOND) + 1;
        expectOpenError(
            bid, abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BondLocked.selector, BOND, BOND + 1)
        );
        bid.maxSlash = uint96(BOND);
        openLease(bid, DEPOSIT);
    }

    function test_refuses_an_unknown_provider() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.provider = STRANGER;
        expectOpenError(bid, abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_Inactive.selector, STRANGER));
    }

    function test_a_bid_for_another_chain_is_another_lease() public {
        ILeaseMarket.Bid memory bid = makeBid();
        bytes32 here = market.leaseIdOf(bid);
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, here);
        vm.chainId(424242);
        bytes32 there = market.leaseIdOf(bid);
        vm.assertTrue(there != here, "another digest");
        // Under another digest the same signature is another account's, a bidder that nobody knows.
        address nobody = ECDSA.recover(there, r, vs);
        vm.prank(TENANT);
        expectError(abi.encodeWithSelector(IProviderRegistry.ProviderRegistry_BadSigner.selector, PROVIDER, nobody));
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }

    function expectBadBid(ILeaseMarket.Bid memory bid, bytes32 field) private {
        expectOpenError(
            bid, abi.encodeWithSelector(ILeaseMarket.LeaseMarket_BadBid.selector, market.leaseIdOf(bid), field)
        );
    }

    function expectOpenError(ILeaseMarket.Bid memory bid, bytes memory err) private {
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, market.leaseIdOf(bid));
        vm.prank(TENANT);
        expectError(err);
        market.openLease(bid, r, vs, SESSION, DEPOSIT);
    }
}
