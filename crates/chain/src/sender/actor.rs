//! The actor: a queue of calls in, transactions of one key out, in the order of their nonces.

use std::collections::{BTreeMap, VecDeque};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, U256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::broadcast::Broadcast;
use super::fees::Fees;
use super::{Job, Mined, Outcome, SendError, SenderConfig};
use crate::calls::Call;
use crate::rpc::{At, CallRequest, Receipt, Rpc, RpcError};
use crate::signer::HotKey;

/// Signed bytes of finished transactions that are kept in case a reorganisation drops them.
const KEPT: usize = 64;
/// How often a nonce may look consumed, without a receipt of ours, before it counts as somebody else's.
const MISSING_LIMIT: u32 = 5;

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
struct InFlight {
    name: &'static str,
    request: TxEip1559,
    hashes: Vec<B256>,
    raw: Vec<u8>,
    signed_at: Instant,
    sent_at: Instant,
    missing: u32,
    reply: oneshot::Sender<Outcome>,
}

type ReadReceipt = Box<dyn Fn(&Receipt) -> Mined + Send + Sync>;

pub(super) struct Actor {
    rpc: Rpc,
    chain_id: u64,
    key: HotKey,
    config: SenderConfig,
    queue: mpsc::Receiver<Job>,
    read: ReadReceipt,
    next_nonce: Option<u64>,
    in_flight: BTreeMap<u64, InFlight>,
    finished: VecDeque<(u64, Vec<u8>)>,
}

impl Actor {
    pub(super) fn new(
        rpc: Rpc,
        chain_id: u64,
        key: HotKey,
        config: SenderConfig,
        queue: mpsc::Receiver<Job>,
        read: ReadReceipt,
    ) -> Self {
        let (in_flight, finished) = (BTreeMap::new(), VecDeque::new());
        Self { rpc, chain_id, key, config, queue, read, next_nonce: None, in_flight, finished }
    }

    pub(super) async fn run(mut self) {
        let mut tick = tokio::time::interval(self.config.poll_interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open = true;
        while open || !self.in_flight.is_empty() {
            let room = self.in_flight.len() < self.config.max_in_flight.max(1);
            tokio::select! {
                job = self.queue.recv(), if open && room => match job {
                    Some(Job { call, reply }) => self.start(call, reply).await,
                    None => open = false,
                },
                _ = tick.tick(), if !self.in_flight.is_empty() => self.look().await,
            }
        }
    }

    /// Takes a call as far as its first broadcast, or answers why not.
    async fn start(&mut self, call: Call, reply: oneshot::Sender<Outcome>) {
        let outcome = match self.prepare(&call).await {
            Ok(request) => match self.broadcast_first(call.name, request).await {
                Ok((request, hash, raw)) => {
                    let now = Instant::now();
                    let nonce = request.nonce;
                    let hashes = vec![hash];
                    let name = call.name;
                    let (signed_at, sent_at, missing) = (now, now, 0);
                    let entry = InFlight { name, request, hashes, raw, signed_at, sent_at, missing, reply };
                    self.in_flight.insert(nonce, entry);
                    return;
                }
                Err(error) => Outcome::Rejected(error),
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

    /// Broadcasts finished transactions from the nonce `from` on; false if one of them is no longer kept.
    async fn resend_finished(&self, from: u64) -> bool {
        let dropped: Vec<_> = self.finished.iter().filter(|(nonce, _)| *nonce >= from).collect();
        for (nonce, raw) in &dropped {
            tracing::info!(nonce, "broadcasting a transaction again that the chain dropped");
            if let Broadcast::Unknown(error) = Broadcast::read(self.rpc.send_raw(raw).await) {
                tracing::warn!(nonce, %error, "failed to broadcast again");
            }
        }
        dropped.first().is_some_and(|(nonce, _)| *nonce == from)
    }

    /// Signs and broadcasts, following the nonce or the fee if the node wants another one.
    async fn broadcast_first(
        &mut self,
        call: &'static str,
        mut request: TxEip1559,
    ) -> Result<(TxEip1559, B256, Vec<u8>), SendError> {
        let mut attempts = self.config.attempts.max(1);
        loop {
            attempts -= 1;
            let (hash, raw) = self.sign(&request);
            match Broadcast::read(self.rpc.send_raw(&raw).await) {
                Broadcast::Accepted => {}
                Broadcast::Unknown(error) => {
                    tracing::warn!(call, nonce = request.nonce, %error, "the fate of a broadcast is unknown");
                }
                Broadcast::NonceTooLow if attempts > 0 => {
                    let account = self.key.address();
                    let known = retry!(self, call, self.rpc.pending_nonce(account));
                    request.nonce = known.max(request.nonce.saturating_add(1));
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
            return Ok((request, hash, raw));
        }
    }

    /// Looks after everything on its way, oldest nonce first.
    async fn look(&mut self) {
        if let Err(error) = self.try_look().await {
            tracing::warn!(%error, "failed to look for receipts");
        }
    }

    async fn try_look(&mut self) -> Result<(), RpcError> {
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

    async fn receipt_of(&self, hashes: &[B256]) -> Result<Option<Receipt>, RpcError> {
        for hash in hashes.iter().rev() {
            if let Some(receipt) = self.rpc.receipt(*hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    fn finish(&mut self, nonce: u64, receipt: &Receipt) {
        let Some(entry) = self.in_flight.remove(&nonce) else { return };
        self.finished.push_back((nonce, entry.raw));
        if self.finished.len() > KEPT {
            self.finished.pop_front();
        }
        answer(entry.reply, Outcome::Mined((self.read)(receipt)));
    }

    /// The nonce is in a block but none of our hashes is: a lagging node, or somebody else with the key.
    fn count_missing(&mut self, nonce: u64) {
        let Some(entry) = self.in_flight.get_mut(&nonce) else { return };
        entry.missing += 1;
        if entry.missing < MISSING_LIMIT {
            return;
        }
        if let Some(InFlight { name: call, reply, .. }) = self.in_flight.remove(&nonce) {
            answer(reply, Outcome::Rejected(SendError::NonceTaken { call, nonce }));
        }
    }

    /// Broadcasts again what is not in a block, with a higher fee when it is time.
    async fn push(&mut self, nonce: u64) -> Result<(), RpcError> {
        let now = Instant::now();
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(()) };
        if now - entry.signed_at >= self.config.bump_after {
            self.bump(nonce, now).await?;
        } else if now - entry.sent_at >= self.config.rebroadcast_after {
            self.report(nonce, Broadcast::read(self.rpc.send_raw(&entry.raw).await));
            if let Some(entry) = self.in_flight.get_mut(&nonce) {
                entry.sent_at = now;
            }
        }
        Ok(())
    }

    async fn bump(&mut self, nonce: u64, now: Instant) -> Result<(), RpcError> {
        let (head, tip) = (self.rpc.head().await?, self.rpc.suggested_tip().await?);
        let fresh = Fees::fresh(head.base_fee.unwrap_or(0), tip);
        let Some(entry) = self.in_flight.get(&nonce) else { return Ok(()) };
        let Some(raised) = fees(&entry.request).bumped(fresh, self.config.max_fee_per_gas) else {
            tracing::warn!(nonce, limit = self.config.max_fee_per_gas, "the fee has reached its limit");
            self.report(nonce, Broadcast::read(self.rpc.send_raw(&entry.raw).await));
            if let Some(entry) = self.in_flight.get_mut(&nonce) {
                (entry.signed_at, entry.sent_at) = (now, now);
            }
            return Ok(());
        };
        let mut request = entry.request.clone();
        set_fees(&mut request, raised);
        let (hash, raw) = self.sign(&request);
        tracing::info!(nonce, max_fee = raised.max, "raising the fee of a transaction");
        self.report(nonce, Broadcast::read(self.rpc.send_raw(&raw).await));
        if let Some(entry) = self.in_flight.get_mut(&nonce) {
            entry.hashes.push(hash);
            (entry.request, entry.raw, entry.signed_at, entry.sent_at) = (request, raw, now, now);
        }
        Ok(())
    }

    fn report(&self, nonce: u64, broadcast: Broadcast) {
        match broadcast {
            Broadcast::Accepted => {}
            other => tracing::warn!(nonce, answer = ?other, "the node did not take a transaction again"),
        }
    }

    fn sign(&self, request: &TxEip1559) -> (B256, Vec<u8>) {
        let signature = self.key.sign_raw(request.signature_hash());
        let envelope = TxEnvelope::from(request.clone().into_signed(signature));
        (*envelope.tx_hash(), envelope.encoded_2718())
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

fn fees(request: &TxEip1559) -> Fees {
    Fees { max: request.max_fee_per_gas, tip: request.max_priority_fee_per_gas }
}

fn set_fees(request: &mut TxEip1559, fees: Fees) {
    request.max_fee_per_gas = fees.max;
    request.max_priority_fee_per_gas = fees.tip;
}

fn answer(reply: oneshot::Sender<Outcome>, outcome: Outcome) {
    // The caller may have stopped waiting; the transaction goes on without it.
    if let Err(outcome) = reply.send(outcome) {
        tracing::debug!(?outcome, "nobody waits for the outcome");
    }
}
