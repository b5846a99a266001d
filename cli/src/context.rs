//! What every command may need, made when it is first needed.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::Address;
use anyhow::Context as _;
use chain::rpc::{At, Rpc};
use chain::{Call, ChainClient, Deployment, HotKey, LeaseOpened, Mined, SendError, SenderConfig, TxSender};
use gateway_api::auth::Audience;
use market::{LeaseId, Timestamp};
use url::Url;

use crate::exit::{Kind, Stop};
use crate::gateway::{Gateway, GatewayUri, now};
use crate::home::Home;
use crate::key_file;
use crate::money::Money;
use crate::output::{Form, Output};

/// A node whose newest block is older than this, in seconds, is not asked where money may go.
const MAX_HEAD_AGE: u64 = 300;

/// Whether spending was agreed to on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Given,
    Ask,
}

/// The global options.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) deployment: Option<PathBuf>,
    /// Nodes of the chain.
    pub(crate) rpc: Vec<Url>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) home: Home,
    /// Form of a result that has lines.
    pub(crate) form: Form,
    /// Form of any other.
    pub(crate) output: Output,
    pub(crate) confirmation: Confirmation,
}

impl Context {
    /// The contracts' addresses.
    pub(crate) fn deployment(&self) -> anyhow::Result<Deployment> {
        let missing = || {
            Stop::new(Kind::Usage, "no market is chosen")
                .advise("give --deployment FILE or set LEASEHOLD_DEPLOYMENT to the market's deployment.json")
        };
        let path = self.deployment.as_ref().ok_or_else(missing)?;
        let text = std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is not a deployment", path.display()))
    }

    /// A checked connection to the chain.
    pub(crate) async fn chain(&self) -> anyhow::Result<ChainClient> {
        let deployment = self.deployment()?;
        if self.rpc.is_empty() {
            let stop = Stop::new(Kind::Usage, "no node of the chain is chosen");
            return Err(stop.advise("give --rpc URL or set LEASEHOLD_RPC to the address of a node").into());
        }
        let hosts: Vec<_> = self.rpc.iter().map(|url| url.host_str().unwrap_or_default()).collect();
        let connect = async {
            let rpc = Rpc::dial_several(self.rpc.iter().cloned(), Rpc::majority(self.rpc.len()))?;
            ChainClient::connect_through(rpc, deployment).await
        };
        connect.await.with_context(|| format!("failed to use the node at {} (--rpc)", hosts.join(", ")))
    }

    /// A checked connection to a node that is not behind.
    pub(crate) async fn current_chain(&self) -> anyhow::Result<ChainClient> {
        let chain = self.chain().await?;
        let newest = chain.block(At::Latest).await.context("failed to read the newest block")?;
        ensure_current(newest.timestamp, now())?;
        Ok(chain)
    }

    /// The user's key.
    pub(crate) fn key(&self) -> anyhow::Result<HotKey> {
        let missing = || {
            Stop::new(Kind::Usage, "no key is chosen").advise(
                "give --key-file FILE or set LEASEHOLD_KEY_FILE; `leasehold wallet new FILE` makes a key",
            )
        };
        key_file::load(self.key_file.as_ref().ok_or_else(missing)?)
    }

    /// The user's key, if it is the tenant's of this lease: nobody else may spend or end it.
    pub(crate) fn tenant_key(&self, opened: &LeaseOpened) -> anyhow::Result<HotKey> {
        let key = self.key()?;
        if key.address() == opened.tenant {
            return Ok(key);
        }
        let stop =
            Stop::new(Kind::NotAllowed, format!("lease {} belongs to {}", opened.lease_id, opened.tenant));
        Err(stop.advise("use that tenant's key").into())
    }

    /// The token's precision and name.
    pub(crate) async fn money(&self, chain: &ChainClient) -> anyhow::Result<Money> {
        let symbol = chain.token_symbol().await.context("failed to read the token's name")?;
        Ok(Money::of(chain.deployment().token_decimals, &symbol))
    }

    /// The same of any token.
    pub(crate) async fn money_of(&self, chain: &ChainClient, token: Address) -> anyhow::Result<Money> {
        let terms = chain.token_terms(token).await;
        let (decimals, symbol) = terms.with_context(|| format!("failed to read the name of {token}"))?;
        Ok(Money::of(decimals, &symbol))
    }

    /// Asks before money moves, unless `--yes` was given.
    pub(crate) fn confirm(&self, question: &str) -> anyhow::Result<()> {
        if self.confirmation == Confirmation::Given {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            let stop = Stop::new(Kind::Usage, format!("not confirmed: {question}"));
            return Err(stop.advise("give --yes to spend without asking").into());
        }
        eprint!("{question} [y/N] ");
        std::io::stderr().flush()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Stop::new(Kind::NotAllowed, "not confirmed; nothing was spent").into())
        }
    }

    /// A connection to the provider of a lease, signed with the lease's session key or else with the tenant's key.
    pub(crate) async fn gateway(&self, lease: LeaseId) -> anyhow::Result<Gateway> {
        if let Some(record) = self.home.find_lease(lease)? {
            let audience = Audience { chain_id: record.chain_id, provider: record.provider };
            let uri = match self.current_uri(record.provider).await {
                Some(uri) => uri,
                None => record.gateway.clone(),
            };
            return connect(&uri, audience, record.session_key()?);
        }
        let chain = self.chain().await?;
        let opened = find_lease(&chain, lease).await?;
        let key = self.key()?;
        if key.address() != opened.tenant {
            let stop = Stop::new(Kind::NotAllowed, format!("lease {lease} belongs to {}", opened.tenant));
            return Err(stop.advise("use that tenant's key, or the machine that opened the lease").into());
        }
        registered_gateway(&chain, opened.provider, key).await
    }

    /// The gateway as the registry has it now, if a node was given and answers. A provider may move.
    async fn current_uri(&self, provider: Address) -> Option<String> {
        self.rpc.first()?;
        let chain = self.chain().await.ok()?;
        chain.provider_record(provider).await.ok()?.map(|record| record.uri)
    }
}

/// Old news about bids and leases would be acted on as if they were new.
fn ensure_current(newest: Timestamp, now: Timestamp) -> Result<(), Stop> {
    let age = now.seconds_since(newest);
    if age <= MAX_HEAD_AGE {
        return Ok(());
    }
    let text =
        format!("the newest block of the node is {age} s old: the node is behind or the chain has stopped");
    Err(Stop::new(Kind::TimedOut, text)
        .advise("nothing was spent; give --rpc URL of a node that is up to date"))
}

/// A connection to a provider's gateway as the registry has it now.
pub(crate) async fn registered_gateway(
    chain: &ChainClient,
    provider: Address,
    key: HotKey,
) -> anyhow::Result<Gateway> {
    let record = chain.provider_record(provider).await?;
    let record = record.with_context(|| format!("provider {provider} is not registered"))?;
    let audience = Audience { chain_id: chain.deployment().chain_id, provider };
    connect(&record.uri, audience, key)
}

/// A connection to a gateway.
pub(crate) fn connect(uri: &str, audience: Audience, key: HotKey) -> anyhow::Result<Gateway> {
    let uri: GatewayUri = uri.parse()?;
    Ok(Gateway::new(uri, audience, key)?)
}

/// How a lease was opened.
pub(crate) async fn find_lease(chain: &ChainClient, lease: LeaseId) -> anyhow::Result<LeaseOpened> {
    chain.lease_opened(lease).await?.ok_or_else(|| {
        Stop::new(Kind::NotFound, format!("the market has no lease {lease}"))
            .advise("check the id, and that --deployment and --rpc name the right chain")
            .into()
    })
}

/// Sends transactions of one key, one after the other.
pub(crate) struct Wallet {
    sender: TxSender,
}

impl Wallet {
    pub(crate) fn new(chain: &ChainClient, key: HotKey) -> Self {
        let config = SenderConfig { poll_interval: Duration::from_millis(300), ..SenderConfig::default() };
        Wallet { sender: TxSender::spawn(chain.rpc().clone(), *chain.deployment(), key, config) }
    }

    /// Sends one call and waits until it is mined.
    pub(crate) async fn send(&self, call: Call) -> anyhow::Result<Mined> {
        self.sender.execute(call).await.map_err(|error| match error {
            SendError::NoGas { account, .. } => anyhow::Error::new(error).context(
                Stop::new(Kind::InsufficientFunds, "the transaction was not sent")
                    .advise(format!("send some of the chain's own coin to {account}")),
            ),
            other => other.into(),
        })
    }

    /// Makes sure that the market account of `owner` holds `needed`, moving what is missing out of the wallet.
    pub(crate) async fn fund_account(
        &self,
        chain: &ChainClient,
        money: &Money,
        needed: market::Amount,
    ) -> anyhow::Result<Option<(Option<Mined>, Mined)>> {
        let owner = self.sender.account();
        let missing = needed.saturating_sub(chain.available(owner, At::Latest).await?);
        if missing.is_zero() {
            return Ok(None);
        }
        let held = chain.token_balance(owner, At::Latest).await?;
        if held < missing {
            let text = format!(
                "the wallet {owner} holds {}, but {} are missing",
                money.show(held),
                money.show(missing)
            );
            return Err(Stop::new(Kind::InsufficientFunds, text)
                .advise("send tokens to it, or ask for less")
                .into());
        }
        let approved =
            self.approve(chain, chain.deployment().market, chain.calls().approve_market(missing), missing);
        let approved = approved.await?;
        let deposited = self.send(chain.calls().deposit(owner, missing)).await?;
        Ok(Some((approved, deposited)))
    }

    /// Lets a contract draw `amount`, unless it may already.
    pub(crate) async fn approve(
        &self,
        chain: &ChainClient,
        spender: Address,
        call: Call,
        amount: market::Amount,
    ) -> anyhow::Result<Option<Mined>> {
        if chain.allowance(self.sender.account(), spender, At::Latest).await? >= amount {
            return Ok(None);
        }
        self.send(call).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_is_behind_is_not_trusted_with_money() {
        let said =
            |newest, now| ensure_current(Timestamp(newest), Timestamp(now)).map_err(|stop| stop.to_string());
        assert_eq!(said(1_000, 1_300), Ok(()));
        // A clock that is slow here is no fault of the node.
        assert_eq!(said(1_000, 900), Ok(()));
        let behind = "the newest block of the node is 301 s old: the node is behind or the chain has stopped";
        assert_eq!(said(1_000, 1_301), Err(behind.to_owned()));
    }
}
