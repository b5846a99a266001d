//! `leasehold countersign`: check what the provider wants to be paid, and sign it.

use std::time::Duration;

use alloy_primitives::B256;
use chain::rpc::At;
use chain::{ChainClient, HotKey};
use gateway_api::{ErrorCode, SignedStatementBody, StatementProposal};
use market::{Amount, Bid, LeaseId, LeaseState, Statement};
use serde::Serialize;

use crate::context::{Context, find_lease};
use crate::countersign::{Own, Refusal, check};
use crate::exit::{Kind, Stop};
use crate::gateway::Gateway;
use crate::home::SignedRecord;
use crate::output::{Output, print_line};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
    /// Go on until the lease is closed
    #[arg(short, long)]
    watch: bool,
    /// Seconds between two looks
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// How much more than this side's own figure is accepted, in base units of the token
    #[arg(long, default_value_t = 0)]
    tolerance: u128,
}

/// Signs statements of one lease.
pub(crate) struct Countersigner<'a> {
    pub(crate) context: &'a Context,
    pub(crate) chain: &'a ChainClient,
    pub(crate) gateway: &'a Gateway,
    pub(crate) key: HotKey,
    pub(crate) lease: LeaseId,
    pub(crate) bid: Bid,
    pub(crate) tolerance: Amount,
}

/// What came of one look.
pub(crate) enum Look {
    /// Checked, signed and sent.
    Signed(Statement),
    /// The same as was signed before; the provider has it.
    Unchanged,
    /// The provider has nothing to sign.
    Nothing,
    /// The provider wants too much.
    Refused(Refusal),
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease, watch, interval, tolerance } = args;
    let chain = context.chain().await?;
    let gateway = context.gateway(lease).await?;
    let bid = find_lease(&chain, lease).await?.bid;
    let key = context.home.lease(lease)?.session_key()?;
    let tolerance = Amount(tolerance);
    let signer = Countersigner { context, chain: &chain, gateway: &gateway, key, lease, bid, tolerance };
    if !watch {
        return match signer.look().await? {
            Look::Refused(refusal) => {
                say_refusal(context.output, &refusal)?;
                Err(Stop::new(Kind::Refused, refusal.to_string())
                    .advise(format!(
                        "the most that would be signed is {} base units; the provider may claim on chain instead, \
                         and you may dispute that claim",
                        refusal.largest_accepted
                    ))
                    .into())
            }
            look => say(context.output, lease, &look),
        };
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(interval));
    let mut last_refusal = None;
    loop {
        ticks.tick().await;
        match signer.look().await {
            Ok(Look::Refused(refusal)) => {
                if last_refusal.replace(refusal) != Some(refusal) {
                    say_refusal(context.output, &refusal)?;
                }
            }
            Ok(look) => say(context.output, lease, &look)?,
            // A watcher outlives failures of provider, node and network.
            Err(error) => eprintln!("will look again: {error:#}"),
        }
        match chain.lease(lease, At::Latest).await {
            Ok(found) if found.state == LeaseState::Closed => return Ok(()),
            Ok(_) => {}
            Err(error) => eprintln!("will look again: {:#}", anyhow::Error::new(error)),
        }
    }
}

impl Countersigner<'_> {
    /// Fetches the proposal, and signs it if it is right.
    pub(crate) async fn look(&self) -> anyhow::Result<Look> {
        match self.gateway.proposal(self.lease).await {
            Ok(proposal) => self.decide(&proposal).await,
            Err(error) if error.code() == Some(ErrorCode::NoStatement) => Ok(Look::Nothing),
            Err(error) => Err(error.into()),
        }
    }

    /// Signs a proposal if it is right. The signature is remembered before it is sent.
    pub(crate) async fn decide(&self, proposal: &StatementProposal) -> anyhow::Result<Look> {
        let previous = self.context.home.signed(self.lease)?;
        if let Some(previous) = previous.as_ref().filter(|previous| is_same(&previous.proposal, proposal)) {
            // It may not have arrived the first time; sending it twice is harmless.
            self.gateway.upload_statement(self.lease, &previous.signed).await?;
            return Ok(Look::Unchanged);
        }
        let block = self.chain.block(At::Latest).await?;
        let lease = self.chain.lease(self.lease, At::Block(block.hash)).await?;
        let own = Own {
            bid: &self.bid,
            lease: &lease,
            now: block.timestamp,
            previous: previous.as_ref().map(|previous| &previous.proposal),
            tolerance: self.tolerance,
        };
        let statement = match check(self.lease, &own, proposal) {
            Ok(statement) => statement,
            Err(refusal) => return Ok(Look::Refused(refusal)),
        };
        let signature = self.key.sign_statement(&self.chain.eip712(), &statement)?;
        let signed = SignedStatementBody::new(&statement, signature);
        self.context.home.save_signed(self.lease, &SignedRecord { proposal: *proposal, signed })?;
        self.gateway.upload_statement(self.lease, &signed).await?;
        Ok(Look::Signed(statement))
    }
}

/// Whether two proposals lead to the same statement.
fn is_same(one: &StatementProposal, two: &StatementProposal) -> bool {
    (one.amount_cum, one.as_of, one.usage_hash, one.last)
        == (two.amount_cum, two.as_of, two.usage_hash, two.last)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SignedLine {
    lease_id: B256,
    signed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount_cum: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<u64>,
    last: bool,
}

fn say(output: Output, lease: LeaseId, look: &Look) -> anyhow::Result<()> {
    let statement = match look {
        Look::Signed(statement) => Some(statement),
        Look::Unchanged | Look::Nothing | Look::Refused(_) => None,
    };
    match (output, statement) {
        (Output::Json, _) => {
            let line = SignedLine {
                lease_id: lease.0,
                signed: statement.is_some(),
                amount_cum: statement.map(|it| it.amount_cum.to_string()),
                as_of: statement.map(|it| it.as_of.0),
                last: statement.is_some_and(|it| it.last),
            };
            print_line(&serde_json::to_string(&line)?)
        }
        (Output::Table, Some(it)) => {
            let last = if it.last { ", the last" } else { "" };
            print_line(&format!("signed {} up to {}{last}", it.amount_cum, it.as_of))
        }
        (Output::Table, None) => print_line("nothing new to sign"),
    }
}

#[derive(Serialize)]
struct RefusalLine<'a> {
    refused: &'a Refusal,
}

fn say_refusal(output: Output, refusal: &Refusal) -> anyhow::Result<()> {
    match output {
        Output::Json => print_line(&serde_json::to_string(&RefusalLine { refused: refusal })?),
        Output::Table => {
            print_line(&format!("{refusal}; the most that would be signed is {}", refusal.largest_accepted))
        }
    }
}
