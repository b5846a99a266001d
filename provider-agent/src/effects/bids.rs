//! Effects about orders and bids.

use chain::convert::{ConvertError, decode_requirements};
use chain::rpc::At;
use chain::{ClientError, ProviderStatus, SendError};
use market::{Address, Bid, LeaseId, OrderHash, SignedBid, Timestamp};

use super::Shared;
use crate::agent::{BidOutcome, ChainNews, Event};
use crate::bidding::{Activity, Facts, Standing};

impl Shared {
    pub(super) async fn assess_order(&self, order: OrderHash, tenant: Address) {
        let event = match (self.known(tenant).await, self.cache.snapshot()) {
            (Ok((inherited_by, facts)), Some(cluster)) => {
                Event::OrderAssessed { order, facts, cluster, inherited_by }
            }
            (Ok(_), None) => {
                tracing::warn!(%order, "cannot assess an order: the cluster was not read yet");
                Event::OrderUnassessable { order }
            }
            (Err(error), _) => {
                tracing::warn!(%order, error = &error as &dyn std::error::Error, "cannot assess an order");
                Event::OrderUnassessable { order }
            }
        };
        self.deliver(event).await;
    }

    async fn known(&self, tenant: Address) -> Result<(u64, Facts), AssessError> {
        let inherited_by = self.inherited_by().await?;
        Ok((inherited_by, self.facts(tenant).await?))
    }

    /// Height of a block that was there when everything that an earlier process sent was on chain or given up.
    async fn inherited_by(&self) -> Result<u64, AssessError> {
        let wait = async || {
            self.sender.ready().await.map_err(AssessError::Inherited)?;
            Ok(self.chain.block(At::Latest).await?.number)
        };
        self.inherited_by.get_or_try_init(wait).await.copied()
    }

    async fn facts(&self, tenant: Address) -> Result<Facts, ClientError> {
        // One block for both reads, so that they agree.
        let block = self.chain.block(At::Latest).await?;
        let at = At::Block(block.hash);
        let provider = self.chain.provider_of(self.provider, at).await?;
        Ok(Facts {
            block: block.number,
            tenant_available: self.chain.available(tenant, at).await?,
            standing: Standing {
                activity: match provider.status {
                    ProviderStatus::Active => Activity::Active,
                    ProviderStatus::None | ProviderStatus::Inactive => Activity::Inactive,
                },
                operator: provider.operator,
                operator_expiry: provider.operator_expiry,
                bid_epoch: provider.bid_epoch,
                bond: provider.bond,
                free_bond: provider.free_bond(),
                locked: provider.locked,
            },
        })
    }

    pub(super) async fn fetch_orders(&self, orders: Vec<OrderHash>) {
        for hash in orders {
            let event = match self.chain.order_posted(hash).await {
                Ok(Some(posted)) => {
                    let requirements =
                        decode_requirements(posted.order.requirements_hash, &posted.requirements).ok();
                    Event::Chain(ChainNews::OrderPosted {
                        hash,
                        order: Box::new(posted.order),
                        requirements,
                        // Its lease exists, so its age is of no interest.
                        posted_at: Timestamp(0),
                    })
                }
                Ok(None) => Event::OrderMissing { order: hash },
                Err(error) => {
                    tracing::warn!(%hash, error = &error as &dyn std::error::Error, "failed to fetch an order");
                    Event::OrderUnfetched { order: hash }
                }
            };
            self.deliver(event).await;
        }
    }

    pub(super) async fn post_bid(
        &self,
        order: OrderHash,
        lease: LeaseId,
        bid: Bid,
        order_posted_at: Timestamp,
    ) {
        match self.try_post_bid(order, bid).await {
            Ok(posted_at) => {
                self.metrics.bids_placed.inc();
                let seconds = posted_at.seconds_since(order_posted_at);
                self.metrics.order_to_bid.observe(u32::try_from(seconds).map_or(f64::INFINITY, f64::from));
                tracing::info!(%order, %lease, seconds, "bid placed");
                self.deliver(Event::BidFinished { lease, outcome: BidOutcome::Posted }).await;
            }
            Err(PostBidError::AlreadyPosted(earlier, signed)) => {
                tracing::info!(%order, lease = %earlier, "an earlier bid of ours is on chain already");
                self.deliver(Event::BidFinished { lease, outcome: BidOutcome::Failed }).await;
                let bid = Box::new(signed.bid);
                self.deliver(Event::Chain(ChainNews::BidPosted { lease: earlier, bid })).await;
            }
            Err(error) => {
                tracing::warn!(%order, error = &error as &dyn std::error::Error, "failed to place a bid");
                self.deliver(Event::BidFinished { lease, outcome: error.outcome() }).await;
            }
        }
    }

    /// Signs and posts. The chain is asked first whether a bid of ours is there already, perhaps by a process that died before it saw the receipt:
    /// an order gets one bid of one epoch.
    async fn try_post_bid(&self, order: OrderHash, bid: Bid) -> Result<Timestamp, PostBidError> {
        self.sender.ready().await.map_err(PostBidError::Send)?;
        let eip712 = self.chain.eip712();
        let ours = |signed: &SignedBid| {
            signed.bid.provider == self.provider
                && signed.bid.bid_epoch == bid.bid_epoch
                && eip712.bid_signer(signed) == Some(self.key.address())
        };
        let earlier = self.chain.bids_for(order).await.map_err(PostBidError::ReadBids)?;
        if let Some((lease, signed)) = earlier.into_iter().find(|(_, signed)| ours(signed)) {
            return Err(PostBidError::AlreadyPosted(lease, Box::new(signed)));
        }
        let (_, signed) = self.key.sign_bid(&eip712, bid).map_err(PostBidError::Encode)?;
        let call = self.chain.calls().post_bid(&signed).map_err(PostBidError::Encode)?;
        let mined = self.send(call).await.succeeded("postBid").map_err(PostBidError::Send)?;
        let block = self.chain.block(At::Block(mined.block_hash)).await;
        Ok(block.map_or_else(|_| crate::clock::now(), |block| block.timestamp))
    }
}

/// Why an order cannot be looked at.
#[derive(Debug, thiserror::Error)]
enum AssessError {
    #[error("failed to wait for what an earlier process sent")]
    Inherited(#[source] SendError),
    #[error("failed to read the chain")]
    Read(#[from] ClientError),
}

/// Why there is no new bid.
#[derive(Debug, thiserror::Error)]
enum PostBidError {
    #[error("failed to read the bids for the order")]
    ReadBids(#[source] ClientError),
    #[error("lease {0} is offered already")]
    AlreadyPosted(LeaseId, Box<SignedBid>),
    #[error("failed to encode the bid")]
    Encode(#[source] ConvertError),
    #[error("failed to send the bid")]
    Send(#[source] SendError),
}

impl PostBidError {
    fn outcome(&self) -> BidOutcome {
        let Self::Send(error) = self else { return BidOutcome::Failed };
        match error {
            SendError::Failed { .. }
            | SendError::Refused { .. }
            | SendError::NonceTaken { .. }
            | SendError::Gap { .. } => BidOutcome::Lost,
            // Given up before a node was handed the transaction. What the journal holds of it may be sent by the next process, which hears of it
            // as of every bid.
            SendError::Rpc { .. }
            | SendError::Reverted { .. }
            | SendError::NoGas { .. }
            | SendError::FeeTooHigh { .. }
            | SendError::Journal { .. }
            | SendError::TakenOver
            | SendError::Stopped => BidOutcome::Failed,
        }
    }
}
