//! `leasehold auditor`: say what providers are, and see who said what. Any account is an auditor; tenants choose whom they trust.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use chain::convert::claims_hash;
use chain::rpc::At;
use chain::{Attestation, ProviderStatus};
use serde::Serialize;

use crate::attributes_file;
use crate::command::provider::{not_registered, when};
use crate::context::{Context, Wallet};
use crate::exit::{Kind, Stop};
use crate::moment::When;
use crate::output::table;
use crate::progress::Progress;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Attest a provider's attributes, in place of what the key attested of it before
    Attest {
        /// The provider's owner address
        provider: Address,
        /// File with the attributes, a JSON object of strings
        #[arg(long, value_name = "FILE")]
        attributes: PathBuf,
        /// Until when it counts: a moment such as 2027-01-01, unix seconds, or a span such as 90d
        #[arg(long, value_name = "WHEN", default_value = "365d")]
        until: When,
    },
    /// Take the key's attestation of a provider back
    Revoke {
        /// The provider's owner address
        provider: Address,
    },
    /// Show what is attested of a provider, and by whom
    List {
        /// The provider's owner address
        provider: Address,
        /// File with the attributes that the provider claims, to see who attested exactly these
        #[arg(long, value_name = "FILE")]
        attributes: Option<PathBuf>,
    },
}

/// One auditor's word.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    auditor: Address,
    claims_hash: B256,
    until: u64,
    counts: bool,
    /// Whether it attests the attributes of the file; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    attests: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    provider: Address,
    auditor: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    transaction: B256,
}

pub(crate) async fn run(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Attest { provider, attributes, until } => attest(context, provider, attributes, until).await,
        Command::Revoke { provider } => revoke(context, provider).await,
        Command::List { provider, attributes } => list(context, provider, attributes).await,
    }
}

async fn attest(context: &Context, provider: Address, file: PathBuf, until: When) -> anyhow::Result<()> {
    let claims_hash = claims_hash(&attributes_file::read(&file)?);
    let (key, chain) = (context.key()?, context.chain().await?);
    if chain.provider_of(provider, At::Latest).await?.status == ProviderStatus::None {
        return Err(not_registered(provider).into());
    }
    let now = chain.block(At::Latest).await?.timestamp;
    let until = until.from(now);
    if until <= now {
        let text = format!("the attestation would count until {}, which has passed", when(until.0));
        return Err(Stop::new(Kind::Usage, text).advise("give a later --until").into());
    }
    let (auditor, call) = (key.address(), chain.calls().attest(provider, claims_hash, until)?);
    let mut progress = Progress::new();
    progress.waiting("waiting for the attestation");
    let mined = Wallet::new(&chain, key).send(call).await?;
    progress.done("attested", &format!("attested {claims_hash} of {provider}: {}", mined.tx_hash));
    let (claims_hash, until) = (Some(claims_hash), Some(until.0));
    print_sent(context, &Sent { provider, auditor, claims_hash, until, transaction: mined.tx_hash })
}

async fn revoke(context: &Context, provider: Address) -> anyhow::Result<()> {
    let (key, chain) = (context.key()?, context.chain().await?);
    let auditor = key.address();
    let attested = chain.attestations_of(provider).await?;
    if !attested.iter().any(|attestation| attestation.auditor == auditor) {
        let text = format!("{auditor} attests nothing of {provider}");
        return Err(Stop::new(Kind::NotFound, text).into());
    }
    let mut progress = Progress::new();
    progress.waiting("waiting for the revocation");
    let mined = Wallet::new(&chain, key).send(chain.calls().revoke_attestation(provider)).await?;
    progress.done("revoked", &format!("took the attestation of {provider} back: {}", mined.tx_hash));
    print_sent(
        context,
        &Sent { provider, auditor, claims_hash: None, until: None, transaction: mined.tx_hash },
    )
}

fn print_sent(context: &Context, sent: &Sent) -> anyhow::Result<()> {
    context.output.print(sent, |sent| sent.transaction.to_string())
}

async fn list(context: &Context, provider: Address, file: Option<PathBuf>) -> anyhow::Result<()> {
    let claimed = match &file {
        Some(file) => Some(claims_hash(&attributes_file::read(file)?)),
        None => None,
    };
    let chain = context.chain().await?;
    let now = chain.block(At::Latest).await?.timestamp;
    let row = |Attestation { auditor, claims_hash, expiry }| Row {
        auditor,
        claims_hash,
        until: expiry.0,
        counts: now <= expiry,
        attests: claimed.map(|claimed| claimed == claims_hash),
    };
    let rows: Vec<Row> = chain.attestations_of(provider).await?.into_iter().map(row).collect();
    context.output.print(&rows, |rows| {
        let word = |it: &Row| match (it.counts, it.attests) {
            (false, _) => "expired",
            (true, Some(false)) => "other attributes",
            (true, Some(true)) => "these attributes",
            (true, None) => "counts",
        };
        table(
            ["AUDITOR", "STATE", "UNTIL", "CLAIMS"],
            rows.iter().map(|it| {
                [it.auditor.to_string(), word(it).to_owned(), when(it.until), it.claims_hash.to_string()]
            }),
        )
    })
}
