// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../src/interfaces/ILeaseMarket.sol";
import {SignedDepositTest} from "../support/SignedDepositTest.sol";
import {vm} from "../support/Vm.sol";

/// @notice What each call costs as a transaction of its own: 21000 and calldata included, refunds deducted. Run with
/// `npm run gas`, which isolates each call in a transaction and compares with `gas-targets.json`. In a plain test run
/// it only shows that the calls work. No fee is set, as in the targets, except where the name says so.
contract GasTest is SignedDepositTest {
    uint256 private constant BATCH = 20;
    uint128 private constant HOUR = 417_999;

    ILeaseMarket.Bid private bid;
    bytes32 private leaseId;

    function setUp() public override {
        super.setUp();
        bid = makeBid();
        bid.validUntil = START + 365 days;
        // Everybody has been here before: their accounts hold something.
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 60);
        settle(leaseId, 1_000, START + 60, false);
    }

    function test_register() public {
        token.mint(STRANGER, BOND);
        vm.startPrank(STRANGER);
        token.approve(address(registry), type(uint256).max);
        registry.register(
            OPERATOR,
            START + 365 days,
            BOND,
            "https://provider.example:8443#pin-sha256=abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
            keccak256("a")
        );
        snapshot("register");
        vm.stopPrank();
    }

    function test_deposit_and_withdraw() public {
        token.mint(address(this), 100e6);
        token.approve(address(market), type(uint256).max);
        market.deposit(address(token), STRANGER, 10e6);
        snapshot("depositFresh");
        market.deposit(address(token), STRANGER, 10e6);
        snapshot("deposit");
        token.mint(STRANGER, 1);
        vm.prank(STRANGER);
        market.withdraw(address(token), STRANGER, 5e6);
        snapshot("withdraw");
    }

    function test_deposits_by_signature() public {
        // The market has held this token before.
        signatures.mint(address(this), 1);
        signatures.approve(address(market), 1);
        market.deposit(address(signatures), TENANT, 1);
        depositWithPermit(permit(5e6), HOLDER, 5e6);
        snapshot("depositWithPermit");
        depositWithAuthorization(authorization(5e6, "nonce"), 5e6);
        snapshot("depositWithAuthorization");
    }

    function test_attest() public {
        vm.prank(STRANGER);
        registry.attest(PROVIDER, keccak256("claims"), START + 365 days);
        snapshot("attest");
    }

    function test_board() public {
        bytes memory nothing = "";
        ILeaseMarket.Order memory order = ILeaseMarket.Order(
            TENANT, address(token), keccak256(nothing), keccak256("m"), 400e6, 10e6, START + 1 days, 1
        );
        vm.prank(TENANT);
        market.postOrder(order, nothing);
        snapshot("postOrder");
        bytes memory requirements = makeRequirements();
        order.requirementsHash = keccak256(requirements);
        vm.prank(TENANT);
        market.postOrder(order, requirements);
        snapshot("postOrderTwoServices");
        (bytes32 r, bytes32 vs) = vm.signCompact(OPERATOR_KEY, leaseId);
        vm.prank(OPERATOR);
        market.postBid(bid, r, vs);
        snapshot("postBid");
    }

    function test_opening() public {
        bid.salt = 1;
        bytes32 id = openLease(bid, DEPOSIT);
        snapshot("openLease");
        confirm(id);
        snapshot("confirm");
        bid.salt = 2;
        openLease(bid, DEPOSIT);
        vm.prank(OPERATOR);
        market.decline(bid);
        snapshot("decline");
    }

    function test_confirm20() public {
        bytes32[] memory ids = new bytes32[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            bid.salt = uint64(100 + i);
            ids[i] = openLease(bid, 5e6);
        }
        vm.prank(OPERATOR);
        vm.assertEq(market.confirm(ids), BATCH, "done");
        snapshotEach("confirm20");
    }

    function test_settle() public {
        vm.warp(START + 3600);
        settle(leaseId, HOUR, START + 3600, false);
        snapshot("settle");
    }

    function test_settle_with_fee() public {
        setFee(100);
        bid.salt = 5;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(block.timestamp + 60);
        settle(leaseId, 1_000, uint40(block.timestamp), false);
        vm.warp(block.timestamp + 3600);
        settle(leaseId, HOUR, uint40(block.timestamp), false);
        snapshot("settleWithFee");
    }

    function test_settle20() public {
        ILeaseMarket.SignedStatement[] memory batch = new ILeaseMarket.SignedStatement[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            bid.salt = uint64(100 + i);
            bytes32 id = startLease(bid, 5e6);
            vm.warp(block.timestamp + 10);
            vm.assertEq(settle(id, 1_000, uint40(block.timestamp), false), 1, "first");
        }
        vm.warp(START + 7200);
        for (uint256 i = 0; i < BATCH; ++i) {
            bid.salt = uint64(100 + i);
            batch[i] = signed(makeStatement(market.leaseIdOf(bid), uint128(HOUR + i), START + 7200, false), SESSION_KEY);
        }
        vm.prank(OPERATOR);
        vm.assertEq(market.settle(batch), BATCH, "done");
        snapshotEach("settle20");
    }

    function test_settle_last_and_finalize() public {
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        settle(leaseId, HOUR, START + 3600, true);
        uint256 gas = snapshot("settleLast");
        market.finalize(one(bid));
        gas += snapshot("finalizeSettled");
        vm.snapshotValue("gas", "settleLastAndFinalize", gas);
    }

    function test_claim() public {
        vm.warp(START + 3600);
        bid.salt = 9;
        bid.maxDuration = 7 days;
        leaseId = startLease(bid, DEPOSIT);
        vm.warp(START + 7200);
        claim(bid, makeUsage(3600));
        snapshot("claim");
        vm.warp(START + 7200 + DISPUTE_WINDOW);
        claim(bid, makeUsage(7200));
        snapshot("claimMaturing");
        vm.warp(START + 7200 + 2 * DISPUTE_WINDOW);
        market.mature(one(leaseId));
        snapshot("mature");
        vm.prank(TENANT);
        market.closeLease(leaseId);
        snapshot("closeLease");
        vm.warp(START + 7200 + 2 * DISPUTE_WINDOW + CLAIM_WINDOW + 1);
        market.finalize(one(bid));
        snapshot("finalize");
    }

    function test_claim20() public {
        ILeaseMarket.ClaimItem[] memory items = new ILeaseMarket.ClaimItem[](BATCH);
        for (uint256 i = 0; i < BATCH; ++i) {
            bid.salt = uint64(100 + i);
            startLease(bid, 5e6);
            items[i] = ILeaseMarket.ClaimItem(bid, makeUsage(3600));
        }
        vm.warp(START + 7200);
        vm.prank(OPERATOR);
        vm.assertEq(market.claim(items), BATCH, "done");
        snapshotEach("claim20");
    }

    function test_dispute_and_resolve() public {
        vm.warp(START + 3600);
        claim(bid, makeUsage(3600));
        dispute(bid, 17_999);
        snapshot("dispute");
        vm.warp(START + 3600 + CLAIM_WINDOW + 1);
        vm.prank(ARBITER);
        market.resolve(bid, 100_000, 200_000);
        snapshot("resolve");
    }

    function test_sizes() public {
        vm.snapshotValue("gas", "marketRuntimeBytes", address(market).code.length);
        vm.snapshotValue("gas", "registryRuntimeBytes", address(registry).code.length);
    }

    function snapshot(string memory name) private returns (uint256) {
        return vm.snapshotGasLastCall("gas", name);
    }

    function snapshotEach(string memory name) private {
        uint256 total = vm.snapshotGasLastCall("gas", string.concat(name, "Total"));
        vm.snapshotValue("gas", name, total / BATCH);
    }

    struct Attribute {
        string key;
        string value;
    }

    struct ServiceRequirements {
        uint32 replicas;
        uint64 cpuMilli;
        uint64 memoryBytes;
        uint64 gpuMilli;
        string gpuModel;
        uint64[] volumeBytes;
    }

    struct Requirements {
        uint8 version;
        uint8 tier;
        uint32 duration;
        uint64 egressBytesPerSecond;
        uint32 leasedIps;
        ServiceRequirements[] services;
        Attribute[] attributes;
    }

    /// @dev A web front end and a database, as in `examples/guestbook.yaml`.
    function makeRequirements() private pure returns (bytes memory) {
        Requirements memory requirements;
        requirements.version = 1;
        requirements.duration = 3600;
        requirements.egressBytesPerSecond = 1_000_000;
        requirements.services = new ServiceRequirements[](2);
        requirements.services[0] = ServiceRequirements(1, 250, 128 << 20, 0, "", new uint64[](0));
        requirements.services[1] = ServiceRequirements(1, 500, 256 << 20, 0, "", new uint64[](1));
        requirements.services[1].volumeBytes[0] = 1 << 30;
        requirements.attributes = new Attribute[](1);
        requirements.attributes[0] = Attribute("region", "eu");
        return abi.encode(requirements);
    }
}
