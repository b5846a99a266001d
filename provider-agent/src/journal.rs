//! The journal of transactions as one ConfigMap beside the `ComputeLease`s.
//!
//! What must survive an agent on any node is an object, not a file. The API server gives what a journal needs: a write is
//! durable when it is answered, and a write on an outdated version is refused. Each process enters itself as the
//! holder when it opens the journal; one that finds another holder there must not send any more.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{B256, Bytes};
use chain::{Journal, JournalEntry, JournalError, JournalFuture};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use serde::{Deserialize, Serialize};

/// Who may write, in the ConfigMap's data.
const HOLDER: &str = "holder";
/// What the name of each transaction's value begins with; its nonce follows.
const PREFIX: &str = "transaction-";
/// A ConfigMap holds 2^20 bytes; the rest is for what others put into its metadata.
const LIMIT: usize = 900_000;
/// How often a write that met another version is tried on the present one.
const ATTEMPTS: u32 = 5;
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// A value of the ConfigMap. `cast publish` takes `raw` as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    call: String,
    hashes: Vec<B256>,
    raw: Bytes,
}

/// The journal of one agent.
pub struct ConfigMapJournal {
    api: Api<ConfigMap>,
    name: String,
    /// This process, and no other.
    holder: String,
    /// The object as it was written or read last; none before it was opened.
    present: Option<ConfigMap>,
}

impl ConfigMapJournal {
    /// The journal in the ConfigMap `name`, which is made if there is none.
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            holder: B256::random().to_string(),
            present: None,
        }
    }

    async fn try_open(&mut self) -> Result<Vec<JournalEntry>, JournalError> {
        for _ in 0..ATTEMPTS {
            let found = bounded(self.api.get_opt(&self.name)).await?;
            let mut object = found.unwrap_or_else(|| empty(&self.name));
            let data = object.data.get_or_insert_default();
            let entries = read(data)?;
            data.insert(HOLDER.to_owned(), self.holder.clone());
            match self.put(object).await? {
                Put::Done => return Ok(entries),
                Put::Outdated => {}
            }
        }
        Err(JournalError::Unavailable("it is written by others all the time".into()))
    }

    async fn try_write(&mut self, entries: &[JournalEntry]) -> Result<(), JournalError> {
        let mut data = write(entries)?;
        let needed = data.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        if needed > LIMIT {
            return Err(JournalError::Full { needed, limit: LIMIT });
        }
        data.insert(HOLDER.to_owned(), self.holder.clone());
        let Some(mut object) = self.present.clone() else {
            return Err(JournalError::Unavailable("it was not opened".into()));
        };
        for _ in 0..ATTEMPTS {
            object.data = Some(data.clone());
            match self.put(object).await? {
                Put::Done => return Ok(()),
                Put::Outdated => {}
            }
            // An answer of ours that was lost, a label that somebody set, or another agent.
            object = bounded(self.api.get_opt(&self.name)).await?.unwrap_or_else(|| empty(&self.name));
            let is_new = object.metadata.resource_version.is_none();
            let holder = object.data.as_ref().and_then(|data| data.get(HOLDER));
            if !is_new && holder != Some(&self.holder) {
                return Err(JournalError::TakenOver);
            }
        }
        Err(JournalError::Unavailable("it is written by others all the time".into()))
    }

    /// Writes the object on the version that it was read at, or makes it.
    async fn put(&mut self, object: ConfigMap) -> Result<Put, JournalError> {
        let params = PostParams::default();
        let answer = if object.metadata.resource_version.is_some() {
            tokio::time::timeout(LONGEST_REQUEST, self.api.replace(&self.name, &params, &object)).await
        } else {
            tokio::time::timeout(LONGEST_REQUEST, self.api.create(&params, &object)).await
        };
        match answer {
            Ok(Ok(written)) => {
                self.present = Some(written);
                Ok(Put::Done)
            }
            // Somebody was faster, or deleted it.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(Put::Outdated),
            Ok(Err(error)) => Err(JournalError::Unavailable(Box::new(error))),
            Err(late) => Err(JournalError::Unavailable(Box::new(late))),
        }
    }
}

enum Put {
    Done,
    Outdated,
}

impl Journal for ConfigMapJournal {
    fn open(&mut self) -> JournalFuture<'_, Vec<JournalEntry>> {
        Box::pin(self.try_open())
    }

    fn write<'a>(&'a mut self, entries: &'a [JournalEntry]) -> JournalFuture<'a, ()> {
        Box::pin(self.try_write(entries))
    }
}

async fn bounded<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, JournalError> {
    match tokio::time::timeout(LONGEST_REQUEST, request).await {
        Ok(answer) => answer.map_err(|error| JournalError::Unavailable(Box::new(error))),
        Err(late) => Err(JournalError::Unavailable(Box::new(late))),
    }
}

fn empty(name: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    }
}

fn read(data: &BTreeMap<String, String>) -> Result<Vec<JournalEntry>, JournalError> {
    let malformed = |key: &str| JournalError::Malformed(format!("the value of {key}"));
    data.iter()
        .filter(|(key, _)| *key != HOLDER)
        .map(|(key, value)| {
            let nonce = key.strip_prefix(PREFIX).and_then(|nonce| nonce.parse().ok());
            let nonce = nonce.ok_or_else(|| malformed(key))?;
            let Written { call, hashes, raw } = serde_json::from_str(value).map_err(|_| malformed(key))?;
            Ok(JournalEntry { nonce, call, hashes, raw })
        })
        .collect()
}

fn write(entries: &[JournalEntry]) -> Result<BTreeMap<String, String>, JournalError> {
    entries
        .iter()
        .map(|entry| {
            let JournalEntry { nonce, call, hashes, raw } = entry.clone();
            let value = serde_json::to_string(&Written { call, hashes, raw });
            Ok((
                format!("{PREFIX}{nonce}"),
                value.map_err(|error| JournalError::Unavailable(Box::new(error)))?,
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::{Value, json};
    use testkit::mock_api::MockApi;

    use super::*;

    const PATH: &str = "/api/v1/namespaces/system/configmaps/journal";

    fn journal(api: &MockApi) -> ConfigMapJournal {
        ConfigMapJournal::new(api.client(), "system", "journal")
    }

    fn entry(nonce: u64) -> JournalEntry {
        JournalEntry {
            nonce,
            call: "settle".into(),
            hashes: vec![B256::repeat_byte(1), B256::repeat_byte(2)],
            raw: vec![3, 4].into(),
        }
    }

    fn data(api: &MockApi) -> Value {
        api.find(PATH).expect("there is no journal")["data"].take()
    }

    #[tokio::test]
    async fn what_is_written_is_read_by_the_next_process() {
        let api = MockApi::new();
        let mut first = journal(&api);
        assert_eq!(first.open().await.unwrap(), vec![]);
        first.write(&[entry(8), entry(9)]).await.unwrap();
        first.write(&[entry(9)]).await.unwrap();
        let value = "{\"call\":\"settle\",\"hashes\":[\"0x0101010101010101010101010101010101010101010101010101010101010101\",\
                     \"0x0202020202020202020202020202020202020202020202020202020202020202\"],\"raw\":\"0x0304\"}";
        assert_eq!(data(&api), json!({ "holder": first.holder, "transaction-9": value }));
        let mut second = journal(&api);
        assert_eq!(second.open().await.unwrap(), vec![entry(9)]);
        assert_eq!(data(&api)["holder"], second.holder);
    }

    #[tokio::test]
    async fn a_process_whose_journal_another_one_opened_cannot_write() {
        let api = MockApi::new();
        let (mut first, mut second) = (journal(&api), journal(&api));
        first.open().await.unwrap();
        second.open().await.unwrap();
        assert!(matches!(first.write(&[entry(1)]).await, Err(JournalError::TakenOver)));
        second.write(&[entry(2)]).await.unwrap();
        assert!(matches!(first.write(&[]).await, Err(JournalError::TakenOver)));
        assert_eq!(journal(&api).open().await.unwrap(), vec![entry(2)]);
    }

    #[tokio::test]
    async fn a_change_by_somebody_else_who_is_no_agent_is_kept_and_does_no_harm() {
        let api = MockApi::new();
        let mut journal = journal(&api);
        journal.open().await.unwrap();
        let mut object = api.find(PATH).unwrap();
        object["metadata"]["labels"] = json!({ "team": "cloud" });
        api.insert(PATH, object);
        journal.write(&[entry(1)]).await.unwrap();
        assert_eq!(api.find(PATH).unwrap()["metadata"]["labels"], json!({ "team": "cloud" }));
    }

    #[tokio::test]
    async fn a_deleted_journal_comes_back_with_the_next_write() {
        let api = MockApi::new();
        let mut first = journal(&api);
        first.open().await.unwrap();
        api.remove(PATH);
        first.write(&[entry(1)]).await.unwrap();
        assert_eq!(journal(&api).open().await.unwrap(), vec![entry(1)]);
    }

    #[tokio::test]
    async fn a_refusal_is_told_and_the_next_write_holds_everything() {
        let api = MockApi::new();
        let mut journal = journal(&api);
        journal.open().await.unwrap();
        api.fail_next("PUT", "/journal", StatusCode::INTERNAL_SERVER_ERROR);
        assert!(matches!(journal.write(&[entry(1)]).await, Err(JournalError::Unavailable(_))));
        journal.write(&[entry(1), entry(2)]).await.unwrap();
        assert_eq!(self::journal(&api).open().await.unwrap(), vec![entry(1), entry(2)]);
    }

    #[tokio::test]
    async fn more_than_a_config_map_holds_is_refused_before_it_is_asked() {
        let api = MockApi::new();
        let mut journal = journal(&api);
        journal.open().await.unwrap();
        let large = JournalEntry { raw: vec![0; LIMIT / 2].into(), ..entry(1) };
        let before = api.find(PATH);
        assert!(matches!(journal.write(&[large]).await, Err(JournalError::Full { limit: LIMIT, .. })));
        assert_eq!(api.find(PATH), before);
    }

    #[tokio::test]
    async fn what_is_no_journal_is_left_alone() {
        let api = MockApi::new();
        for (key, value) in [("transaction-x", "{}"), ("transaction-1", "{}"), ("notes", "{}")] {
            let object = json!({ "metadata": { "name": "journal" }, "data": { key: value } });
            api.insert(PATH, object);
            let error = journal(&api).open().await.unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("the journal of transactions cannot be read: the value of {key}")
            );
            assert_eq!(data(&api), json!({ key: value }));
        }
    }
}
