//! Which instructions of the virtual machine a chain has, found out by running them.

use std::fmt;

use alloy::primitives::{Bytes, bytes};
use serde_json::json;

use super::params::Guard;
use crate::rpc::{Rpc, RpcError};

/// An instruction that not every chain has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opcode {
    /// EIP-3855, Shanghai.
    Push0,
    /// EIP-5656, Cancun.
    Mcopy,
    /// `TSTORE` and `TLOAD`, EIP-1153, Cancun.
    Transient,
}

/// Code that creates nothing and returns one word, written with instructions that every chain has.
const CONTROL: Bytes = bytes!("600160005560005460005260206000f3");

impl Opcode {
    /// What code for `evm_version` with `guard` may run. Unknown versions are taken for newer than all known ones.
    pub fn needed(evm_version: &str, guard: Guard) -> Vec<Self> {
        let old = ["istanbul", "berlin", "london", "paris"].contains(&evm_version);
        let mut needed = Vec::new();
        if !old {
            needed.push(Self::Push0);
        }
        if !old && evm_version != "shanghai" {
            needed.push(Self::Mcopy);
        }
        if guard == Guard::Transient {
            needed.push(Self::Transient);
        }
        needed
    }

    fn code(self) -> Bytes {
        match self {
            Self::Push0 => bytes!("5f60005260206000f3"),
            Self::Mcopy => bytes!("6020600060205e60206000f3"),
            Self::Transient => bytes!("600160005d60005c60005260206000f3"),
        }
    }

    /// Which of `needed` the chain lacks. A node that does not run code at all is an error, not a chain without them.
    pub async fn missing(rpc: &Rpc, needed: &[Self]) -> Result<Vec<Self>, RpcError> {
        let mut missing = Vec::new();
        for opcode in needed {
            if let Err(error) = run(rpc, &opcode.code()).await {
                if !error.is_refused() {
                    return Err(error);
                }
                run(rpc, &CONTROL).await?;
                missing.push(*opcode);
            }
        }
        Ok(missing)
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push0 => "PUSH0 (EIP-3855)",
            Self::Mcopy => "MCOPY (EIP-5656)",
            Self::Transient => "transient storage (EIP-1153)",
        })
    }
}

/// Runs code as the creation of a contract, without a transaction.
async fn run(rpc: &Rpc, code: &Bytes) -> Result<Bytes, RpcError> {
    rpc.request("eth_call", json!([{ "input": code }, "latest"])).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_needs_what_it_brought() {
        use Opcode::{Mcopy, Push0, Transient};
        assert_eq!(Opcode::needed("paris", Guard::Storage), []);
        assert_eq!(Opcode::needed("paris", Guard::Transient), [Transient]);
        assert_eq!(Opcode::needed("shanghai", Guard::Storage), [Push0]);
        assert_eq!(Opcode::needed("cancun", Guard::Storage), [Push0, Mcopy]);
        assert_eq!(Opcode::needed("cancun", Guard::Transient), [Push0, Mcopy, Transient]);
        assert_eq!(Opcode::needed("a later one", Guard::Transient), [Push0, Mcopy, Transient]);
    }
}
