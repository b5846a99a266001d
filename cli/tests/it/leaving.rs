//! The ways out of the market, and what auditors say, on the real contracts.

use alloy_primitives::{Address, B256};
use chain::At;
use market::{Amount, OrderHash};
use serde_json::{Value, json};
use testkit::TestMarket;
use testkit::test_market::{BOND, WALLET};

use crate::run::{Ran, Sandbox, write_key};

/// A registered provider, and the files of its owner, its operator and an auditor.
struct Desk {
    market: TestMarket,
    sandbox: Sandbox,
}

impl Desk {
    async fn new() -> Self {
        let market = TestMarket::start().await.unwrap();
        market.register_provider().await.unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
        for (name, key) in
            [("owner", &market.provider), ("operator", &market.operator), ("auditor", &market.tenant)]
        {
            write_key(&sandbox, name, key);
        }
        sandbox.write("attributes.json", r#"{"region": "eu", "arch": "amd64"}"#);
        sandbox.write("others.json", r#"{"region": "us"}"#);
        Self { market, sandbox }
    }

    fn run(&self, key: &str, args: &[&str]) -> Ran {
        let url = self.market.anvil.url();
        let common =
            ["--deployment", "deployment.json", "--rpc", url, "--key-file", key, "-o", "json", "--yes"];
        let args: Vec<&str> = args.iter().copied().chain(common).collect();
        tokio::task::block_in_place(|| self.sandbox.run(&args))
    }

    fn json(&self, key: &str, args: &[&str]) -> Value {
        let ran = self.run(key, args);
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Code and first line of a command that is refused.
    fn refused(&self, key: &str, args: &[&str]) -> (Option<i32>, String) {
        let ran = self.run(key, args);
        let line = ran.stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned();
        (ran.code, line)
    }

    async fn wait_out_the_delay(&self) {
        let delay = self.market.client.unbond_delay(At::Latest).await.unwrap();
        self.market.anvil.pass(delay).await.unwrap();
    }

    async fn owners_wallet(&self) -> Amount {
        self.market.client.token_balance(self.market.provider.address(), At::Latest).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bond_leaves_in_two_steps_and_never_before_the_delay() {
    let desk = Desk::new().await;
    let nothing = desk.refused("owner", &["provider", "withdraw"]);
    assert_eq!(nothing, (Some(3), "error: none of the bond was asked back".into()));
    let (code, line) = desk.refused("owner", &["provider", "unbond", "1000.000001"]);
    assert_eq!((code, line.starts_with("error: the bond is 1000 ")), (Some(6), true), "{line}");

    let asked = desk.json("owner", &["provider", "unbond", "400"]);
    assert_eq!((&asked["unbonding"], &asked["bond"]), (&json!("400000000"), &json!("1000000000")));
    // Once more would begin the delay anew.
    assert_eq!(desk.json("owner", &["provider", "unbond", "400"])["unbondAt"], asked["unbondAt"]);
    let (code, line) = desk.refused("owner", &["provider", "withdraw"]);
    assert_eq!((code, line.contains("can leave from")), (Some(4), true), "{line}");

    // Taken back, and asked for again.
    assert_eq!(desk.json("owner", &["provider", "unbond", "none"])["unbonding"], "0");
    desk.json("owner", &["provider", "unbond", "400"]);
    desk.wait_out_the_delay().await;
    let withdrawn = desk.json("owner", &["provider", "withdraw"]);
    assert_eq!((&withdrawn["bond"], &withdrawn["unbonding"]), (&json!("600000000"), &json!("0")));
    let expected = WALLET.saturating_sub(BOND).saturating_add(Amount(400_000_000));
    assert_eq!(desk.owners_wallet().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_leaves_when_its_leases_have_closed_and_gets_all_of_its_bond() {
    let desk = Desk::new().await;
    let market = &desk.market;
    market.fund_tenant(Amount(20_000_000)).await.unwrap();
    let bid = market.bid(OrderHash(B256::ZERO), 1).await.unwrap();
    let (lease_id, signed) = market.operator.sign_bid(&market.client.eip712(), bid).unwrap();
    let open =
        market.client.calls().open_lease(&signed, market.session.address(), Amount(10_000_000)).unwrap();
    market.run(&market.tenant, [open]).await.unwrap();
    let refused = desk.refused("owner", &["provider", "deregister"]);
    assert_eq!(refused, (Some(4), format!("error: 1 leases are not closed, the first is {lease_id}")));

    let decline = market.client.calls().decline(&signed.bid).unwrap();
    market.run(&market.operator, [decline]).await.unwrap();
    let leaving = desk.json("owner", &["provider", "deregister"]);
    assert_eq!(leaving["operator"], json!(Address::ZERO));
    assert_eq!((&leaving["unbonding"], &leaving["bond"]), (&json!("1000000000"), &json!("1000000000")));
    assert_eq!(leaving["transactions"].as_array().unwrap().len(), 2);
    // Again, it only waits; the delay does not begin anew.
    let again = desk.json("owner", &["provider", "deregister"]);
    assert_eq!((&again["unbondAt"], again.get("transactions")), (&leaving["unbondAt"], None));
    desk.wait_out_the_delay().await;
    let gone = desk.json("owner", &["provider", "deregister"]);
    assert_eq!((&gone["status"], &gone["bond"]), (&json!("inactive"), &json!("0")));
    assert_eq!(desk.owners_wallet().await, WALLET);
    assert_eq!(desk.json("owner", &["provider", "deregister"]).get("transactions"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn owner_and_operator_void_outstanding_bids_and_nobody_else() {
    let desk = Desk::new().await;
    let owner = desk.market.provider.address().to_string();
    let epoch = |told: &Value| told["bidEpoch"].as_u64().unwrap();
    let first = epoch(&desk.json("owner", &["provider", "status"]));
    assert_eq!(epoch(&desk.json("owner", &["provider", "void-bids"])), first + 1);
    assert_eq!(epoch(&desk.json("operator", &["provider", "void-bids", "--provider", &owner])), first + 2);
    let (code, line) = desk.refused("auditor", &["provider", "void-bids", "--provider", &owner]);
    assert_eq!((code, line.contains("NotAuthorised")), (Some(1), true), "{line}");
    let (code, line) = desk.refused("auditor", &["provider", "void-bids"]);
    assert_eq!((code, line.contains("is not registered as a provider")), (Some(3), true), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_attests_until_it_revokes_or_time_runs_out() {
    let desk = Desk::new().await;
    let provider = desk.market.provider.address().to_string();
    let list = |file: &str| desk.json("owner", &["auditor", "list", &provider, "--attributes", file]);
    assert_eq!(list("attributes.json"), json!([]));
    let nobody = Address::repeat_byte(7).to_string();
    let attest = |of: &str, file: &str, until: &str| {
        desk.run("auditor", &["auditor", "attest", of, "--attributes", file, "--until", until])
    };
    assert_eq!(attest(&nobody, "attributes.json", "30d").code, Some(3));
    assert_eq!(attest(&provider, "attributes.json", "2020-01-01").code, Some(2));
    assert_eq!(desk.refused("auditor", &["auditor", "revoke", &provider]).0, Some(3));

    assert_eq!(attest(&provider, "others.json", "90d").code, Some(0));
    assert_eq!(attest(&provider, "attributes.json", "30d").code, Some(0));
    let told = list("attributes.json");
    let auditor = desk.market.tenant.address();
    assert_eq!(
        (&told[0]["auditor"], &told[0]["counts"], &told[0]["attests"]),
        (&json!(auditor), &json!(true), &json!(true))
    );
    assert_eq!((told.as_array().unwrap().len(), &list("others.json")[0]["attests"]), (1, &json!(false)));

    desk.market.anvil.pass(30 * 86_400 + 1).await.unwrap();
    assert_eq!(list("attributes.json")[0]["counts"], false);
    desk.json("auditor", &["auditor", "revoke", &provider]);
    assert_eq!(list("attributes.json"), json!([]));
}
