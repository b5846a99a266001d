//! `leasehold provider register`: idempotent, so that it can be run again after anything.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, keccak256};
use chain::rpc::At;
use chain::{ChainClient, ProviderStatus};
use market::{Amount, Timestamp};

use super::bond::Owner;
use super::status;
use crate::attributes_file;
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::gateway::GatewayUri;
use crate::moment::When;
use crate::money::Money;
use crate::progress::Progress;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    owner: Owner,
    /// Address of the agent's hot key, which bids and settles
    #[arg(long, value_name = "ADDRESS")]
    operator: Address,
    /// Until when the hot key may act: a moment such as 2027-01-01T00:00:00Z, unix seconds, or a span such as 90d
    #[arg(long, value_name = "WHEN", default_value = "365d")]
    operator_expiry: When,
    /// Bond in tokens
    #[arg(long, value_name = "AMOUNT")]
    bond: String,
    /// The gateway: https://HOST:PORT#pin-sha256=…
    #[arg(long, value_name = "URI")]
    uri: String,
    /// File with the public attributes, a JSON object of strings
    #[arg(long, value_name = "FILE")]
    attributes: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { owner: holder, operator, operator_expiry, bond, uri, attributes } = args;
    let key = holder.key(context)?;
    uri.parse::<GatewayUri>().map_err(|error| Stop::new(Kind::Usage, error.to_string()))?;
    let attributes_hash = match &attributes {
        Some(file) => public_hash(&attributes_file::read(file)?)?,
        None => B256::ZERO,
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let bond = money.parse(&bond)?;
    let now = chain.block(At::Latest).await?.timestamp;
    let expiry = operator_expiry.from(now);
    let owner = key.address();

    let wanted = Wanted {
        operator,
        expiry,
        is_span: matches!(operator_expiry, When::In(_)),
        bond,
        uri,
        attributes_hash,
    };
    let mut progress = Progress::new();
    let wallet = Wallet::new(&chain, key);
    let found = chain.provider_of(owner, At::Latest).await?;
    let transactions = match found.status {
        ProviderStatus::None => {
            register(context, &chain, &wallet, &money, owner, &wanted, &mut progress).await?
        }
        ProviderStatus::Active | ProviderStatus::Inactive => {
            update(context, &chain, &wallet, &money, owner, &found, &wanted, &mut progress).await?
        }
    };
    drop(progress);
    let mut registration = status::read(&chain, owner).await?;
    registration.transactions = transactions;
    status::print(context, &chain, &registration).await
}

struct Wanted {
    operator: Address,
    expiry: Timestamp,
    /// Whether the expiry was given as a span, which moves with every run.
    is_span: bool,
    bond: Amount,
    uri: String,
    attributes_hash: B256,
}

async fn register(
    context: &Context,
    chain: &ChainClient,
    wallet: &Wallet,
    money: &Money,
    owner: Address,
    wanted: &Wanted,
    progress: &mut Progress,
) -> anyhow::Result<Vec<B256>> {
    let min_bond = chain.min_bond(At::Latest).await?;
    if wanted.bond < min_bond {
        let text = format!("the bond must be at least {}", money.show(min_bond));
        return Err(Stop::new(Kind::Usage, text).into());
    }
    context.confirm(&format!("Register {owner} with a bond of {}?", money.show(wanted.bond)))?;
    progress.waiting("waiting for the bond's approval");
    let mut transactions = approve_bond(chain, wallet, money, owner, wanted.bond).await?;
    progress.waiting("waiting for the registration");
    let call = chain.calls().register(
        wanted.operator,
        wanted.expiry,
        wanted.bond,
        &wanted.uri,
        wanted.attributes_hash,
    )?;
    let mined = wallet.send(call).await?;
    progress.done("registered", &format!("registered: {}", mined.tx_hash));
    transactions.push(mined.tx_hash);
    Ok(transactions)
}

#[expect(clippy::too_many_arguments, reason = "one call site; each argument is used once")]
async fn update(
    context: &Context,
    chain: &ChainClient,
    wallet: &Wallet,
    money: &Money,
    owner: Address,
    found: &chain::Provider,
    wanted: &Wanted,
    progress: &mut Progress,
) -> anyhow::Result<Vec<B256>> {
    let mut transactions = Vec::new();
    let record = chain.provider_record(owner).await?;
    let is_current = record
        .is_some_and(|record| record.uri == wanted.uri && record.attributes_hash == wanted.attributes_hash);
    if !is_current {
        let mined = wallet.send(chain.calls().update_provider(&wanted.uri, wanted.attributes_hash)).await?;
        progress.done("updated", &format!("updated gateway and attributes: {}", mined.tx_hash));
        transactions.push(mined.tx_hash);
    }
    // A new operator voids all bids, so an unchanged one is left alone. A span is renewed when half of it has passed.
    let now = chain.block(At::Latest).await?.timestamp;
    let half_used = found.operator_expiry.seconds_since(now) < wanted.expiry.seconds_since(now) / 2;
    let expiry_differs = if wanted.is_span { half_used } else { found.operator_expiry != wanted.expiry };
    if found.operator != wanted.operator || expiry_differs {
        let mined = wallet.send(chain.calls().set_operator(wanted.operator, wanted.expiry)?).await?;
        progress.done("operator", &format!("set the operator key: {}", mined.tx_hash));
        transactions.push(mined.tx_hash);
    }
    let missing = wanted.bond.saturating_sub(found.bond);
    if !missing.is_zero() {
        context.confirm(&format!("Add {} to the bond?", money.show(missing)))?;
        transactions.extend(approve_bond(chain, wallet, money, owner, missing).await?);
        let mined = wallet.send(chain.calls().add_bond(missing)).await?;
        progress.done("bonded", &format!("added {} to the bond: {}", money.show(missing), mined.tx_hash));
        transactions.push(mined.tx_hash);
    }
    if transactions.is_empty() {
        progress.note("already registered as asked");
    }
    Ok(transactions)
}

async fn approve_bond(
    chain: &ChainClient,
    wallet: &Wallet,
    money: &Money,
    owner: Address,
    bond: Amount,
) -> anyhow::Result<Vec<B256>> {
    let held = chain.token_balance(owner, At::Latest).await?;
    if held < bond {
        let text =
            format!("the wallet {owner} holds {}, the bond takes {}", money.show(held), money.show(bond));
        return Err(Stop::new(Kind::InsufficientFunds, text).advise("send tokens to it").into());
    }
    let call = chain.calls().approve_registry(bond);
    let approved = wallet.approve(chain, chain.deployment().registry, call, bond).await?;
    Ok(approved.iter().map(|mined| mined.tx_hash).collect())
}

/// keccak256 of the attributes as JSON without white space, keys in byte order.
fn public_hash(attributes: &BTreeMap<String, String>) -> anyhow::Result<B256> {
    Ok(keccak256(serde_json::to_vec(attributes)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_hash_alike_however_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("attributes.json");
        std::fs::write(&path, r#"{ "region": "eu",  "arch": "amd64" }"#).unwrap();
        let expected = keccak256(r#"{"arch":"amd64","region":"eu"}"#);
        assert_eq!(public_hash(&attributes_file::read(&path).unwrap()).unwrap(), expected);
    }
}
