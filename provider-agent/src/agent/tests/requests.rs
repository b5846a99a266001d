//! What tenants ask.

use crd::DesiredState;
use market::{B256, Signature64, Statement};

use super::*;

const END: u64 = NOW.0 + 7200;
const REPLY: ReplyId = ReplyId(5);

fn answer(answer: Result<Answer, Refusal>) -> Vec<Effect> {
    vec![Effect::Answer { reply: REPLY, answer }]
}

const MANIFEST: &str = r"
version: v1
name: guestbook
duration: 1h
tier: strict
services:
  web:
    image: registry.example/web@sha256:0000000000000000000000000000000000000000000000000000000000000000
    resources: {cpu: CPU, memory: 64Mi}
";

fn canonical(cpu: &str) -> Vec<u8> {
    let text = MANIFEST.replace("CPU", cpu);
    manifest::validate(&manifest::parse(&text, "test.yaml").unwrap()).unwrap().canonical_json()
}

/// A state with an open lease whose order commits to `manifest`, and the lease's id.
fn awaiting(manifest: &[u8]) -> (State, LeaseId) {
    let mut state = ready();
    let order = Order { manifest_hash: manifest::manifest_hash(&B256::repeat_byte(1), manifest), ..order() };
    let hash = eip712().order_digest(&order).unwrap();
    step(&mut state, order_posted(order), NOW);
    let Effect::PostBid { lease: id, bid, .. } = step(&mut state, assessed(hash), NOW).remove(0) else {
        panic!("no bid")
    };
    step(&mut state, Event::Chain(ChainNews::LeaseOpened(OpenedLease { id, bid })), NOW);
    let effects = step(&mut state, Event::LeasesRead(vec![(id, lease(LeaseState::Open))]), NOW);
    let [Effect::ApplyComputeLease { object, .. }] = effects.as_slice() else { panic!("no object") };
    let mut object = (**object).clone();
    (object.metadata.uid, object.metadata.generation) = (Some("uid".into()), Some(1));
    step(&mut state, Event::WriteFinished { lease: id, outcome: Ok(Some(Box::new(object))) }, NOW);
    (state, id)
}

fn upload(state: &mut State, lease: LeaseId, manifest: Vec<u8>) -> Vec<Effect> {
    let upload = ManifestUpload { lease, salt: B256::repeat_byte(1), manifest, reply: REPLY };
    step(state, Event::ManifestUploaded(upload), NOW)
}

#[test]
fn a_manifest_that_hashes_to_the_order_is_stored_with_its_secret() {
    let bytes = canonical("250m");
    let (mut state, id) = awaiting(&bytes);
    let effects = upload(&mut state, id, bytes.clone());
    let [Effect::StoreManifest { lease, secret, object, reply, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let hash = manifest::manifest_hash(&B256::repeat_byte(1), &bytes);
    let name = crd::LeaseName::of(id).manifest_secret();
    let expected = ManifestSecret { name: name.clone(), manifest: bytes, salt: B256::repeat_byte(1), hash };
    assert_eq!((*lease, secret, *reply), (id, &expected, REPLY));
    let expected = crd::ManifestRef {
        secret_name: name,
        hash: crd::convert::hex(hash.as_slice()),
        revision: 1,
        previous: None,
    };
    assert_eq!(object.spec.manifest, Some(expected));
}

#[test]
fn a_manifest_that_does_not_fit_is_refused_with_the_reason() {
    let bytes = canonical("250m");
    let (mut state, id) = awaiting(&bytes);
    assert_eq!(upload(&mut state, id, canonical("251m")), answer(Err(Refusal::ManifestHashMismatch)));
    let stranger = LeaseId(B256::ZERO);
    assert_eq!(upload(&mut state, stranger, bytes), answer(Err(Refusal::UnknownLease)));

    let greedy = canonical("64");
    let (mut state, id) = awaiting(&greedy);
    assert_eq!(upload(&mut state, id, greedy), answer(Err(Refusal::ManifestExceedsBid)));

    let (mut state, id) = awaiting(b"{}");
    let effects = upload(&mut state, id, b"{}".to_vec());
    let [Effect::Answer { answer: Err(Refusal::ManifestInvalid(problems)), .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(problems.len(), 1);
}

#[test]
fn uploads_wait_for_the_write_before_them() {
    let bytes = canonical("250m");
    let (mut state, id) = awaiting(&bytes);
    assert_eq!(upload(&mut state, id, bytes.clone()).len(), 1);
    assert_eq!(upload(&mut state, id, bytes), vec![]);
    let failed = Event::WriteFinished { lease: id, outcome: Err(WriteFailure::Failed) };
    assert_eq!(step(&mut state, failed, NOW), vec![]);
    let effects = step(&mut state, Event::Tick, NOW.saturating_add(2));
    assert!(matches!(effects.as_slice(), [Effect::StoreManifest { .. }]), "{effects:?}");
}

fn metering(phase_end: Option<u64>, as_of: u64) -> State {
    let (mut state, _) = with_open_lease();
    let end = phase_end.unwrap_or(END);
    let desired = if phase_end.is_some() { DesiredState::Ended } else { DesiredState::Running };
    let mut spec = spec(desired, Some((NOW.0, end)));
    spec.manifest = Some(manifest_ref());
    let mut status = ready_status(3);
    status.usage = Some(metered(Timestamp(as_of), Usage([60, 60_000, 60 << 32, 0, 0, 0, 0, 0])));
    if phase_end.is_some() {
        status.conditions = vec![condition(condition::USAGE_FINAL, "True", "FinalUsagePublished")];
    }
    let at = Timestamp(as_of + 1);
    step(&mut state, head(at), at);
    step(&mut state, written(stored(spec, 3, Some(status))), at);
    let active = Lease { end_at: Timestamp(end), ..lease(LeaseState::Active) };
    assert_eq!(step(&mut state, read(active), at), vec![]);
    state
}

fn propose(state: &mut State) -> Proposal {
    let effects = step(state, Event::StatementRequested { lease: id(), reply: REPLY }, NOW);
    match effects.as_slice() {
        [Effect::Answer { answer: Ok(Answer::Proposal(proposal)), .. }] => **proposal,
        other => panic!("{other:?}"),
    }
}

fn sign(state: &mut State, statement: Statement, signer: Address) -> Vec<Effect> {
    let signature = Signature64 { r: B256::repeat_byte(2), vs: B256::repeat_byte(3) };
    let upload = SignedUpload { statement, signature, signer, reply: REPLY };
    step(state, Event::StatementSigned(upload), Timestamp(NOW.0 + 61))
}

#[test]
fn a_proposal_is_the_metered_usage_at_the_bids_prices() {
    let mut state = metering(None, NOW.0 + 60);
    let usage = Usage([60, 60_000, 60 << 32, 0, 0, 0, 0, 0]);
    let meter_root = B256::repeat_byte(0xbb);
    let bid = bid();
    assert_eq!(
        propose(&mut state),
        Proposal {
            statement: Statement {
                lease_id: id(),
                amount_cum: market::amount(&bid.prices, &bid.limits, &usage, 60),
                as_of: Timestamp(NOW.0 + 60),
                usage_hash: usage::usage_hash(&usage, Timestamp(NOW.0 + 60), meter_root),
                last: false,
            },
            usage,
            meter_root,
            settled: Amount(0),
        }
    );
}

#[test]
fn the_final_proposal_reaches_the_end_and_is_the_last() {
    let mut state = metering(Some(NOW.0 + 100), NOW.0 + 100);
    let Statement { as_of, last, .. } = propose(&mut state).statement;
    assert_eq!((as_of, last), (Timestamp(NOW.0 + 100), true));
}

#[test]
fn before_the_start_there_is_nothing_to_sign() {
    let (mut state, _) = with_open_lease();
    let effects = step(&mut state, Event::StatementRequested { lease: id(), reply: REPLY }, NOW);
    assert_eq!(effects, answer(Err(Refusal::NoUsageYet)));
}

#[test]
fn a_signed_proposal_is_stored_and_only_that() {
    let mut state = metering(None, NOW.0 + 60);
    let proposal = propose(&mut state);
    let forged = Statement { amount_cum: Amount(1), ..proposal.statement };
    assert_eq!(sign(&mut state, forged, SESSION), answer(Err(Refusal::StatementStale)));
    let tenant = bid().tenant;
    assert_eq!(sign(&mut state, proposal.statement, tenant), answer(Err(Refusal::StatementForeignSigner)));
    let effects = sign(&mut state, proposal.statement, SESSION);
    let [Effect::StoreStatement { object, reply: REPLY, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let stored = object.spec.settlement.as_ref().unwrap().statement.parse(id()).unwrap();
    assert_eq!((stored.statement, stored.usage), (proposal.statement, proposal.usage));

    // The same once more is answered at once; an older one is refused.
    let mut object = (**object).clone();
    (object.metadata.uid, object.metadata.generation) = (Some("uid-1".into()), Some(4));
    object.status = Some(ready_status(4));
    step(&mut state, written(object), NOW);
    assert_eq!(sign(&mut state, proposal.statement, SESSION), answer(Ok(Answer::StatementStored)));
    let older = Statement { as_of: Timestamp(NOW.0 + 59), ..proposal.statement };
    assert_eq!(sign(&mut state, older, SESSION), answer(Err(Refusal::StatementNotMonotone)));
}

#[test]
fn a_proposal_that_a_restart_forgot_still_counts_if_it_would_be_made_again() {
    let proposal = propose(&mut metering(Some(NOW.0 + 100), NOW.0 + 100));
    let mut restarted = metering(Some(NOW.0 + 100), NOW.0 + 100);
    let effects = sign(&mut restarted, proposal.statement, SESSION);
    assert!(matches!(effects.as_slice(), [Effect::StoreStatement { .. }]), "{effects:?}");
}
