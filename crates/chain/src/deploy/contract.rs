//! The contracts of a market, and the ABI of those that are not ours.

use std::fmt;

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolValue;
use serde::{Deserialize, Serialize};

use super::params::Params;
use crate::convert::{ConvertError, to_u40};
use market::Timestamp;

pub use bindings::*;

#[allow(missing_docs, reason = "documented by OpenZeppelin")]
mod bindings {
    alloy::sol! {
        #![sol(all_derives = true)]

        /// The parts of OpenZeppelin's access manager that a deployment uses and checks.
        interface IAccessManager {
            event RoleGranted(uint64 indexed roleId, address indexed account, uint32 delay, uint48 since, bool newMember);
            event RoleRevoked(uint64 indexed roleId, address indexed account);
            event TargetFunctionRoleUpdated(address indexed target, bytes4 selector, uint64 indexed roleId);

            function hasRole(uint64 roleId, address account) external view returns (bool isMember, uint32 executionDelay);
            function getTargetFunctionRole(address target, bytes4 selector) external view returns (uint64);
            function isTargetClosed(address target) external view returns (bool);
            function getRoleAdmin(uint64 roleId) external view returns (uint64);
            function getRoleGuardian(uint64 roleId) external view returns (uint64);
            function setTargetFunctionRole(address target, bytes4[] calldata selectors, uint64 roleId) external;
            function grantRole(uint64 roleId, address account, uint32 executionDelay) external;
            function renounceRole(uint64 roleId, address callerConfirmation) external;
            function schedule(address target, bytes calldata data, uint48 when) external returns (bytes32, uint32);
            function execute(address target, bytes calldata data) external payable returns (uint32);
        }

        /// A contract that an access manager administers.
        interface IAccessManaged {
            event AuthorityUpdated(address authority);

            function authority() external view returns (address);
        }

        /// The part of the distributor of rewards that a deployment checks.
        interface IRewards {
            function market() external view returns (address);
        }
    }
}

/// OpenZeppelin's id of the role that may do everything.
pub const ADMIN_ROLE: u64 = 0;
/// Our id of the role that may pause intake.
pub const GUARDIAN_ROLE: u64 = 1;

/// One contract of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum ContractName {
    /// OpenZeppelin's: who may administer what, after which delay.
    AccessManager,
    /// Holds bonds and keys of providers.
    ProviderRegistry,
    /// Holds tenants' money and leases.
    LeaseMarket,
    /// Pays sponsors' rewards.
    RewardsDistributor,
}

impl ContractName {
    /// The contracts that the parameters ask for, in the order in which they are made: each may name earlier ones.
    pub fn wanted(params: &Params) -> impl Iterator<Item = Self> {
        let rewards = params.rewards.then_some(Self::RewardsDistributor);
        [Self::AccessManager, Self::ProviderRegistry, Self::LeaseMarket].into_iter().chain(rewards)
    }

    /// The contract's name in Solidity.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessManager => "AccessManager",
            Self::ProviderRegistry => "ProviderRegistry",
            Self::LeaseMarket => "LeaseMarket",
            Self::RewardsDistributor => "RewardsDistributor",
        }
    }

    /// The arguments of its constructor, encoded, and in words. `address` tells where the earlier contracts are.
    pub(super) fn arguments(
        self,
        params: &Params,
        address: impl Fn(Self) -> Address,
    ) -> Result<Arguments, ConvertError> {
        let word = |seconds| to_u40(Timestamp(seconds));
        let Params { deployer, bond_token, treasury, .. } = params;
        Ok(match self {
            Self::AccessManager => {
                Arguments::new((*deployer,).abi_encode_params(), vec![("initialAdmin", deployer.to_string())])
            }
            Self::ProviderRegistry => {
                let min_bond = params.min_bond_units().unwrap_or_default();
                let delay = params.unbond_delay;
                let encoded = (*bond_token, min_bond, word(delay.0)?, *deployer).abi_encode_params();
                Arguments::new(
                    encoded,
                    vec![
                        ("bondToken", bond_token.to_string()),
                        ("minBond", format!("{min_bond} ({})", params.min_bond)),
                        ("unbondDelay", format!("{} ({delay})", delay.0)),
                        ("deployer", deployer.to_string()),
                    ],
                )
            }
            Self::LeaseMarket => {
                let (registry, authority) = (address(Self::ProviderRegistry), address(Self::AccessManager));
                let windows = params.windows;
                let encoded = (
                    registry,
                    authority,
                    *treasury,
                    word(windows.claim.0)?,
                    word(windows.dispute.0)?,
                    word(windows.arbiter.0)?,
                );
                Arguments::new(
                    encoded.abi_encode_params(),
                    vec![
                        ("registry", registry.to_string()),
                        ("authority", authority.to_string()),
                        ("treasury", treasury.to_string()),
                        ("claimWindow", format!("{} ({})", windows.claim.0, windows.claim)),
                        ("disputeWindow", format!("{} ({})", windows.dispute.0, windows.dispute)),
                        ("arbiterWindow", format!("{} ({})", windows.arbiter.0, windows.arbiter)),
                    ],
                )
            }
            Self::RewardsDistributor => {
                let market = address(Self::LeaseMarket);
                Arguments::new((market,).abi_encode_params(), vec![("market", market.to_string())])
            }
        })
    }
}

impl fmt::Display for ContractName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Arguments of a constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// As the constructor takes them.
    pub encoded: Bytes,
    /// As people read them: name and value.
    pub words: Vec<(&'static str, String)>,
}

impl Arguments {
    fn new(encoded: Vec<u8>, words: Vec<(&'static str, String)>) -> Self {
        Self { encoded: encoded.into(), words }
    }
}
