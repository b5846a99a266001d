// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../src/interfaces/ILeaseMarket.sol";
import {Settlement} from "../src/libraries/Settlement.sol";
import {TypedData} from "../src/libraries/TypedData.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice The library's functions that the market has no view for.
contract SettlementProbe {
    function rateCapE6(ILeaseMarket.Bid calldata bid) external pure returns (uint256) {
        return Settlement.rateCapE6(bid.price, bid.limit);
    }

    function cap(uint256 rate, uint256 elapsed) external pure returns (uint256) {
        return Settlement.cap(rate, elapsed);
    }

    function share(uint256 whole, uint256 bps) external pure returns (uint256) {
        return Settlement.share(whole, bps);
    }

    function typeHashes() external pure returns (bytes32, bytes32, bytes32) {
        return (TypedData.BID_TYPEHASH, TypedData.ORDER_TYPEHASH, TypedData.STATEMENT_TYPEHASH);
    }

    function structHash(ILeaseMarket.Bid calldata bid) external pure returns (bytes32) {
        return TypedData.hash(bid);
    }
}

/// @notice The market agrees with the vectors that the Rust crates and a JavaScript library agree with.
contract VectorsTest is MarketTest {
    string private json;
    SettlementProbe private probe;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("test/vectors/typed_data.json");
        probe = new SettlementProbe();
        // The digests hold for one address on one chain: put the market's code there.
        vm.chainId(vm.parseJsonUint(json, ".domain.chainId"));
        address there = vm.parseJsonAddress(json, ".domain.verifyingContract");
        vm.etch(there, address(market).code);
        market = ILeaseMarket(there);
    }

    function test_type_hashes_match_the_vectors() public view {
        (bytes32 bid, bytes32 order, bytes32 statement) = probe.typeHashes();
        vm.assertEq(bid, vm.parseJsonBytes32(json, ".typeHashes.Bid"), "Bid");
        vm.assertEq(order, vm.parseJsonBytes32(json, ".typeHashes.Order"), "Order");
        vm.assertEq(statement, vm.parseJsonBytes32(json, ".typeHashes.Statement"), "Statement");
    }

    function test_bids_match_the_vectors() public view {
        uint256 count = 0;
        for (string memory path = item("bids", 0); vm.keyExistsJson(json, path); path = item("bids", ++count)) {
            ILeaseMarket.Bid memory bid = parseBid(string.concat(path, ".bid"));
            bytes32 digest = word(path, ".digest");
            vm.assertEq(probe.structHash(bid), word(path, ".structHash"), path);
            vm.assertEq(market.leaseIdOf(bid), digest, path);
            vm.assertEq(probe.rateCapE6(bid), number(path, ".rateCapE6"), path);
            checkSignature(path, digest);
        }
        vm.assertEq(count, 5, "bids");
    }

    function test_orders_match_the_vectors() public view {
        uint256 count = 0;
        for (string memory path = item("orders", 0); vm.keyExistsJson(json, path); path = item("orders", ++count)) {
            vm.assertEq(market.orderHashOf(parseOrder(string.concat(path, ".order"))), word(path, ".digest"), path);
        }
        vm.assertEq(count, 2, "orders");
    }

    function test_statements_match_the_vectors() public view {
        uint256 count = 0;
        for (
            string memory path = item("statements", 0);
            vm.keyExistsJson(json, path);
            path = item("statements", ++count)
        ) {
            ILeaseMarket.Statement memory statement = parseStatement(string.concat(path, ".statement"));
            bytes32 digest = word(path, ".digest");
            vm.assertEq(market.statementDigest(statement), digest, path);
            vm.assertEq(
                keccak256(abi.encode(usageAt(path, ".usage"), statement.asOf, word(path, ".meterRoot"))),
                statement.usageHash,
                path
            );
            checkSignature(path, digest);
        }
        vm.assertEq(count, 4, "statements");
    }

    function test_amounts_match_the_vectors() public view {
        uint256 count = 0;
        ILeaseMarket.Bid memory bid;
        for (string memory path = item("amounts", 0); vm.keyExistsJson(json, path); path = item("amounts", ++count)) {
            bid.price = usageAt(path, ".price");
            bid.limit = limitAt(path, ".limit");
            uint256 amount = market.amountOf(bid, usageAt(path, ".usage"), number(path, ".elapsed"));
            vm.assertEq(amount, number(path, ".amount"), path);
        }
        vm.assertEq(count, 29, "amounts");
    }

    function test_caps_match_the_vectors() public view {
        uint256 count = 0;
        for (string memory path = item("caps", 0); vm.keyExistsJson(json, path); path = item("caps", ++count)) {
            uint256 cap = number(path, ".paid") + probe.cap(number(path, ".rateCapE6"), number(path, ".elapsed"));
            vm.assertEq(cap, number(path, ".capCum"), path);
        }
        vm.assertEq(count, 5, "caps");
    }

    function test_payouts_match_the_vectors() public view {
        uint256 count = 0;
        for (string memory path = item("payouts", 0); vm.keyExistsJson(json, path); path = item("payouts", ++count)) {
            uint256 fee = probe.share(number(path, ".amount"), number(path, ".feeBps"));
            vm.assertEq(fee, number(path, ".fee"), path);
            vm.assertEq(number(path, ".amount") - fee, number(path, ".net"), path);
        }
        vm.assertEq(count, 7, "payouts");
    }

    function checkSignature(string memory path, bytes32 digest) private view {
        uint256 key = uint256(word(path, ".signature.privateKey"));
        (bytes32 r, bytes32 vs) = vm.signCompact(key, digest);
        vm.assertEq(r, word(path, ".signature.r"), path);
        vm.assertEq(vs, word(path, ".signature.vs"), path);
        vm.assertEq(vm.addr(key), vm.parseJsonAddress(json, string.concat(path, ".signature.signer")), path);
    }

    function parseBid(string memory path) private view returns (ILeaseMarket.Bid memory bid) {
        bid.provider = vm.parseJsonAddress(json, string.concat(path, ".provider"));
        bid.tenant = vm.parseJsonAddress(json, string.concat(path, ".tenant"));
        bid.token = vm.parseJsonAddress(json, string.concat(path, ".token"));
        bid.orderHash = word(path, ".orderHash");
        bid.bidEpoch = uint32(number(path, ".bidEpoch"));
        bid.salt = uint64(number(path, ".salt"));
        bid.validUntil = uint40(number(path, ".validUntil"));
        bid.startWindow = uint32(number(path, ".startWindow"));
        bid.maxDuration = uint32(number(path, ".maxDuration"));
        bid.noticePeriod = uint32(number(path, ".noticePeriod"));
        bid.maxSlash = uint96(number(path, ".maxSlash"));
        bid.noShowPenalty = uint96(number(path, ".noShowPenalty"));
        bid.minDeposit = uint128(number(path, ".minDeposit"));
        bid.splitBps = uint16(number(path, ".splitBps"));
        bid.arbiter = vm.parseJsonAddress(json, string.concat(path, ".arbiter"));
        bid.price = usageAt(path, ".price");
        bid.limit = limitAt(path, ".limit");
    }

    function parseOrder(string memory path) private view returns (ILeaseMarket.Order memory order) {
        order.tenant = vm.parseJsonAddress(json, string.concat(path, ".tenant"));
        order.token = vm.parseJsonAddress(json, string.concat(path, ".token"));
        order.requirementsHash = word(path, ".requirementsHash");
        order.manifestHash = word(path, ".manifestHash");
        order.maxRateE6 = uint96(number(path, ".maxRateE6"));
        order.deposit = uint128(number(path, ".deposit"));
        order.deadline = uint40(number(path, ".deadline"));
        order.nonce = uint64(number(path, ".nonce"));
    }

    function parseStatement(string memory path) private view returns (ILeaseMarket.Statement memory statement) {
        statement.leaseId = word(path, ".leaseId");
        statement.amountCum = uint128(number(path, ".amountCum"));
        statement.asOf = uint40(number(path, ".asOf"));
        statement.usageHash = word(path, ".usageHash");
        statement.last = vm.parseJsonBool(json, string.concat(path, ".last"));
    }

    function usageAt(string memory path, string memory key) private view returns (uint128[8] memory values) {
        uint256[] memory list = vm.parseJsonUintArray(json, string.concat(path, key));
        for (uint256 i = 0; i < 8; ++i) {
            values[i] = uint128(list[i]);
        }
    }

    function limitAt(string memory path, string memory key) private view returns (uint64[8] memory values) {
        uint256[] memory list = vm.parseJsonUintArray(json, string.concat(path, key));
        for (uint256 i = 0; i < 8; ++i) {
            values[i] = uint64(list[i]);
        }
    }

    function item(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(".", list, "[", vm.toString(index), "]");
    }

    function number(string memory path, string memory key) private view returns (uint256) {
        return vm.parseJsonUint(json, string.concat(path, key));
    }

    function word(string memory path, string memory key) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(path, key));
    }
}
