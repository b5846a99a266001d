//! `leasehold status`.

use alloy_primitives::{Address, B256};
use chain::rpc::At;
use gateway_api::LeaseStatus;
use market::{Lease, LeaseId, Timestamp, funded_until};
use serde::Serialize;

use super::list::state_name;
use super::provider::when;
use crate::context::{Context, find_lease};
use crate::output::{fields, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lease
    lease: LeaseId,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    lease_id: B256,
    provider: Address,
    state: &'static str,
    started_at: Option<u64>,
    end_at: u64,
    funded_until: Option<u64>,
    balance: String,
    paid: String,
    pending_claim: Option<String>,
    /// What the provider says; none if it could not be asked.
    provider_status: Option<LeaseStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_error: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> anyhow::Result<()> {
    let Args { lease: id } = args;
    let chain = context.chain().await?;
    let money = context.money(&chain).await?;
    find_lease(&chain, id).await?;
    let now = chain.block(At::Latest).await?.timestamp;
    let lease = chain.lease(id, At::Latest).await?;
    let (provider_status, provider_error) = match context.gateway(id).await {
        Ok(gateway) => match gateway.status(id).await {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(format!("{:#}", anyhow::Error::new(error)))),
        },
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let status = status(id, &lease, now, provider_status, provider_error);
    context.output.print(&status, |status| {
        let mut text = fields([
            ("lease", id.to_string()),
            ("provider", status.provider.to_string()),
            ("state", status.state.to_owned()),
            ("started", status.started_at.map_or("not yet".to_owned(), when)),
            (if status.started_at.is_some() { "ends" } else { "start by" }, when(status.end_at)),
            ("funded until", status.funded_until.map_or("-".to_owned(), when)),
            ("balance", money.show(lease.balance)),
            ("paid", money.show(lease.paid)),
        ]);
        text.push_str(&provider_text(status));
        text
    })
}

fn status(
    id: LeaseId,
    lease: &Lease,
    now: Timestamp,
    provider_status: Option<LeaseStatus>,
    provider_error: Option<String>,
) -> Status {
    Status {
        lease_id: id.0,
        provider: lease.provider,
        state: state_name(lease, now),
        started_at: lease.started_at.map(|at| at.0),
        end_at: lease.end_at.0,
        funded_until: funded_until(lease).map(|at| at.0),
        balance: lease.balance.to_string(),
        paid: lease.paid.to_string(),
        pending_claim: lease.pending.map(|claim| claim.cum.to_string()),
        provider_status,
        provider_error,
    }
}

fn provider_text(status: &Status) -> String {
    let Some(at_provider) = &status.provider_status else {
        return format!(
            "\nthe provider did not answer: {}",
            status.provider_error.as_deref().unwrap_or("unknown")
        );
    };
    let rows = at_provider.services.iter().map(|service| {
        let ports = service.ports.iter().map(|port| format!("{}/{}", port.port, port.protocol));
        [
            service.name.clone(),
            format!("{}/{}", service.ready_replicas, service.replicas),
            ports.collect::<Vec<_>>().join(","),
        ]
    });
    let services = table(["SERVICE", "READY", "PORTS"], rows);
    let hosts = hosts_text(at_provider);
    let trouble = trouble_text(at_provider);
    let message =
        if at_provider.message.is_empty() { String::new() } else { format!(" ({})", at_provider.message) };
    let message = printable(&message);
    format!("phase         {:?}{message}\n\n{services}{trouble}{hosts}", at_provider.phase)
}

/// What holds services up, and whose matter it is.
fn trouble_text(status: &LeaseStatus) -> String {
    let troubled = status.services.iter().filter_map(|service| Some((service, service.trouble.as_ref()?)));
    let rows: Vec<_> = troubled
        .map(|(service, trouble)| {
            [&service.name, &trouble.reason, &trouble.who, &trouble.message].map(|text| printable(text))
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", table(["SERVICE", "HELD UP BY", "WHOSE", "MESSAGE"], rows))
    }
}

/// Public hosts and where they lead, or what keeps them from it.
fn hosts_text(status: &LeaseStatus) -> String {
    let rows: Vec<_> = status
        .services
        .iter()
        .flat_map(|service| service.ports.iter().map(move |port| (service, port)))
        .flat_map(|(service, port)| port.hosts.iter().map(move |host| (service, port, host)))
        .map(|(service, port, host)| {
            [
                printable(&host.host),
                printable(&format!("{}:{}", service.name, port.port)),
                printable(&match &host.message {
                    Some(message) => format!("{}: {message}", host.reason),
                    None => host.reason.clone(),
                }),
            ]
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", table(["HOST", "LEADS TO", "STATE"], rows))
    }
}

/// A provider's text is a stranger's: control characters in it must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
