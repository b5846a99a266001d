use http::StatusCode;
use serde_json::{Value, json};
use testkit::mock_api::MockApi;

use super::*;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/system/leases/leasehold-operator";

fn candidate(server: &MockApi, identity: &str) -> Election {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = ElectionSettings::new("system", "leasehold-operator", identity.to_owned());
    Election::new(server.client(), settings)
}

fn holder_now(server: &MockApi) -> Value {
    server.find(PATH).unwrap()["spec"]["holderIdentity"].clone()
}

/// A Lease that somebody holds, who wrote this time into it.
fn held_by_another(renew_time: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "leasehold-operator", "namespace": "system"},
        "spec": {
            "holderIdentity": "another", "leaseDurationSeconds": 15, "leaseTransitions": 3,
            "acquireTime": renew_time, "renewTime": renew_time,
        },
    })
}

#[tokio::test(start_paused = true)]
async fn the_first_works_and_the_second_takes_over_after_the_whole_duration_of_silence() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    let mut second = candidate(&server, "second");
    first.acquire().await;
    let (first_term, second_term) = (first.term(), second.term());
    assert!(first_term.is_held());
    let began = Instant::now();
    // The first is killed: nobody renews and nobody gives the Lease back.
    drop(first);
    second.acquire().await;
    assert!(began.elapsed() >= Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(began.elapsed() <= Duration::from_secs(17), "{:?}", began.elapsed());
    assert!(!first_term.is_held());
    assert!(second_term.is_held());
    assert_eq!(server.find(PATH).unwrap()["spec"]["leaseTransitions"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_within_two_seconds() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    let mut second = candidate(&server, "second");
    first.acquire().await;
    let first_term = first.term();
    let done = CancellationToken::new();
    let holding = tokio::spawn(first.hold(done.clone()));
    let waiting = tokio::spawn(async move {
        second.acquire().await;
        second
    });
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(!waiting.is_finished(), "renewals keep the standby waiting");
    let ended = Instant::now();
    done.cancel();
    assert_eq!(holding.await.unwrap(), Ok(()));
    assert!(!first_term.is_held());
    let second = waiting.await.unwrap();
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    assert!(second.term().is_held());
    assert_eq!(holder_now(&server), "second");
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_holder_is_never_believed() {
    for renew_time in ["2001-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"] {
        let server = MockApi::new();
        server.insert(PATH, held_by_another(renew_time));
        let mut candidate = candidate(&server, "first");
        let began = Instant::now();
        candidate.acquire().await;
        let waited = began.elapsed();
        assert!(waited >= Duration::from_secs(15) && waited <= Duration::from_secs(17), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_renews_is_waited_for_even_with_a_clock_that_stands() {
    let server = MockApi::new();
    server.insert(PATH, held_by_another("2001-01-01T00:00:00.000000Z"));
    let mut candidate = candidate(&server, "first");
    let waiting = tokio::spawn(async move { candidate.acquire().await });
    for transition in 0..10 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let mut renewed = held_by_another("2001-01-01T00:00:00.000000Z");
        // Even a renewal that changes no time is one, as long as it changes anything.
        renewed["spec"]["leaseTransitions"] = json!(transition + 10);
        server.insert(PATH, renewed);
        assert!(!waiting.is_finished());
    }
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longer_duration_counts_when_the_holder_has_another_setting() {
    let server = MockApi::new();
    let mut lease = held_by_another("2001-01-01T00:00:00.000000Z");
    lease["spec"]["leaseDurationSeconds"] = json!(40);
    server.insert(PATH, lease);
    let mut candidate = candidate(&server, "first");
    let began = Instant::now();
    candidate.acquire().await;
    assert!(began.elapsed() >= Duration::from_secs(40), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_before_another_may_begin() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    first.acquire().await;
    let term = first.term();
    for _ in 0..100 {
        server.fail_next("PUT", "leases/leasehold-operator", StatusCode::INTERNAL_SERVER_ERROR);
    }
    let began = Instant::now();
    assert_eq!(first.hold(CancellationToken::new()).await, Err(Lost::Expired));
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!term.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_meets_another_stops_at_once() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    first.acquire().await;
    let term = first.term();
    server.insert(PATH, held_by_another("2026-01-01T00:00:00.000000Z"));
    let began = Instant::now();
    assert_eq!(first.hold(CancellationToken::new()).await, Err(Lost::Taken));
    assert!(began.elapsed() <= Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(!term.is_held());
    assert_eq!(holder_now(&server), "another", "what is not ours is not given back");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_is_found_by_looking() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    first.acquire().await;
    let term = first.term();
    // The server took a renewal that we never heard of: the resource version moved.
    server.insert(PATH, server.find(PATH).unwrap());
    let done = CancellationToken::new();
    let holding = tokio::spawn(first.hold(done.clone()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(term.is_held());
    done.cancel();
    assert_eq!(holding.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_again_by_its_holder() {
    let server = MockApi::new();
    let mut first = candidate(&server, "first");
    first.acquire().await;
    let term = first.term();
    let done = CancellationToken::new();
    let holding = tokio::spawn(first.hold(done.clone()));
    server.remove(PATH);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(term.is_held());
    assert_eq!(holder_now(&server), "first");
    done.cancel();
    assert_eq!(holding.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_counts_as_held_for_as_long_as_it_was_seen_held() {
    let server = MockApi::new();
    server.insert(PATH, held_by_another("2026-01-01T00:00:00.000000Z"));
    let mut candidate = candidate(&server, "first");
    let began = Instant::now();
    let waiting = tokio::spawn(async move { candidate.acquire().await });
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.remove(PATH);
    waiting.await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(15), "{:?}", began.elapsed());
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A process that is a candidate again and again, and now and then ends by signal or by being killed.
async fn live(server: MockApi, identity: String, seed: u64, terms: std::sync::mpsc::Sender<Term>) {
    let mut dice = Dice(seed);
    for life in 0.. {
        let mut election = candidate(&server, &format!("{identity}-{life}"));
        terms.send(election.term()).unwrap();
        election.acquire().await;
        let done = CancellationToken::new();
        let work = Duration::from_millis(dice.roll(40_000));
        let holding = tokio::spawn(election.hold(done.clone()));
        tokio::time::sleep(work).await;
        if dice.roll(2) == 0 {
            done.cancel();
        } else {
            holding.abort();
        }
        let _ = holding.await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_never_hold_a_term_at_once_whatever_fails() {
    let (mut terms_held, mut most) = (0_u32, 0);
    for seed in 1..=6 {
        let server = MockApi::new();
        let (sender, terms) = std::sync::mpsc::channel();
        let candidates: Vec<_> = (0..3)
            .map(|index| {
                tokio::spawn(live(
                    server.clone(),
                    format!("candidate-{index}"),
                    seed * 10 + index,
                    sender.clone(),
                ))
            })
            .collect();
        let mut dice = Dice(seed);
        let mut known: Vec<Term> = Vec::new();
        let mut held_before = None;
        for _ in 0..6_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if dice.roll(400) == 0 {
                // A server that fails for a while: long enough for terms to run out now and then.
                for _ in 0..dice.roll(15) {
                    server.fail_next("PUT", "leases/leasehold-operator", StatusCode::INTERNAL_SERVER_ERROR);
                }
            }
            known.extend(terms.try_iter());
            let held: Vec<usize> = (0..known.len()).filter(|index| known[*index].is_held()).collect();
            most = most.max(held.len());
            assert!(held.len() <= 1, "seed {seed}: {held:?} hold a term at once");
            if let Some(index) = held.first().copied()
                && held_before != Some(index)
            {
                terms_held += 1;
                held_before = Some(index);
            }
        }
        for candidate in candidates {
            candidate.abort();
        }
    }
    assert!(most == 1 && terms_held > 30, "the test saw too little: {terms_held} terms");
}
