//! Why a market could not be deployed.

use alloy::primitives::{Address, B256, U256};

use super::artifact::ArtifactError;
use super::bundle::BundleError;
use super::contract::ContractName;
use super::params::ParamsError;
use super::plan::PlanError;
use super::record::RecordError;
use crate::client::ClientError;
use crate::convert::ConvertError;
use crate::revert::Revert;
use crate::rpc::RpcError;
use crate::sender::SendError;

/// A market could not be deployed, or a deployment not be checked.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The parameters cannot be used.
    #[error("the parameters cannot be used")]
    Params(#[from] ParamsError),
    /// The compiled contracts cannot be used.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// There is no artifact of a contract that is to be deployed.
    #[error("there is no artifact of {0}")]
    NoArtifact(ContractName),
    /// The contracts were not all compiled in one way.
    #[error("{0} was compiled with other settings than the contracts before it")]
    MixedCompilers(ContractName),
    /// The deployment cannot go on.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// A contract could not be read.
    #[error(transparent)]
    Read(#[from] ClientError),
    /// A transaction did not succeed.
    #[error("failed to deploy")]
    Send(#[from] SendError),
    /// A number does not fit the chain.
    #[error("the terms do not fit the chain")]
    Convert(#[from] ConvertError),
    /// A file of the deployment could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The verification bundle could not be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// There is no contract where a token should be.
    #[error("tokens: there is no contract at {0}")]
    NoToken(Address),
    /// The transaction made no contract.
    #[error("the creation of {0} left no contract")]
    NoContract(ContractName),
    /// The test token's transaction made no contract.
    #[error("the creation of the test token left no contract")]
    NoTestToken,
    /// A constructor refuses its arguments.
    #[error("the constructor of {name} refuses its arguments: {reason}")]
    Constructor {
        /// The contract.
        name: ContractName,
        /// Its reason.
        reason: Revert,
    },
    /// The node does not run a constructor without a transaction.
    #[error(
        "the node does not run the constructor of {name} without a transaction; use a node that takes state overrides \
         in eth_call"
    )]
    Simulate {
        /// The contract.
        name: ContractName,
        /// The cause.
        #[source]
        source: RpcError,
    },
    /// The key is not the deployer's.
    #[error("the key is that of {found}, and the parameters name the deployer {expected}")]
    WrongKey {
        /// The parameters' deployer.
        expected: Address,
        /// The key's account.
        found: Address,
    },
    /// Transactions of an earlier run do not get into a block.
    #[error("{count} earlier transactions of {account} are still on their way; see to them first")]
    Pending {
        /// The account.
        account: Address,
        /// How many.
        count: u64,
    },
    /// The account of the presigned transaction cannot pay for it.
    #[error(
        "{} lacks {missing} wei of the chain's coin for the presigned transaction; send them, then try again",
        super::factory::FACTORY_SIGNER
    )]
    FactoryFunds {
        /// What it lacks.
        missing: U256,
    },
    /// The node does not take the presigned transaction.
    #[error("the node refuses the presigned transaction; ask the chain's operators to install the proxy")]
    FactoryRefused(#[source] RpcError),
    /// The presigned transaction does not get into a block.
    #[error("the presigned transaction {0} is still on its way")]
    FactoryPending(B256),
    /// The making of the first contract is not in the logs.
    #[error(
        "no log from block {from} on tells of the making of {manager}; try another node, or a lower --from-block"
    )]
    NoFirstBlock {
        /// The first contract.
        manager: Address,
        /// Where the search ended.
        from: u64,
    },
    /// An event of the access manager cannot be read.
    #[error("an event of {0} cannot be read")]
    StrangeEvent(Address),
    /// The record does not say how the market was deployed.
    #[error("the record has no details, so there is nothing to hold the deployment against")]
    NoDetails,
}
