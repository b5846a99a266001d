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

/// How often the node may refuse the next nonce's transaction before it counts as one that no block will hold.
const REFUSAL_LIMIT: u32 = 5;

/// How many times the patience for a better offer a gap before all that is on its way may last. A node that lags shows
/// one, too.
const GAP_PATIENCE: u32 = 4;

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
            let gives_it = self.resend_finished(mined).await;
            if self.has_long_been_missing(!gives_it) {
                self.abandon_all(|call, nonce| SendError::Gap { call, nonce });
                return Ok(());
            }
        } else {
            self.gap_since = None;
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
                None => {
                    if let Some(message) = self.push(nonce).await?.filter(|_| mined == nonce)
                        && self.count_refusal(nonce)
                    {
                        self.abandon_all(|call, _| SendError::Refused { call, message: message.clone() });
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether what is on its way has stood behind an unused nonce for so long that nothing will fill it but a new call.
    fn has_long_been_missing(&mut self, is_missing: bool) -> bool {
        let now = Instant::now();
        let since = self.gap_since.filter(|_| is_missing);
        self.gap_since = is_missing.then_some(since.unwrap_or(now));
        since.is_some_and(|since| now - since >= self.config.bump_after * GAP_PATIENCE)
    }

    /// Counts a refusal of what is next on chain; true if that was one too many.
    fn count_refusal(&mut self, nonce: u64) -> bool {
        let Some(entry) = self.in_flight.get_mut(&nonce) else { return false };
        entry.refused += 1;
        entry.refused >= REFUSAL_LIMIT
    }

    /// Gives up what would hold up every later call for ever. Its nonces are used again, so that it can only get into a
    /// block in place of a new call, or before one that is then not needed: all calls are idempotent.
    fn abandon_all(&mut self, why: impl Fn(&'static str, u64) -> SendError) {
        for (nonce, InFlight { call, reply, .. }) in std::mem::take(&mut self.in_flight) {
            tracing::error!(nonce, call, "given up: no block will hold this transaction as things are");
            if let Some(waiting) = reply {
                answer(waiting.outcome, Outcome::Rejected(why(waiting.call, nonce)));
            }
        }
        (self.next_nonce, self.gap_since, self.unwritten) = (None, None, true);
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

    /// Broadcasts again what is not in a block, with a higher fee when it is time. The node's words if it refuses it.
    async fn push(&mut self, nonce: u64) -> Result<Option<String>, LookError> {
        let now = Instant::now();
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(None) };
        let is_due = entry.sent_at.is_none_or(|sent_at| now - sent_at >= self.config.rebroadcast_after);
        if now - entry.signed_at >= self.config.bump_after {
            match self.bump(nonce, now).await {
                Err(LookError::Journal(error)) if !matches!(error, JournalError::TakenOver) => {
                    tracing::warn!(
                        nonce,
                        error = &error as &dyn std::error::Error,
                        "a better offer cannot be written down; the present one stands"
                    );
                }
                bumped => return bumped,
            }
        }
        Ok(if is_due { self.rebroadcast(nonce, now).await } else { None })
    }

    async fn rebroadcast(&mut self, nonce: u64, now: Instant) -> Option<String> {
        let entry = self.in_flight.get(&nonce)?;
        let answer = Broadcast::read(self.rpc.send_raw(&entry.raw).await);
        if let Some(entry) = self.in_flight.get_mut(&nonce) {
            entry.sent_at = Some(now);
        }
        self.report(nonce, answer)
    }

    async fn bump(&mut self, nonce: u64, now: Instant) -> Result<Option<String>, LookError> {
        let (head, tip) = (self.rpc.head().await?, self.rpc.suggested_tip().await?);
        let fresh = Fees::fresh(head.base_fee.unwrap_or(0), tip);
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(None) };
        let Some(raised) = fees(&entry.request).bumped(fresh, self.config.max_fee_per_gas) else {
            tracing::warn!(nonce, limit = self.config.max_fee_per_gas, "the fee has reached its limit");
            let refusal = self.rebroadcast(nonce, now).await;
            if let Some(entry) = self.in_flight.get_mut(&nonce) {
                entry.signed_at = now;
            }
            return Ok(refusal);
        };
        let (mut request, mut hashes, call) =
            (entry.request.clone(), entry.hashes.clone(), entry.call.clone());
        set_fees(&mut request, raised);
        let (hash, raw): (B256, Bytes) = self.sign(&request);
        hashes.push(hash);
        let written = JournalEntry { nonce, call, hashes: hashes.clone(), raw: raw.clone() };
        self.write_down(Some(written)).await?;
        tracing::info!(nonce, max_fee = raised.max, "raising the fee of a transaction");
        if let Some(entry) = self.in_flight.get_mut(&nonce) {
            (entry.request, entry.hashes, entry.raw) = (request, hashes, raw);
            entry.signed_at = now;
        }
        Ok(self.rebroadcast(nonce, now).await)
    }

    /// Says what the node did not take. Its words, if no other fee and no later time changes its mind.
    fn report(&mut self, nonce: u64, broadcast: Broadcast) -> Option<String> {
        match broadcast {
            Broadcast::Refused(message) => {
                tracing::warn!(nonce, message, "the node refuses a transaction");
                return Some(message);
            }
            Broadcast::Accepted => {}
            other => tracing::warn!(nonce, answer = ?other, "the node did not take a transaction again"),
        }
        if let Some(entry) = self.in_flight.get_mut(&nonce) {
            entry.refused = 0;
        }
        None
    }
}
