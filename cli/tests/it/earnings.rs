//! `leasehold provider earnings` on the real contracts: a lease from bond to withdrawal, explained to the last unit.

use alloy_primitives::B256;
use chain::At;
use market::{Amount, OrderHash, Statement};
use serde_json::{Value, json};
use testkit::test_market::BOND;
use testkit::{Fault, FaultyRpc, TestMarket};

use crate::run::{Ran, Sandbox};

/// One lease that is paid by a statement and given back to its provider's wallet.
async fn market_with_a_paid_lease() -> TestMarket {
    let market = TestMarket::start().await.unwrap();
    let (calls, domain) = (market.client.calls(), market.client.eip712());
    market.register_provider().await.unwrap();
    market.fund_tenant(Amount(20_000_000)).await.unwrap();
    let bid = market.bid(OrderHash(B256::ZERO), 1).await.unwrap();
    let (lease_id, signed) = market.operator.sign_bid(&domain, bid).unwrap();
    let open = calls.open_lease(&signed, market.session.address(), Amount(10_000_000)).unwrap();
    market.run(&market.tenant, [open]).await.unwrap();
    market.run(&market.operator, [calls.confirm(&[lease_id])]).await.unwrap();
    market.anvil.pass(600).await.unwrap();
    let (as_of, usage_hash) = (market.now().await.unwrap(), B256::repeat_byte(3));
    let statement = Statement { lease_id, amount_cum: Amount(7_001), as_of, usage_hash, last: true };
    let signature = market.session.sign_statement(&domain, &statement).unwrap();
    market.run(&market.operator, [calls.settle(&[(statement, signature)]).unwrap()]).await.unwrap();
    market.run(&market.tenant, [calls.finalize(&[signed.bid]).unwrap()]).await.unwrap();
    let provider = market.provider.address();
    market.run(&market.provider, [calls.withdraw(provider, Amount(7_000))]).await.unwrap();
    market
}

fn run(sandbox: &Sandbox, market: &TestMarket, args: &[&str]) -> Ran {
    run_through(market.anvil.url(), sandbox, market, args)
}

fn run_through(url: &str, sandbox: &Sandbox, market: &TestMarket, args: &[&str]) -> Ran {
    let provider = market.provider.address().to_string();
    let common = ["--deployment", "deployment.json", "--rpc", url, "--provider", &provider];
    let args: Vec<&str> =
        ["provider", "earnings"].into_iter().chain(common).chain(args.iter().copied()).collect();
    tokio::task::block_in_place(|| sandbox.run(&args))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_of_a_provider_is_explained_and_equal_to_the_chain() {
    let market = market_with_a_paid_lease().await;
    let sandbox = Sandbox::new();
    sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
    let ran = run(&sandbox, &market, &["-o", "json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let told: Vec<Value> = report["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| json!([line["book"], line["kind"], line["in"], line["out"], line["balance"]]))
        .collect();
    let expected = [
        json!(["bond", "bond_posted", BOND.0.to_string(), "0", BOND.0.to_string()]),
        json!(["locked", "bond_locked", "5000000", "0", "5000000"]),
        json!(["account", "statement", "7001", "0", "7001"]),
        json!(["locked", "bond_unlocked", "0", "5000000", "0"]),
        json!(["account", "withdrawal", "0", "7000", "1"]),
    ];
    assert_eq!(told, expected);
    let held = market.client.available(market.provider.address(), At::Latest).await.unwrap();
    assert_eq!((held, report["equal"].as_bool()), (Amount(1), Some(true)));

    // The same lines as CSV; and after the last of them, only what is left.
    let csv = run(&sandbox, &market, &["-o", "csv"]);
    assert_eq!((csv.code, csv.stdout.lines().count()), (Some(0), 1 + expected.len()), "{csv:?}");
    let later = (report["block"]["time"].as_u64().unwrap() + 1).to_string();
    let rest = run(&sandbox, &market, &["-o", "csv", "--from", &later]);
    let token = market.deployment().token;
    let left = format!(
        "block,time,transaction,book,token,kind,lease,counterparty,in,out,balance\n\
         ,{later},,account,{token},opening,,,1,0,1\n\
         ,{later},,bond,{token},opening,,,{0},0,{0}\n",
        BOND.0
    );
    assert_eq!((rest.code, rest.stdout), (Some(0), left));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_of_a_final_block_end_there_and_those_of_nobody_are_empty() {
    let market = market_with_a_paid_lease().await;
    let sandbox = Sandbox::new();
    sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
    let ran = run(&sandbox, &market, &["-o", "json", "--finalized"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let finalized = market.client.block(At::Finalized).await.unwrap();
    assert_eq!((report["block"]["number"].as_u64(), ran.code), (Some(finalized.number), Some(0)));

    let nobody = "0x00000000000000000000000000000000000000dd";
    let url = market.anvil.url();
    let args =
        ["provider", "earnings", "--deployment", "deployment.json", "--rpc", url, "--provider", nobody];
    let ran = tokio::task::block_in_place(|| sandbox.run(&[&args[..], &["-o", "json"]].concat()));
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["lines"], &report["balances"], ran.code), (&json!([]), &json!([]), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_leaves_logs_out_is_found_out_and_one_that_hands_out_few_is_asked_often() {
    let market = market_with_a_paid_lease().await;
    let sandbox = Sandbox::new();
    sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
    let honest = run(&sandbox, &market, &["-o", "json"]);
    let proxy = FaultyRpc::start(market.anvil.url()).await.unwrap();
    proxy.set(Fault::MaxLogRange(3));
    let patient = run_through(&proxy.url(), &sandbox, &market, &["-o", "json"]);
    assert_eq!((patient.code, patient.stdout), (Some(0), honest.stdout));
    assert!(proxy.count("eth_getLogs") > 20, "{}", proxy.count("eth_getLogs"));

    let deployment = *market.deployment();
    let account = format!("account in {}: 0 by the events, 1 by the contract", deployment.token);
    let bond = format!("bond: 0 by the events, {} by the contract", BOND.0);
    for (contract, difference) in [(deployment.market, account), (deployment.registry, bond)] {
        proxy.set(Fault::NoLogsOf(contract));
        let ran = run_through(&proxy.url(), &sandbox, &market, &["-o", "json"]);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, report["equal"].as_bool()), (Some(1), Some(false)), "{ran:?}");
        assert!(ran.stderr.contains(&difference), "{}", ran.stderr);
    }
}

#[test]
fn a_command_without_lines_refuses_csv_before_it_does_anything() {
    let ran = Sandbox::new().run(&["wallet", "new", "key", "-o", "csv"]);
    let expected = "error: the result of this command has no CSV form\n  hint: `leasehold provider earnings` and \
        `leasehold usage` have one; use -o table or -o json here\n";
    assert_eq!(ran, Ran { code: Some(2), stdout: String::new(), stderr: expected.into() });
}
