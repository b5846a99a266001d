//! `leasehold provider status`.

use alloy_primitives::{Address, B256};
use anyhow::Context as _;
use chain::rpc::At;
use chain::{ChainClient, ProviderStatus};
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::output::fields;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The provider's owner address [default: the key's]
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Registration {
    provider: Address,
    status: &'static str,
    operator: Address,
    operator_expiry: u64,
    bid_epoch: u32,
    bond: String,
    locked: String,
    unbonding: String,
    /// From when that can be withdrawn, unix seconds; zero if nothing was ever asked back.
    unbond_at: u64,
    uri: String,
    attributes_hash: B256,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) transactions: Vec<B256>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let provider = match args.provider {
        Some(provider) => provider,
        None => context.key()?.address(),
    };
    let chain = context.chain().await?;
    let registration = read(&chain, provider).await?;
    print(context, &chain, &registration).await
}

pub(super) async fn read(chain: &ChainClient, provider: Address) -> anyhow::Result<Registration> {
    let found = chain.provider_of(provider, At::Latest).await?;
    let status = match found.status {
        ProviderStatus::Active => "active",
        ProviderStatus::Inactive => "inactive",
        ProviderStatus::None => {
            return Err(not_registered(provider).into());
        }
    };
    let record = chain.provider_record(provider).await?;
    let record =
        record.context("the registry has the provider, but the node has no log of its registration")?;
    Ok(Registration {
        provider,
        status,
        operator: found.operator,
        operator_expiry: found.operator_expiry.0,
        bid_epoch: found.bid_epoch,
        bond: found.bond.to_string(),
        locked: found.locked.to_string(),
        unbonding: found.unbonding.to_string(),
        unbond_at: found.unbond_at.0,
        uri: record.uri,
        attributes_hash: record.attributes_hash,
        transactions: Vec::new(),
    })
}

pub(super) async fn print(
    context: &Context,
    chain: &ChainClient,
    registration: &Registration,
) -> anyhow::Result<()> {
    let money = context.money_of(chain, chain.bond_token(At::Latest).await?).await?;
    let show = |amount: &str| amount.parse().map_or_else(|_| amount.to_owned(), |amount| money.show(amount));
    context.output.print(registration, |it| {
        fields([
            ("provider", it.provider.to_string()),
            ("status", it.status.to_owned()),
            ("operator", it.operator.to_string()),
            ("until", when(it.operator_expiry)),
            ("bond", show(&it.bond)),
            ("locked", show(&it.locked)),
            ("asked back", asked_back(it, show)),
            ("gateway", it.uri.clone()),
            ("attributes", it.attributes_hash.to_string()),
        ])
    })
}

fn asked_back(it: &Registration, show: impl Fn(&str) -> String) -> String {
    match it.unbonding.as_str() {
        "0" => "nothing".to_owned(),
        amount => format!("{}, which can leave from {} on", show(amount), when(it.unbond_at)),
    }
}

/// The account never registered.
pub(crate) fn not_registered(provider: Address) -> Stop {
    let stop = Stop::new(Kind::NotFound, format!("{provider} is not registered as a provider"));
    stop.advise("`leasehold provider register` registers it")
}

/// A moment as people write it.
pub(crate) fn when(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    moment.map_or_else(|| seconds.to_string(), |moment| moment.to_string())
}
