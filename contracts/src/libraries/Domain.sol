// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @title Domain
/// @notice The EIP-712 domain `{name, version: "1", chainId, verifyingContract}`, and digests under it.
/// @dev In place of OpenZeppelin's `EIP712`, whose imports need MCOPY even where nothing uses it: our contracts also run
/// on chains that are older. `test/vectors/typed_data.json` holds the same digests from two other implementations.
abstract contract Domain is IERC5267 {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    string private constant VERSION = "1";

    bytes32 private immutable NAME_HASH;
    uint256 private immutable CHAIN_ID;
    address private immutable SELF;
    bytes32 private immutable SEPARATOR;

    constructor() {
        NAME_HASH = keccak256(bytes(_domainName()));
        CHAIN_ID = block.chainid;
        SELF = address(this);
        SEPARATOR = _separatorOf(keccak256(bytes(_domainName())));
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // Name, version, chain and contract are the fields that the domain has.
        return (hex"0f", _domainName(), VERSION, block.chainid, address(this), bytes32(0), new uint256[](0));
    }

    /// @dev The contract's name, a constant.
    function _domainName() internal pure virtual returns (string memory);

    /// @dev What is signed: the struct's hash under this domain.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _separator(), structHash));
    }

    /// @dev A chain that splits has two ids, and a signature must not count on both; nor for borrowed code.
    function _separator() private view returns (bytes32) {
        return block.chainid == CHAIN_ID && address(this) == SELF ? SEPARATOR : _separatorOf(NAME_HASH);
    }

    function _separatorOf(bytes32 nameHash) private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, nameHash, keccak256(bytes(VERSION)), block.chainid, address(this)));
    }
}
