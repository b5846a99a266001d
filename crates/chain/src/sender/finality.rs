//! What is in a block may still be dropped from it: kept, and written down, until the chain cannot give it up.

use alloy::primitives::{B256, Bytes};

use super::Stage;
use super::actor::Actor;
use super::broadcast::Broadcast;
use super::journal::{JournalEntry, JournalError};
use super::watching::LookError;
use crate::rpc::At;

/// Finished transactions that are kept in case a reorganisation drops them. Only a chain that does not say what is
/// final, or a flood of transactions, reaches this.
const KEPT: usize = 256;

/// A transaction that was in a block when it was looked at last.
pub(super) struct Finished {
    pub(super) call: String,
    pub(super) hashes: Vec<B256>,
    pub(super) raw: Bytes,
}

impl Actor {
    pub(super) fn keep(&mut self, nonce: u64, finished: Finished) {
        self.finished.insert(nonce, finished);
        if self.finished.len() > KEPT {
            self.finished.pop_first();
            self.unwritten = true;
        }
    }

    /// Broadcasts finished transactions from the nonce `from` on; false if one of them is no longer kept.
    pub(super) async fn resend_finished(&self, from: u64) -> bool {
        for (nonce, finished) in self.finished.range(from..) {
            tracing::info!(
                nonce,
                call = finished.call,
                "broadcasting a transaction again that the chain dropped"
            );
            if let Broadcast::Unknown(error) = Broadcast::read(self.rpc.send_raw(&finished.raw).await) {
                tracing::warn!(nonce, %error, "failed to broadcast again");
            }
        }
        self.finished.contains_key(&from)
    }

    /// Forgets what is final, and gives the network again what it dropped.
    pub(super) async fn look_for_finality(&mut self) {
        if let Err(error) = self.try_look_for_finality().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "failed to look for finality");
        }
    }

    async fn try_look_for_finality(&mut self) -> Result<(), LookError> {
        if !self.finished.is_empty() {
            self.rpc.check_chain(self.chain_id).await?;
            let account = self.key.address();
            let mined = self.rpc.mined_nonce(account).await?;
            if self.finished.range(mined..).next().is_some() {
                self.resend_finished(mined).await;
            }
            let settled = self.rpc.nonce_at(account, At::Finalized).await?;
            let settled: Vec<u64> = self.finished.range(..settled).map(|(nonce, _)| *nonce).collect();
            for nonce in settled {
                self.forget_final(nonce).await?;
            }
        }
        if self.unwritten {
            self.write_down(None).await?;
        }
        Ok(())
    }

    async fn forget_final(&mut self, nonce: u64) -> Result<(), LookError> {
        let Some(finished) = self.finished.get(&nonce) else { return Ok(()) };
        if self.receipt_of(&finished.hashes).await?.is_none() {
            tracing::error!(
                nonce,
                call = finished.call,
                "after a reorganisation a transaction sent elsewhere with the same key used this nonce"
            );
        }
        self.finished.remove(&nonce);
        self.unwritten = true;
        Ok(())
    }

    /// Writes down everything that is not final, and `signed`, which is not broadcast yet or offers more for the same
    /// nonce. A journal that is too small forgets what is in a block first: what is not matters more.
    pub(super) async fn write_down(&mut self, signed: Option<JournalEntry>) -> Result<(), JournalError> {
        let Some(mut journal) = self.journal.take() else { return Ok(()) };
        let written = loop {
            match journal.write(&self.entries(signed.as_ref())).await {
                Err(JournalError::Full { .. }) if self.finished.pop_first().is_some() => {}
                written => break written,
            }
        };
        self.journal = Some(journal);
        self.unwritten = written.is_err();
        if matches!(written, Err(JournalError::TakenOver)) {
            self.stage.send_replace(Stage::TakenOver);
        }
        written
    }

    fn entries(&self, signed: Option<&JournalEntry>) -> Vec<JournalEntry> {
        let entry = |nonce: u64, call: &str, hashes: &[B256], raw: &Bytes| JournalEntry {
            nonce,
            call: call.to_owned(),
            hashes: hashes.to_vec(),
            raw: raw.clone(),
        };
        let finished =
            self.finished.iter().map(|(nonce, kept)| entry(*nonce, &kept.call, &kept.hashes, &kept.raw));
        let in_flight =
            self.in_flight.iter().map(|(nonce, sent)| entry(*nonce, &sent.call, &sent.hashes, &sent.raw));
        let replaced = signed.map(|signed| signed.nonce);
        let mut entries: Vec<_> =
            finished.chain(in_flight).filter(|entry| Some(entry.nonce) != replaced).collect();
        entries.extend(signed.cloned());
        entries.sort_by_key(|entry| entry.nonce);
        entries
    }
}
