//! The answers: own names from the directory, public ones from the provider's resolvers, and no others.

use std::{net::IpAddr, sync::Arc};

use hickory_resolver::proto::{
    op::{Query, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA},
    },
};

use super::{
    directory::Directory,
    limits::Slots,
    message::Reply,
    metrics::Outcome,
    names::{Meaning, Zones},
    upstream::{self, Answer, Upstream},
};
use crate::public_internet::PublicInternet;

/// How long an own name may be remembered: a Service may come back with another address.
const OWN_TTL: u32 = 5;
/// Questions to the internet that one lease, and all together, may wait for.
const WAITING_EACH: usize = 64;
const WAITING_ALL: usize = 4096;

/// Answers questions of known askers.
pub struct Names {
    directory: Directory,
    zones: Zones,
    internet: PublicInternet,
    upstream: Arc<dyn Upstream>,
    waiting: Slots<String>,
}

impl Names {
    /// Answers from these sources.
    pub fn new(
        directory: Directory,
        zones: Zones,
        internet: PublicInternet,
        upstream: Arc<dyn Upstream>,
    ) -> Self {
        Self { directory, zones, internet, upstream, waiting: Slots::new(WAITING_EACH, WAITING_ALL) }
    }

    /// The answer to a pod in a namespace.
    pub async fn answer(&self, namespace: &str, question: &Query) -> (Outcome, Reply) {
        match self.zones.meaning(&question.name, namespace) {
            Meaning::Service(service) => match self.directory.service(namespace, &service) {
                Some(addresses) => (Outcome::Own, own(question, &addresses)),
                None => absent(ResponseCode::NXDomain),
            },
            Meaning::Branch => absent(ResponseCode::NoError),
            Meaning::Absent => absent(ResponseCode::NXDomain),
            Meaning::Reverse(address) if !self.internet.contains(address) => absent(ResponseCode::NXDomain),
            Meaning::Reverse(_) | Meaning::Public => self.public(namespace, question).await,
        }
    }

    async fn public(&self, namespace: &str, question: &Query) -> (Outcome, Reply) {
        let Some(_slot) = self.waiting.take(&namespace.to_owned()) else {
            return (Outcome::Overloaded, Reply::empty(ResponseCode::ServFail));
        };
        let clean = |records| upstream::clean(records, &self.zones, &self.internet);
        match self.upstream.ask(question.clone()).await {
            Answer::Records(records) => {
                let answers = clean(records);
                (Outcome::Public, Reply { answers, ..Reply::empty(ResponseCode::NoError) })
            }
            Answer::None { code, authorities } => {
                (Outcome::Public, Reply { authorities: clean(authorities), ..Reply::empty(code) })
            }
            Answer::Failed => (Outcome::Failed, Reply::empty(ResponseCode::ServFail)),
        }
    }
}

fn absent(code: ResponseCode) -> (Outcome, Reply) {
    (Outcome::Absent, Reply { authoritative: true, ..Reply::empty(code) })
}

fn own(question: &Query, addresses: &[IpAddr]) -> Reply {
    let answers =
        addresses.iter().filter_map(|address| record(&question.name, question.query_type, *address));
    Reply { authoritative: true, answers: answers.collect(), ..Reply::empty(ResponseCode::NoError) }
}

fn record(name: &Name, kind: RecordType, address: IpAddr) -> Option<Record> {
    let data = match (kind, address) {
        (RecordType::A, IpAddr::V4(address)) => RData::A(A(address)),
        (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(AAAA(address)),
        _ => return None,
    };
    Some(Record::from_rdata(name.clone(), OWN_TTL, data))
}
