//! Waiting for things that another task or process does.

use std::time::Duration;

use anyhow::{Context, Result};
use chain::{Cursor, Followed, FollowerConfig, LogFollower, LoggedEvent, Rpc};
use testkit::TestMarket;

/// Polls until `condition` holds; fails after half a minute.
pub(crate) async fn until<F: Future<Output = Result<bool>>>(
    what: &str,
    condition: impl Fn() -> F,
) -> Result<()> {
    let poll = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if condition().await? {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), poll).await.with_context(|| format!("waited for {what}"))?
}

/// A follower of everything since the deployment that looks often.
pub(crate) fn follower(market: &TestMarket, rpc: Rpc, max_range: u64) -> LogFollower {
    let config = FollowerConfig { poll_interval: Duration::from_millis(20), max_range, stall_after: None };
    let cursor = Cursor::start(market.deployment().deployed_block);
    LogFollower::new(rpc, *market.deployment(), config, cursor)
}

/// Follows to the present head, through whatever can be retried; reorganisations start the list anew.
pub(crate) async fn follow_to_head(follower: &mut LogFollower) -> Result<Vec<LoggedEvent>> {
    let mut seen: Vec<LoggedEvent> = Vec::new();
    let follow = async {
        loop {
            match follower.next().await {
                Ok(Followed::Progress { events, upto, head }) => {
                    seen.extend(events);
                    if upto.number == head.number {
                        return Ok::<(), anyhow::Error>(());
                    }
                }
                Ok(Followed::Reorged { to }) => seen.retain(|event| event.block_number <= to),
                Err(error) if error.is_retriable() => {}
                Err(error) => return Err(error.into()),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), follow).await.context("waited for the head")??;
    Ok(seen)
}
