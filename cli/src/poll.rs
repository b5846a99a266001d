//! Asking again until something is so, or time is up.

use std::time::Duration;

use chain::ClientError;
use tokio::time::{Instant, MissedTickBehavior};

/// Asks every `interval` until `ask` has an answer; none when `limit` has passed first.
pub(crate) async fn until<T, F>(limit: Duration, interval: Duration, mut ask: F) -> anyhow::Result<Option<T>>
where
    F: AsyncFnMut() -> anyhow::Result<Option<T>>,
{
    let deadline = Instant::now() + limit;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(answer) = ask().await? {
            return Ok(Some(answer));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

/// Makes a passing failure of the node a reason to ask again.
pub(crate) fn tolerate<T>(read: Result<T, ClientError>) -> anyhow::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_retriable() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
