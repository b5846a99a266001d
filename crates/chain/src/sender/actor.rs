//! The actor: a queue of calls in, transactions of one key out, in the order of their nonces.

use std::collections::BTreeMap;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, U256};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::broadcast::Broadcast;
use super::fees::Fees;
use super::finality::Finished;
use super::journal::{Journal, JournalEntry, JournalError};
use super::{Job, Mined, Outcome, SendError, SenderConfig, Stage};
use crate::calls::Call;
use crate::rpc::{At, CallRequest, Receipt, Rpc, RpcError};
use crate::signer::HotKey;

/// Asks the node until it answers, the configured number of times.
macro_rules! retry {
    ($self:ident, $call:expr, $request:expr) => {{
        let mut attempts = $self.config.attempts.max(1);
        loop {
            match $request.await {
                Ok(answer) => break answer,
                Err(error) => $self.pause($call, error, &mut attempts).await?,
            }
        }
    }};
}

/// A transaction on its way.
pub(super) struct InFlight {
    pub(super) call: String,
    pub(super) request: TxEip1559,
    pub(super) hashes: Vec<B256>,
    pub(super) raw: Bytes,
    pub(super) signed_at: Instant,
    /// When it was broadcast last; never by this process if it came from the journal.
    pub(super) sent_at: Option<Instant>,
    pub(super) missing: u32,
    /// How often in a row the node has refused it, for a reason that no other fee changes.
    pub(super) refused: u32,
    /// Who waits for it; nobody does for one that an earlier process sent.
    pub(super) reply: Option<Waiting>,
}

/// A caller that waits for a transaction.
pub(super) struct Waiting {
    pub(super) call: &'static str,
    pub(super) outcome: oneshot::Sender<Outcome>,
}

pub(super) type ReadReceipt = Box<dyn Fn(&Receipt) -> Mined + Send + Sync>;

pub(super) struct Actor {
    pub(super) rpc: Rpc,
    pub(super) chain_id: u64,
    pub(super) key: HotKey,
    pub(super) config: SenderConfig,
    pub(super) queue: mpsc::Receiver<Job>,
    pub(super) read: ReadReceipt,
    pub(super) next_nonce: Option<u64>,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
    /// In a block, but not in one that the chain cannot give up any more.
    pub(super) finished: BTreeMap<u64, Finished>,
    pub(super) journal: Option<Box<dyn Journal>>,
    /// Whether the journal may hold more than what is here.
    pub(super) unwritten: bool,
    /// Since when a nonce that nothing of ours has stands before all that is on its way.
    pub(super) gap_since: Option<Instant>,
    pub(super) stage: watch::Sender<Stage>,
}

impl Actor {
    pub(super) async fn run(mut self) {
        if !self.recover().await {
            return;
        }
        let mut tick = tokio::time::interval(self.config.poll_interval);
        let mut final_tick = tokio::time::interval(self.config.finality_interval);
        for ticks in [&mut tick, &mut final_tick] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut open = true;
        while open || !self.in_flight.is_empty() {
            let room = self.in_flight.len() < self.config.max_in_flight.max(1);
            // What an earlier process sent comes first: a call is simulated on the state that it leaves.
            let recovered = self.in_flight.values().all(|entry| entry.reply.is_some());
            let stage = if recovered { Stage::Ready } else { Stage::Recovering };
            self.stage.send_if_modified(|present| {
                let changes = *present != Stage::TakenOver && *present != stage;
                if changes {
                    *present = stage;
                }
                changes
            });
            if *self.stage.borrow() == Stage::TakenOver {
                return self.give_up();
            }
            let unsettled = self.journal.is_some() && (self.unwritten || !self.finished.is_empty());
            tokio::select! {
                job = self.queue.recv(), if open && room && recovered => match job {
                    Some(Job { call, reply }) => self.start(call, reply).await,
                    None => open = false,
                },
                _ = tick.tick(), if !self.in_flight.is_empty() => self.look().await,
                _ = final_tick.tick(), if unsettled => self.look_for_finality().await,
            }
        }
    }

    /// Another process sends with this key now, and follows what is on its way.
    fn give_up(self) {
        tracing::error!("another process sends with this key: nothing more is sent by this one");
        for waiting in self.in_flight.into_values().filter_map(|entry| entry.reply) {
            answer(waiting.outcome, Outcome::Rejected(SendError::TakenOver));
        }
    }

    /// Takes a call as far as its first broadcast, or answers why not.
    async fn start(&mut self, call: Call, reply: oneshot::Sender<Outcome>) {
        let outcome = match self.prepare(&call).await {
            Ok(request) => match self.broadcast_first(call.name, request).await {
                Ok((request, hashes, raw)) => {
                    let now = Instant::now();
                    let entry = InFlight {
                        call: call.name.to_owned(),
                        hashes,
                        raw,
                        signed_at: now,
                        sent_at: Some(now),
                        missing: 0,
                        refused: 0,
                        reply: Some(Waiting { call: call.name, outcome: reply }),
                        request,
                    };
                    self.in_flight.insert(entry.request.nonce, entry);
                    return;
                }
                Err(error) => {
                    // The journal may hold what is not going to be broadcast any more.
                    self.unwritten = true;
                    Outcome::Rejected(error)
                }
            },
            Err(SendError::Reverted { reason, .. }) => Outcome::Reverted(reason),
            Err(error) => Outcome::Rejected(error),
        };
        answer(reply, outcome);
    }

    /// Simulates a call and prices it.
    async fn prepare(&mut self, call: &Call) -> Result<TxEip1559, SendError> {
        let name = call.name;
        let request = CallRequest::by(self.key.address(), call.to, call.data.clone());
        // A node that changed chains since the start must not be handed a transaction.
        retry!(self, name, self.rpc.check_chain(self.chain_id));
        retry!(self, name, self.rpc.call(&request, At::Latest));
        let gas = retry!(self, name, self.rpc.estimate_gas(&request));
        let fees = self.fresh_fees(name).await?;
        let nonce = self.nonce(name).await?;
        Ok(TxEip1559 {
            chain_id: self.chain_id,
            nonce,
            // Storage that other transactions touch in between makes the estimate only an estimate.
            gas_limit: gas.saturating_add(gas / 4),
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
            to: call.to,
            value: U256::ZERO,
            access_list: Default::default(),
            input: call.data.clone(),
        })
    }

    async fn fresh_fees(&self, name: &'static str) -> Result<Fees, SendError> {
        let head = retry!(self, name, self.rpc.head());
        let tip = retry!(self, name, self.rpc.suggested_tip());
        let (base_fee, limit) = (head.base_fee.unwrap_or(0), self.config.max_fee_per_gas);
        Fees::fresh(base_fee, tip)
            .within(limit, base_fee)
            .ok_or(SendError::FeeTooHigh { needed: base_fee.saturating_add(tip), limit })
    }

    /// The next nonce. With nothing on its way the chain decides, after giving back what it may have dropped.
    async fn nonce(&mut self, name: &'static str) -> Result<u64, SendError> {
        if let (Some(next), false) = (self.next_nonce, self.in_flight.is_empty()) {
            return Ok(next);
        }
        let account = self.key.address();
        let known = retry!(self, name, self.rpc.pending_nonce(account));
        let next = match self.next_nonce {
            Some(next) if known < next && self.resend_finished(known).await => next,
            _ => known,
        };
        self.next_nonce = Some(next);
        Ok(next)
    }

    /// Signs, writes down and broadcasts, following the nonce or the fee if the node wants another one.
    async fn broadcast_first(
        &mut self,
        call: &'static str,
        mut request: TxEip1559,
    ) -> Result<(TxEip1559, Vec<B256>, Bytes), SendError> {
        let mut attempts = self.config.attempts.max(1);
        // What one node refuses as too cheap another one may have taken.
        let mut hashes = Vec::new();
        loop {
            attempts -= 1;
            let (hash, raw) = self.sign(&request);
            hashes.push(hash);
            let entry = JournalEntry {
                nonce: request.nonce,
                call: call.to_owned(),
                hashes: hashes.clone(),
                raw: raw.clone(),
            };
            self.write_down(Some(entry)).await.map_err(|source| match source {
                JournalError::TakenOver => SendError::TakenOver,
                source => SendError::Journal { call, source },
            })?;
            match Broadcast::read(self.rpc.send_raw(&raw).await) {
                Broadcast::Accepted => {}
                Broadcast::Unknown(error) => {
                    tracing::warn!(call, nonce = request.nonce, %error, "the fate of a broadcast is unknown");
                }
                Broadcast::NonceTooLow if attempts > 0 => {
                    let account = self.key.address();
                    let known = retry!(self, call, self.rpc.pending_nonce(account));
                    request.nonce = known.max(request.nonce.saturating_add(1));
                    hashes.clear();
                    continue;
                }
                Broadcast::NonceTooLow => {
                    return Err(SendError::NonceTaken { call, nonce: request.nonce });
                }
                Broadcast::Underpriced => {
                    let fresh = self.fresh_fees(call).await?;
                    let limit = self.config.max_fee_per_gas;
                    match fees(&request).bumped(fresh, limit) {
                        Some(fees) if attempts > 0 => set_fees(&mut request, fees),
                        _ => return Err(SendError::FeeTooHigh { needed: fresh.max, limit }),
                    }
                    continue;
                }
                Broadcast::NoGas => {
                    return Err(SendError::NoGas { call, account: self.key.address() });
                }
                Broadcast::Refused(message) => return Err(SendError::Refused { call, message }),
            }
            self.next_nonce = Some(request.nonce.saturating_add(1));
            return Ok((request, hashes, raw));
        }
    }

    pub(super) fn sign(&self, request: &TxEip1559) -> (B256, Bytes) {
        let signature = self.key.sign_raw(request.signature_hash());
        let envelope = TxEnvelope::from(request.clone().into_signed(signature));
        (*envelope.tx_hash(), envelope.encoded_2718().into())
    }

    /// Waits before a request is tried again, or says why it is not.
    async fn pause(&self, call: &'static str, error: RpcError, attempts: &mut u32) -> Result<(), SendError> {
        if let Some(reason) = error.revert() {
            return Err(SendError::Reverted { call, reason });
        }
        if error.message().is_some_and(|message| message.to_lowercase().contains("insufficient funds")) {
            return Err(SendError::NoGas { call, account: self.key.address() });
        }
        *attempts = attempts.saturating_sub(1);
        if *attempts == 0 || !error.is_retriable() {
            return Err(SendError::Rpc { call, source: error });
        }
        tracing::debug!(call, %error, "trying again");
        tokio::time::sleep(self.config.poll_interval).await;
        Ok(())
    }
}

pub(super) fn fees(request: &TxEip1559) -> Fees {
    Fees { max: request.max_fee_per_gas, tip: request.max_priority_fee_per_gas }
}

pub(super) fn set_fees(request: &mut TxEip1559, fees: Fees) {
    request.max_fee_per_gas = fees.max;
    request.max_priority_fee_per_gas = fees.tip;
}

pub(super) fn answer(reply: oneshot::Sender<Outcome>, outcome: Outcome) {
    // The caller may have stopped waiting; the transaction goes on without it.
    if let Err(outcome) = reply.send(outcome) {
        tracing::debug!(?outcome, "nobody waits for the outcome");
    }
}
