//! The provider's resolvers, asked for names of the internet, and what of their answers a tenant may see.

use std::{net::SocketAddr, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::{Query, ResponseCode},
        rr::{
            RData, Record,
            rdata::{
                SVCB,
                svcb::{IpHint, SvcParamValue},
            },
        },
    },
};

use super::{
    message,
    names::{Meaning, Zones},
};
use crate::public_internet::PublicInternet;

/// Time for one try of one resolver; there is one more try.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Time for all of it: less than the five seconds that libraries wait.
const PATIENCE: Duration = Duration::from_secs(4);
/// Answers that are kept.
const KEPT: u64 = 10_000;
/// How long at most they are kept, and how long that there is none.
const LONGEST_KEPT: Duration = Duration::from_secs(3600);
const LONGEST_MISSED: Duration = Duration::from_secs(60);
/// Questions at once in one connection to a resolver.
const AT_ONCE: usize = 4096;

/// What a resolver said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Records, with the aliases that led to them.
    Records(Vec<Record>),
    /// No such name, or no such records.
    None {
        /// Which of the two.
        code: ResponseCode,
        /// How long that will stay so.
        authorities: Vec<Record>,
    },
    /// Nothing that can be relied on.
    Failed,
}

/// Whoever knows the names of the internet.
pub trait Upstream: Send + Sync {
    /// Answers a question for a full name.
    fn ask(&self, question: Query) -> BoxFuture<'_, Answer>;
}

/// The resolvers could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the resolvers of the internet's names")]
pub struct Error(#[source] NetError);

/// Resolvers, with a small memory.
pub struct Resolvers(TokioResolver);

impl Resolvers {
    /// Asks these servers, or those of the pod's `/etc/resolv.conf` if there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, Error> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(Error)?
        } else {
            let servers = servers.iter().map(|address| name_server(*address)).collect();
            Resolver::builder_with_config(
                ResolverConfig::from_name_servers(servers),
                TokioRuntimeProvider::default(),
            )
        };
        let options = builder.options_mut();
        options.timeout = TIMEOUT;
        options.attempts = 1;
        options.cache_size = KEPT;
        options.positive_max_ttl = Some(LONGEST_KEPT);
        options.negative_max_ttl = Some(LONGEST_MISSED);
        options.use_hosts_file = ResolveHosts::Never;
        options.preserve_intermediates = true;
        options.max_active_requests = AT_ONCE;
        builder.build().map(Self).map_err(Error)
    }
}

/// The internet of a provider whose nodes know no resolvers: leases still find their own names.
pub struct NoResolvers;

impl Upstream for NoResolvers {
    fn ask(&self, _: Query) -> BoxFuture<'_, Answer> {
        std::future::ready(Answer::Failed).boxed()
    }
}

impl Upstream for Resolvers {
    fn ask(&self, question: Query) -> BoxFuture<'_, Answer> {
        async move {
            let mut name = question.name;
            // Without this the provider's own search list would be tried.
            name.set_fqdn(true);
            match tokio::time::timeout(PATIENCE, self.0.lookup(name, question.query_type)).await {
                Ok(Ok(found)) => Answer::Records(found.answers().to_vec()),
                Ok(Err(NetError::Dns(DnsError::NoRecordsFound(none)))) => match none.response_code {
                    code @ (ResponseCode::NXDomain | ResponseCode::NoError) => Answer::None {
                        code,
                        authorities: none
                            .soa
                            .map(|soa| Record::from_rdata(soa.name, soa.ttl, RData::SOA(soa.data)))
                            .into_iter()
                            .collect(),
                    },
                    _ => Answer::Failed,
                },
                // What went wrong may name what was asked, which is nobody's business.
                Ok(Err(_)) | Err(_) => Answer::Failed,
            }
        }
        .boxed()
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

/// Takes out what leads to, or tells of, anything but the internet: a tenant may own a zone and write into it what he likes,
/// and a resolver may serve the provider's office as well.
pub fn clean(records: Vec<Record>, zones: &Zones, internet: &PublicInternet) -> Vec<Record> {
    records.into_iter().filter(|record| is_public(record, zones, internet)).collect()
}

fn is_public(record: &Record, zones: &Zones, internet: &PublicInternet) -> bool {
    let named = match zones.meaning(&record.name, "") {
        Meaning::Public => true,
        Meaning::Reverse(address) => internet.contains(address),
        Meaning::Service(_) | Meaning::Branch | Meaning::Absent => false,
    };
    let leads = match &record.data {
        RData::A(address) => internet.contains(address.0.into()),
        RData::AAAA(address) => internet.contains(address.0.into()),
        RData::HTTPS(service) => hints_are_public(service, internet),
        RData::SVCB(service) => hints_are_public(service, internet),
        data => message::is_answered(data.record_type()),
    };
    named && leads
}

/// A hint is an address in all but name.
fn hints_are_public(service: &SVCB, internet: &PublicInternet) -> bool {
    service.svc_params.iter().all(|(_, value)| match value {
        SvcParamValue::Ipv4Hint(IpHint(hints)) => hints.iter().all(|hint| internet.contains(hint.0.into())),
        SvcParamValue::Ipv6Hint(IpHint(hints)) => hints.iter().all(|hint| internet.contains(hint.0.into())),
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::{
        Name,
        rdata::{A, AAAA, CNAME, HTTPS, MX, NULL, PTR, svcb::SvcParamKey},
    };

    use super::*;

    fn record(name: &str, data: RData) -> Record {
        Record::from_rdata(Name::from_ascii(name).unwrap(), 60, data)
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn a(text: &str) -> RData {
        RData::A(A(text.parse().unwrap()))
    }

    fn aaaa(text: &str) -> RData {
        RData::AAAA(AAAA(text.parse().unwrap()))
    }

    fn hinted(address: &str) -> RData {
        let hint = match address.parse().unwrap() {
            std::net::IpAddr::V4(address) => {
                (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A(address)])))
            }
            std::net::IpAddr::V6(address) => {
                (SvcParamKey::Ipv6Hint, SvcParamValue::Ipv6Hint(IpHint(vec![AAAA(address)])))
            }
        };
        RData::HTTPS(HTTPS(SVCB::new(1, Name::root(), vec![hint])))
    }

    #[test]
    fn what_does_not_lead_to_the_internet_is_taken_out() {
        let zones = Zones { cluster: "cluster.local".parse().unwrap(), private: Vec::new() };
        let internet = PublicInternet::without(vec!["8.8.8.0/24".parse().unwrap()]);
        let kept = [
            record("www.example.com.", RData::CNAME(CNAME(name("cdn.example.net.")))),
            record("cdn.example.net.", a("1.1.1.1")),
            record("cdn.example.net.", aaaa("2606:4700::1")),
            record("example.com.", RData::MX(MX::new(10, name("mx.example.com.")))),
            record("1.1.1.1.in-addr.arpa.", RData::PTR(PTR(name("one.example.")))),
            record("example.com.", hinted("1.1.1.1")),
        ];
        let dropped = [
            record("rebind.example.com.", a("10.0.0.1")),
            record("rebind.example.com.", a("127.0.0.1")),
            record("rebind.example.com.", a("169.254.169.254")),
            record("rebind.example.com.", a("100.100.100.200")),
            record("rebind.example.com.", a("8.8.8.8")),
            record("rebind.example.com.", aaaa("::1")),
            record("rebind.example.com.", aaaa("fd00::1")),
            record("rebind.example.com.", aaaa("::ffff:10.0.0.1")),
            record("rebind.example.com.", aaaa("64:ff9b::a00:1")),
            record("example.com.", hinted("10.0.0.1")),
            record("example.com.", hinted("fd00::1")),
            record("db.lease.svc.cluster.local.", a("1.1.1.1")),
            record("wiki.corp.", a("1.1.1.1")),
            record("1.0.0.10.in-addr.arpa.", RData::PTR(PTR(name("node.example.")))),
            record("example.com.", RData::NULL(NULL::with(vec![1]))),
        ];
        assert_eq!(clean(kept.to_vec(), &zones, &internet), kept);
        assert_eq!(clean(dropped.to_vec(), &zones, &internet), []);
    }
}
