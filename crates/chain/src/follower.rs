//! Follows the contracts' events through reorganisations, lost connections and lying nodes.
//!
//! [`LogFollower::next`] is a pull: it returns the next stretch of blocks with their events, or says that blocks
//! already delivered are gone. State moves only when it returns `Ok`, so it can be dropped, retried, or restarted
//! from a saved [`Cursor`] at any point: at worst events come twice, never not at all.
//!
//! Far behind the head, logs are asked for in ranges that halve when the node refuses. Within the last
//! [`RECENT`] blocks each block is asked for by its hash, so that a node which lacks it says so instead of
//! answering with nothing, and each block must name the one before it as its parent.

mod cursor;

use std::time::Duration;

use tokio::time::Instant;

use crate::deployment::Deployment;
use crate::event::LoggedEvent;
use crate::rpc::{At, Block, LogRange, Rpc, RpcError};
pub use cursor::{BlockId, Cursor};

/// Blocks below the head that are followed one by one, and the depth of an ordinary reorganisation.
pub const RECENT: u64 = 64;

/// How a follower behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerConfig {
    /// Time between two looks at the head.
    pub poll_interval: Duration,
    /// The most blocks in one request for logs.
    pub max_range: u64,
    /// After how long without a new block the node counts as stalled; none for chains that mine on demand.
    pub stall_after: Option<Duration>,
}

impl Default for FollowerConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            max_range: 2_000,
            stall_after: Some(Duration::from_secs(120)),
        }
    }
}

/// What a follower found.
#[expect(clippy::large_enum_variant, reason = "one exists at a time, and nearly always the large one")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Blocks up to `upto` are in the chain; these are their events, in order, perhaps none.
    Progress {
        /// The events.
        events: Vec<LoggedEvent>,
        /// The last block of the stretch.
        upto: Block,
        /// The newest block that the node knows.
        head: Block,
    },
    /// Blocks above this height, delivered before, are no longer in the chain: resync what was derived from them.
    Reorged {
        /// The last height that still holds; below the deployment if nothing known does.
        to: u64,
    },
}

/// The chain could not be followed further for now, or at all.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The node did not answer as it should.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The node knows fewer blocks than it once did, without contradicting them: it lags.
    #[error("the node is behind: its newest block is {head}, {processed} was processed")]
    Behind {
        /// Its newest block.
        head: u64,
        /// The last block processed.
        processed: u64,
    },
    /// No new block came for too long.
    #[error("no block after {head} for {seconds} s")]
    Stalled {
        /// The newest block.
        head: u64,
        /// How long it has been the newest.
        seconds: u64,
    },
    /// The chain was reorganised while it was read; reading again settles it.
    #[error("the chain moved while block {0} was read")]
    Moved(u64),
}

impl FollowError {
    /// Whether following may well succeed later, on this node.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Rpc(error) => error.is_retriable(),
            Self::Behind { .. } | Self::Stalled { .. } | Self::Moved(_) => true,
        }
    }
}

/// Follows the events of one deployment.
#[derive(Debug)]
pub struct LogFollower {
    rpc: Rpc,
    deployment: Deployment,
    config: FollowerConfig,
    cursor: Cursor,
    range: u64,
    checked: bool,
    polled: Option<Instant>,
    newest: Option<(u64, Instant)>,
}

impl LogFollower {
    /// Follows from a cursor; [`Cursor::start`] for everything since the deployment.
    pub fn new(rpc: Rpc, deployment: Deployment, config: FollowerConfig, cursor: Cursor) -> Self {
        let range = config.max_range.max(1);
        Self { rpc, deployment, config, cursor, range, checked: false, polled: None, newest: None }
    }

    /// How far the chain was followed. Save it together with what was derived.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Waits for more of the chain. After an error, call it again; the next look waits for the poll interval.
    pub async fn next(&mut self) -> Result<Followed, FollowError> {
        loop {
            self.wait_for_poll().await;
            if !self.checked {
                self.rpc.check_chain(self.deployment.chain_id).await.inspect_err(|_| self.pace())?;
                self.checked = true;
            }
            match self.step().await {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => self.pace(),
                Err(error) => {
                    // After any trouble the node may be another one: ask again whose chain it follows.
                    self.checked = false;
                    self.pace();
                    return Err(error);
                }
            }
        }
    }

    async fn wait_for_poll(&mut self) {
        if let Some(polled) = self.polled {
            tokio::time::sleep_until(polled + self.config.poll_interval).await;
            self.polled = None;
        }
    }

    fn pace(&mut self) {
        self.polled = Some(Instant::now());
    }

    /// One look at the chain; none if there is nothing new.
    async fn step(&mut self) -> Result<Option<Followed>, FollowError> {
        let head = self.rpc.block(At::Latest).await?;
        let stalled = self.stalled(&head);
        let Some(tip) = self.cursor.tip() else {
            let first = self.cursor.next();
            return if head.number < first {
                stalled.map(|()| None)
            } else {
                self.advance(first, head).await
            };
        };
        if head.number < tip.number {
            // A node that lags knows the same blocks, only fewer of them.
            return match self.cursor.known(head.number) {
                Some(hash) if hash != head.hash => self.walk_back().await.map(Some),
                _ => Err(FollowError::Behind { head: head.number, processed: tip.number }),
            };
        }
        if head.number == tip.number {
            return match head.hash == tip.hash {
                true => stalled.map(|()| None),
                false => self.walk_back().await.map(Some),
            };
        }
        self.advance(tip.number.saturating_add(1), head).await
    }

    /// Reads the next stretch, from the height `first` up.
    async fn advance(&mut self, first: u64, head: Block) -> Result<Option<Followed>, FollowError> {
        if head.number.saturating_sub(first) < RECENT {
            self.advance_by_block(first, head).await.map(Some)
        } else {
            let last = (head.number - RECENT).min(first.saturating_add(self.range - 1));
            self.advance_by_range(first, last, head).await
        }
    }

    async fn advance_by_block(&mut self, number: u64, head: Block) -> Result<Followed, FollowError> {
        let block = match number == head.number {
            true => head,
            false => self.rpc.block_at(number).await?.ok_or(FollowError::Moved(number))?,
        };
        if self.cursor.tip().is_some_and(|tip| tip.number + 1 == number && tip.hash != block.parent) {
            return self.walk_back().await;
        }
        let events = self.events(&LogRange::Block(block.hash)).await?;
        if events.iter().any(|event| event.block_number != number) {
            return Err(RpcError::Inconsistent("a log at another height than its block").into());
        }
        self.cursor.push(BlockId { number, hash: block.hash });
        Ok(Followed::Progress { events, upto: block, head })
    }

    async fn advance_by_range(
        &mut self,
        first: u64,
        last: u64,
        head: Block,
    ) -> Result<Option<Followed>, FollowError> {
        // The end of a range is pinned before its logs are read and compared after.
        let end = self.rpc.block_at(last).await?.ok_or(FollowError::Moved(last))?;
        if let Some(tip) = self.cursor.tip()
            && self.rpc.block_at(tip.number).await?.is_none_or(|block| block.hash != tip.hash)
        {
            return self.walk_back().await.map(Some);
        }
        let events = match self.events(&LogRange::Heights(first, last)).await {
            Err(FollowError::Rpc(error)) if error.is_refused() && self.range > 1 => {
                self.range = (self.range / 2).max(1);
                tracing::debug!(range = self.range, %error, "the node refused a range of logs");
                return Box::pin(self.advance(first, head)).await;
            }
            events => events?,
        };
        if self.rpc.block_at(last).await?.is_none_or(|block| block.hash != end.hash) {
            return Err(FollowError::Moved(last));
        }
        self.range = self.range.saturating_mul(2).min(self.config.max_range.max(1));
        self.cursor.push(BlockId { number: last, hash: end.hash });
        Ok(Some(Followed::Progress { events, upto: end, head }))
    }

    async fn events(&self, range: &LogRange) -> Result<Vec<LoggedEvent>, FollowError> {
        let addresses = [self.deployment.market, self.deployment.registry];
        let logs = self.rpc.logs(&addresses, &[], range).await?;
        Ok(logs.iter().filter_map(|log| LoggedEvent::read(&self.deployment, log)).collect())
    }

    /// Finds the newest known block that the node still has, and forgets those above it.
    async fn walk_back(&mut self) -> Result<Followed, FollowError> {
        self.rpc.check_chain(self.deployment.chain_id).await?;
        let mut kept = 0;
        for (index, known) in self.cursor.blocks().enumerate().rev() {
            if self.rpc.block_at(known.number).await?.is_some_and(|block| block.hash == known.hash) {
                kept = index + 1;
                break;
            }
        }
        self.cursor.truncate(kept);
        let to = self.cursor.next().saturating_sub(1);
        tracing::warn!(to, "the chain was reorganised");
        Ok(Followed::Reorged { to })
    }

    fn stalled(&mut self, head: &Block) -> Result<(), FollowError> {
        let now = Instant::now();
        match self.newest {
            Some((number, since)) if number == head.number => match self.config.stall_after {
                Some(limit) if now - since >= limit => {
                    Err(FollowError::Stalled { head: number, seconds: (now - since).as_secs() })
                }
                _ => Ok(()),
            },
            _ => {
                self.newest = Some((head.number, now));
                Ok(())
            }
        }
    }
}
