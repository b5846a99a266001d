// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Tells of its decimals what it was told to tell: a word, two words, a megabyte, nothing, or an error.
contract DecimalsTeller {
    uint256 private immutable WORD;
    uint256 private immutable LENGTH;
    bool private immutable REVERTS;

    constructor(uint256 word, uint256 length, bool reverts) {
        WORD = word;
        LENGTH = length;
        REVERTS = reverts;
    }

    fallback() external {
        (uint256 word, uint256 length, bool reverts) = (WORD, LENGTH, REVERTS);
        assembly ("memory-safe") {
            mstore(0, word)
            if reverts { revert(0, length) }
            return(0, length)
        }
    }
}
