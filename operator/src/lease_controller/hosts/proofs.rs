//! Proofs of ownership, looked up beside the reconciliations: a slow name server of a tenant's must not hold a worker.
//!
//! Whoever asks gets what is known and, if that is old, causes a look-up; a new answer makes the lease be looked at again.
//! Nothing here survives a restart, and nothing needs to: a claim keeps its host while the proof is unknown.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crd::LeaseName;
use futures::{StreamExt, channel::mpsc, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};

use super::decide::Proof;

/// Look-ups under way at once.
const AT_ONCE: usize = 16;
/// How long a proof counts before it is looked up again.
const PROVEN_FOR: SignedDuration = SignedDuration::from_mins(9);
/// How long a missing proof counts.
const MISSING_FOR: SignedDuration = SignedDuration::from_secs(20);

/// What is asked of the DNS: whether the record of a host names a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The host.
    pub host: String,
    /// The lease, as the record must name it.
    pub lease_id: String,
    /// The lease to look at again when there is an answer.
    pub lease: LeaseName,
}

/// What the DNS answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These texts.
    Texts(Vec<String>),
    /// There are none.
    None,
    /// No answer, or one that says nothing.
    Failed,
}

/// Reads TXT records.
pub trait ReadTexts: Send + Sync {
    /// The texts of a full name.
    fn read(&self, name: String) -> BoxFuture<'_, Answer>;
}

#[derive(Clone, Copy, Debug)]
struct Known {
    proof: Proof,
    at: Option<Timestamp>,
    asked: bool,
}

/// Proofs by question.
#[derive(Debug)]
pub struct Proofs {
    known: Mutex<HashMap<Question, Known>>,
    queue: mpsc::UnboundedSender<Question>,
}

impl Proofs {
    /// No proofs yet, and the questions that will be asked.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Question>) {
        let (queue, questions) = mpsc::unbounded();
        (Self { known: Mutex::default(), queue }, questions)
    }

    /// What is known; an old answer is looked up again beside.
    pub fn proof(&self, question: &Question, now: Timestamp) -> Proof {
        let mut all = self.lock();
        let known =
            all.entry(question.clone()).or_insert(Known { proof: Proof::Unknown, at: None, asked: false });
        let fresh = known.at.is_some_and(|at| now.duration_since(at) < lifetime(known.proof));
        if !fresh && !known.asked {
            // Nobody answers after the end of the process, and nobody asks then.
            known.asked = self.queue.unbounded_send(question.clone()).is_ok();
        }
        known.proof
    }

    /// Forgets the hosts of a lease that it no longer asks for.
    pub fn keep(&self, lease: &str, wanted: impl Fn(&str) -> bool) {
        self.lock().retain(|question, _| question.lease.as_str() != lease || wanted(&question.host));
    }

    /// Notes an answer as if the DNS had given it.
    #[cfg(test)]
    pub(crate) fn know(&self, question: Question, proof: Proof, now: Timestamp) {
        self.lock().insert(question, Known { proof, at: Some(now), asked: true });
    }

    /// Forgets a lease that is gone.
    pub fn forget(&self, lease: &str) {
        self.lock().retain(|question, _| question.lease.as_str() != lease);
    }

    /// Answers questions until nobody asks any more; tells which leases to look at again.
    pub async fn answer(
        self: Arc<Self>,
        questions: mpsc::UnboundedReceiver<Question>,
        texts: Arc<dyn ReadTexts>,
        clock: fn() -> Timestamp,
        news: mpsc::UnboundedSender<LeaseName>,
    ) {
        questions
            .for_each_concurrent(AT_ONCE, |question| {
                let (texts, news, proofs) = (texts.clone(), news.clone(), self.clone());
                async move {
                    let answer = texts.read(record_name(&question.host)).await;
                    let proof = proof_of(&answer, &question.lease_id);
                    if proofs.note(&question, proof, clock()) {
                        // The receiver goes with the controller, which then wants no news.
                        let _ = news.unbounded_send(question.lease);
                    }
                }
            })
            .await;
    }

    /// Notes an answer; whether it is another than before.
    fn note(&self, question: &Question, proof: Proof, now: Timestamp) -> bool {
        let mut all = self.lock();
        // A lease that went away meanwhile must not come back.
        let Some(known) = all.get_mut(question) else { return false };
        let changed = known.proof != proof;
        *known = Known { proof, at: Some(now), asked: false };
        changed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Question, Known>> {
        // Each change is complete before the next can panic, so a poisoned lock is still good.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lifetime(proof: Proof) -> SignedDuration {
    match proof {
        Proof::Proven => PROVEN_FOR,
        Proof::Absent | Proof::Unknown => MISSING_FOR,
    }
}

/// Full name of the record that proves a host. The dot at its end keeps search domains away from it.
pub fn record_name(host: &str) -> String {
    format!("{}.{host}.", crd::labels::HOST_PROOF_PREFIX)
}

fn proof_of(answer: &Answer, lease_id: &str) -> Proof {
    match answer {
        Answer::Texts(texts) if texts.iter().any(|text| text.trim().eq_ignore_ascii_case(lease_id)) => {
            Proof::Proven
        }
        Answer::Texts(_) | Answer::None => Proof::Absent,
        Answer::Failed => Proof::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use market::{B256, LeaseId};

    use super::*;

    const RECORD: &str = "_leasehold.shop.example.com.";

    struct Zone(Mutex<HashMap<String, Answer>>);

    impl ReadTexts for Zone {
        fn read(&self, name: String) -> BoxFuture<'_, Answer> {
            let answer = self.0.lock().unwrap().get(&name).cloned().unwrap_or(Answer::None);
            async move { answer }.boxed()
        }
    }

    fn question(lease: u8) -> Question {
        let id = LeaseId(B256::repeat_byte(lease));
        Question { host: "shop.example.com".into(), lease_id: id.to_string(), lease: LeaseName::of(id) }
    }

    fn start() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    #[test]
    fn only_the_whole_id_of_the_lease_proves_a_host() {
        let id = question(1).lease_id;
        let texts = |texts: &[&str]| Answer::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(proof_of(&texts(&["v=spf1 -all", &id]), &id), Proof::Proven);
        assert_eq!(
            proof_of(&texts(&[&format!(" {} ", id.to_uppercase().replace("0X", "0x"))]), &id),
            Proof::Proven
        );
        for other in [
            texts(&[]),
            texts(&[&question(2).lease_id]),
            texts(&[&id[..64]]),
            texts(&[&format!("{id} {id}")]),
        ] {
            assert_eq!(proof_of(&other, &id), Proof::Absent, "{other:?}");
        }
        assert_eq!(proof_of(&Answer::None, &id), Proof::Absent);
        assert_eq!(proof_of(&Answer::Failed, &id), Proof::Unknown);
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_its_time_and_a_change_is_news() {
        let (one, two) = (question(1), question(2));
        let zone = Arc::new(Zone(Mutex::new(HashMap::from([(
            RECORD.to_owned(),
            Answer::Texts(vec![one.lease_id.clone()]),
        )]))));
        let (proofs, questions) = Proofs::new();
        let proofs = Arc::new(proofs);
        let (news, mut heard) = mpsc::unbounded();
        let answering = tokio::spawn(proofs.clone().answer(questions, zone.clone(), start, news));

        assert_eq!(proofs.proof(&one, start()), Proof::Unknown);
        assert_eq!(heard.next().await, Some(one.lease.clone()));
        assert_eq!(proofs.proof(&two, start()), Proof::Unknown);
        assert_eq!(heard.next().await, Some(two.lease.clone()));
        assert_eq!(proofs.proof(&one, start()), Proof::Proven);
        assert_eq!(proofs.proof(&two, start()), Proof::Absent);

        // The owner lets the record name the other lease.
        zone.0.lock().unwrap().insert(RECORD.to_owned(), Answer::Texts(vec![two.lease_id.clone()]));
        let soon = start() + SignedDuration::from_secs(30);
        assert_eq!(proofs.proof(&two, soon), Proof::Absent);
        assert_eq!(heard.next().await, Some(two.lease.clone()));
        assert_eq!(proofs.proof(&two, soon), Proof::Proven);
        assert_eq!(proofs.proof(&one, soon), Proof::Proven);
        let later = start() + SignedDuration::from_mins(9);
        assert_eq!(proofs.proof(&one, later), Proof::Proven);
        assert_eq!(heard.next().await, Some(one.lease.clone()));
        assert_eq!(proofs.proof(&one, later), Proof::Absent);

        proofs.forget(one.lease.as_str());
        assert_eq!(proofs.lock().len(), 1);
        answering.abort();
    }
}
