//! Looks after what is on its way: receipts, lost broadcasts, offers that do not get in.

use alloy::primitives::{B256, Bytes};
use tokio::time::Instant;

use super::actor::{Actor, InFlight, answer, fees, set_fees};
use super::broadcast::Broadcast;
use super::fees::Fees;
use super::finality::Finished;
use super::journal::{JournalEntry, JournalError};
use super::{Outcome, SendError};
use crate::rpc::{Receipt, RpcError};

/// How often a nonce may look consumed, without a receipt of ours, before it counts as somebody else's.
pub(super) const MISSING_LIMIT: u32 = 5;

/// Why a look did not get through.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    #[error("the node did not answer as it should")]
    Rpc(#[from] RpcError),
    #[error("the journal was not written")]
    Journal(#[from] JournalError),
}

impl Actor {
    /// Looks after everything on its way, oldest nonce first.
    pub(super) async fn look(&mut self) {
        if let Err(error) = self.try_look().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to look for receipts");
        }
    }

    async fn try_look(&mut self) -> Result<(), LookError> {
        self.rpc.check_chain(self.chain_id).await?;
        let head = self.rpc.head().await?;
        let nonces: Vec<u64> = self.in_flight.keys().copied().collect();
        let mined = self.rpc.mined_nonce(self.key.address()).await?;
        if nonces.first().is_some_and(|lowest| mined < *lowest) {
            self.resend_finished(mined).await;
        }
        for nonce in nonces {
            let Some(entry) = self.in_flight.get(&nonce) else { continue };
            match self.receipt_of(&entry.hashes).await? {
                Some(receipt) => {
                    let depth = head.number.saturating_add(1).saturating_sub(receipt.block_number.to());
                    if depth >= self.config.confirmations.max(1) {
                        self.finish(nonce, &receipt);
                    }
                }
                None if mined > nonce => self.count_missing(nonce),
                None => self.push(nonce).await?,
            }
        }
        Ok(())
    }

    pub(super) async fn receipt_of(&self, hashes: &[B256]) -> Result<Option<Receipt>, RpcError> {
        for hash in hashes.iter().rev() {
            if let Some(receipt) = self.rpc.receipt(*hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    fn finish(&mut self, nonce: u64, receipt: &Receipt) {
        let Some(InFlight { call, hashes, raw, reply, .. }) = self.in_flight.remove(&nonce) else { return };
        match reply {
            Some(waiting) => answer(waiting.outcome, Outcome::Mined((self.read)(receipt))),
            None => tracing::info!(
                nonce, call, transaction = %receipt.transaction_hash,
                "a transaction of an earlier process is in a block"
            ),
        }
        self.keep(nonce, Finished { call, hashes, raw });
    }

    /// The nonce is in a block but none of our hashes is: a lagging node, or somebody else with the key.
    fn count_missing(&mut self, nonce: u64) {
        let Some(entry) = self.in_flight.get_mut(&nonce) else { return };
        entry.missing += 1;
        if entry.missing < MISSING_LIMIT {
            return;
        }
        let Some(InFlight { call, reply, .. }) = self.in_flight.remove(&nonce) else { return };
        self.unwritten = true;
        tracing::error!(nonce, call, "a transaction sent elsewhere with the same key used this nonce");
        if let Some(waiting) = reply {
            let error = SendError::NonceTaken { call: waiting.call, nonce };
            answer(waiting.outcome, Outcome::Rejected(error));
        }
    }

    /// Broadcasts again what is not in a block, with a higher fee when it is time.
    async fn push(&mut self, nonce: u64) -> Result<(), LookError> {
        let now = Instant::now();
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(()) };
        let (signed_at, sent_at) = (entry.signed_at, entry.sent_at);
        if now - signed_at >= self.config.bump_after {
            self.bump(nonce, now).await?;
        } else if sent_at.is_none_or(|sent_at| now - sent_at >= self.config.rebroadcast_after) {
            self.report(nonce, Broadcast::read(self.rpc.send_raw(&entry.raw).await));
            if let Some(entry) = self.in_flight.get_mut(&nonce) {
                entry.sent_at = Some(now);
            }
        }
        Ok(())
    }

    async fn bump(&mut self, nonce: u64, now: Instant) -> Result<(), LookError> {
        let (head, tip) = (self.rpc.head().await?, self.rpc.suggested_tip().await?);
        let fresh = Fees::fresh(head.base_fee.unwrap_or(0), tip);
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(()) };
        let Some(raised) = fees(&entry.request).bumped(fresh, self.config.max_fee_per_gas) else {
            tracing::warn!(nonce, limit = self.config.max_fee_per_gas, "the fee has reached its limit");
            self.report(nonce, Broadcast::read(self.rpc.send_raw(&entry.raw).await));
            if let Some(entry) = self.in_flight.get_mut(&nonce) {
                (entry.signed_at, entry.sent_at) = (now, Some(now));
            }
            return Ok(());
        };
        let (mut request, mut hashes, call) =
            (entry.request.clone(), entry.hashes.clone(), entry.call.clone());
        set_fees(&mut request, raised);
        let (hash, raw): (B256, Bytes) = self.sign(&request);
        hashes.push(hash);
        let written = JournalEntry { nonce, call, hashes: hashes.clone(), raw: raw.clone() };
        self.write_down(Some(written)).await?;
        tracing::info!(nonce, max_fee = raised.max, "raising the fee of a transaction");
        self.report(nonce, Broadcast::read(self.rpc.send_raw(&raw).await));
        if let Some(entry) = self.in_flight.get_mut(&nonce) {
            (entry.request, entry.hashes, entry.raw) = (request, hashes, raw);
            (entry.signed_at, entry.sent_at) = (now, Some(now));
        }
        Ok(())
    }

    fn report(&self, nonce: u64, broadcast: Broadcast) {
        match broadcast {
            Broadcast::Accepted => {}
            other => tracing::warn!(nonce, answer = ?other, "the node did not take a transaction again"),
        }
    }
}
