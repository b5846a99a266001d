//! What an earlier process of this key left unfinished, taken up again.

use tokio::time::Instant;

use super::Stage;
use super::actor::{Actor, InFlight};
use super::journal::JournalEntry;
use super::watching::MISSING_LIMIT;
use crate::rpc::RpcError;

impl Actor {
    /// Takes over the journal, and puts what it holds on its way again. False if nobody wants to send any more.
    pub(super) async fn recover(&mut self) -> bool {
        let Some(entries) = self.open().await else { return false };
        if entries.is_empty() {
            return true;
        }
        let Some(mined) = self.nonce_below(entries.iter().map(|entry| entry.nonce).min()).await else {
            return false;
        };
        let mut next = mined;
        for entry in entries {
            let (nonce, call) = (entry.nonce, entry.call.clone());
            match entry.decode(self.key.address(), self.chain_id) {
                Err(problem) => {
                    tracing::error!(nonce, call, %problem, "left a transaction of the journal out");
                    self.unwritten = true;
                }
                // Nothing can be mined behind a nonce that nobody used.
                Ok(_) if nonce > next => {
                    tracing::error!(
                        nonce,
                        call,
                        next,
                        "left a transaction out: one before it is not in the journal"
                    );
                    self.unwritten = true;
                }
                Ok(request) => {
                    tracing::info!(nonce, call, "following a transaction of an earlier process");
                    next = next.max(nonce.saturating_add(1));
                    let JournalEntry { hashes, raw, .. } = entry;
                    let signed_at = Instant::now();
                    let (sent_at, missing, refused, reply) = (None, 0, 0, None);
                    let entry =
                        InFlight { call, request, hashes, raw, signed_at, sent_at, missing, refused, reply };
                    self.in_flight.insert(nonce, entry);
                }
            }
        }
        self.next_nonce = Some(next);
        true
    }

    async fn open(&mut self) -> Option<Vec<JournalEntry>> {
        loop {
            let Some(journal) = &mut self.journal else { return Some(Vec::new()) };
            match journal.open().await {
                Ok(mut entries) => {
                    entries.sort_by_key(|entry| entry.nonce);
                    self.stage.send_replace(Stage::Recovering);
                    return Some(entries);
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "nothing is sent before the journal of transactions is open"
                ),
            }
            if self.queue.is_closed() {
                return None;
            }
            tokio::time::sleep(self.config.poll_interval).await;
        }
    }

    /// The first nonce that no block holds, from a node that is not behind the journal's `lowest`, if one is found.
    async fn nonce_below(&self, lowest: Option<u64>) -> Option<u64> {
        let mut looks = 0;
        loop {
            match self.mined_on_our_chain().await {
                Ok(mined) => {
                    looks += 1;
                    if lowest.is_none_or(|lowest| lowest <= mined) || looks >= MISSING_LIMIT {
                        return Some(mined);
                    }
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "nothing is sent before the fate of earlier transactions is known"
                ),
            }
            if self.queue.is_closed() {
                return None;
            }
            tokio::time::sleep(self.config.poll_interval).await;
        }
    }

    async fn mined_on_our_chain(&self) -> Result<u64, RpcError> {
        self.rpc.check_chain(self.chain_id).await?;
        self.rpc.mined_nonce(self.key.address()).await
    }
}
