//! Flags of `operator dns`, and what belongs to its process.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    str::FromStr,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Parser;
use kube::Client;

use super::process::ProcessArgs;
use crate::{
    client::Rate,
    dns::{
        metrics::DnsMetrics,
        names::{Domain, Zones},
        run::NameServer,
        server::Sockets,
        upstream::{NoResolvers, Resolvers, Upstream},
    },
    public_internet::PublicInternet,
    settings::Cidr,
};

/// Crates that log names.
const TALKATIVE: [&str; 3] = ["hickory_net", "hickory_proto", "hickory_resolver"];
/// Port of name servers.
const PORT: u16 = 53;

/// Flags of `operator dns`.
#[derive(Debug, Parser)]
pub(super) struct DnsArgs {
    /// Address of the questions, by UDP and TCP.
    #[arg(long, default_value = "0.0.0.0:5353")]
    listen: SocketAddr,
    /// Domain of the cluster.
    #[arg(long, default_value = "cluster.local")]
    cluster_domain: Domain,
    /// Resolvers of public names, IP or IP:PORT; those of the pod's /etc/resolv.conf if left out.
    #[arg(long = "upstream", value_delimiter = ',')]
    upstreams: Vec<UpstreamAddress>,
    /// Domains that tenants may not ask for although the resolvers know them.
    #[arg(long, value_delimiter = ',')]
    private_domains: Vec<Domain>,
    /// Blocks that no answer may lead to although they look public: pod, service and node networks, the API server.
    #[arg(long, value_delimiter = ',')]
    public_egress_deny: Vec<Cidr>,
    /// Questions of one pod per second in the long run.
    #[arg(long, default_value = "50")]
    queries_per_second: NonZeroU32,
    /// Questions of one pod at once after a quiet time.
    #[arg(long, default_value = "200")]
    query_burst: NonZeroU32,
    #[command(flatten)]
    process: ProcessArgs,
}

/// Address of a resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UpstreamAddress(SocketAddr);

/// Not an address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address such as 192.0.2.53 or 192.0.2.53:5353")]
struct ParseUpstreamAddress {
    text: String,
}

impl FromStr for UpstreamAddress {
    type Err = ParseUpstreamAddress;

    fn from_str(text: &str) -> Result<Self, ParseUpstreamAddress> {
        let bare = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, PORT));
        let address = bare.or_else(|_| text.parse::<SocketAddr>());
        address.map(Self).map_err(|_| ParseUpstreamAddress { text: text.to_owned() })
    }
}

impl DnsArgs {
    /// Answers until SIGTERM.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self {
            listen,
            cluster_domain,
            upstreams,
            private_domains,
            public_egress_deny,
            queries_per_second,
            query_burst,
            process,
        } = self;
        let process = process.without_logs_of(&TALKATIVE).start().await?;
        let upstreams: Vec<SocketAddr> = upstreams.into_iter().map(|address| address.0).collect();
        let upstream: Arc<dyn Upstream> = match Resolvers::new(&upstreams) {
            Ok(resolvers) => Arc::new(resolvers),
            // Leases need their own names more than all others.
            Err(error) if upstreams.is_empty() => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the node has no resolvers, so no public name is answered");
                Arc::new(NoResolvers)
            }
            Err(error) => return Err(error.into()),
        };
        let server = NameServer {
            client: Client::try_default().await.context("failed to find a cluster")?,
            watch_times: process.watch_times,
            sockets: Sockets::bind(listen).await?,
            upstream,
            zones: Zones { cluster: cluster_domain, private: private_domains },
            internet: PublicInternet::without(public_egress_deny),
            rate: Rate { per_second: queries_per_second, burst: query_burst },
            metrics: DnsMetrics::register(&process.registry).context("failed to register metrics")?,
        };
        server.run(&process.health, process.shutdown.clone()).await?;
        process.end().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_an_address_with_or_without_a_port() {
        for (text, address) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(text.parse(), Ok(UpstreamAddress(address.parse().unwrap())));
        }
        for text in ["", "dns.example", "192.0.2.53:x"] {
            assert_eq!(text.parse::<UpstreamAddress>(), Err(ParseUpstreamAddress { text: text.to_owned() }));
        }
    }
}
