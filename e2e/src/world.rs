//! What the story's chapters share: who there is, where the parts are, and the money everywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::network::EthereumWallet;
use alloy::primitives::{Address, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use anyhow::{Context, Result};
use chain::abi::IToken;
use chain::deploy::{MarketTerms, deploy};
use chain::{At, ChainClient, HotKey, Rpc};
use market::{Amount, LeaseId};

use crate::args::Args;
use crate::balances::Snapshot;
use crate::chart::Helm;
use crate::leasehold::{Leasehold, home, text};
use crate::story::public::Street;
use crate::timeline::Timeline;
use crate::zone::Zone;
use crate::{chart, cluster};

/// anvil's first development key. It is public and holds only money of a chain that this run started.
const DEVELOPMENT_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Test tokens that owner and tenant start with, base units (6 decimals).
const START_BALANCE: u64 = 1_000_000_000;
/// Native coin for gas, wei.
const GAS_MONEY: u64 = 1_000_000_000_000_000_000;

/// A key and where its file lies.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its address.
    pub address: Address,
    /// Its file.
    pub file: PathBuf,
}

/// The actors' keys.
#[derive(Debug)]
pub struct Keys {
    /// The provider's cold key: bond and earnings.
    pub owner: Key,
    /// The provider's hot key: bids, confirms, settles.
    pub operator: Key,
    /// The tenant's key.
    pub tenant: Key,
}

/// Everything a chapter may use.
pub struct World {
    /// What the run was given.
    pub args: Args,
    /// The owner's view of the cluster.
    pub cluster: kube::Client,
    /// The contracts, read only.
    pub chain: ChainClient,
    /// The same chain for what the contracts do not answer: logs, receipts, blocks.
    pub node: DynProvider,
    /// Digest references of the images.
    pub images: BTreeMap<String, String>,
    /// Who acts.
    pub keys: Keys,
    /// The provider's command line.
    pub provider: Leasehold,
    /// The tenant's command line.
    pub tenant: Leasehold,
    /// Installs the chart.
    pub helm: Helm,
    /// How the public comes to leases, where the provider has a Gateway.
    pub street: Option<Street>,
    /// The lease namespace, once there is one; its logs explain a failure.
    pub lease_namespace: Option<String>,
    treasury: Address,
}

impl World {
    /// Makes the actors, deploys the contracts and the test token, and hands out the money.
    ///
    /// # Errors
    /// When the chain, the cluster or a file of the run is not usable.
    pub async fn prepare(args: Args, timeline: &mut Timeline) -> Result<Self> {
        timeline.start("deploy the contracts and a 6-decimal test token");
        let cluster = cluster::connect(&args.kubeconfig).await?;
        let images =
            serde_json::from_slice(&read(&args.images)?).context("failed to parse the image references")?;
        let developer = HotKey::from_hex(DEVELOPMENT_KEY)?;
        let treasury = developer.address();
        let rpc = Rpc::dial(args.rpc_url.clone())?;
        let deployment =
            deploy(rpc, developer, &args.contracts_out, MarketTerms::development(treasury)).await?;
        std::fs::create_dir_all(&args.out)
            .with_context(|| format!("failed to make {}", args.out.display()))?;
        let deployment_file = args.out.join("deployment.json");
        std::fs::write(&deployment_file, serde_json::to_vec_pretty(&deployment)?)?;

        let provider = command_line(&args, &deployment_file, "provider", Vec::new())?;
        let environment = vec![
            ("WEB_IMAGE".to_owned(), image(&images, "guestbook-web")?),
            ("DB_IMAGE".to_owned(), image(&images, "guestbook-db")?),
            ("DB_PASSWORD".to_owned(), password()),
        ];
        let tenant = command_line(&args, &deployment_file, "tenant", environment)?;
        let keys = Keys {
            owner: new_key(&provider, provider.key_file.clone()).await?,
            operator: new_key(&provider, args.out.join("provider/operator.key")).await?,
            tenant: new_key(&tenant, tenant.key_file.clone()).await?,
        };
        let chain = ChainClient::connect(args.rpc_url.clone(), deployment).await?;
        let node = ProviderBuilder::new().connect_http(args.rpc_url.clone()).erased();
        hand_out_money(&args.rpc_url, &deployment, &keys).await?;
        let street = street(&args).await?;
        let helm = Helm { binary: args.helm.clone(), kubeconfig: args.kubeconfig.clone() };
        Ok(Self {
            args,
            cluster,
            chain,
            node,
            images,
            keys,
            provider,
            tenant,
            helm,
            street,
            lease_namespace: None,
            treasury,
        })
    }

    /// The lease as the chain has it now.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn lease(&self, id: LeaseId) -> Result<market::Lease> {
        Ok(self.chain.lease(id, At::Latest).await?)
    }

    /// All tokens there are, by holder: wallets, accounts in the market, the lease and the bond.
    ///
    /// # Errors
    /// When the accounts inside a contract do not add up to what the contract holds.
    pub async fn balances(&self, lease: Option<LeaseId>) -> Result<Snapshot> {
        let chain = &self.chain;
        let people = [
            ("provider's owner", self.keys.owner.address),
            ("provider's operator", self.keys.operator.address),
            ("tenant", self.keys.tenant.address),
            ("treasury", self.treasury),
        ];
        let mut rows = Vec::new();
        for (name, address) in people {
            rows.push((format!("{name}: wallet"), address, chain.token_balance(address, At::Latest).await?));
        }
        let mut in_market = Amount(0);
        for (name, address) in people {
            let amount = chain.available(address, At::Latest).await?;
            in_market = in_market.saturating_add(amount);
            rows.push((format!("{name}: account in the market"), address, amount));
        }
        let leased = match lease {
            None => Amount(0),
            Some(id) => self.lease(id).await?.balance,
        };
        let (market, registry) = (chain.deployment().market, chain.deployment().registry);
        in_market = in_market.saturating_add(leased);
        rows.push(("the lease".to_owned(), market, leased));
        let bond = chain.provider_of(self.keys.owner.address, At::Latest).await?.bond;
        rows.push(("the provider's bond".to_owned(), registry, bond));

        let held = chain.token_balance(market, At::Latest).await?;
        anyhow::ensure!(held == in_market, "the market holds {held} but its accounts add up to {in_market}");
        let held = chain.token_balance(registry, At::Latest).await?;
        anyhow::ensure!(held == bond, "the registry holds {held} but its bonds add up to {bond}");
        Ok(Snapshot::new(rows))
    }

    /// Uninstalls the chart and deletes the system namespace; the custom resource definitions stay, as for any provider.
    ///
    /// # Errors
    /// When helm or the API server refuses.
    pub async fn remove_chart(&self) -> Result<()> {
        self.helm.uninstall().await?;
        cluster::delete_namespace(&self.cluster, chart::NAMESPACE).await
    }

    /// Prints the logs and events of the system namespace and the lease's, to explain a failure.
    pub async fn print_evidence(&self) {
        cluster::print_logs(&self.cluster, chart::NAMESPACE).await;
        if let Some(namespace) = &self.lease_namespace {
            cluster::print_logs(&self.cluster, namespace).await;
        }
    }
}

/// The digest reference of an image.
///
/// # Errors
/// When no such image was built.
pub fn image(images: &BTreeMap<String, String>, name: &str) -> Result<String> {
    images.get(name).cloned().with_context(|| format!("no reference of the image `{name}`"))
}

/// The tenant's name server listens where the cluster's pods reach the chain, so that they reach it too.
async fn street(args: &Args) -> Result<Option<Street>> {
    let Some(path) = &args.gateway else { return Ok(None) };
    let gateway =
        serde_json::from_slice(&read(path)?).context("failed to parse the Gateway's description")?;
    let address = args.rpc_url.host_str().and_then(|host| host.parse().ok());
    let zone = Zone::serve(address.context("the chain's endpoint is at no address")?).await?;
    Ok(Some(Street { gateway, zone }))
}

fn command_line(
    args: &Args,
    deployment: &Path,
    user: &str,
    environment: Vec<(String, String)>,
) -> Result<Leasehold> {
    let home = home(&args.out, user)?;
    Ok(Leasehold {
        binary: args.leasehold.clone(),
        key_file: home.join("wallet.key"),
        home,
        deployment: deployment.to_owned(),
        rpc_url: args.rpc_url.clone(),
        environment,
    })
}

/// A password nobody has seen before; it must appear in no output of the run.
fn password() -> String {
    PrivateKeySigner::random().to_bytes().to_string()
}

async fn new_key(user: &Leasehold, file: PathBuf) -> Result<Key> {
    let told = user.run(&["wallet", "new", &file.display().to_string()]).await?;
    Ok(Key { address: text(&told, "/address")?.parse()?, file })
}

async fn hand_out_money(rpc: &url::Url, deployment: &chain::Deployment, keys: &Keys) -> Result<()> {
    let developer: PrivateKeySigner = DEVELOPMENT_KEY.parse()?;
    let purse = ProviderBuilder::new().wallet(EthereumWallet::from(developer)).connect_http(rpc.clone());
    purse.client().set_poll_interval(Duration::from_millis(200));
    for address in [keys.owner.address, keys.operator.address, keys.tenant.address] {
        let gas = TransactionRequest::default().to(address).value(U256::from(GAS_MONEY));
        purse.send_transaction(gas).await?.get_receipt().await?;
    }
    for address in [keys.owner.address, keys.tenant.address] {
        let call = IToken::mintCall { to: address, amount: U256::from(START_BALANCE) }.abi_encode();
        let mint = TransactionRequest::default().to(deployment.token).input(call.into());
        purse.send_transaction(mint).await?.get_receipt().await?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))
}
