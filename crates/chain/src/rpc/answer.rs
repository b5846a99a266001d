//! How answers of nodes are compared: by what is read of them.

use alloy::primitives::{B256, Bytes, U64, U256};
use alloy::rpc::types::Log;

use super::panel::Answer;
use super::{Receipt, WireBlock};

impl Answer for U64 {}
impl Answer for U256 {}
impl Answer for B256 {}
impl Answer for Bytes {}

impl Answer for Option<WireBlock> {
    fn is_nothing(&self) -> bool {
        self.is_none()
    }
}

impl Answer for Option<Receipt> {
    fn is_nothing(&self) -> bool {
        self.is_none()
    }

    fn comparable(self) -> Self {
        self.map(|receipt| Receipt { logs: receipt.logs.comparable(), ..receipt })
    }
}

impl Answer for Vec<Log> {
    fn comparable(mut self) -> Self {
        for log in &mut self {
            // Only newer nodes say it, and nobody reads it.
            log.block_timestamp = None;
        }
        self
    }
}
