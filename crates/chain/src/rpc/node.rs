//! One node: how it is asked, and for how long it is left alone after it failed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy::rpc::client::RpcClient;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::RpcError;

/// How long one request may take before it counts as failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a node rests after its first failure; each further one doubles it.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A node that resting nodes stand behind when others can be asked.
#[derive(Debug)]
pub(super) struct Node {
    client: RpcClient,
    rest: Mutex<Rest>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

impl Node {
    /// Prepares a connection. Nothing is sent yet.
    ///
    /// An `https` address needs a rustls provider; if the binary installed none, ring is installed here.
    pub(super) fn new(url: Url) -> Result<Self, RpcError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Losing the race means that another thread installed one, which is as good.
            let _installed = rustls::crypto::ring::default_provider().install_default();
        }
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|source| RpcError::Dial(Box::new(source)))?;
        Ok(Self { client: RpcClient::new_http_with_client(http, url), rest: Mutex::default() })
    }

    /// The node's own answer.
    pub(super) async fn ask(&self, method: &'static str, params: Value) -> Result<Value, RpcError> {
        let answer: Result<Value, _> = self.client.request(method, params).await;
        answer.map_err(|source| RpcError::request(method, source))
    }

    /// Whether it failed lately.
    pub(super) fn is_resting(&self) -> bool {
        self.rest().until.is_some_and(|until| Instant::now() < until)
    }

    /// It answered: it is asked as before.
    pub(super) fn answered(&self) {
        *self.rest() = Rest::default();
    }

    /// It failed: others are asked first for a while.
    pub(super) fn failed(&self) {
        let mut rest = self.rest();
        let doubled = SHORTEST_REST.saturating_mul(2u32.saturating_pow(rest.failures));
        rest.failures = rest.failures.saturating_add(1);
        rest.until = Some(Instant::now() + doubled.min(LONGEST_REST));
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_that_goes_on_failing_rests_longer_and_never_more_than_a_minute() {
        let node = Node::new("http://127.0.0.1:1".parse().unwrap()).unwrap();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            node.failed();
            tokio::time::advance(Duration::from_secs(expected) - Duration::from_millis(1)).await;
            assert!(node.is_resting(), "{expected}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(!node.is_resting(), "{expected}");
        }
        node.answered();
        node.failed();
        tokio::time::advance(SHORTEST_REST).await;
        assert!(!node.is_resting());
    }
}
