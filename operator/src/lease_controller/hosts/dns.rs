//! Reads TXT records from the provider's resolvers. Answers are not cached here: a tenant who sets a record wants it seen.

use std::net::SocketAddr;

use futures::{FutureExt, future::BoxFuture};
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{op::ResponseCode, rr::RData},
};
use tokio::time::Duration;

use super::proofs::{Answer, ReadTexts};

/// Time for one try of one name server.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Texts of one name that are looked at, and bytes of each: a zone may hold anything.
const MOST_TEXTS: usize = 64;
const LONGEST_TEXT: usize = 512;

/// The resolver could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the resolver for host proofs")]
pub struct Error(#[source] NetError);

/// A resolver of public names.
pub struct Dns(TokioResolver);

impl Dns {
    /// Asks these servers, or the machine's own if there are none.
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
        options.attempts = 2;
        options.cache_size = 0;
        options.use_hosts_file = ResolveHosts::Never;
        builder.build().map(Self).map_err(Error)
    }
}

impl ReadTexts for Dns {
    fn read(&self, name: String) -> BoxFuture<'_, Answer> {
        async move {
            match self.0.txt_lookup(name.as_str()).await {
                Ok(found) => Answer::Texts(
                    found
                        .answers()
                        .iter()
                        .filter_map(|record| match &record.data {
                            RData::TXT(text) => Some(text.txt_data.concat()),
                            _ => None,
                        })
                        .filter(|text| text.len() <= LONGEST_TEXT)
                        .take(MOST_TEXTS)
                        .filter_map(|text| String::from_utf8(text).ok())
                        .collect(),
                ),
                Err(error) if says_none(&error) => Answer::None,
                Err(error) => {
                    tracing::debug!(name, error = &error as &dyn std::error::Error, "no answer about a host");
                    Answer::Failed
                }
            }
        }
        .boxed()
    }
}

/// Whether an authority said that there is no such record, and not merely that something went wrong.
fn says_none(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
        }
        _ => false,
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::{
        op::Message,
        rr::{Record, rdata::TXT},
    };
    use tokio::net::UdpSocket;

    use super::*;

    /// Answers by name: two texts, none, or a failure.
    async fn serve(socket: UdpSocket) {
        let mut buffer = [0; 1_024];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let mut message = Message::from_vec(&buffer[..length]).unwrap().into_response();
            let name = message.queries[0].name().clone();
            message.metadata.response_code = match name.to_utf8().as_str() {
                "_leasehold.shop.example.com." => {
                    for texts in [vec!["v=spf1 -all".to_owned()], vec!["0x12".to_owned(), "34".to_owned()]] {
                        message.add_answer(Record::from_rdata(name.clone(), 60, RData::TXT(TXT::new(texts))));
                    }
                    ResponseCode::NoError
                }
                "_leasehold.broken.example.com." => ResponseCode::ServFail,
                _ => ResponseCode::NXDomain,
            };
            socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    }

    #[tokio::test]
    async fn texts_absence_and_failure_are_told_apart() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let dns = Dns::new(&[socket.local_addr().unwrap()]).unwrap();
        let serving = tokio::spawn(serve(socket));
        let mut answers = Vec::new();
        for name in ["shop", "gone", "broken"] {
            answers.push(dns.read(super::super::proofs::record_name(&format!("{name}.example.com"))).await);
        }
        serving.abort();
        let texts = ["v=spf1 -all", "0x1234"].map(str::to_owned).into();
        assert_eq!(answers, [Answer::Texts(texts), Answer::None, Answer::Failed]);
    }
}
