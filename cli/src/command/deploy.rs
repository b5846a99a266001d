//! `leasehold deploy`: order, choose, open, upload, wait until it runs.
//!
//! Nothing is lost if the command is killed at any point. Before `openLease` no money moves but into the tenant's own
//! account; the lease's record is on the disk before `openLease` is sent; afterwards `--resume LEASE` goes on.

mod follow;
mod offers;
mod order;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use market::{Amount, LeaseId, LeaseState};
use serde::Serialize;

use crate::context::Context;
use crate::exit::{Kind, Stop};
use crate::manifest_file::VariableArgs;
use crate::output::fields;
use crate::progress::Progress;
use offers::RefusedBid;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The manifest
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    file: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    terms: Terms,
    /// Go on with a lease that was opened, after this command was interrupted
    #[arg(long, value_name = "LEASE")]
    resume: Option<LeaseId>,
    /// Seconds to wait until the workload is ready
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    ready_timeout: u64,
}

/// What the tenant is willing to pay.
#[derive(Debug, clap::Args)]
struct Terms {
    /// Tokens to lock in the lease; what the account lacks is moved from the wallet first
    #[arg(long, value_name = "AMOUNT", conflicts_with = "amount")]
    deposit: Option<String>,
    /// Tokens to lock in the lease, out of the account alone
    #[arg(long, value_name = "AMOUNT")]
    amount: Option<String>,
    /// Most tokens per hour [default: the locked tokens over the manifest's duration]
    #[arg(long, value_name = "AMOUNT")]
    max_rate: Option<String>,
    /// Let this account decide disputes, if a bid names it; may be given several times [default: nobody]
    #[arg(long, value_name = "ADDRESS")]
    arbiter: Vec<Address>,
    /// Seconds to collect bids
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    bid_window: u64,
    /// Accept the first acceptable bid instead of the cheapest within the window
    #[arg(long)]
    first_bid: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deployed {
    lease_id: B256,
    order_hash: B256,
    provider: Address,
    gateway: String,
    started_at: u64,
    end_at: u64,
    /// Highest rate, millionths of a base unit per second.
    rate_cap_e6: String,
    /// Locked in the lease, base units.
    balance: String,
    refused_bids: Vec<RefusedBid>,
    transactions: BTreeMap<&'static str, B256>,
    /// Seconds since the command began.
    timings: BTreeMap<&'static str, f64>,
}

/// What the steps leave behind for the report.
struct Trail {
    progress: Progress,
    transactions: BTreeMap<&'static str, B256>,
    refused: Vec<RefusedBid>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { file, variables, terms, resume, ready_timeout } = args;
    let mut trail = Trail { progress: Progress::new(), transactions: BTreeMap::new(), refused: Vec::new() };
    let lease = match (file, resume) {
        (_, Some(lease)) => lease,
        (Some(file), None) => order::open(context, &file, &variables, &terms, &mut trail).await?,
        (None, None) => return Err(Stop::new(Kind::Usage, "give a manifest").into()),
    };
    follow::until_ready(context, lease, Duration::from_secs(ready_timeout), &mut trail.progress).await?;
    report(context, lease, trail).await
}

async fn report(context: &Context, id: LeaseId, trail: Trail) -> anyhow::Result<()> {
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let record = context.home.lease(id)?;
    let lease = chain.lease(id, At::Latest).await?;
    if lease.state != LeaseState::Active {
        return Err(Stop::new(Kind::TimedOut, "the lease ended again before it was reported").into());
    }
    let Trail { progress, transactions, refused } = trail;
    let deployed = Deployed {
        lease_id: id.0,
        order_hash: record.order_hash,
        provider: lease.provider,
        gateway: record.gateway,
        started_at: lease.started_at.map_or(0, |at| at.0),
        end_at: lease.end_at.0,
        rate_cap_e6: lease.rate_cap_e6.to_string(),
        balance: lease.balance.to_string(),
        refused_bids: refused,
        transactions,
        timings: progress.timings(),
    };
    drop(progress);
    context.output.print(&deployed, |deployed| {
        let text = fields([
            ("lease", id.to_string()),
            ("provider", deployed.provider.to_string()),
            ("locked", money.show(lease.balance)),
            ("at most", money.show_rate(lease.rate_cap_e6)),
            ("ends", super::provider::when(deployed.end_at)),
        ]);
        format!(
            "{text}\n`leasehold agent` signs what the providers of your leases ask for while they run.\n\
             leasehold forward {id} SERVICE   reaches a service\nleasehold close {id}             ends it\n"
        )
    })
}

/// An amount that is locked for this lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    /// Out of the account alone.
    FromAccount(Amount),
    /// Out of the account, with what it lacks from the wallet.
    FromWallet(Amount),
}

impl Lock {
    fn amount(self) -> Amount {
        match self {
            Lock::FromAccount(amount) | Lock::FromWallet(amount) => amount,
        }
    }
}
