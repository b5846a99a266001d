//! `leasehold agent` against providers that lie: what a tenant loses at most, in exact amounts.

use std::io::{BufRead as _, BufReader};
use std::sync::{Arc, Mutex};

use axum::routing::post;
use chain::At;
use market::{Amount, Dimension, Lease, LeaseId, LeaseState, Timestamp, Usage, amount};
use serde_json::{Value, json};

use crate::provider::Manners;
use crate::run::Ran;
use crate::world::World;

/// One look of the agent, which probes as if looks were ten minutes apart.
const LOOK: [&str; 4] = ["agent", "--once", "--interval", "600"];
/// Seconds for which a service of the test's manifest may be down before its provider must know: a probe each second
/// with a second's patience, one failure, and a minute for the gateway's word.
const GRACE: u64 = 62;
/// Seconds by which a meter may lag.
const LAG: u64 = 120;

/// The notices of a look, without the lease and the time that each carries.
fn notices(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|mut line| {
            let fields = line.as_object_mut().unwrap();
            assert!(fields.remove("time").unwrap().is_u64() && fields.remove("leaseId").is_some());
            line
        })
        .filter(|line| line["event"] != "watching")
        .collect()
}

fn events(ran: &Ran) -> Vec<String> {
    notices(ran).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

struct Rented {
    world: World,
    id: LeaseId,
}

impl Rented {
    async fn from(manners: Manners) -> Self {
        let world = World::new(manners).await;
        world.register().await;
        let id = world.deploy().await["leaseId"].as_str().unwrap().parse().unwrap();
        Rented { world, id }
    }

    async fn look(&self, more: &[&str]) -> Ran {
        self.world.run(&[&LOOK[..], more].concat()).await
    }

    async fn lease(&self) -> Lease {
        self.world.provider.market.client.lease(self.id, At::Latest).await.unwrap()
    }

    async fn pass(&self, seconds: u64) {
        self.world.provider.market.anvil.pass(seconds).await.unwrap();
    }

    /// What some usage costs by a moment.
    async fn cost(&self, usage: Usage, as_of: Timestamp) -> Amount {
        let opened = self.world.provider.market.client.lease_opened(self.id).await.unwrap().unwrap();
        amount(&opened.bid.prices, &opened.bid.limits, &usage, self.lease().await.elapsed(as_of))
    }

    /// Everything that was leased, for so many seconds.
    async fn everything(&self, seconds: u64) -> Usage {
        let opened = self.world.provider.market.client.lease_opened(self.id).await.unwrap().unwrap();
        Usage(opened.bid.limits.0.map(|limit| u128::from(limit) * u128::from(seconds)))
    }

    /// The stretches in which the service was down by the agent's own record, as it stands on the disk.
    fn recorded_down(&self) -> Vec<(u64, u64)> {
        let path = self.world.sandbox.path("home/leases").join(format!("{}.observed.json", self.id));
        let view: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let spans = view["services"]["web"]["down"]["spans"].as_array().unwrap();
        spans.iter().map(|span| (span["from"].as_u64().unwrap(), span["to"].as_u64().unwrap())).collect()
    }

    /// What the tenant owes by a moment in the eyes of decision 0025, computed here by hand: the service is all there is,
    /// so uptime, processor and memory are missing for as long as it was down; volumes and traffic there are none.
    async fn owed(&self, as_of: Timestamp) -> Amount {
        let down =
            self.recorded_down().into_iter().map(|(from, to)| to.min(as_of.0).saturating_sub(from)).sum();
        let elapsed = self.lease().await.elapsed(as_of);
        let up = self.everything((elapsed + LAG).saturating_sub(down)).await;
        assert_eq!(up.of(Dimension::Storage) + up.of(Dimension::Egress), 0);
        self.cost(up, as_of).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_reports_too_much_is_refused_told_and_paid_nothing_but_what_is_due() {
    let rented = Rented::from(Manners::Honest).await;
    let provider = &rented.world.provider;
    rented.pass(400).await;
    for bps in [100, 1_000, 90_000] {
        provider.behave(Manners::Inflating(bps));
        let ran = rented.look(&[]).await;
        assert_eq!(ran.code, Some(8), "{ran:?}");
        let told = provider.take_refusals().await;
        let [told] = &told[..] else { panic!("{told:?}") };
        let as_of = Timestamp(told.as_of);
        let elapsed = rented.lease().await.elapsed(as_of);
        let due = rented.cost(rented.everything(elapsed).await, as_of).await;
        assert_eq!(told.largest_accepted_cum.0, due.0, "{bps}");
        assert_eq!(told.proposed_cum.0, due.0 + due.0 * u128::from(bps) / 10_000, "{bps}");
        let expected = json!({
            "event": "refused",
            "reason": "amount_above_cap",
            "proposedCum": told.proposed_cum.0.to_string(),
            "largestAcceptedCum": due.0.to_string(),
            "asOf": told.as_of,
        });
        assert_eq!(notices(&ran), [expected], "{bps}");
        assert_eq!(rented.lease().await.paid, Amount::ZERO);
    }
    // What it claims instead the contract cuts to what is due, and there is nothing to dispute.
    let claim = provider.claim_everything(rented.id).await.unwrap();
    let elapsed = rented.lease().await.elapsed(claim.at);
    assert_eq!(claim.cum, rented.cost(rented.everything(elapsed).await, claim.at).await);
    rented.pass(200).await;
    let ran = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!(events(&ran), ["claim_filed", "refused"], "{ran:?}");
    assert_eq!(rented.lease().await.state, LeaseState::Active);
    // At its due the newest statement replaces the claim: the tenant signs late and loses nothing.
    provider.behave(Manners::Honest);
    let ran = rented.look(&[]).await;
    assert_eq!((ran.code, events(&ran)), (Some(0), vec!["claim_filed".to_owned(), "signed".to_owned()]));
    let signed = notices(&ran)[1].clone();
    let (lease, as_of) = (rented.lease().await, Timestamp(signed["asOf"].as_u64().unwrap()));
    assert_eq!((lease.pending, lease.paid), (None, Amount(number(&signed["amountCum"]))));
    assert_eq!(lease.paid, rented.cost(rented.everything(lease.elapsed(as_of)).await, as_of).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_service_reported_as_running_costs_its_grace_a_lag_and_the_split_of_the_rest() {
    let rented = Rented::from(Manners::Dead).await;
    let provider = &rented.world.provider;
    // Its first minutes are signed for: the service may have died a moment ago.
    let ran = rented.look(&[]).await;
    assert_eq!((ran.code, events(&ran)), (Some(0), vec!["service_down".to_owned(), "signed".to_owned()]));
    let signed = notices(&ran)[1].clone();
    assert_eq!(rented.recorded_down(), []);

    rented.pass(600).await;
    let ran = rented.look(&[]).await;
    assert_eq!(ran.code, Some(8), "{ran:?}");
    let told = provider.take_refusals().await;
    let [told] = &told[..] else { panic!("{told:?}") };
    let owed = rented.owed(Timestamp(told.as_of)).await;
    assert_eq!(told.largest_accepted_cum.0, owed.0);
    assert_eq!(told.reason, gateway_api::RefusalReason::AmountAboveObserved);
    let down = rented.recorded_down();
    let [(from, to)] = down[..] else { panic!("{down:?}") };
    assert!((600 - GRACE..640 - GRACE).contains(&(to - from)), "{down:?}");
    assert_eq!(rented.lease().await.paid, Amount(number(&signed["amountCum"])));

    // The lie is claimed on chain, up to the cap. It is told with its deadline, and not yet disputed.
    let claim = provider.claim_everything(rented.id).await.unwrap();
    let owed = rented.owed(claim.at).await;
    assert!(owed.0 * 2 < claim.cum.0, "{owed} {claim:?}");
    let warned = rented.look(&["--disputes", "automatic"]).await;
    let line = notices(&warned).into_iter().find(|line| line["event"] == "claim_too_high").unwrap();
    let command = format!("leasehold dispute {} --concede {}", rented.id, owed.to_decimal(6));
    let expected = json!({
        "event": "claim_too_high",
        "claimedCum": claim.cum.to_string(),
        "owedCum": owed.to_string(),
        "contestableUntil": claim.filed_at.0 + 300,
        "command": command,
    });
    assert_eq!(line, expected);

    // From the middle of the window on it is disputed, with what is owed conceded, and only if the tenant said so. That
    // is less by now: the look that was a warning found the service down for the last seconds of the claim too.
    let owed = rented.owed(claim.at).await;
    rented.pass(160).await;
    let told = rented.look(&[]).await;
    assert!(!events(&told).contains(&"wrote".to_owned()), "{told:?}");
    assert_eq!(rented.lease().await.state, LeaseState::Active);
    let disputed = rented.look(&["--disputes", "automatic"]).await;
    assert!(events(&disputed).contains(&"wrote".to_owned()), "{disputed:?}");
    let lease = rented.lease().await;
    assert_eq!((lease.state, lease.paid), (LeaseState::Disputed, owed));
    // Again changes nothing: the chain is read first.
    let again = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!((again.code, events(&again)), (Some(0), vec![]), "{again:?}");

    // The arbiter is silent: the agreed half of what is contested, and the stake comes back.
    rented.pass(901).await;
    let closed = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!(events(&closed), ["wrote"], "{closed:?}");
    let lease = rented.lease().await;
    let half = Amount((claim.cum.0 - owed.0) / 2);
    assert_eq!((lease.state, lease.paid), (LeaseState::Closed, owed.saturating_add(half)));
    let market = &provider.market;
    let account = market.client.available(market.tenant.address(), At::Latest).await.unwrap();
    assert_eq!(account, Amount(10_000_000).saturating_sub(lease.paid));
    // Nothing was delivered at all. The loss: the seconds until the first look, grace and lag at the full rate, and half
    // of the rest, where a tenant without an agent would have paid the whole claim.
    let first = from - GRACE - lease.started_at.unwrap().0;
    let undisputed = rented.everything(first + GRACE + LAG + (claim.at.0 - to)).await;
    assert!(owed <= rented.cost(undisputed, claim.at).await, "{owed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_silent_about_one_lease_holds_up_no_other_and_a_kill_signs_nothing_twice() {
    let rented = Rented::from(Manners::Honest).await;
    rented.world.provider.ignore(Some(rented.id));
    let args: Vec<&str> = ["agent", "--interval", "1"]
        .into_iter()
        .chain(rented.world.common.iter().map(String::as_str))
        .collect();
    let paid = async |id| rented.world.provider.market.client.lease(id, At::Latest).await.unwrap().paid;
    let (mut signed, mut opened) = (Vec::new(), None);
    for _ in 0..2 {
        let mut child = rented.world.sandbox.start(&args);
        // The other lease is opened while the agent runs already.
        let other: LeaseId = match opened {
            Some(other) => other,
            None => rented.world.deploy().await["leaseId"].as_str().unwrap().parse().unwrap(),
        };
        opened = Some(other);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::task::block_in_place(|| {
            lines
                .by_ref()
                .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
                .find(|line| line["event"] == "signed" && line["leaseId"] == json!(other.to_string()))
        });
        // A second agent would write over what this one sees.
        let second = rented.world.run(&LOOK).await;
        assert_eq!((second.code, second.stdout.as_str()), (Some(4), ""), "{second:?}");
        child.kill().unwrap();
        child.wait().unwrap();
        signed.push(number(&line.unwrap()["amountCum"]));
    }
    assert!(signed[0] <= signed[1], "{signed:?}");
    // The second is settled as soon as it has arrived, which the kill may have prevented: then it is sent again.
    rented.world.provider.ignore(None);
    let ran = rented.world.run(&["agent", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(paid(opened.unwrap()).await >= Amount(signed[1]));
    assert!(paid(rented.id).await > Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_while_its_dispute_is_on_its_way_disputes_once() {
    let rented = Rented::from(Manners::Dead).await;
    let market = &rented.world.provider.market;
    rented.look(&[]).await;
    rented.pass(600).await;
    rented.look(&[]).await;
    let claim = rented.world.provider.claim_everything(rented.id).await.unwrap();
    rented.pass(160).await;
    rented.look(&[]).await;
    let owed = rented.owed(claim.at).await;
    let before = rented.lease().await;

    // Killed when its transaction waits for a block.
    let nonce = async |block: &str| {
        let asked = json!([market.tenant.address(), block]);
        market.client.rpc().request::<Value>("eth_getTransactionCount", asked).await.unwrap()
    };
    let args: Vec<&str> = ["agent", "--interval", "600", "--disputes", "automatic"]
        .into_iter()
        .chain(rented.world.common.iter().map(String::as_str))
        .collect();
    let mut child = rented.world.sandbox.start(&args);
    let sent = nonce("latest").await;
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(2));
    while nonce("pending").await == sent {
        ticks.tick().await;
        assert_eq!(child.try_wait().unwrap(), None, "it ended without a dispute");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What comes after it looks at the chain, which may have the dispute by now or not.
    rented.look(&["--disputes", "automatic"]).await;
    rented.pass(1).await;
    let again = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!((again.code, events(&again)), (Some(0), vec![]), "{again:?}");

    let lease = rented.lease().await;
    assert_eq!((lease.state, lease.paid), (LeaseState::Disputed, owed));
    // The stake is a twentieth of what is contested, once.
    let contested = claim.cum.saturating_sub(owed);
    let left = before.balance.saturating_sub(owed.saturating_sub(before.paid));
    assert_eq!(lease.balance, left.saturating_sub(Amount(contested.0 / 20)));
    let account = market.client.available(market.tenant.address(), At::Latest).await.unwrap();
    assert_eq!(account, Amount::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_provider_vanished_is_closed_after_the_windows_and_its_money_comes_back() {
    let rented = Rented::from(Manners::Silent).await;
    let market = &rented.world.provider.market;
    market.run(&market.tenant, [market.client.calls().close_lease(rented.id)]).await.unwrap();
    // The provider may still claim for five minutes; then nobody's consent is needed.
    let early = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!((early.code, events(&early)), (Some(0), vec![]), "{early:?}");
    rented.pass(302).await;
    let told = rented.look(&[]).await;
    let command = format!("leasehold close {}", rented.id);
    assert_eq!(notices(&told), [json!({"event": "can_close", "command": command})]);
    let closed = rented.look(&["--disputes", "automatic"]).await;
    assert_eq!(events(&closed), ["wrote"], "{closed:?}");
    let lease = rented.lease().await;
    assert_eq!((lease.state, lease.paid), (LeaseState::Closed, Amount::ZERO));
    let account = market.client.available(market.tenant.address(), At::Latest).await.unwrap();
    assert_eq!(account, Amount(10_000_000));
    // A closed lease is not watched any more.
    assert_eq!(rented.look(&[]).await.stdout, "");
    // A record that cannot be read is named, and keeps no other lease from being watched.
    let damaged = format!("0x{}", "ab".repeat(32));
    rented.world.sandbox.write(&format!("home/leases/{damaged}.json"), "{\"sessionKey\": \"hunter2\"");
    let ran = rented.look(&[]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    assert!(ran.stderr.starts_with(&format!("{damaged} is not watched: ")), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_refuses_settings_that_it_cannot_use() {
    let world = World::new(Manners::Honest).await;
    world.sandbox.write("agent.toml", "[defaults]\nbugdet = \"5\"\n");
    let ran = world.run(&["agent", "--config", "agent.toml"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains("defaults.bugdet: unknown field"), "{}", ran.stderr);
    let ran = world.run(&["agent", "--once", "--budget", "0.0000001"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    // Without a lease there is nothing to do.
    let ran = world.run(&["agent", "--once"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_posted_to_a_webhook_and_its_address_is_told_nobody() {
    let rented = Rented::from(Manners::Honest).await;
    let posted = Arc::new(Mutex::new(Vec::<String>::new()));
    let keep = Arc::clone(&posted);
    let take = async move |body: String| keep.lock().unwrap().push(body);
    let hook = axum::Router::new().route("/secret-path", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, hook).into_future());
    // What was signed is no warning; what was refused is one.
    let ran = rented.look(&["--webhook", &url]).await;
    assert_eq!((ran.code, events(&ran)), (Some(0), vec!["signed".to_owned()]), "{ran:?}");
    rented.world.provider.behave(Manners::Greedy);
    let ran = rented.look(&["--webhook", &url]).await;
    let said: Vec<_> = ran.stdout.lines().filter(|line| line.contains(r#""event":"refused""#)).collect();
    assert_eq!((ran.code, said.len()), (Some(8), 1), "{ran:?}");
    assert_eq!(*posted.lock().unwrap(), said);
    // Nobody listens any more: the look is the same, and the address, which may be a secret, stays one.
    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    let ran = rented.look(&["--webhook", &url]).await;
    assert_eq!(ran.code, Some(8), "{ran:?}");
    assert!(ran.stderr.contains("the webhook failed") && !ran.stderr.contains("secret-path"), "{ran:?}");
}
