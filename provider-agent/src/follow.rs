//! From the chain's logs to the core's events.
//!
//! The follower starts at the deployment's block in every process: what it replays rebuilds the book of orders and our own bids, and the core acts
//! on none of it before everything was seen once.

use std::time::Duration;

use chain::convert::decode_requirements;
use chain::{
    ChainEvent, Cursor, Deployment, Eip712, FollowError, Followed, FollowerConfig, LogFollower, LoggedEvent,
    Rpc,
};
use market::{Address, Timestamp};
use telemetry::{CancellationToken, Check};

use crate::agent::{ChainNews, Event, Head, OpenedLease};
use crate::clock;
use crate::inbox::{AgentHandle, Stopped};
use crate::metrics::Metrics;

/// What the follower needs.
pub struct Follow {
    pub rpc: Rpc,
    pub deployment: Deployment,
    pub provider: Address,
    pub operator: Address,
    pub poll_interval: Duration,
    pub confirmations: u64,
    pub max_head_age: u64,
    pub agent: AgentHandle,
    pub metrics: Metrics,
    pub check: Check,
}

impl Follow {
    /// Follows until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let config = FollowerConfig {
            poll_interval: self.poll_interval,
            // Stalls are judged by the age of the head, which also catches a node that is far behind.
            stall_after: None,
            ..FollowerConfig::default()
        };
        let cursor = Cursor::start(self.deployment.deployed_block);
        let mut follower = LogFollower::new(self.rpc.clone(), self.deployment, config, cursor);
        let mut held = Held::default();
        let mut caught_up = false;
        loop {
            let found = tokio::select! {
                () = shutdown.cancelled() => return,
                found = follower.next() => found,
            };
            let delivered = match found {
                Ok(Followed::Progress { events, upto, head }) => {
                    held.push(upto.number, upto.timestamp, events);
                    self.progress(&mut held, head, upto.number, &mut caught_up).await
                }
                Ok(Followed::Reorged { to }) => {
                    held.forget_above(to);
                    self.agent.deliver(Event::Chain(ChainNews::Reorganised)).await
                }
                Err(error) => {
                    self.complain(&error);
                    Ok(())
                }
            };
            if delivered == Err(Stopped) {
                return;
            }
        }
    }

    async fn progress(
        &self,
        held: &mut Held,
        head: chain::Block,
        upto: u64,
        caught_up: &mut bool,
    ) -> Result<(), Stopped> {
        let is_complete = upto >= head.number;
        let gas_price = head.base_fee.unwrap_or_default();
        let news = Head { number: head.number, timestamp: head.timestamp, gas_price };
        self.agent.deliver(Event::Head(news)).await?;
        for (timestamp, events) in held.take_up_to(head.number.saturating_sub(self.confirmations)) {
            for event in events {
                if let Some(news) = self.news(event, timestamp) {
                    self.agent.deliver(Event::Chain(news)).await?;
                }
            }
        }
        self.agent.deliver(Event::LogsRead { upto: held.delivered_up_to(upto) }).await?;
        if is_complete && !*caught_up {
            *caught_up = true;
            self.agent.deliver(Event::CaughtUp).await?;
        }
        let age = clock::now().seconds_since(head.timestamp);
        self.metrics.head_number.set(i64::try_from(head.number).unwrap_or(i64::MAX));
        self.metrics.head_lag.set(i64::try_from(age).unwrap_or(i64::MAX));
        if !is_complete {
            self.check.fail("reading the logs since the deployment");
        } else if age > self.max_head_age {
            self.check.fail(&format!(
                "the newest block is {age} s old: the node is behind or the chain has stopped"
            ));
        } else {
            self.check.pass();
        }
        Ok(())
    }

    fn complain(&self, error: &FollowError) {
        tracing::warn!(error = error as &dyn std::error::Error, "failed to follow the chain");
        let mut complaint = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            complaint = format!("{complaint}: {cause}");
            source = cause.source();
        }
        self.check.fail(&complaint);
    }

    /// The news in an event, if it concerns us. It happened not later than `happened_by`.
    fn news(&self, logged: LoggedEvent, happened_by: Timestamp) -> Option<ChainNews> {
        let eip712 = Eip712::new(self.deployment.chain_id, self.deployment.market);
        match logged.event {
            ChainEvent::OrderPosted(posted) => Some(ChainNews::OrderPosted {
                hash: posted.order_hash,
                requirements: decode_requirements(posted.order.requirements_hash, &posted.requirements).ok(),
                order: Box::new(posted.order),
                posted_at: happened_by,
            }),
            ChainEvent::OrderCancelled { tenant, nonce } => Some(ChainNews::OrderCancelled { tenant, nonce }),
            // Anybody may post a bid in our name; only our signature makes it ours.
            ChainEvent::BidPosted { lease_id, bid }
                if bid.bid.provider == self.provider
                    && eip712.bid_digest(&bid.bid) == Ok(lease_id)
                    && eip712.bid_signer(&bid) == Some(self.operator) =>
            {
                Some(ChainNews::BidPosted { lease: lease_id, bid: Box::new(bid.bid) })
            }
            ChainEvent::LeaseOpened(opened) if opened.provider == self.provider => {
                Some(ChainNews::LeaseOpened(OpenedLease { id: opened.lease_id, bid: Box::new(opened.bid) }))
            }
            ChainEvent::LeaseDisputed { lease_id, .. } => {
                Some(ChainNews::LeaseDisputed { lease: lease_id, at: happened_by })
            }
            ChainEvent::LeaseConfirmed { lease_id, .. }
            | ChainEvent::LeaseToppedUp { lease_id, .. }
            | ChainEvent::LeaseSettled { lease_id, .. }
            | ChainEvent::ClaimFiled { lease_id, .. }
            | ChainEvent::CloseRequested { lease_id, .. }
            | ChainEvent::DisputeResolved { lease_id, .. }
            | ChainEvent::LeaseClosed { lease_id, .. } => Some(ChainNews::LeaseTouched(lease_id)),
            // Everything else is about others, or about accounts, which are read when they matter.
            _ => None,
        }
    }
}

/// Events that wait for blocks on top of theirs.
#[derive(Debug, Default)]
struct Held {
    stretches: std::collections::VecDeque<(u64, Timestamp, Vec<LoggedEvent>)>,
}

impl Held {
    fn push(&mut self, number: u64, timestamp: Timestamp, events: Vec<LoggedEvent>) {
        if !events.is_empty() {
            self.stretches.push_back((number, timestamp, events));
        }
    }

    fn forget_above(&mut self, number: u64) {
        // The follower goes on behind `number`, so what a stretch holds up to there is not seen again.
        for (last, _, events) in &mut self.stretches {
            events.retain(|event| event.block_number <= number);
            *last = number.min(*last);
        }
        self.stretches.retain(|(_, _, events)| !events.is_empty());
    }

    /// Up to where nothing waits any more, of what was read up to `read`.
    fn delivered_up_to(&self, read: u64) -> u64 {
        let waiting = self.stretches.front().and_then(|(_, _, events)| events.first());
        waiting.map_or(read, |event| event.block_number.saturating_sub(1))
    }

    fn take_up_to(&mut self, number: u64) -> Vec<(Timestamp, Vec<LoggedEvent>)> {
        let ready = self.stretches.iter().take_while(|(last, _, _)| *last <= number).count();
        self.stretches.drain(..ready).map(|(_, timestamp, events)| (timestamp, events)).collect()
    }
}

#[cfg(test)]
mod tests {
    use chain::ChainEvent;
    use market::B256;

    use super::*;

    fn event(block_number: u64) -> LoggedEvent {
        LoggedEvent {
            block_number,
            block_hash: B256::ZERO,
            log_index: 0,
            transaction: B256::ZERO,
            event: ChainEvent::OrderCancelled { tenant: Address::ZERO, nonce: block_number },
        }
    }

    #[test]
    fn a_reorganisation_takes_the_events_above_it_and_no_others() {
        let mut held = Held::default();
        held.push(10, Timestamp(1), vec![event(8), event(10)]);
        held.push(12, Timestamp(2), vec![event(11)]);
        held.forget_above(9);
        assert_eq!(held.take_up_to(8), vec![]);
        assert_eq!(held.delivered_up_to(12), 7);
        assert_eq!(held.take_up_to(9), vec![(Timestamp(1), vec![event(8)])]);
        assert_eq!(held.delivered_up_to(12), 12);
        assert_eq!(held.take_up_to(99), vec![]);
    }
}
