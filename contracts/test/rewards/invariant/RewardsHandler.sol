// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILeaseMarket} from "../../../src/interfaces/ILeaseMarket.sol";
import {IRewardsDistributor} from "../../../src/interfaces/IRewardsDistributor.sol";
import {MarketTest} from "../../support/MarketTest.sol";
import {bound, vm} from "../../support/Vm.sol";
import {Tree} from "../support/Tree.sol";

/// @notice Every action of the distributor over the real market, guided so that each is reached in each walk. The
/// providers wash: each pays itself through leases of its own, with money that this handler counts.
contract RewardsHandler is MarketTest {
    uint32 private constant LENGTH = 1 days;
    uint32 private constant WINDOW = 6 hours;
    uint32 private constant EPOCHS = 3;
    uint128 private constant POSTER_BOND = 5e6;
    uint256 private constant WASHERS = 4;
    uint256 private constant SLOTS = 4;
    uint256 private constant CAPACITY_SLOT = 2;
    bytes32 private constant REGION = bytes32("region");

    address internal constant SPONSOR = address(0xD001);
    address internal constant POSTER = address(0xD002);
    address internal constant REFUTER = address(0xD003);

    IRewardsDistributor internal rewards;
    uint256[SLOTS] internal live;
    uint256[] internal over;
    mapping(uint256 id => mapping(uint32 number => IRewardsDistributor.Leaf[])) internal leavesOf;
    mapping(address provider => uint256) public invested;

    uint256 private steps;
    uint64 private salt = 1_000;
    uint256[2] private auditorKeys;
    address[] private auditors;
    mapping(string action => uint256) public reached;

    constructor() {
        super.setUp();
        setFee(500);
        rewards = IRewardsDistributor(vm.deployCode("RewardsDistributor.sol:RewardsDistributor", abi.encode(market)));
        auditorKeys = vm.addr(1) < vm.addr(2) ? [uint256(1), 2] : [uint256(2), 1];
        auditors = [vm.addr(auditorKeys[0]), vm.addr(auditorKeys[1])];
        for (uint256 i = 0; i < WASHERS; ++i) {
            register(washer(i), OPERATOR, BOND);
        }
        approveAll(SPONSOR);
        approveAll(POSTER);
        for (uint256 slot = 0; slot < SLOTS; ++slot) {
            renew(slot);
        }
    }

    function setUp() public override {}

    function contracts() external view returns (address, address, address) {
        return (address(rewards), address(market), address(token));
    }

    function washer(uint256 i) public pure returns (address) {
        return address(uint160(0xDA00 + i % WASHERS));
    }

    function liveProgrammes() external view returns (uint256[SLOTS] memory) {
        return live;
    }

    // ---- actions ----

    /// @dev A provider pays itself through a lease; what it gets back is the payment less the fee.
    function wash(uint256 seed) public {
        seed = mix(seed);
        washBy(washer(seed), uint128(bound(seed >> 8, 1, 10 ** (1 + (seed >> 200) % 10))));
    }

    function fundOne(uint256 seed) public {
        seed = mix(seed);
        fundBy(open(seed % SLOTS), uint128(bound(seed >> 8, 1, 100e6)));
    }

    function enrolOne(uint256 seed) public {
        seed = mix(seed);
        join(open(seed % SLOTS), washer(seed >> 8));
    }

    function leaveOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(seed % SLOTS);
        if (join(id, washer(seed >> 8))) quit(id, washer(seed >> 8));
    }

    function checkpointOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(seed % 2);
        if (!join(id, washer(seed >> 8))) return;
        rewards.checkpoint(id, washer(seed >> 8));
        reach("checkpoint");
    }

    function proveOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(seed % SLOTS);
        if (!join(id, washer(seed >> 8)) || epochNow(id) + 1 >= EPOCHS) return;
        proveFor(id, washer(seed >> 8), seed >> 16);
    }

    function refreshOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(seed % SLOTS);
        if (!join(id, washer(seed >> 8)) || epochNow(id) + 1 >= EPOCHS) return;
        proveFor(id, washer(seed >> 8), seed >> 16);
        vm.prank(auditors[0]);
        registry.revoke(washer(seed >> 8));
        rewards.refresh(id, washer(seed >> 8));
        reach("refresh");
    }

    function reportOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(CAPACITY_SLOT);
        if (!join(id, washer(seed >> 8))) return;
        reportFor(id, washer(seed >> 8), seed >> 16);
    }

    function postRight(uint256 seed) public {
        seed = mix(seed);
        (uint256 id, uint32 epoch) = postable(seed);
        postLeaves(id, epoch, rightLeaves(id, epoch));
        reach("post");
    }

    /// @dev Everything to one provider, whatever it earned; nobody refutes it here.
    function postGreedy(uint256 seed) public {
        seed = mix(seed);
        (uint256 id, uint32 epoch) = postable(seed);
        greedy(id, epoch, seed);
        reach("post wrong");
    }

    function refuteOne(uint256 seed) public {
        seed = mix(seed);
        (uint256 id, uint32 epoch) = postable(seed);
        IRewardsDistributor.Leaf[] memory right = rightLeaves(id, epoch);
        IRewardsDistributor.Leaf[] memory wrong = rightLeaves(id, epoch);
        uint256 k = (seed >> 32) % wrong.length;
        wrong[k].raw += 1;
        uint32 number = postLeaves(id, epoch, wrong);
        if ((seed >> 64) % 2 == 0) postLeaves(id, epoch, right);
        refuteLeaf(id, number, wrong, k);
        vm.assertEq(rewards.rootOf(id, number).state, 2, "void");
        reach("refute");
    }

    function finaliseOne(uint256 seed) public {
        seed = mix(seed);
        (uint256 id, uint32 epoch) = postable(seed);
        uint32 number = postLeaves(id, epoch, rightLeaves(id, epoch));
        uint32 other = postLeaves(id, epoch, rightLeaves(id, epoch));
        vm.warp(block.timestamp + WINDOW);
        vm.assertTrue(rewards.rootOf(id, number).state >= 3, "decided");
        rewards.finalise(id);
        reach("finalise");
        if (rewards.rootOf(id, other).state != 4) return;
        rewards.returnBond(id, other);
        reach("returnBond");
    }

    function claimOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = (seed >> 4) % 3 == 0 && over.length != 0 ? over[(seed >> 8) % over.length] : open(seed % SLOTS);
        if (!claimAll(id)) {
            (uint256 earned, uint32 epoch) = rewarded(seed);
            if ((seed >> 128) % 4 == 0) greedy(earned, epoch, seed);
            else postLeaves(earned, epoch, rightLeaves(earned, epoch));
            vm.warp(block.timestamp + WINDOW);
            claimAll(earned);
        }
    }

    function withdrawOne(uint256 seed) public {
        address[3] memory people = [SPONSOR, POSTER, REFUTER];
        address who = people[mix(seed) % 3];
        if (rewards.credit(who, address(token)) == 0) return;
        vm.prank(who);
        rewards.withdraw(address(token), who);
        reach("withdraw");
    }

    function sweepOne(uint256 seed) public {
        seed = mix(seed);
        uint256 id = open(seed % SLOTS);
        fundBy(id, uint128(1 + seed % 1e6));
        vm.warp(rewards.termsOf(id).startAt + LENGTH * EPOCHS + 90 days);
        rewards.finalise(id);
        rewards.sweep(id);
        reach("sweep");
        renew(seed % SLOTS);
    }

    function changeFee(uint256 seed) public {
        setFee(uint16(mix(seed) % 501));
    }

    function passTime(uint256 seed) public {
        vm.warp(block.timestamp + mix(seed) % 8 hours);
    }

    /// @dev So that the books of all programmes are written down.
    function finaliseAll() external {
        for (uint256 id = 1; id <= rewards.programmeCount(); ++id) {
            rewards.finalise(id);
        }
    }

    // ---- parts ----

    function mix(uint256 seed) private returns (uint256) {
        return uint256(keccak256(abi.encode(seed, ++steps)));
    }

    function reach(string memory action) private {
        ++reached[action];
    }

    function approveAll(address who) private {
        token.mint(who, 1e30);
        vm.prank(who);
        token.approve(address(rewards), type(uint256).max);
    }

    function epochNow(uint256 id) private view returns (uint32) {
        return uint32((block.timestamp - rewards.termsOf(id).startAt) / LENGTH);
    }

    /// @dev The programme of this slot, a new one if it is over.
    function open(uint256 slot) private returns (uint256) {
        if (epochNow(live[slot]) >= EPOCHS) renew(slot);
        return live[slot];
    }

    function renew(uint256 slot) private {
        if (live[slot] != 0) over.push(live[slot]);
        IRewardsDistributor.ProgrammeTerms memory terms;
        terms.kind = slot == CAPACITY_SLOT ? 2 : 1;
        terms.token = address(token);
        terms.startAt = uint40(block.timestamp);
        (terms.epochLength, terms.epochs, terms.challengeWindow) = (LENGTH, EPOCHS, WINDOW);
        terms.budgetPerEpoch = slot == 0 ? 1e6 : 500e6;
        terms.rollover = slot == 1;
        terms.posterBond = POSTER_BOND;
        (terms.rate, terms.maxRate) = slot == 3 ? (0.9e18, 0.9e18) : (0.3e18, 0.8e18);
        terms.auditors = auditors;
        terms.multipliers = new IRewardsDistributor.Multiplier[](1);
        terms.multipliers[0] = IRewardsDistributor.Multiplier(keccak256(abi.encode("tier", "gold")), 50_000);
        if (slot == CAPACITY_SLOT) capacity(terms);
        vm.prank(SPONSOR);
        live[slot] = rewards.create(terms);
        fundBy(live[slot], terms.budgetPerEpoch);
    }

    function capacity(IRewardsDistributor.ProgrammeTerms memory terms) private pure {
        (terms.rate, terms.maxRate) = (1e3 * 1e18, 2e3 * 1e18);
        terms.quorum = 2;
        terms.providerCap = 600;
        terms.bondPerUnit = 1e18;
        terms.regionCaps = new IRewardsDistributor.RegionCap[](1);
        terms.regionCaps[0] = IRewardsDistributor.RegionCap(REGION, 1000);
    }

    function fundBy(uint256 id, uint128 amount) private {
        vm.prank(SPONSOR);
        rewards.fund(id, amount);
        reach("fund");
    }

    function washBy(address provider, uint128 amount) private {
        ILeaseMarket.Bid memory bid = makeBid();
        bid.provider = provider;
        bid.tenant = address(uint160(provider) + 0x1000);
        bid.salt = ++salt;
        bid.validUntil = uint40(block.timestamp);
        (bid.maxSlash, bid.noShowPenalty, bid.minDeposit) = (0, 0, 1);
        bid.price[0] = 1e30;
        fund(bid.tenant, amount);
        invested[provider] += amount;
        bytes32 leaseId = startLease(bid, amount);
        vm.warp(block.timestamp + 1);
        vm.assertEq(settle(leaseId, amount, uint40(block.timestamp), true), 1, "settled");
        reach("wash");
    }

    /// @dev Whether the provider takes part now; it leaves where it is counted already.
    function join(uint256 id, address provider) private returns (bool) {
        IRewardsDistributor.MemberView[] memory members = rewards.enrolled(id, 0, WASHERS);
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i].account == provider) return !members[i].left;
        }
        uint256 other = rewards.matchedProgramme(provider, address(token));
        if (rewards.termsOf(id).kind == 1 && other != 0) quit(other, provider);
        vm.prank(provider);
        rewards.enrol(id);
        reach("enrol");
        return true;
    }

    function quit(uint256 id, address provider) private {
        vm.prank(provider);
        rewards.leave(id);
        reach("leave");
    }

    function proveFor(uint256 id, address provider, uint256 seed) private {
        IRewardsDistributor.Attribute[] memory attributes = new IRewardsDistributor.Attribute[](1);
        attributes[0] = IRewardsDistributor.Attribute("tier", "gold");
        uint40 expiry = uint40(rewards.termsOf(id).startAt + LENGTH * (epochNow(id) + 2 + seed % 3));
        bytes32 claimsHash = keccak256(abi.encode(attributes));
        vm.prank(auditors[0]);
        registry.attest(provider, claimsHash, expiry);
        vm.prank(provider);
        rewards.prove(id, provider, auditors[0], attributes);
        reach("prove");
    }

    function reportFor(uint256 id, address provider, uint256 seed) private {
        uint32 epoch = epochNow(id);
        vm.warp(rewards.termsOf(id).startAt + LENGTH * (uint256(epoch) + 1) + seed % WINDOW);
        IRewardsDistributor.MemberView memory member = rewards.memberOf(id, provider);
        if (epoch < member.nextReport) return;
        IRewardsDistributor.CapacityReport memory made = IRewardsDistributor.CapacityReport(
            id, provider, REGION, epoch, member.unitsCum + uint128(bound(seed >> 32, 0, 700))
        );
        bytes32[] memory r = new bytes32[](2);
        bytes32[] memory vs = new bytes32[](2);
        bytes32 digest = rewards.reportDigest(made);
        for (uint256 i = 0; i < 2; ++i) {
            (r[i], vs[i]) = vm.signCompact(auditorKeys[i], digest);
        }
        rewards.report(made, r, vs);
        reach("report");
    }

    /// @dev A programme with an epoch that can be posted now; the time is brought to it.
    function postable(uint256 seed) private returns (uint256 id, uint32 epoch) {
        uint256 slot = seed % SLOTS;
        id = open(slot);
        if (rewards.programmeOf(id).enrolled == 0) join(id, washer(seed >> 8));
        epoch = epochNow(id);
        // An epoch that has a final root already, by skipping ahead: go on with the next programme of the slot.
        vm.warp(rewards.termsOf(id).startAt + LENGTH * (uint256(epoch) + 1));
        if (slot == CAPACITY_SLOT) vm.warp(block.timestamp + WINDOW);
        vm.assertLe(rewards.programmeOf(id).nextEpoch, epoch, "time only goes forward");
    }

    /// @dev The same with something earned in it.
    function rewarded(uint256 seed) private returns (uint256 id, uint32 epoch) {
        uint256 slot = seed % SLOTS;
        id = open(slot);
        address provider = washer(seed >> 8);
        if (join(id, provider)) {
            if (slot == CAPACITY_SLOT) reportFor(id, provider, seed >> 16);
            else washBy(provider, uint128(bound(seed >> 16, 1e6, 1_000e6)));
        }
        return postable(seed);
    }

    function rightLeaves(uint256 id, uint32 epoch) private view returns (IRewardsDistributor.Leaf[] memory leaves) {
        leaves = new IRewardsDistributor.Leaf[](rewards.enrolledBy(id, epoch));
        uint256 total;
        for (uint32 i = 0; i < leaves.length; ++i) {
            leaves[i] = rightLeaf(id, epoch, i);
            total += leaves[i].raw;
        }
        uint256 allowance = rewards.allowanceOf(id, epoch);
        for (uint32 i = 0; i < leaves.length; ++i) {
            leaves[i].cumulative += uint128(
                total > allowance ? uint256(leaves[i].raw) * allowance / total : leaves[i].raw
            );
        }
    }

    /// @dev With the cumulative amount of the root before, to which the caller adds.
    function rightLeaf(uint256 id, uint32 epoch, uint32 i) private view returns (IRewardsDistributor.Leaf memory) {
        IRewardsDistributor.MemberView memory member = rewards.enrolled(id, i, 1)[0];
        IRewardsDistributor.Leaf[] storage base = leavesOf[id][rewards.programmeOf(id).finalNumber];
        (uint128 measure, uint128 cumulative) =
            i < base.length ? (base[i].measure, base[i].cumulative) : (member.baseline, 0);
        bool matched = rewards.termsOf(id).kind == 1;
        uint128 now_ = matched ? member.counter : rewards.counterAt(id, member.account, epoch);
        uint256 raw = uint256(now_ - measure) * rewards.rateAt(id, member.account, epoch) / 1e18;
        return IRewardsDistributor.Leaf(i, member.account, now_, uint128(raw), cumulative);
    }

    function greedy(uint256 id, uint32 epoch, uint256 seed) private {
        IRewardsDistributor.Leaf[] memory leaves = rightLeaves(id, epoch);
        uint256 k = (seed >> 32) % leaves.length;
        uint256 others;
        for (uint256 i = 0; i < leaves.length; ++i) {
            if ((seed >> 64) % 2 == 0 && i != k) leaves[i].cumulative = 0;
            if (i != k) others += leaves[i].cumulative;
        }
        uint256 all = uint256(rewards.programmeOf(id).committed) + rewards.allowanceOf(id, epoch);
        leaves[k].cumulative = uint128(all - others);
        postLeaves(id, epoch, leaves);
    }

    function postLeaves(uint256 id, uint32 epoch, IRewardsDistributor.Leaf[] memory leaves)
        private
        returns (uint32 number)
    {
        uint32 base = rewards.programmeOf(id).finalNumber;
        vm.prank(POSTER);
        number = rewards.post(id, epoch, base, leaves);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leavesOf[id][number].push(leaves[i]);
        }
    }

    function refuteLeaf(uint256 id, uint32 number, IRewardsDistributor.Leaf[] memory leaves, uint256 k) private {
        bytes32[] memory proof = Tree.proof(id, leaves, k);
        IRewardsDistributor.Leaf[] memory base = leavesOf[id][rewards.programmeOf(id).finalNumber];
        IRewardsDistributor.Leaf memory previous;
        bytes32[] memory previousProof;
        if (k < base.length) (previous, previousProof) = (base[k], Tree.proof(id, base, k));
        vm.prank(REFUTER);
        rewards.refute(id, number, leaves[k], proof, previous, previousProof);
    }

    function claimAll(uint256 id) private returns (bool any) {
        IRewardsDistributor.Leaf[] memory leaves = leavesOf[id][rewards.programmeOf(id).finalNumber];
        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32[] memory proof = Tree.proof(id, leaves, i);
            uint128 due = rewards.claimable(id, leaves[i], proof);
            if (due == 0) continue;
            uint256 held = token.balanceOf(leaves[i].account);
            vm.prank(leaves[i].account);
            rewards.claim(id, leaves[i], proof, leaves[i].account);
            vm.assertEq(token.balanceOf(leaves[i].account) - held, due, "as promised");
            reach("claim");
            any = true;
        }
    }
}
