// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProviderRegistry} from "../../../src/interfaces/IProviderRegistry.sol";
import {IRewardsDistributor} from "../../../src/interfaces/IRewardsDistributor.sol";
import {TestUSD} from "../../../src/test-token/TestUSD.sol";
import {vm} from "../../support/Vm.sol";
import {StubMarket} from "./StubMarket.sol";
import {Tree} from "./Tree.sol";

/// @notice A distributor over a real registry and a market whose fees the test sets; and a word for every step.
abstract contract RewardsTest {
    uint40 internal constant START = 1_790_000_000;
    uint32 internal constant LENGTH = 7 days;
    uint32 internal constant EPOCHS = 8;
    uint32 internal constant WINDOW = 2 days;
    uint128 internal constant BUDGET = 1_000e6;
    uint128 internal constant POSTER_BOND = 50e6;
    uint128 internal constant RATE = 0.3e18;
    uint128 internal constant MAX_RATE = 0.6e18;
    uint128 internal constant MIN_BOND = 100e6;
    uint128 internal constant BOND = 1_000e6;
    uint40 internal constant UNBOND_DELAY = 14 days;
    uint40 internal constant SWEEP_DELAY = 90 days;

    address internal constant SPONSOR = address(0xE001);
    address internal constant POSTER = address(0xE002);
    address internal constant REFUTER = address(0xE003);
    address internal constant STRANGER = address(0xE004);
    address internal constant OPERATOR = address(0xE005);
    address internal constant ALICE = address(0xE101);
    address internal constant BOB = address(0xE102);
    address internal constant CAROL = address(0xE103);
    bytes32 internal constant NORTH = bytes32(uint256(1));
    bytes32 internal constant SOUTH = bytes32(uint256(2));

    TestUSD internal token;
    IProviderRegistry internal registry;
    StubMarket internal market;
    IRewardsDistributor internal rewards;
    /// @dev Ascending by address.
    uint256[] internal auditorKeys;
    address[] internal auditors;

    function setUp() public virtual {
        vm.warp(START);
        token = new TestUSD();
        registry = IProviderRegistry(
            vm.deployCode(
                "ProviderRegistry.sol:ProviderRegistry", abi.encode(token, MIN_BOND, UNBOND_DELAY, address(this))
            )
        );
        market = new StubMarket(address(registry));
        rewards = IRewardsDistributor(vm.deployCode("RewardsDistributor.sol:RewardsDistributor", abi.encode(market)));
        for (uint256 key = 1; key <= 3; ++key) {
            addAuditor(key);
        }
        mint(SPONSOR, type(uint128).max, address(rewards));
        mint(POSTER, 1_000_000e6, address(rewards));
        register(ALICE);
        register(BOB);
        register(CAROL);
    }

    function addAuditor(uint256 key) private {
        auditorKeys.push(key);
        auditors.push(vm.addr(key));
        for (uint256 i = auditors.length - 1; i > 0 && auditors[i] < auditors[i - 1]; --i) {
            (auditors[i], auditors[i - 1]) = (auditors[i - 1], auditors[i]);
            (auditorKeys[i], auditorKeys[i - 1]) = (auditorKeys[i - 1], auditorKeys[i]);
        }
    }

    // ---- people ----

    function register(address provider) internal {
        mint(provider, BOND, address(registry));
        vm.prank(provider);
        registry.register(OPERATOR, START + 3650 days, BOND, "https://gateway.example", bytes32("attributes"));
    }

    function mint(address owner, uint256 amount, address spender) internal {
        token.mint(owner, amount);
        vm.prank(owner);
        token.approve(spender, type(uint256).max);
    }

    function earn(address provider, uint128 fees) internal {
        market.addFees(provider, address(token), fees);
    }

    // ---- values ----

    function makeMatched() internal view returns (IRewardsDistributor.ProgrammeTerms memory terms) {
        terms.kind = 1;
        terms.token = address(token);
        terms.startAt = START;
        terms.epochLength = LENGTH;
        terms.epochs = EPOCHS;
        terms.challengeWindow = WINDOW;
        terms.budgetPerEpoch = BUDGET;
        terms.posterBond = POSTER_BOND;
        terms.rate = RATE;
        terms.maxRate = MAX_RATE;
        terms.auditors = auditors;
        terms.multipliers = new IRewardsDistributor.Multiplier[](2);
        (bytes32 a, bytes32 b) = (attributeHash("region", "north"), attributeHash("tier", "gold"));
        terms.multipliers[a < b ? 0 : 1] = IRewardsDistributor.Multiplier(a, 15_000);
        terms.multipliers[a < b ? 1 : 0] = IRewardsDistributor.Multiplier(b, 12_345);
    }

    /// @dev 10 base units of reward per unit; one base unit of bond per unit.
    function makeCapacity() internal view returns (IRewardsDistributor.ProgrammeTerms memory terms) {
        terms = makeMatched();
        terms.kind = 2;
        terms.rate = 10e18;
        terms.maxRate = 20e18;
        terms.quorum = 2;
        terms.providerCap = 600;
        terms.bondPerUnit = 1e18;
        terms.regionCaps = new IRewardsDistributor.RegionCap[](2);
        terms.regionCaps[0] = IRewardsDistributor.RegionCap(NORTH, 1000);
        terms.regionCaps[1] = IRewardsDistributor.RegionCap(SOUTH, 500);
    }

    function attributeHash(string memory key, string memory value) internal pure returns (bytes32) {
        return keccak256(abi.encode(key, value));
    }

    function attributesOf(string memory key, string memory value)
        internal
        pure
        returns (IRewardsDistributor.Attribute[] memory attributes)
    {
        attributes = new IRewardsDistributor.Attribute[](1);
        attributes[0] = IRewardsDistributor.Attribute(key, value);
    }

    function endOf(uint32 epoch) internal pure returns (uint40) {
        return START + (epoch + 1) * LENGTH;
    }

    function noLeaf() internal pure returns (IRewardsDistributor.Leaf memory leaf) {}

    function noProof() internal pure returns (bytes32[] memory proof) {}

    // ---- steps ----

    function create(IRewardsDistributor.ProgrammeTerms memory terms) internal returns (uint256) {
        vm.prank(SPONSOR);
        return rewards.create(terms);
    }

    function fund(uint256 id, uint128 amount) internal {
        vm.prank(SPONSOR);
        rewards.fund(id, amount);
    }

    function enrol(uint256 id, address provider) internal {
        vm.prank(provider);
        rewards.enrol(id);
    }

    function attest(address provider, address auditor, IRewardsDistributor.Attribute[] memory attributes, uint40 expiry)
        internal
    {
        bytes32 claimsHash = keccak256(abi.encode(attributes));
        vm.prank(auditor);
        registry.attest(provider, claimsHash, expiry);
    }

    function prove(uint256 id, address provider, address auditor, IRewardsDistributor.Attribute[] memory attributes)
        internal
    {
        vm.prank(provider);
        rewards.prove(id, provider, auditor, attributes);
    }

    /// @dev Signed by the first `signers` auditors.
    function sign(IRewardsDistributor.CapacityReport memory capacity, uint256 signers)
        internal
        view
        returns (bytes32[] memory r, bytes32[] memory vs)
    {
        bytes32 digest = rewards.reportDigest(capacity);
        r = new bytes32[](signers);
        vs = new bytes32[](signers);
        for (uint256 i = 0; i < signers; ++i) {
            (r[i], vs[i]) = vm.signCompact(auditorKeys[i], digest);
        }
    }

    function report(uint256 id, address provider, bytes32 region, uint32 epoch, uint128 unitsCum) internal {
        IRewardsDistributor.CapacityReport memory capacity =
            IRewardsDistributor.CapacityReport(id, provider, region, epoch, unitsCum);
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, 2);
        rewards.report(capacity, r, vs);
    }

    function post(uint256 id, uint32 epoch, IRewardsDistributor.Leaf[] memory leaves) internal returns (uint32) {
        return postOn(id, epoch, rewards.programmeOf(id).finalNumber, leaves);
    }

    function postOn(uint256 id, uint32 epoch, uint32 base, IRewardsDistributor.Leaf[] memory leaves)
        internal
        returns (uint32)
    {
        vm.prank(POSTER);
        return rewards.post(id, epoch, base, leaves);
    }

    /// @dev Refutes by leaf `index` of `leaves`; `previous` are all leaves of the base, or none.
    function refute(
        uint256 id,
        uint32 number,
        IRewardsDistributor.Leaf[] memory leaves,
        uint256 index,
        IRewardsDistributor.Leaf[] memory previous
    ) internal {
        bytes32[] memory proof = Tree.proof(id, leaves, index);
        bool isNew = index >= previous.length;
        IRewardsDistributor.Leaf memory before = isNew ? noLeaf() : previous[index];
        bytes32[] memory beforeProof = isNew ? noProof() : Tree.proof(id, previous, index);
        vm.prank(REFUTER);
        rewards.refute(id, number, leaves[index], proof, before, beforeProof);
    }

    function claim(uint256 id, IRewardsDistributor.Leaf[] memory leaves, uint256 index) internal {
        bytes32[] memory proof = Tree.proof(id, leaves, index);
        vm.prank(leaves[index].account);
        rewards.claim(id, leaves[index], proof, leaves[index].account);
    }

    /// @dev To where roots posted now are final.
    function passWindow() internal {
        vm.warp(block.timestamp + WINDOW);
    }

    // ---- leaves ----

    function leaf(uint32 index, address account, uint128 measure, uint128 raw, uint128 cumulative)
        internal
        pure
        returns (IRewardsDistributor.Leaf memory)
    {
        return IRewardsDistributor.Leaf(index, account, measure, raw, cumulative);
    }

    function one(IRewardsDistributor.Leaf memory a) internal pure returns (IRewardsDistributor.Leaf[] memory leaves) {
        leaves = new IRewardsDistributor.Leaf[](1);
        leaves[0] = a;
    }

    function two(IRewardsDistributor.Leaf memory a, IRewardsDistributor.Leaf memory b)
        internal
        pure
        returns (IRewardsDistributor.Leaf[] memory leaves)
    {
        leaves = new IRewardsDistributor.Leaf[](2);
        (leaves[0], leaves[1]) = (a, b);
    }

    function none() internal pure returns (IRewardsDistributor.Leaf[] memory leaves) {}

    // ---- expectations ----

    function expectEvent() internal {
        vm.expectEmit(address(rewards));
    }

    function assertSolvent() internal view {
        vm.assertEq(token.balanceOf(address(rewards)), rewards.liabilities(address(token)), "holds what it owes");
    }

    // ---- steps that must fail: what they need is made ready before the refusal is expected ----

    function createFails(IRewardsDistributor.ProgrammeTerms memory terms, bytes32 field) internal {
        vm.expectRevert(abi.encodeWithSelector(IRewardsDistributor.RewardsDistributor_BadTerms.selector, field));
        rewards.create(terms);
    }

    function postFails(
        uint256 id,
        uint32 epoch,
        uint32 base,
        IRewardsDistributor.Leaf[] memory leaves,
        bytes memory err
    ) internal {
        vm.expectRevert(err);
        vm.prank(POSTER);
        rewards.post(id, epoch, base, leaves);
    }

    function refuteFails(
        uint256 id,
        uint32 number,
        IRewardsDistributor.Leaf[] memory leaves,
        uint256 index,
        IRewardsDistributor.Leaf[] memory previous,
        bytes memory err
    ) internal {
        bytes32[] memory proof = Tree.proof(id, leaves, index);
        bool isNew = index >= previous.length;
        IRewardsDistributor.Leaf memory before = isNew ? noLeaf() : previous[index];
        bytes32[] memory beforeProof = isNew ? noProof() : Tree.proof(id, previous, index);
        vm.expectRevert(err);
        rewards.refute(id, number, leaves[index], proof, before, beforeProof);
    }

    function claimFails(uint256 id, IRewardsDistributor.Leaf[] memory leaves, uint256 index, bytes memory err)
        internal
    {
        bytes32[] memory proof = Tree.proof(id, leaves, index);
        vm.expectRevert(err);
        vm.prank(leaves[index].account);
        rewards.claim(id, leaves[index], proof, leaves[index].account);
    }

    function reportFails(IRewardsDistributor.CapacityReport memory capacity, uint256 signers, bytes memory err)
        internal
    {
        (bytes32[] memory r, bytes32[] memory vs) = sign(capacity, signers);
        vm.expectRevert(err);
        rewards.report(capacity, r, vs);
    }

    function err0(bytes4 selector) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector);
    }

    function err1(bytes4 selector, uint256 a) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a);
    }

    function err2(bytes4 selector, uint256 a, uint256 b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err2(bytes4 selector, uint256 a, address b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err2(bytes4 selector, address a, address b) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b);
    }

    function err3(bytes4 selector, uint256 a, uint256 b, uint256 c) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, a, b, c);
    }
}
