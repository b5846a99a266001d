//! Carries a plan out, one transaction after the other. It may be ended at any point and begun again: what is done is
//! recognised on the chain, never remembered.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::B256;
use tokio::time::{Instant, sleep};

use super::DeployError;
use super::blueprint::{Action, Blueprint};
use super::plan::{Step, plan};
use super::state::ChainState;
use crate::rpc::Rpc;
use crate::sender::{SendError, SenderConfig, TxSender};
use crate::signer::HotKey;

/// How long transactions of an earlier run may take to get into a block.
const PATIENCE: Duration = Duration::from_secs(600);

/// A transaction of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its hash.
    pub hash: B256,
    /// Its block.
    pub block_number: u64,
}

/// What one look and at most one transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step was done.
    Did {
        /// Which.
        step: Box<Step>,
        /// Its transaction; nothing if somebody else was faster.
        sent: Option<Sent>,
    },
    /// Nothing is left to do.
    Complete,
}

/// Deploys one blueprint with one key.
#[derive(Debug)]
pub struct Runner {
    rpc: Rpc,
    blueprint: Blueprint,
    sender: TxSender,
    sent: BTreeMap<Action, Sent>,
}

impl Runner {
    /// Prepares, and waits until transactions that an earlier run left on their way are in a block.
    pub async fn start(
        rpc: Rpc,
        key: HotKey,
        blueprint: Blueprint,
        config: SenderConfig,
    ) -> Result<Self, DeployError> {
        let (expected, found) = (blueprint.params.deployer, key.address());
        if expected != found {
            return Err(DeployError::WrongKey { expected, found });
        }
        rpc.check_chain(blueprint.params.chain_id).await?;
        let begun = Instant::now();
        loop {
            let (mined, known) = (rpc.mined_nonce(found).await?, rpc.pending_nonce(found).await?);
            if known <= mined {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(DeployError::Pending { account: found, count: known - mined });
            }
            sleep(config.poll_interval).await;
        }
        let sender = TxSender::spawn(rpc.clone(), blueprint.deployment(0), key, config);
        Ok(Self { rpc, blueprint, sender, sent: BTreeMap::new() })
    }

    /// What is deployed.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// The transactions that this run has sent.
    pub fn sent(&self) -> &BTreeMap<Action, Sent> {
        &self.sent
    }

    /// Every step as the chain shows it now.
    pub async fn look(&self) -> Result<Vec<Step>, DeployError> {
        Ok(plan(&self.blueprint, &ChainState::read(&self.rpc, &self.blueprint).await?)?)
    }

    /// Does the first step that is not done, if there is one.
    pub async fn advance(&mut self) -> Result<Progress, DeployError> {
        let Some(step) = self.look().await?.into_iter().find(|step| !step.done) else {
            return Ok(Progress::Complete);
        };
        match self.sender.execute(step.call.clone()).await {
            Ok(mined) => {
                let sent = Sent { hash: mined.tx_hash, block_number: mined.block_number };
                self.sent.insert(step.action, sent);
                Ok(Progress::Did { step: Box::new(step), sent: Some(sent) })
            }
            // Anybody may make the contracts, at the same addresses; then this one's transaction fails.
            Err(error @ (SendError::Failed { .. } | SendError::Reverted { .. })) => {
                let done = self.look().await?.into_iter().any(|now| now.done && now.action == step.action);
                if done { Ok(Progress::Did { step: Box::new(step), sent: None }) } else { Err(error.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Does everything that is not done.
    pub async fn finish(&mut self, mut report: impl FnMut(&Progress)) -> Result<(), DeployError> {
        loop {
            let progress = self.advance().await?;
            report(&progress);
            if progress == Progress::Complete {
                return Ok(());
            }
        }
    }
}
