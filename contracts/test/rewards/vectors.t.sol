// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IRewardsDistributor} from "../../src/interfaces/IRewardsDistributor.sol";
import {Leaves} from "../../src/rewards/Leaves.sol";
import {vm} from "../support/Vm.sol";

/// @notice The library's functions that the distributor has no view for.
contract LeavesProbe {
    using Leaves for IRewardsDistributor.Leaf;

    function hash(IRewardsDistributor.Leaf calldata leaf, uint256 programme) external pure returns (bytes32) {
        return leaf.hash(programme);
    }

    function rootOf(bytes32[] memory level) external pure returns (bytes32) {
        return Leaves.rootOf(level);
    }

    function raw(uint128 units, uint128 rate) external pure returns (uint256) {
        return Leaves.raw(units, rate);
    }

    function scaled(uint128 amount, uint256 rawTotal, uint128 allowance) external pure returns (uint256) {
        return Leaves.scaled(amount, rawTotal, allowance);
    }
}

/// @dev Cheatcodes that read a whole list.
interface Lists {
    function parseJsonAddressArray(string calldata json, string calldata key) external pure returns (address[] memory);
    function parseJsonBytes32Array(string calldata json, string calldata key) external pure returns (bytes32[] memory);
}

/// @notice The distributor's arithmetic and tree agree with the vectors that the Rust crate and a JavaScript library
/// agree with.
/// @dev Each epoch is checked in a call of its own, whose memory ends with it: the file is long.
contract RewardsVectorsTest {
    Lists private constant LISTS = Lists(address(vm));
    LeavesProbe private probe;

    struct Epoch {
        uint256 programme;
        uint256 rate;
        uint256 maxRate;
        uint128 allowance;
        uint256 rawTotal;
        bytes32 root;
        address[] accounts;
        uint256[] factors;
        uint256[] previousMeasures;
        uint256[] previousCumulatives;
        uint256[] measures;
        uint256[] raws;
        uint256[] cumulatives;
        bytes32[] hashes;
    }

    function setUp() public {
        probe = new LeavesProbe();
    }

    function test_every_epoch_of_the_vectors_has_their_leaves_and_root() public view {
        string memory json = read();
        uint256 epochs = 0;
        uint256 leaves = 0;
        while (vm.keyExistsJson(json, item(".epochs", epochs))) leaves += this.checkEpoch(item(".epochs", epochs++));
        vm.assertEq(epochs, 17, "epochs");
        vm.assertEq(leaves, 114, "leaves");
    }

    function checkEpoch(string memory path) external view returns (uint256 count) {
        Epoch memory epoch = this.parse(path);
        count = epoch.accounts.length;
        bytes32[] memory level = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = checkLeaf(path, epoch, i);
            this.checkProof(path, i, epoch.root, level[i]);
        }
        // The contract takes no root without leaves.
        if (count != 0) vm.assertEq(probe.rootOf(level), epoch.root, path);
    }

    function checkProof(string memory path, uint256 index, bytes32 root, bytes32 leaf) external view {
        bytes32[] memory proof = LISTS.parseJsonBytes32Array(read(), item(string.concat(path, ".proofs"), index));
        vm.assertTrue(MerkleProof.verify(proof, root, leaf), path);
    }

    function parse(string memory path) external view returns (Epoch memory epoch) {
        string memory json = read();
        epoch.programme = vm.parseJsonUint(json, string.concat(path, ".programme"));
        epoch.rate = vm.parseJsonUint(json, string.concat(path, ".rate"));
        epoch.maxRate = vm.parseJsonUint(json, string.concat(path, ".maxRate"));
        epoch.allowance = uint128(vm.parseJsonUint(json, string.concat(path, ".allowance")));
        epoch.rawTotal = vm.parseJsonUint(json, string.concat(path, ".rawTotal"));
        epoch.root = vm.parseJsonBytes32(json, string.concat(path, ".root"));
        epoch.accounts = LISTS.parseJsonAddressArray(json, string.concat(path, ".accounts"));
        epoch.factors = vm.parseJsonUintArray(json, string.concat(path, ".factors"));
        epoch.previousMeasures = vm.parseJsonUintArray(json, string.concat(path, ".previousMeasures"));
        epoch.previousCumulatives = vm.parseJsonUintArray(json, string.concat(path, ".previousCumulatives"));
        epoch.measures = vm.parseJsonUintArray(json, string.concat(path, ".measures"));
        epoch.raws = vm.parseJsonUintArray(json, string.concat(path, ".raws"));
        epoch.cumulatives = vm.parseJsonUintArray(json, string.concat(path, ".cumulatives"));
        epoch.hashes = LISTS.parseJsonBytes32Array(json, string.concat(path, ".leafHashes"));
    }

    function checkLeaf(string memory path, Epoch memory epoch, uint256 i) private view returns (bytes32 hash) {
        uint256 rate = epoch.rate * epoch.factors[i] / 10_000;
        if (rate > epoch.maxRate) rate = epoch.maxRate;
        IRewardsDistributor.Leaf memory leaf = IRewardsDistributor.Leaf({
            index: uint32(i),
            account: epoch.accounts[i],
            measure: uint128(epoch.measures[i]),
            raw: uint128(epoch.raws[i]),
            cumulative: uint128(epoch.cumulatives[i])
        });
        uint256 raw = probe.raw(leaf.measure - uint128(epoch.previousMeasures[i]), uint128(rate));
        vm.assertEq(raw, leaf.raw, path);
        uint256 scaled = probe.scaled(leaf.raw, epoch.rawTotal, epoch.allowance);
        vm.assertEq(epoch.previousCumulatives[i] + scaled, leaf.cumulative, path);
        hash = probe.hash(leaf, epoch.programme);
        vm.assertEq(hash, epoch.hashes[i], path);
    }

    function read() private view returns (string memory json) {
        return vm.readFile("test/vectors/rewards.json");
    }

    function item(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]");
    }
}
