//! Calls to the API server that go out at once.

use futures::future::join_all;

/// Waits for all of them, also after one has failed, and returns the first failure.
///
/// A call that is given up half-way may be counted by the quota although it makes nothing, and the quota is not counted anew for
/// minutes.
pub async fn to_the_end<T, E>(
    calls: impl IntoIterator<Item = impl Future<Output = Result<T, E>>>,
) -> Result<(), E> {
    join_all(calls).await.into_iter().try_for_each(|call| call.map(drop))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_call_is_not_given_up_because_another_one_failed() {
        let made = AtomicU32::new(0);
        let calls = ["refused", "slow", "also refused"].map(|call| {
            let made = &made;
            async move {
                if call == "slow" {
                    tokio::task::yield_now().await;
                }
                made.fetch_add(1, Ordering::Relaxed);
                if call == "slow" { Ok(()) } else { Err(call) }
            }
        });
        assert_eq!((to_the_end(calls).await, made.into_inner()), (Err("refused"), 3));
    }
}
