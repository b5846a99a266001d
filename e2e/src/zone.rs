//! A tenant's DNS zone: a name server with the TXT records that the tenant sets, and nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType, rdata::TXT};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Longest question; none of ours is near it.
const LONGEST: usize = 1_232;
/// How long others may keep an answer, seconds.
const TTL: u32 = 1;

/// The running name server. It ends when this is dropped.
#[derive(Debug)]
pub struct Zone {
    address: SocketAddr,
    records: Arc<Mutex<BTreeMap<String, String>>>,
    server: JoinHandle<()>,
}

impl Zone {
    /// Serves at a free port of an address of this machine.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn serve(address: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen for DNS questions at {address}"))?;
        let address = socket.local_addr()?;
        let records = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let server = tokio::spawn(answer_all(socket, Arc::clone(&records)));
        Ok(Self { address, records, server })
    }

    /// Where to ask.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets a TXT record; `name` is written in full, with its last dot.
    pub fn set(&self, name: &str, text: &str) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(name.to_owned(), text.to_owned());
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer_all(socket: UdpSocket, records: Arc<Mutex<BTreeMap<String, String>>>) {
    let mut buffer = [0; LONGEST];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                eprintln!("no DNS question could be read: {error}");
                return;
            }
        };
        let answered = answer(&buffer[..length], &records.lock().unwrap_or_else(PoisonError::into_inner));
        // What is no question gets no answer, and whoever asked asks again.
        let Some(answered) = answered else { continue };
        if let Err(error) = socket.send_to(&answered, from).await {
            eprintln!("no DNS answer could be sent to {from}: {error}");
        }
    }
}

fn answer(question: &[u8], records: &BTreeMap<String, String>) -> Option<Vec<u8>> {
    let mut message = Message::from_vec(question).ok()?.into_response();
    let query = message.queries.first()?.clone();
    match records.get(&query.name().to_utf8().to_ascii_lowercase()) {
        Some(text) if query.query_type() == RecordType::TXT => {
            let data = RData::TXT(TXT::new(vec![text.clone()]));
            message.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
        }
        Some(_) => {}
        None => message.metadata.response_code = ResponseCode::NXDomain,
    }
    message.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Name;

    use super::*;

    fn asked(name: &str) -> (ResponseCode, Vec<String>) {
        let records = BTreeMap::from([("_leasehold.shop.example.".to_owned(), "0x12".to_owned())]);
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::TXT));
        let answered = Message::from_vec(&answer(&question.to_vec().unwrap(), &records).unwrap()).unwrap();
        let texts = answered.answers.iter().map(|record| record.data.to_string()).collect();
        (answered.metadata.response_code, texts)
    }

    #[test]
    fn a_record_that_was_set_is_told_and_another_does_not_exist() {
        assert_eq!(asked("_leasehold.SHOP.example."), (ResponseCode::NoError, vec!["0x12".to_owned()]));
        assert_eq!(asked("_leasehold.other.example."), (ResponseCode::NXDomain, Vec::new()));
        assert_eq!(answer(b"nonsense", &BTreeMap::new()), None);
    }
}
