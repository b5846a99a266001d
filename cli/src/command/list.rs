//! `leasehold list`.

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use market::{Lease, LeaseState};
use serde::Serialize;

use crate::context::Context;
use crate::output::table;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Another tenant than the key's address
    #[arg(long, value_name = "ADDRESS")]
    tenant: Option<Address>,
    /// Closed leases too
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    lease_id: B256,
    name: String,
    provider: Address,
    state: &'static str,
    balance: String,
    paid: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let tenant = match args.tenant {
        Some(tenant) => tenant,
        None => context.key()?.address(),
    };
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    let opened = chain.leases_of_tenant(tenant).await?;
    let now = chain.block(At::Latest).await?.timestamp;
    let mut rows = Vec::new();
    // The contract answers for many leases at once, but a node bounds the gas of a call.
    for chunk in opened.chunks(200) {
        let ids: Vec<_> = chunk.iter().map(|lease| lease.lease_id).collect();
        for (id, lease) in ids.iter().zip(chain.get_leases(&ids, At::Latest).await?) {
            if lease.state == LeaseState::Closed && !args.all {
                continue;
            }
            let name = context.home.find_lease(*id)?.map(|record| record.name).unwrap_or_default();
            rows.push(Row {
                lease_id: id.0,
                name,
                provider: lease.provider,
                state: state_name(&lease, now),
                balance: lease.balance.to_string(),
                paid: lease.paid.to_string(),
            });
        }
    }
    context.output.print(&rows, |rows| {
        let show = |text: &str| text.parse().map_or_else(|_| text.to_owned(), |amount| money.show(amount));
        table(
            ["LEASE", "NAME", "STATE", "BALANCE", "PAID", "PROVIDER"],
            rows.iter().map(|row| {
                [
                    row.lease_id.to_string(),
                    row.name.clone(),
                    row.state.to_owned(),
                    show(&row.balance),
                    show(&row.paid),
                    row.provider.to_string(),
                ]
            }),
        )
    })
}

/// The chain's state in a word; an active lease past its end is ending.
pub(crate) fn state_name(lease: &Lease, now: market::Timestamp) -> &'static str {
    match lease.state {
        LeaseState::None => "none",
        LeaseState::Open => "open",
        LeaseState::Active if now >= lease.end_at => "ending",
        LeaseState::Active => "active",
        LeaseState::Disputed => "disputed",
        LeaseState::Closed => "closed",
    }
}
