//! How far the chain was followed, with enough hashes to notice when it changes underneath.

use std::collections::VecDeque;

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

/// Hashes that are kept: the recent blocks, and ends of ranges below them.
const KEPT: usize = 256;

/// One block's place and identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockId {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// The blocks that were followed last, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    first: u64,
    blocks: VecDeque<BlockId>,
}

impl Cursor {
    /// Nothing was followed; `first` is the first block of interest.
    pub const fn start(first: u64) -> Self {
        Self { first, blocks: VecDeque::new() }
    }

    /// The last block followed.
    pub fn tip(&self) -> Option<BlockId> {
        self.blocks.back().copied()
    }

    /// The height of the next block to follow.
    pub fn next(&self) -> u64 {
        self.tip().map_or(self.first, |tip| tip.number.saturating_add(1))
    }

    /// The hash followed at a height, if it is still kept.
    pub(super) fn known(&self, number: u64) -> Option<B256> {
        let index = self.blocks.binary_search_by_key(&number, |block| block.number).ok()?;
        self.blocks.get(index).map(|block| block.hash)
    }

    pub(super) fn blocks(&self) -> impl DoubleEndedIterator<Item = BlockId> + ExactSizeIterator {
        // A copy, because the caller awaits between the items and then changes the cursor.
        self.blocks.iter().copied().collect::<Vec<_>>().into_iter()
    }

    pub(super) fn push(&mut self, block: BlockId) {
        self.blocks.push_back(block);
        if self.blocks.len() > KEPT {
            self.blocks.pop_front();
        }
    }

    /// Keeps the oldest `kept` blocks. None kept means starting over from the first block of interest.
    pub(super) fn truncate(&mut self, kept: usize) {
        self.blocks.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64) -> BlockId {
        BlockId { number, hash: B256::from(alloy::primitives::U256::from(number + 1000)) }
    }

    #[test]
    fn a_cursor_starts_at_the_first_block_of_interest_and_follows_its_tip() {
        let mut cursor = Cursor::start(7);
        assert_eq!((cursor.next(), cursor.tip()), (7, None));
        cursor.push(block(7));
        cursor.push(block(19));
        assert_eq!((cursor.next(), cursor.tip()), (20, Some(block(19))));
        assert_eq!((cursor.known(7), cursor.known(8)), (Some(block(7).hash), None));
    }

    #[test]
    fn a_cursor_keeps_the_newest_blocks_and_forgets_those_that_are_gone() {
        let mut cursor = Cursor::start(0);
        (0..1000).for_each(|number| cursor.push(block(number)));
        assert_eq!((cursor.blocks().len(), cursor.known(743)), (KEPT, None));
        cursor.truncate(2);
        assert_eq!(cursor.tip(), Some(block(745)));
        cursor.truncate(0);
        assert_eq!(cursor.next(), 0);
    }

    #[test]
    fn a_cursor_round_trips_through_json() {
        let mut cursor = Cursor::start(3);
        cursor.push(block(4));
        let text = serde_json::to_string(&cursor).unwrap();
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
    }
}
