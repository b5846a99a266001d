//! A tenant's machine next to a real chain, the real contracts, and a provider behind pinned TLS.

use std::sync::Arc;

use chain::At;
use market::Amount;
use serde_json::Value;
use testkit::TestMarket;
use testkit::anvil::Mining;

use crate::provider::{self, Manners, Provider};
use crate::run::{Ran, Sandbox, write_key};

const MANIFEST: &str = "\
version: v1
name: shop
duration: 1h
services:
  web:
    image: registry.example/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    secrets: {PASSWORD: {value: hunter2-unguessable}}
    resources: {cpu: 100m, memory: 64Mi}
    ports: [{port: 8080, expose: tenant}]
    readiness: {httpGet: {port: 8080}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1}
";

/// A market, a provider, and a machine of a tenant.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) provider: Arc<Provider>,
    pub(crate) uri: String,
    pub(crate) common: Vec<String>,
}

impl World {
    pub(crate) async fn new(manners: Manners) -> Self {
        let market = TestMarket::start_with(Mining::Every(std::time::Duration::from_secs(1))).await.unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("deployment.json", &serde_json::to_string(market.deployment()).unwrap());
        sandbox.write("shop.yaml", MANIFEST);
        for (name, key) in [("tenant", &market.tenant), ("owner", &market.provider)] {
            write_key(&sandbox, name, key);
        }
        let url = market.anvil.url().to_owned();
        let (provider, uri) = provider::start(market, manners).await.unwrap();
        let common =
            ["--deployment", "deployment.json", "--rpc", &url, "--key-file", "tenant", "-o", "json", "--yes"];
        World { sandbox, provider, uri, common: common.map(str::to_owned).into() }
    }

    /// Runs the binary without blocking the provider, which lives in this process.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let args: Vec<&str> = args.iter().copied().chain(self.common.iter().map(String::as_str)).collect();
        tokio::task::block_in_place(|| self.sandbox.run(&args))
    }

    pub(crate) async fn json(&self, args: &[&str]) -> Value {
        let ran = self.run(args).await;
        assert_eq!(ran.code, Some(0), "{args:?}: {ran:?}");
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        serde_json::from_str(&ran.stdout).unwrap()
    }

    pub(crate) async fn register(&self) -> Value {
        let operator = self.provider.market.operator.address().to_string();
        let args = [
            "provider",
            "register",
            "--owner-key-file",
            "owner",
            "--operator",
            &operator,
            "--bond",
            "1000",
            "--uri",
        ];
        self.json(&[&args[..], &[&self.uri]].concat()).await
    }

    pub(crate) async fn deploy(&self) -> Value {
        self.json(&[
            "deploy",
            "shop.yaml",
            "--deposit",
            "10",
            "--max-rate",
            "5",
            "--first-bid",
            "--bid-window",
            "60",
        ])
        .await
    }

    /// What the tenant has in wallet and account.
    pub(crate) async fn tenant_money(&self) -> Amount {
        let (client, tenant) = (&self.provider.market.client, self.provider.market.tenant.address());
        let account = client.available(tenant, At::Latest).await.unwrap();
        account.saturating_add(client.token_balance(tenant, At::Latest).await.unwrap())
    }
}
