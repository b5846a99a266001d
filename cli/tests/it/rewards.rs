//! Reward programmes: the binary against the real market and the real distributor, with leases that pay a fee.

use alloy_primitives::{Address, TxKind, U256};
use alloy_sol_types::SolCall;
use chain::abi::{ILeaseMarket, IRewardsDistributor as d};
use chain::rewards::attribute_id;
use chain::rpc::At;
use chain::{Call, ChainClient, ChainEvent, HotKey, RewardsClient, RewardsError};
use market::{Amount, LeaseId, SignedBid, Statement, Usage, amount};
use rewards::{Epoch, Leaf, ProgrammeId};
use serde_json::{Value, json};
use testkit::test_market::WALLET;
use testkit::{Fault, FaultyRpc, TestMarket};

use crate::run::{Ran, Sandbox, write_key};

const MATCHED: &str = "\
kind: matched
start: 5m
epoch: 2h
epochs: 4
challengeWindow: 1h
budgetPerEpoch: '1000'
rollover: true
posterBond: '2'
rate: '0.5'
maxRate: '0.9'
";
const BOND: u128 = 2_000_000;

struct World {
    market: TestMarket,
    rewards: RewardsClient,
    sandbox: Sandbox,
    common: Vec<String>,
}

impl World {
    /// A market that takes the highest fee, with a registered provider and a lease of a rich tenant.
    async fn new() -> Self {
        let market = TestMarket::start().await.unwrap();
        let set = ILeaseMarket::setFeeCall { feeBps: 500, treasury: market.admin.address() };
        let to = TxKind::Call(market.deployment().market);
        market
            .run(&market.admin, [Call { name: "setFee", to, data: set.abi_encode().into() }])
            .await
            .unwrap();
        market.register_provider().await.unwrap();
        market.fund_tenant(Amount(20_000_000)).await.unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
        for (name, key) in
            [("tenant", &market.tenant), ("owner", &market.provider), ("watcher", &market.operator)]
        {
            write_key(&sandbox, name, key);
        }
        let distributor = market.deployment().rewards.unwrap();
        let rewards = RewardsClient::connect(market.client.clone(), distributor).await.unwrap();
        let common = ["--deployment", "deployment.json", "--rpc", market.anvil.url(), "-o", "json", "--yes"];
        let common = common.map(str::to_owned).into();
        World { market, rewards, sandbox, common }
    }

    fn run(&self, key: &str, args: &[&str]) -> Ran {
        let common = self.common.iter().map(String::as_str);
        let args: Vec<_> =
            [&["rewards"], args, &["--key-file", key]].concat().into_iter().chain(common).collect();
        tokio::task::block_in_place(|| self.sandbox.run(&args))
    }

    fn json(&self, key: &str, args: &[&str]) -> Value {
        let ran = self.run(key, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// A funded programme in which the provider takes part.
    fn programme(&self, terms: &str) {
        self.sandbox.write("terms.yaml", terms);
        assert_eq!(self.json("tenant", &["create", "--terms", "terms.yaml"])["programme"], "1");
        let funded = self.json("tenant", &["fund", "--programme", "1", "--amount", "3000"]);
        assert_eq!(funded["amount"], "3000000000");
        self.json("owner", &["enrol", "--programme", "1"]);
    }

    async fn open_lease(&self) -> (LeaseId, SignedBid) {
        let (market, calls) = (&self.market, self.market.client.calls());
        let domain = market.client.eip712();
        let (order, encoded) = market.order(1).await.unwrap();
        market.run(&market.tenant, [calls.post_order(&order, encoded).unwrap()]).await.unwrap();
        let bid = market.bid(domain.order_digest(&order).unwrap(), 2).await.unwrap();
        let (lease, signed) = market.operator.sign_bid(&domain, bid).unwrap();
        let open = calls.open_lease(&signed, market.session.address(), Amount(10_000_000)).unwrap();
        market.run(&market.tenant, [open]).await.unwrap();
        market.run(&market.operator, [calls.confirm(&[lease])]).await.unwrap();
        (lease, signed)
    }

    /// Settles full use up to now, and returns the fee that it paid.
    async fn settle(&self, lease: LeaseId, bid: &SignedBid) -> u128 {
        let (market, calls) = (&self.market, self.market.client.calls());
        let state = market.client.lease(lease, At::Latest).await.unwrap();
        let as_of = market.now().await.unwrap().min(state.end_at);
        let elapsed = state.elapsed(as_of);
        let usage = Usage(bid.bid.limits.0.map(|limit| u128::from(limit) * u128::from(elapsed)));
        let amount_cum = amount(&bid.bid.prices, &bid.bid.limits, &usage, elapsed);
        let usage_hash = usage::usage_hash(&usage, as_of, [3; 32].into());
        let statement = Statement { lease_id: lease, amount_cum, as_of, usage_hash, last: false };
        let signature = market.session.sign_statement(&market.client.eip712(), &statement).unwrap();
        let settle = calls.settle(&[(statement, signature)]).unwrap();
        let mined = market.run(&market.operator, [settle]).await.unwrap();
        let paid = mined[0].events.iter().find_map(|found| match found.event {
            ChainEvent::LeaseSettled { fee, .. } => Some(fee.0),
            _ => None,
        });
        paid.unwrap()
    }

    /// Lets time pass until an epoch is over.
    async fn end_epoch(&self, epoch: u32) {
        let past = self.rewards.past(ProgrammeId(U256::from(1))).await.unwrap();
        let end = past.terms.end_of(Epoch(epoch));
        self.market.anvil.pass(end.seconds_since(past.head.timestamp)).await.unwrap();
    }

    async fn held(&self, owner: Address) -> u128 {
        self.market.client.token_balance(owner, At::Latest).await.unwrap().0
    }

    /// The right leaves of an epoch.
    async fn leaves(&self, epoch: u32) -> Vec<Leaf> {
        let past = self.rewards.past(ProgrammeId(U256::from(1))).await.unwrap();
        self.rewards.compute(&past, Epoch(epoch)).await.unwrap().1.leaves
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_earn_a_share_of_themselves_and_no_more() {
    let world = World::new().await;
    world.programme(MATCHED);
    let provider = world.market.provider.address();
    assert_eq!(world.run("owner", &["compute", "--programme", "1"]).code, Some(5), "epoch 0 is not over");
    let (lease, bid) = world.open_lease().await;
    world.market.anvil.pass(1_800).await.unwrap();
    let first = world.settle(lease, &bid).await;
    assert!(first > 0);
    world.end_epoch(0).await;
    // A fee after the epoch's end counts in the next one.
    let second = world.settle(lease, &bid).await;
    assert!(second > 0);

    let computed = world.json("owner", &["compute", "--programme", "1", "--calldata"]);
    let (raw, zero) = (first / 2, "0");
    let leaf = json!({
        "index": 0, "account": provider, "previousMeasure": zero, "measure": first.to_string(),
        "factorBps": 10_000, "rate": "500000000000000000", "raw": raw.to_string(),
        "previousCumulative": zero, "cumulative": raw.to_string(),
    });
    assert_eq!(computed["leaves"], json!([leaf]));
    assert_eq!((&computed["kind"], &computed["allowance"]), (&json!("matched"), &json!("1000000000")));

    let poster = world.market.tenant.address();
    let before = world.held(poster).await;
    let posted = world.json("tenant", &["post", "--programme", "1", "--epoch", "0"]);
    assert_eq!(posted["root"], computed["root"]);
    assert_eq!(world.held(poster).await, before - BOND);
    let verdicts = world.json("watcher", &["verify", "--programme", "1"]);
    assert_eq!((&verdicts[0]["right"], &verdicts[0]["state"]), (&json!(true), &json!("pending")));
    assert_eq!(verdicts[0]["differences"], json!([]));
    assert_eq!(world.run("owner", &["claim", "--programme", "1"]).code, Some(3), "nothing is final yet");

    world.market.anvil.pass(3_600).await.unwrap();
    assert_eq!(world.json("watcher", &["verify", "--programme", "1"])[0]["state"], "final");
    let held = world.held(provider).await;
    let claimed = world.json("owner", &["claim", "--programme", "1"]);
    assert_eq!(claimed["amount"], raw.to_string());
    assert_eq!(world.held(provider).await, held + raw);
    assert_eq!(world.run("owner", &["claim", "--programme", "1"]).code, Some(3), "it has had everything");

    // The next root builds on the final one.
    world.end_epoch(1).await;
    let computed = world.json("owner", &["compute", "--programme", "1"]);
    assert_eq!((&computed["base"], &computed["epoch"]), (&json!(1), &json!(1)));
    let leaf = &computed["leaves"][0];
    assert_eq!(leaf["measure"], (first + second).to_string());
    assert_eq!(leaf["raw"], (second / 2).to_string());
    assert_eq!(leaf["cumulative"], (raw + second / 2).to_string());
    world.json("tenant", &["post", "--programme", "1"]);
    assert_eq!(world.json("watcher", &["verify", "--programme", "1", "--epoch", "1"])[0]["right"], true);
    assert_eq!(world.run("owner", &["compute", "--programme", "1", "--epoch", "0"]).code, Some(3));
    assert_eq!(world.run("owner", &["compute", "--programme", "2"]).code, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_root_is_named_by_its_ground_and_voided() {
    let world = World::new().await;
    world.programme(MATCHED);
    let (lease, bid) = world.open_lease().await;
    world.market.anvil.pass(1_800).await.unwrap();
    let fee = world.settle(lease, &bid).await;
    world.json("owner", &["checkpoint", "--programme", "1"]);
    world.end_epoch(0).await;

    let right = world.leaves(0).await[0];
    assert_eq!(right.measure.0, fee);
    let (measure, raw, cumulative) = (right.measure.0, right.raw.0, right.cumulative.0);
    let wrong = [
        ("measure", Leaf { measure: rewards::Measure(measure - 1), ..right }, measure - 1, measure),
        ("raw", Leaf { raw: Amount(raw + 7), cumulative: Amount(cumulative + 7), ..right }, raw + 7, raw),
        ("cumulative", Leaf { cumulative: Amount(cumulative + 1), ..right }, cumulative + 1, cumulative),
    ];
    let (market, calls) = (&world.market, world.rewards.calls());
    let token = market.deployment().token;
    let programme = ProgrammeId(U256::from(1));
    for (number, (ground, leaf, posted, expected)) in (1..).zip(wrong) {
        let post = calls.post(programme, Epoch(0), 0, &[leaf]);
        market.run(&market.tenant, [calls.approve(token, Amount(BOND)), post]).await.unwrap();

        let found = world.run("watcher", &["verify", "--programme", "1"]);
        assert_eq!(found.code, Some(1), "{found:?}");
        assert!(found.stderr.contains(&format!("wrong: root {number}")), "{found:?}");
        let verdicts: Value = serde_json::from_str(&found.stdout).unwrap();
        let difference = json!([{
            "index": 0, "account": market.provider.address(), "ground": ground,
            "posted": posted.to_string(), "right": expected.to_string(),
        }]);
        assert_eq!(verdicts[0]["differences"], difference);

        let refuted = world.json("watcher", &["verify", "--programme", "1", "--refute"]);
        assert!(refuted[0]["refuted"].is_string(), "{refuted}");
        let credit = world.rewards.credit(market.operator.address(), token, At::Latest).await.unwrap();
        assert_eq!(credit, Amount(BOND * number), "the bond is the refuter's");
    }
    assert_eq!(world.run("watcher", &["verify", "--programme", "1"]).code, Some(3), "no root is left");

    // The right one can still be posted, and cannot be refuted.
    world.json("tenant", &["post", "--programme", "1"]);
    let verdicts = world.json("watcher", &["verify", "--programme", "1", "--refute"]);
    assert_eq!((&verdicts[0]["number"], &verdicts[0]["right"]), (&json!(4), &json!(true)));
    assert_eq!(verdicts[0].get("refuted"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_counts_when_two_of_three_auditors_sign_for_it() {
    let world = World::new().await;
    let market = &world.market;
    let mut auditors = [HotKey::random(), HotKey::random(), HotKey::random()];
    auditors.sort_by_key(HotKey::address);
    let listed: Vec<_> = auditors.iter().rev().map(|key| format!("'{}'", key.address())).collect();
    world.programme(&format!(
        "{}auditors: [{}]\ncapacity:\n  quorum: 2\n  providerCap: 600\n  bondPerUnit: '1'\n  regions:\n    \
         - {{region: af, unitsPerEpoch: 500}}\n",
        MATCHED.replace("kind: matched", "kind: capacity"),
        listed.join(", ")
    ));
    world.end_epoch(0).await;

    let report = d::CapacityReport {
        programme: U256::from(1),
        provider: market.provider.address(),
        region: attribute_id("region", "af"),
        epoch: 0,
        unitsCum: 550,
    };
    let digest = world.rewards.report_digest(report.clone()).await.unwrap();
    let signatures = [&auditors[0], &auditors[2]].map(|key| key.sign_digest(digest));
    let calls = world.rewards.calls();
    let refused = market.run(&market.operator, [calls.report(report.clone(), &signatures[..1])]).await;
    let reason = format!("{:#}", refused.unwrap_err());
    assert!(reason.contains("RewardsDistributor_QuorumMissing"), "{reason}");
    market.run(&market.operator, [calls.report(report, &signatures)]).await.unwrap();

    let early = world.run("tenant", &["post", "--programme", "1"]);
    assert_eq!(early.code, Some(5), "reports may still come: {early:?}");
    market.anvil.pass(3_600).await.unwrap();
    // The region takes 500 units; each earns half a token.
    let computed = world.json("owner", &["compute", "--programme", "1"]);
    let leaf = &computed["leaves"][0];
    assert_eq!((&leaf["measure"], &leaf["cumulative"]), (&json!("500"), &json!("250000000")));
    world.json("tenant", &["post", "--programme", "1"]);
    assert_eq!(world.json("watcher", &["verify", "--programme", "1"])[0]["right"], true);
    market.anvil.pass(3_600).await.unwrap();
    assert_eq!(world.json("owner", &["claim", "--programme", "1"])["amount"], "250000000");
    assert!(world.held(market.provider.address()).await < WALLET.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_cannot_be_are_refused_before_anything_is_sent() {
    let world = World::new().await;
    world.sandbox.write("terms.yaml", &MATCHED.replace("rate: '0.5'", "rate: half"));
    let ran = world.run("tenant", &["create", "--terms", "terms.yaml"]);
    assert_eq!((ran.code, ran.stderr.contains("terms.yaml: rate: ")), (Some(2), true), "{ran:?}");
    // The contract's own bounds are found by its simulation.
    world.sandbox.write("terms.yaml", &MATCHED.replace("maxRate: '0.9'", "maxRate: '0.91'"));
    let ran = world.run("tenant", &["create", "--terms", "terms.yaml"]);
    assert_eq!((ran.code, ran.stderr.contains("RewardsDistributor_BadTerms")), (Some(1), true), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_logs_out_is_found_out_and_one_that_hands_out_few_is_asked_often() {
    let world = World::new().await;
    world.programme(MATCHED);
    let (lease, bid) = world.open_lease().await;
    world.market.anvil.pass(1_800).await.unwrap();
    world.settle(lease, &bid).await;
    let programme = ProgrammeId(U256::from(1));
    let honest = world.rewards.past(programme).await.unwrap();

    let proxy = FaultyRpc::start(world.market.anvil.url()).await.unwrap();
    let deployment = *world.market.deployment();
    let chain = ChainClient::connect(proxy.url().parse().unwrap(), deployment).await.unwrap();
    let distributor = world.rewards.distributor();
    let client = RewardsClient::connect(chain, distributor).await.unwrap();
    proxy.set(Fault::MaxLogRange(3));
    assert_eq!(client.past(programme).await.unwrap(), honest);
    assert!(proxy.count("eth_getLogs") > 6, "{}", proxy.count("eth_getLogs"));

    // Without the market's logs the fees are missing; the contract's own counter says so.
    proxy.set(Fault::NoLogsOf(deployment.market));
    let error = client.past(programme).await.unwrap_err();
    let what = "a provider's counter";
    assert!(matches!(error, RewardsError::Differ { what: found, .. } if found == what), "{error}");
    proxy.set(Fault::NoLogsOf(distributor));
    assert!(matches!(client.past(programme).await, Err(RewardsError::NoProgramme(_))));
    let other = RewardsClient::connect(world.market.client.clone(), deployment.token).await;
    assert!(other.is_err(), "the token is no distributor");
}
