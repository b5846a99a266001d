//! Where the contracts are: the content of `deployment.json`.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use crate::deploy::Record;

/// One deployed market, as far as running programs need it. It is read from a whole [`Record`] too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Record")]
pub struct Deployment {
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// The `LeaseMarket`.
    pub market: Address,
    /// The `ProviderRegistry`.
    pub registry: Address,
    /// The token that leases and bonds are paid in.
    pub token: Address,
    /// Decimals of that token.
    pub token_decimals: u8,
    /// The block of the first deployed contract; no log of the market is older.
    pub deployed_block: u64,
    /// The `RewardsDistributor`, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewards: Option<Address>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_round_trips_through_json() {
        let deployment = Deployment {
            chain_id: 31337,
            market: Address::repeat_byte(1),
            registry: Address::repeat_byte(2),
            token: Address::repeat_byte(3),
            token_decimals: 6,
            deployed_block: 4,
            rewards: None,
        };
        let text = concat!(
            r#"{"chainId":31337,"market":"0x0101010101010101010101010101010101010101","#,
            r#""registry":"0x0202020202020202020202020202020202020202","#,
            r#""token":"0x0303030303030303030303030303030303030303","tokenDecimals":6,"deployedBlock":4}"#
        );
        assert_eq!(serde_json::to_string(&deployment).unwrap(), text);
        assert_eq!(serde_json::from_str::<Deployment>(text).unwrap(), deployment);
    }

    #[test]
    fn an_unknown_field_is_refused_and_rewards_are_kept() {
        let deployment = Deployment {
            chain_id: 1,
            market: Address::ZERO,
            registry: Address::ZERO,
            token: Address::ZERO,
            token_decimals: 6,
            deployed_block: 4,
            rewards: Some(Address::repeat_byte(9)),
        };
        let mut value = serde_json::to_value(deployment).unwrap();
        assert_eq!(serde_json::from_value::<Deployment>(value.clone()).unwrap(), deployment);
        value["rewrads"] = value["rewards"].clone();
        let refused = serde_json::from_value::<Deployment>(value).unwrap_err().to_string();
        assert!(refused.starts_with("unknown field `rewrads`"), "{refused}");
    }
}
