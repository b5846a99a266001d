//! Whole leases: the binary against a real chain, the real contracts, and a provider behind pinned TLS.

use std::io::{BufRead, BufReader};

use chain::At;
use market::Amount;
use serde_json::{Value, json};
use testkit::{Fault, FaultyRpc};

use crate::provider::Manners;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_ordered_opened_used_paid_and_closed() {
    let world = World::new(Manners::Honest).await;
    let registered = world.register().await;
    assert_eq!((&registered["status"], &registered["uri"]), (&json!("active"), &json!(world.uri)));
    // Registering again changes nothing.
    assert_eq!(world.register().await.get("transactions"), None);

    let before = world.tenant_money().await;
    let deployed = world.deploy().await;
    let id = deployed["leaseId"].as_str().unwrap().to_owned();
    let refused =
        deployed["refusedBids"].as_array().unwrap().iter().map(|bid| bid["reason"].as_str().unwrap());
    let traps = ["too_expensive", "start_window_too_long", "foreign_arbiter", "split_too_high"];
    assert_eq!(refused.collect::<Vec<_>>(), traps);
    assert_eq!(deployed["balance"], "10000000");
    for transaction in ["approve", "deposit", "postOrder", "openLease"] {
        assert!(deployed["transactions"][transaction].is_string(), "{deployed}");
    }

    // An interrupted command is resumed, and has nothing left to do.
    assert_eq!(world.json(&["deploy", "--resume", &id]).await["leaseId"], json!(id));
    assert_eq!(world.json(&["list"]).await[0]["state"], "active");
    assert_eq!(world.json(&["status", &id]).await["providerStatus"]["phase"], "Ready");
    assert_eq!(world.run(&["logs", &id, "web"]).await.stdout, "hello from web\n");
    forward_reaches_the_service(&world, &id).await;

    let signed = world.json(&["countersign", &id]).await;
    assert_eq!((&signed["signed"], &signed["last"]), (&json!(true), &json!(false)));
    let usage = world.json(&["usage", &id]).await;
    assert_eq!(usage["signedAmount"], signed["amountCum"]);
    // Long enough for several stretches, however fast the machine.
    world.provider.market.anvil.pass(5).await.unwrap();
    // What was signed is paid at once; the history says the same, with the transaction.
    let history = world.json(&["usage", &id, "--from", "2020-01-01"]).await;
    usage_over_time_is_whole(&usage, &history["usage"]);
    let spent = &history["payments"];
    assert_eq!((&spent[0]["amount"], &spent[0]["cumulative"]), (&signed["amountCum"], &signed["amountCum"]));
    assert!(
        spent[0]["transaction"].is_string() && spent[0]["from"].as_u64() <= spent[0]["to"].as_u64(),
        "{spent}"
    );
    let nothing = json!({"usage": [], "payments": []});
    assert_eq!(world.json(&["usage", &id, "--to", "2020-01-01"]).await, nothing);

    let closed = world.json(&["close", &id]).await;
    assert_eq!((&closed["state"], &closed["notice"]), (&json!("closed"), &Value::Null), "{closed}");
    let number = |field: &str| closed[field].as_str().unwrap().parse::<u128>().unwrap();
    assert!(number("paid") > 0);
    assert_eq!(number("paid") + number("refund"), 10_000_000);
    assert_eq!(world.tenant_money().await, before.saturating_sub(Amount(number("paid"))));
    assert_eq!(world.provider.account().await, Amount(number("paid")));
    // The manifest with its secrets is forgotten; closing again says the same.
    let kept = std::fs::read_dir(world.sandbox.path("home/leases")).unwrap();
    let names: Vec<_> = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.ends_with("manifest.json")), "{names:?}");
    assert_eq!(world.json(&["close", &id]).await["state"], "closed");
    assert_eq!(world.json(&["list"]).await, json!([]));
}

/// Stretch follows stretch from the start on, and together they are at least what was counted before they were asked for.
fn usage_over_time_is_whole(before: &Value, stretches: &Value) {
    let stretches = stretches.as_array().unwrap();
    assert!(stretches.len() > 1, "{stretches:?}");
    assert!(stretches.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]), "{stretches:?}");
    let number =
        |value: &Value| value["allocated"]["cpuMilliSeconds"].as_str().unwrap().parse::<u128>().unwrap();
    let (whole, known) = (stretches.iter().map(number).sum::<u128>(), number(before));
    let seconds = stretches.last().unwrap()["to"].as_u64().unwrap() - before["asOf"].as_u64().unwrap();
    assert_eq!(
        whole,
        known + u128::from(seconds) * 100,
        "a hundred thousandths of a processor, every second"
    );
}

async fn forward_reaches_the_service(world: &World, id: &str) {
    let mut args: Vec<&str> = vec!["forward", id, "web"];
    args.extend(world.common.iter().map(String::as_str));
    let mut child = world.sandbox.start(&args);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.trim_end().ends_with('}') {
        assert!(stdout.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let listening: Value = serde_json::from_str(&text).unwrap();
    let url = format!("{}/entries?a=b%20c", listening["url"].as_str().unwrap());
    let answer = reqwest::Client::new().post(url).body("entry").send().await.unwrap().text().await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer, "POST services/web/8080/entries entry");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greedy_statement_is_refused_and_a_silent_provider_cannot_keep_the_money() {
    let world = World::new(Manners::Greedy).await;
    world.register().await;
    let id = world.deploy().await["leaseId"].as_str().unwrap().to_owned();
    let refused = world.run(&["countersign", &id]).await;
    assert_eq!(refused.code, Some(8), "{refused:?}");
    let line: Value = serde_json::from_str(&refused.stdout).unwrap();
    let number = |field: &str| line["refused"][field].as_str().unwrap().parse::<u128>().unwrap();
    assert_eq!(number("proposed"), number("largestAccepted") + 1, "{line}");

    let closing = world.json(&["close", &id, "--wait", "2"]).await;
    assert_eq!((&closing["state"], &closing["refund"]), (&json!("ending"), &Value::Null), "{closing}");
    assert!(closing["notice"].as_str().unwrap().contains("Run this again after"), "{closing}");
    // The claim window passes; the same command now gets everything back.
    world.provider.market.anvil.pass(400).await.unwrap();
    let closed = world.json(&["close", &id, "--wait", "1"]).await;
    let money = (&closed["state"], &closed["paid"], &closed["refund"]);
    assert_eq!(money, (&json!("closed"), &json!("0"), &json!("10000000")), "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_provider_and_a_wrong_pin_are_said_clearly() {
    let world = World::new(Manners::Silent).await;
    world.register().await;
    let id = world.deploy().await["leaseId"].as_str().unwrap().to_owned();
    assert_eq!(world.json(&["countersign", &id]).await["signed"], false);

    let operator = world.provider.market.operator.address().to_string();
    let (address, _) = world.uri.split_once('#').unwrap();
    let wrong = format!("{address}#pin-sha256={}", "A".repeat(43));
    let register =
        ["provider", "register", "--owner-key-file", "owner", "--bond", "1000", "--operator", &operator];
    world.json(&[&register[..], &["--uri", &wrong]].concat()).await;
    let logs = world.run(&["logs", &id, "web"]).await;
    assert_eq!((logs.code, logs.stdout.as_str()), (Some(1), ""));
    assert!(logs.stderr.contains("failed to reach the provider's gateway"), "{}", logs.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bid_or_without_money_nothing_is_spent() {
    let world = World::new(Manners::Honest).await;
    world.register().await;
    let before = world.tenant_money().await;
    let stingy = ["deploy", "shop.yaml", "--deposit", "10", "--max-rate", "0.000001", "--bid-window", "3"];
    let none = world.run(&stingy).await;
    assert_eq!((none.code, world.tenant_money().await), (Some(7), before), "{none:?}");
    assert!(none.stderr.contains("your money is untouched"), "{}", none.stderr);
    let poor = world.run(&["deploy", "shop.yaml", "--deposit", "99999999"]).await;
    assert_eq!(poor.code, Some(6), "{poor:?}");
    let account = world.run(&["deploy", "shop.yaml", "--amount", "11"]).await;
    assert_eq!(account.code, Some(6), "{account:?}");
    let withdrawn = world.json(&["wallet", "withdraw", "10"]).await;
    assert_eq!(withdrawn["account"], "0");
    assert_eq!(world.tenant_money().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lies_or_drops_is_named_and_nothing_is_spent() {
    let world = World::new(Manners::Honest).await;
    let before = world.tenant_money().await;
    let proxy = FaultyRpc::start(world.provider.market.anvil.url()).await.unwrap();
    let url = proxy.url();
    let deploy = ["deploy", "shop.yaml", "--deposit", "10", "--yes", "--key-file", "tenant"];
    let deploy = [&deploy[..], &["--deployment", "deployment.json", "--rpc", &url]].concat();
    let faults = [
        (Fault::ChainId(1), "the node follows chain 1, not chain 31337"),
        (Fault::DropRequests, "failed to call eth_chainId"),
        (Fault::Garbage, "failed to call eth_chainId"),
        (Fault::Answer(json!("0xzz")), "the answer to eth_chainId cannot be read"),
    ];
    for (fault, said) in faults {
        proxy.set(fault.clone());
        let ran = tokio::task::block_in_place(|| world.sandbox.run(&deploy));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{fault:?}: {ran:?}");
        let expected = format!("error: failed to use the node at 127.0.0.1 (--rpc): {said}");
        assert!(ran.stderr.starts_with(&expected), "{fault:?}: {}", ran.stderr);
    }
    assert_eq!(world.tenant_money().await, before);
}

/// The lease that a record on the disk names, if there is one.
fn recorded(world: &World) -> Option<String> {
    let entries = std::fs::read_dir(world.sandbox.path("home/leases")).ok()?;
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let ids = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned));
    ids.into_iter().find(|id| !id.contains('.'))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_killed_while_it_opens_a_lease_is_resumed_or_has_cost_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Manners::Honest).await;
    world.register().await;
    let before = world.tenant_money().await;
    let deploy =
        ["deploy", "shop.yaml", "--deposit", "10", "--max-rate", "5", "--first-bid", "--bid-window", "60"];
    let args: Vec<&str> = deploy.into_iter().chain(world.common.iter().map(String::as_str)).collect();
    let mut child = world.sandbox.start(&args);
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(1));
    // The record is there before the transaction is sent: kill in between, or just after.
    let id = loop {
        ticks.tick().await;
        if let Some(id) = recorded(&world) {
            break id;
        }
        assert_eq!(child.try_wait().unwrap(), None, "it ended without a record");
    };
    child.kill().unwrap();
    child.wait().unwrap();
    for name in [format!("{id}.json"), format!("{id}.manifest.json")] {
        let mode =
            std::fs::metadata(world.sandbox.path("home/leases").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A transaction that was sent is in the next block or the one after.
    world.provider.market.anvil.pass(1).await.unwrap();
    world.provider.market.anvil.pass(1).await.unwrap();
    let resumed = world.run(&["deploy", "--resume", &id]).await;
    match resumed.code {
        Some(0) => {
            let closed = world.json(&["close", &id]).await;
            assert_eq!(closed["state"], "closed", "{closed}");
        }
        code => {
            assert_eq!((code, world.tenant_money().await), (Some(3), before), "{resumed:?}");
            assert!(resumed.stderr.contains("is not open on chain"), "{resumed:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_disputed_and_the_silence_of_arbiters_ends_in_the_split() {
    let world = World::new(Manners::Silent).await;
    world.register().await;
    let id = world.deploy().await["leaseId"].as_str().unwrap().to_owned();
    let nothing = world.run(&["dispute", &id]).await;
    assert_eq!(nothing.code, Some(3), "{nothing:?}");

    let market = &world.provider.market;
    market.anvil.pass(600).await.unwrap();
    let opened = market.client.lease_opened(id.parse().unwrap()).await.unwrap().unwrap();
    let usage = market::Usage(opened.bid.limits.0.map(|limit| u128::from(limit) * 600));
    let claim = market.client.calls().claim(&[(opened.bid, usage)]).unwrap();
    market.run(&market.operator, [claim]).await.unwrap();
    let disputed = world.json(&["dispute", &id, "--concede", "0.0001"]).await;
    let number = |text: &Value, field: &str| text[field].as_str().unwrap().parse::<u128>().unwrap();
    let contested = number(&disputed, "contested");
    assert_eq!((number(&disputed, "conceded"), number(&disputed, "stake")), (100, contested / 20));

    // Until the arbiter's window is over the command says from when it helps, and changes nothing.
    let waiting = world.json(&["close", &id]).await;
    assert_eq!(waiting["state"], "disputed");
    assert!(waiting["notice"].as_str().unwrap().contains("50.00 % of what is contested"), "{waiting}");
    market.anvil.pass(901).await.unwrap();
    let closed = world.json(&["close", &id]).await;
    let paid = 100 + contested / 2;
    assert_eq!((closed["state"].as_str(), number(&closed, "paid")), (Some("closed"), paid), "{closed}");
    assert_eq!(world.provider.account().await, Amount(paid));
    let account = market.client.available(market.tenant.address(), At::Latest).await.unwrap();
    assert_eq!(account, Amount(10_000_000 - paid));
}
