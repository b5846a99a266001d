//! `leasehold countersign`: check what the provider wants to be paid, and sign it.

use std::time::Duration;

use alloy_primitives::B256;
use chain::rpc::At;
use market::{Amount, BasisPoints, LeaseId, LeaseState};
use serde::Serialize;

use crate::context::{Context, find_lease};
use crate::countersign::{Countersigner, Look, Refusal, Terms, Tolerance};
use crate::exit::{Kind, Stop};
use crate::output::{Output, print_line};
use crate::own_view::Seen;

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

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease, watch, interval, tolerance } = args;
    let chain = context.chain().await?;
    let gateway = context.gateway(lease).await?;
    let bid = find_lease(&chain, lease).await?.bid;
    let key = context.home.lease(lease)?.session_key()?;
    let seen = Seen::load(&context.home, lease)?;
    let tolerance = Tolerance { fixed: Amount(tolerance), share: BasisPoints::ZERO };
    let signer = Countersigner {
        home: &context.home,
        chain: &chain,
        gateway: &gateway,
        key: &key,
        lease,
        bid: &bid,
        terms: Terms { tolerance, budget: None },
        observed: Some(seen.observed()),
    };
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
                // The provider asks for more with every second; for people it is the same refusal.
                if last_refusal.replace(refusal.reason) != Some(refusal.reason) {
                    say_refusal(context.output, &refusal)?;
                }
            }
            Ok(look) => {
                last_refusal = None;
                say(context.output, lease, &look)?;
            }
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
