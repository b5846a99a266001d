//! What tenants ask through the gateway. Their signatures were checked at the edge; what they say is checked here.

use crd::convert::SettledStatement;
use manifest::CanonicalError;
use market::{Lease, LeaseId, LeaseState, Statement, Timestamp};

use super::effect::{Answer, Effect, Refusal};
use super::event::{ManifestUpload, ReplyId, SignedUpload};
use super::lease::{LeaseRecord, WaitingWrite};
use super::object::{ManifestSecret, manifest_source};
use super::state::State;
use super::statement::{NoProposal, Proposal, propose};

/// Writes that may wait for one lease. The gateway's rate limit keeps honest tenants far below.
const MAX_WAITING: usize = 8;

impl State {
    pub(super) fn manifest_uploaded(&mut self, upload: ManifestUpload, now: Timestamp) -> Vec<Effect> {
        let (id, reply) = (upload.lease, upload.reply);
        let secret = match self.check_manifest(upload) {
            Ok(secret) => secret,
            Err(refusal) => return vec![Effect::Answer { reply, answer: Err(refusal) }],
        };
        self.enqueue(id, WaitingWrite::Manifest { secret, reply }, reply, now)
    }

    pub(super) fn statement_requested(&mut self, id: LeaseId, reply: ReplyId) -> Vec<Effect> {
        let chain_time = self.chain_time();
        let answer = self.live_lease(id).and_then(|(record, lease)| {
            let proposal = propose(record, &lease, chain_time).map_err(|reason| match reason {
                NoProposal::NotStarted | NoProposal::NoNewUsage => Refusal::NoUsageYet,
            })?;
            record.remember(proposal);
            Ok(Answer::Proposal(Box::new(proposal)))
        });
        vec![Effect::Answer { reply, answer }]
    }

    pub(super) fn statement_signed(&mut self, upload: SignedUpload, now: Timestamp) -> Vec<Effect> {
        let SignedUpload { statement, signature, signer, reply } = upload;
        let id = statement.lease_id;
        let chain_time = self.chain_time();
        let checked = self.live_lease(id).and_then(|(record, lease)| {
            if signer != lease.signer {
                return Err(Refusal::StatementForeignSigner);
            }
            check_statement(record, &lease, &statement, chain_time)
        });
        match checked {
            Ok(Checked::Stored) => vec![Effect::Answer { reply, answer: Ok(Answer::StatementStored) }],
            Ok(Checked::New(proposal)) => {
                let Proposal { statement, usage, meter_root, settled: _ } = *proposal;
                let signed = Box::new(SettledStatement { statement, usage, meter_root, signature });
                self.enqueue(id, WaitingWrite::Statement { signed, reply }, reply, now)
            }
            Err(refusal) => vec![Effect::Answer { reply, answer: Err(refusal) }],
        }
    }

    fn enqueue(&mut self, id: LeaseId, write: WaitingWrite, reply: ReplyId, now: Timestamp) -> Vec<Effect> {
        let Some(record) = self.leases.get_mut(&id).filter(|record| record.waiting.len() < MAX_WAITING)
        else {
            return vec![Effect::Answer { reply, answer: Err(Refusal::NotStored) }];
        };
        record.waiting.push_back(write);
        self.converge([id], now)
    }

    fn check_manifest(&mut self, upload: ManifestUpload) -> Result<ManifestSecret, Refusal> {
        let ManifestUpload { lease: id, salt, manifest: bytes, reply: _ } = upload;
        let (record, _) = self.live_lease(id)?;
        let (name, limits, order_hash) =
            (crd::LeaseName::of(id).manifest_secret(), record.bid.limits, record.bid.order_hash);
        let has_stored = record.compute.as_deref().and_then(manifest_source);
        let order = self.orders.get(&order_hash).ok_or(Refusal::OrderUnknown)?;
        let hash = manifest::manifest_hash(&salt, &bytes);
        // The hash first: a stranger's bytes are not even parsed.
        if hash != order.order.manifest_hash {
            return Err(Refusal::ManifestHashMismatch);
        }
        let valid = manifest::from_canonical(&bytes).map_err(|error| match error {
            CanonicalError::Invalid { problems } => {
                Refusal::ManifestInvalid(problems.iter().map(ToString::to_string).collect())
            }
            other @ (CanonicalError::TooLarge { .. }
            | CanonicalError::Malformed { .. }
            | CanonicalError::NotCanonical) => Refusal::ManifestInvalid(vec![other.to_string()]),
        })?;
        let promised_tier = order.requirements.as_ref().map(|requirements| requirements.tier);
        let wanted = valid.requirements().limits();
        if !wanted.is_ok_and(|wanted| wanted.is_within(&limits)) || promised_tier != Some(valid.tier()) {
            return Err(Refusal::ManifestExceedsBid);
        }
        // The order fixes the hash, so a stored manifest can only be the same one.
        debug_assert!(has_stored.is_none_or(|stored| stored.hash == hash));
        Ok(ManifestSecret { name, manifest: bytes, salt, hash })
    }

    pub(super) fn live_lease(&mut self, id: LeaseId) -> Result<(&mut LeaseRecord, Lease), Refusal> {
        if self.closed.contains(&id) {
            return Err(Refusal::LeaseOver);
        }
        let record = self.leases.get_mut(&id).ok_or(Refusal::UnknownLease)?;
        let lease = record.lease.ok_or(Refusal::UnknownLease)?;
        match lease.state {
            LeaseState::Open | LeaseState::Active => Ok((record, lease)),
            LeaseState::None => Err(Refusal::UnknownLease),
            LeaseState::Disputed | LeaseState::Closed => Err(Refusal::LeaseOver),
        }
    }
}

enum Checked {
    /// The very same statement is kept already.
    Stored,
    /// It is this proposal.
    New(Box<Proposal>),
}

/// Only what was proposed is accepted, and only forwards. The usage hash ties the statement to the proposal's usage.
fn check_statement(
    record: &LeaseRecord,
    lease: &Lease,
    signed: &Statement,
    chain_time: Timestamp,
) -> Result<Checked, Refusal> {
    if let Some(stored) = record.signed_statement() {
        let old = stored.statement;
        if old == *signed {
            return Ok(Checked::Stored);
        }
        if signed.amount_cum < old.amount_cum || signed.as_of < old.as_of {
            return Err(Refusal::StatementNotMonotone);
        }
    }
    // After a restart the proposals are forgotten; one that would be made again, as the final one is, still counts.
    let again = propose(record, lease, chain_time).ok();
    record
        .proposals
        .iter()
        .copied()
        .chain(again)
        .find(|proposal| proposal.statement == *signed)
        .map(|proposal| Checked::New(Box::new(proposal)))
        .ok_or(Refusal::StatementStale)
}
